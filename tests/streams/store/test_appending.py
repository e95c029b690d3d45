"""Statements that are planned once, for one thread."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from katydid.streams.store import rollup
from katydid.streams.store.appending import Appender
from katydid.streams.store.migrations import migrate
from katydid.streams.store.rows import ARROW_SCHEMAS


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(tmp_path / "store.duckdb"), config={"threads": 3}) as connection:
        migrate(connection)
        yield connection


def operators(connection: duckdb.DuckDBPyConnection, statement: str, profile: Path) -> set[str]:
    """What DuckDB ran for the statement, by its own account."""
    connection.execute("PRAGMA enable_profiling = 'json'")
    connection.execute(f"PRAGMA profiling_output = '{profile}'")
    connection.execute(statement)
    connection.execute("PRAGMA disable_profiling")
    waiting, found = list(json.loads(profile.read_text())["operator"]), set()
    while waiting:
        node = waiting.pop()
        found.add(node["type"])
        waiting += node.get("children", [])
    return found


@pytest.mark.parametrize("table", ARROW_SCHEMAS)
def test_rows_go_straight_into_the_transaction(
    connection: duckdb.DuckDBPyConnection, table: str, tmp_path: Path
) -> None:
    """BATCH_INSERT is DuckDB's plan for several threads, which gathers rows first and copies them again."""
    Appender(connection)
    rollup.merge(connection)
    ran = operators(connection, f"EXECUTE append_{table}", tmp_path / "profile.json")
    assert "INSERT" in ran and "BATCH_INSERT" not in ran


def test_who_reads_has_as_many_threads_as_before(connection: duckdb.DuckDBPyConnection) -> None:
    Appender(connection)
    assert connection.execute("SELECT current_setting('threads')").fetchall() == [(3,)]
