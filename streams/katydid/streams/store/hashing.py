"""A digest of everything that a store holds, independent of when and in which order it was written."""

from __future__ import annotations

import hashlib

import duckdb
import msgspec

from katydid.streams.store.rows import DETECTION_COLUMNS, OUTCOME_COLUMNS

_ROWS_AT_ONCE = 10_000


def content_hash(connection: duckdb.DuckDBPyConnection) -> str:
    """64 hexadecimal digits over every value of every outcome and detection, sorted by their ids."""
    digest = hashlib.blake2b(digest_size=32)
    encode = msgspec.msgpack.Encoder().encode
    for table, columns, order in (
        ("outcome", OUTCOME_COLUMNS, "capture_id"),
        ("detection", DETECTION_COLUMNS, "capture_id, ordinal, detection_id"),
    ):
        names = ", ".join(
            f"epoch_ns({column.name})" if column.name == "captured_at" else f'"{column.name}"' for column in columns
        )
        connection.execute(f"SELECT {names} FROM {table} ORDER BY {order}")
        while rows := connection.fetchmany(_ROWS_AT_ONCE):
            for row in rows:
                digest.update(encode(row))
        digest.update(b"/")
    return digest.hexdigest()


def occurrence_hash(connection: duckdb.DuckDBPyConnection) -> str:
    """64 hexadecimal digits over every value of every occurrence, sorted by their ids."""
    digest = hashlib.blake2b(digest_size=32)
    encode = msgspec.msgpack.Encoder().encode
    connection.execute(
        "SELECT * REPLACE (epoch_ns(first_seen) AS first_seen, epoch_ns(last_seen) AS last_seen) FROM occurrence "
        "ORDER BY occurrence_id"
    )
    while rows := connection.fetchmany(_ROWS_AT_ONCE):
        for row in rows:
            digest.update(encode(row))
    return digest.hexdigest()
