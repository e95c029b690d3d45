"""Rows into tables, by statements that are planned once.

A batch of a thousand rows takes DuckDB less time to append than its INSERT takes to plan. So each statement is prepared
when the store is opened, over a source that stands for the whole life of the store and hands out another Arrow table
each time it is read.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from katydid.streams.store.rollup import ACTIVITY_OF_HOURS, EFFORT_OF_HOURS
from katydid.streams.store.rows import ARROW_SCHEMAS

_ROLL_UPS = {"outcome": EFFORT_OF_HOURS, "detection": ACTIVITY_OF_HOURS}

_KNOWN = "SELECT capture_id FROM outcome SEMI JOIN {asked} USING (capture_id) WHERE capture_id BETWEEN ? AND ?"
_ASKED = pa.schema([("capture_id", pa.string())])


class Feed:
    """Stands in DuckDB's catalogue under one name; reading it reads the table that was put in last."""

    def __init__(self, schema: pa.Schema) -> None:
        self.table = schema.empty_table()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class Appender:
    """Appends batches to the tables of one connection, with their sums for the hourly roll-up."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._feeds: dict[str, Feed] = {}
        self._statements: dict[str, list[str]] = {}
        for table, schema in ARROW_SCHEMAS.items():
            self._feeds[table] = self._stand(f"fed_{table}", schema)
            columns = ", ".join(f'"{name}"' for name in schema.names)
            self._prepare(table, f"INSERT INTO {table} ({columns}) SELECT {columns} FROM fed_{table}")
            if table in _ROLL_UPS:
                self._prepare(table, _ROLL_UPS[table].format(rows=f"fed_{table}"))
        self._asked = self._stand("fed_asked", _ASKED)

    def append(self, table: str, batch: pa.Table) -> int:
        """Append the rows, and their sums to the roll-up of that table, in the caller's transaction; returns bytes."""
        if not batch.num_rows:
            return 0
        feed = self._feeds[table]
        feed.table = batch
        try:
            for name in self._statements[table]:
                self._connection.execute(f"EXECUTE {name}")
        finally:
            feed.table = batch.schema.empty_table()
        return int(batch.nbytes)

    def known_between(self, capture_ids: Sequence[str]) -> set[str]:
        """Those of the ids that are in the store; read are the rows from the first of them to the last."""
        self._asked.table = pa.table([pa.array(capture_ids, pa.string())], schema=_ASKED)
        bounds = [min(capture_ids), max(capture_ids)]
        found = self._connection.execute(_KNOWN.format(asked="fed_asked"), bounds).fetchall()
        return {capture_id for (capture_id,) in found}

    def _stand(self, name: str, schema: pa.Schema) -> Feed:
        feed = Feed(schema)
        self._connection.register(name, feed)
        return feed

    def _prepare(self, table: str, statement: str) -> None:
        names = self._statements.setdefault(table, [])
        names.append(f"append_{table}_{len(names)}")
        self._connection.execute(f"PREPARE {names[-1]} AS {statement}")


def known_between(connection: duckdb.DuckDBPyConnection, capture_ids: Sequence[str]) -> set[str]:
    """Those of the ids that are in the store; read are the rows from the first of them to the last."""
    connection.register("asked", pa.table({"capture_id": pa.array(capture_ids, pa.string())}))
    try:
        bounds = [min(capture_ids), max(capture_ids)]
        found = connection.execute(_KNOWN.format(asked="asked"), bounds).fetchall()
    finally:
        connection.unregister("asked")
    return {capture_id for (capture_id,) in found}
