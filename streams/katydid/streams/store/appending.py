"""Rows into tables, by statements that are planned once.

A batch of a thousand rows takes DuckDB less time to append than its INSERT takes to plan. So each statement is prepared
when the store is opened, over a source that stands for the whole life of the store and hands out other Arrow tables
each time it is read.

It is planned for one thread: for several, DuckDB would have each gather rows of its own and copy those again into the
transaction, which takes twice the processor's time for rows that are no more than a row group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    """Stands in DuckDB's catalogue under one name; reading it reads the table that was put in last."""

    def __init__(self, schema: pa.Schema) -> None:
        self._empty = schema.empty_table()
        self._table = self._empty

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)

    @contextmanager
    def holding(self, table: pa.Table) -> Iterator[None]:
        """What is read inside."""
        self._table = table
        try:
            yield
        finally:
            self._table = self._empty


class Appender:
    """Appends batches to the tables of one connection, with their sums for the hourly roll-up."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._feeds = {table: self._stand(f"fed_{table}", schema) for table, schema in ARROW_SCHEMAS.items()}
        with _one_thread(connection):
            for table, schema in ARROW_SCHEMAS.items():
                columns = ", ".join(f'"{name}"' for name in schema.names)
                self._prepare(f"append_{table}", f"INSERT INTO {table} ({columns}) SELECT {columns} FROM fed_{table}")
                if table in _ROLL_UPS:
                    self._prepare(f"sum_{table}", _ROLL_UPS[table].format(rows=f"fed_{table}"))
        self._asked = self._stand("fed_asked", _ASKED)

    def append(self, name: str, table: pa.Table) -> None:
        """Append rows to the table of that name, and their sums to its roll-up, in the caller's transaction."""
        if table.num_rows == 0:
            return
        with self._feeds[name].holding(table):
            self._connection.execute(f"EXECUTE append_{name}")
            if name in _ROLL_UPS:
                self._connection.execute(f"EXECUTE sum_{name}")

    def known_between(self, capture_ids: Sequence[str]) -> set[str]:
        """Those of the ids that are in the store; read are the rows from the first of them to the last."""
        asked = pa.table([pa.array(capture_ids, pa.string())], schema=_ASKED)
        bounds = [min(capture_ids), max(capture_ids)]
        with self._asked.holding(asked):
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


@contextmanager
def _one_thread(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """What is planned inside is planned for one thread; what runs later has as many as before."""
    (threads,) = connection.execute("SELECT current_setting('threads')").fetchall()[0]
    connection.execute("SET threads = 1")
    try:
        yield
    finally:
        connection.execute(f"SET threads = {int(threads)}")


def known_between(connection: duckdb.DuckDBPyConnection, capture_ids: Sequence[str]) -> set[str]:
    """Those of the ids that are in the store; read are the rows from the first of them to the last."""
    connection.register("asked", pa.table({"capture_id": pa.array(capture_ids, pa.string())}))
    try:
        bounds = [min(capture_ids), max(capture_ids)]
        found = connection.execute(_KNOWN.format(asked="asked"), bounds).fetchall()
    finally:
        connection.unregister("asked")
    return {capture_id for (capture_id,) in found}
