"""docs/store.md says what is true: its examples run and its tables name every column."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from katydid.streams.sink import Arrival
from katydid.streams.store import open_store

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "store.md").read_text(encoding="utf-8")
Make = Callable[..., Arrival]


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.S)
    assert found is not None
    return found[1]


@pytest.fixture
def folder(tmp_path: Path, make: Make) -> Path:
    """A folder with a store of one tit in the first hour and an empty second hour."""
    with open_store(tmp_path / "detections.duckdb") as store:
        store.write([make(1, taxa=("Parus major",), confidences=(0.9,)), make(2, at_s=3600)])
    return tmp_path


def test_the_sql_example_answers_with_effort(folder: Path) -> None:
    with duckdb.connect(str(folder / "detections.duckdb"), read_only=True) as connection:
        rows = connection.execute(block("sql")).fetchall()
    assert rows == [("Parus major", 0, 1, pytest.approx(60 / 3600))]


def test_the_python_example_runs(folder: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", block("python")], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "[{'taxon': 'Parus major', 'detections': 1, 'effort_s': 120.0}]"


def test_the_query_of_the_r_example_runs(folder: Path) -> None:
    query = re.search(r'dbGetQuery\(con, "(.*?)"\)', block("r"), re.S)
    assert query is not None
    with duckdb.connect(str(folder / "detections.duckdb"), read_only=True) as connection:
        rows = connection.execute(query[1]).fetchall()
    assert rows == [("SM4-1/1.wav", 0.0, 3.0, "Parus major", 0.9)]


def test_the_query_of_captures_without_an_outcome_answers_zero(folder: Path) -> None:
    query = re.search(r"`(SELECT count\(\*\) FROM position_log.*?)`", PAGE)
    assert query is not None
    with duckdb.connect(str(folder / "detections.duckdb"), read_only=True) as connection:
        assert connection.execute(query[1]).fetchone() == (0,)


def test_every_column_and_table_is_explained(folder: Path) -> None:
    with duckdb.connect(str(folder / "detections.duckdb"), read_only=True) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() "
            "WHERE table_name IN ('outcome', 'detection', 'activity_1h', 'effort_1h')"
        ).fetchall()
        tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    told = set(re.findall(r"`([a-z_0-9]+)`", PAGE))
    assert {name for (name,) in tables} <= told
    assert [pair for pair in columns if pair[1] not in told] == []
