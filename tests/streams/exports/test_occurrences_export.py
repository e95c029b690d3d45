"""The CSV table of occurrences, and what the command line says of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from katydid.sensors.sources.protocol import Position
from katydid.streams.cli import run_command
from katydid.streams.exports.occurrences import COLUMNS, write_occurrences
from katydid.streams.exports.parquet import write_parquet
from katydid.streams.sink import Arrival
from katydid.streams.store import open_store
from scenes import Animal, filmed, still

Make = Callable[..., Arrival]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A moth in thirty frames, a bee in ten of them; followed."""
    animals = [
        Animal("moth", still(0.2, 0.5)),
        Animal("bee", still(0.7, 0.5, first_s=600, last_s=1200), named=lambda _: "Apis mellifera"),
    ]
    outcomes, _ = filmed(animals, [60.0 * n for n in range(30)])
    path = tmp_path / "detections.duckdb"
    with open_store(path) as store:
        for number, outcome in enumerate(outcomes):
            position = Position(source="folder", partition=str(number), offset=0, mark="1")
            store.write([Arrival(outcome=outcome, position=position)])
        store.follow()
    return path


def test_an_animal_is_a_row(place: Path, tmp_path: Path) -> None:
    with open_store(place, read_only=True) as store:
        assert write_occurrences(store, tmp_path / "occurrences.csv") == 2
    with (tmp_path / "occurrences.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["taxon"], row["captures"], row["first_seen"], row["last_seen"], row["session"]) for row in rows] == [
        ("Noctua pronuba", "30", "2026-07-14T21:00:00Z", "2026-07-14T21:29:00Z", "2026-07-14"),
        ("Apis mellifera", "10", "2026-07-14T21:10:00Z", "2026-07-14T21:19:00Z", "2026-07-14"),
    ]
    assert rows[0]["length_px"] == "80.0" and rows[0]["body_length_mm"] == ""


def test_names_that_a_spreadsheet_would_run_are_guarded(make: Make, tmp_path: Path) -> None:
    with open_store(None) as store:
        store.write([make(1, taxa=("=1+1",), file="@cmd.wav")])
        store.follow()
        write_occurrences(store, tmp_path / "o.csv")
    with (tmp_path / "o.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["taxon"], row["best_file"]) == ("'=1+1", "'@cmd.wav")


def test_parquet_has_the_detections_of_each(place: Path, tmp_path: Path) -> None:
    with open_store(place, read_only=True) as store:
        write_parquet(store, tmp_path / "parquet")
    table = pq.read_table(tmp_path / "parquet" / "occurrences.parquet")
    assert list(map(len, table["detection_ids"].to_pylist())) == [30, 10]
    activity = pq.read_table(tmp_path / "parquet" / "activity.parquet").to_pylist()
    assert {row["taxon"]: (row["detections"], row["occurrences"]) for row in activity} == {
        "Noctua pronuba": (30, 1),
        "Apis mellifera": (10, 1),
    }


def test_the_command_line_asks_and_exports_them(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["query", "occurrences", str(place), "--json", "--taxon", "Apis mellifera"]) == 0
    answer = capsys.readouterr()
    (bee,) = map(json.loads, answer.out.splitlines())
    assert (bee["captures"], len(bee["detection_ids"])) == (10, 10)
    assert answer.err == ""
    assert run_command(["query", "occurrences", str(place), "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert run_command(["export", "occurrences", str(place), "--out", str(tmp_path / "out.csv")]) == 0
    assert "2 rows" in capsys.readouterr().out
    assert (tmp_path / "out.csv").is_file()


@pytest.mark.parametrize("question", ["occurrences", "activity"])
def test_who_asks_is_told_what_was_not_followed_yet(
    place: Path, make: Make, capsys: pytest.CaptureFixture[str], question: str
) -> None:
    with open_store(place) as store:
        store.write([make(1, taxa=("Parus major",))])
    assert run_command(["query", question, str(place)]) == 0
    assert "1 sensor nights have detections that were not followed yet" in capsys.readouterr().err
