"""Rows into tables, by statements that are planned once.

A batch of a thousand rows takes DuckDB less time to append than its INSERT takes to plan. So each statement is prepared
when the store is opened, over a source that stands for the whole life of the store and hands out other Arrow tables
each time it is read.

The tables of a batch are made while DuckDB reads them: one of its threads asks for the next piece, which holds the
interpreter, while another appends the piece before it, which does not. So making rows and appending them share two
processors without a thread of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from katydid.streams.store.rollup import ACTIVITY_OF_HOURS, EFFORT_OF_HOURS, UNDONE_EFFORT_OF_HOURS
from katydid.streams.store.rows import ARROW_SCHEMAS

_ROLL_UPS = {"outcome": EFFORT_OF_HOURS, "detection": ACTIVITY_OF_HOURS}

_KNOWN = "SELECT capture_id FROM outcome SEMI JOIN {asked} USING (capture_id) WHERE capture_id BETWEEN ? AND ?"
_REFUSED = "status = 'refused' AND list_contains($1, capture_id) AND capture_id BETWEEN $2 AND $3"
_ASKED = pa.schema([("capture_id", pa.string())])


class Feed:
    """Stands in DuckDB's catalogue under one name; reading it reads the tables that were put in last."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._tables: Iterable[pa.Table] = ()
        self._failure: Exception | None = None

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return pa.RecordBatchReader.from_batches(self._schema, self._batches()).__arrow_c_stream__(requested_schema)

    @contextmanager
    def holding(self, tables: Iterable[pa.Table]) -> Iterator[None]:
        """What is read inside; an error in making a table comes out as it was, not as DuckDB's words about it."""
        self._tables, self._failure = tables, None
        try:
            yield
        except duckdb.Error as error:
            if self._failure is not None:
                raise self._failure from error
            raise
        finally:
            self._tables = ()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for table in self._tables:
                yield from table.to_batches()
        except Exception as error:
            self._failure = error  # DuckDB keeps its text only.
            raise


class Appender:
    """Appends batches to the tables of one connection, with their sums for the hourly roll-up."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._feeds: dict[str, Feed] = {}
        for table, schema in ARROW_SCHEMAS.items():
            self._feeds[table] = self._stand(f"fed_{table}", schema)
            columns = ", ".join(f'"{name}"' for name in schema.names)
            self._prepare(f"append_{table}", f"INSERT INTO {table} ({columns}) SELECT {columns} FROM fed_{table}")
            if table in _ROLL_UPS:
                self._prepare(f"sum_{table}", _ROLL_UPS[table].format(rows=f"fed_{table}"))
        self._asked = self._stand("fed_asked", _ASKED)

    def append(self, table: str, pieces: Iterable[pa.Table]) -> list[pa.Table]:
        """Append the pieces, made as they are read, and their sums to the roll-up of that table, in the caller's
        transaction; returns the pieces. In which order they come to lie in the table is not said."""
        made: list[pa.Table] = []
        self._execute(table, f"append_{table}", _kept(pieces, made))
        if table in _ROLL_UPS and any(piece.num_rows for piece in made):
            self._execute(table, f"sum_{table}", made)
        return made

    def _execute(self, table: str, statement: str, pieces: Iterable[pa.Table]) -> None:
        with self._feeds[table].holding(pieces):
            self._connection.execute(f"EXECUTE {statement}")

    def known_between(self, capture_ids: Sequence[str]) -> set[str]:
        """Those of the ids that are in the store; read are the rows from the first of them to the last."""
        asked = pa.table([pa.array(capture_ids, pa.string())], schema=_ASKED)
        bounds = [min(capture_ids), max(capture_ids)]
        with self._asked.holding([asked]):
            found = self._connection.execute(_KNOWN.format(asked="fed_asked"), bounds).fetchall()
        return {capture_id for (capture_id,) in found}

    def holds_above(self, capture_id: str) -> bool:
        """Whether the store holds a greater id."""
        found = self._connection.execute("SELECT 1 FROM outcome WHERE capture_id > ? LIMIT 1", [capture_id]).fetchone()
        return found is not None

    def take_back_refused(self, capture_ids: Sequence[str]) -> set[str]:
        """Take those of the ids whose outcome is a refusal out of the store and out of its sums, in the caller's
        transaction: their media can be used after all. Returns which they were."""
        if not capture_ids:
            return set()
        asked = [list(capture_ids), min(capture_ids), max(capture_ids)]
        found = self._connection.execute(f"SELECT capture_id FROM outcome WHERE {_REFUSED}", asked).fetchall()
        if found:
            self._connection.execute(UNDONE_EFFORT_OF_HOURS.format(which=_REFUSED), asked)
            self._connection.execute(f"DELETE FROM outcome WHERE {_REFUSED}", asked)
        return {capture_id for (capture_id,) in found}

    def _stand(self, name: str, schema: pa.Schema) -> Feed:
        feed = Feed(schema)
        self._connection.register(name, feed)
        return feed

    def _prepare(self, name: str, statement: str) -> None:
        self._connection.execute(f"PREPARE {name} AS {statement}")


def _kept(pieces: Iterable[pa.Table], kept: list[pa.Table]) -> Iterator[pa.Table]:
    for piece in pieces:
        kept.append(piece)
        yield piece


def known_between(connection: duckdb.DuckDBPyConnection, capture_ids: Sequence[str]) -> set[str]:
    """Those of the ids that are in the store; read are the rows from the first of them to the last."""
    connection.register("asked", pa.table({"capture_id": pa.array(capture_ids, pa.string())}))
    try:
        bounds = [min(capture_ids), max(capture_ids)]
        found = connection.execute(_KNOWN.format(asked="asked"), bounds).fetchall()
    finally:
        connection.unregister("asked")
    return {capture_id for (capture_id,) in found}
