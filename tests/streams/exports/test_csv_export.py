"""The CSV table."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from katydid.models.outcome import Status
from katydid.sensors.capture import Kind
from katydid.streams.errors import ExportError
from katydid.streams.exports.csv import guarded, iso_utc, write_csv
from katydid.streams.sink import Arrival
from katydid.streams.store import open_store
from katydid.streams.store.duckdb import DuckDBStore

Make = Callable[..., Arrival]

ASKED_FOR = (
    "capture_id,detection_id,sensor_id,file,captured_at,status,taxon,common_name,rank,start_s,end_s,low_hz,"
    "high_hz,box_x,box_y,box_w,box_h,score,probability,posterior,decision,reason,model"
)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def store(make: Make) -> DuckDBStore:
    store = open_store(None)
    store.write(
        [
            make(1, taxa=("Parus major", "Erithacus rubecula"), at_s=3.25),
            make(2, at_s=60),
            make(3, at_s=120, status=Status.REFUSED, reason="truncated", message="ends after 3 of 10 bytes"),
            make(4, taxa=("Apis mellifera",), at_s=180, kind=Kind.FRAME),
        ]
    )
    return store


def test_a_detection_is_a_row_and_a_capture_without_one_is_too(store: DuckDBStore, tmp_path: Path) -> None:
    assert write_csv(store, tmp_path / "detections.csv") == 5
    rows = read(tmp_path / "detections.csv")
    told = [(row["file"], row["status"], row["taxon"], row["reason"]) for row in rows]
    assert told == [
        ("SM4-1/1.wav", "identified", "Parus major", "as the test says"),
        ("SM4-1/1.wav", "identified", "Erithacus rubecula", "as the test says"),
        ("SM4-1/2.wav", "empty", "", ""),
        ("SM4-1/3.wav", "refused", "", "truncated"),
        ("SM4-1/4.wav", "identified", "Apis mellifera", "as the test says"),
    ]
    assert rows[3]["message"] == "ends after 3 of 10 bytes"


def test_it_has_the_promised_columns_in_their_order(store: DuckDBStore, tmp_path: Path) -> None:
    write_csv(store, tmp_path / "detections.csv")
    header = (tmp_path / "detections.csv").read_text().splitlines()[0]
    assert header.startswith(ASKED_FOR)


def test_numbers_and_times_are_whole(store: DuckDBStore, tmp_path: Path) -> None:
    write_csv(store, tmp_path / "detections.csv")
    rows = read(tmp_path / "detections.csv")
    assert rows[0]["captured_at"] == "2025-06-15T00:00:03.25Z"
    assert (rows[0]["start_s"], rows[0]["end_s"], rows[0]["score"]) == ("0.0", "3.0", "0.75")
    assert [rows[4][name] for name in ("box_x", "box_y", "box_w", "box_h")] == ["0.1", "0.2", "0.3", "0.4"]
    assert rows[4]["start_s"] == ""


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert guarded(text) == "'" + text


def test_other_text_stays_as_it_is() -> None:
    assert guarded("Parus major = 1") == "Parus major = 1"
    assert guarded("") == ""


def test_hostile_names_stay_in_their_cell(tmp_path: Path, make: Make) -> None:
    name = '=cmd|" /C calc"!A0,"\n2nd,line.wav'
    with open_store(None) as store:
        store.write([make(1, file=name, sensor="@x", taxa=("-1+1",))])
        write_csv(store, tmp_path / "t.csv")
    (row,) = read(tmp_path / "t.csv")
    assert (row["file"], row["sensor_id"], row["taxon"]) == ("'" + name, "'@x", "'-1+1")


def test_times_before_1970_and_of_single_nanoseconds_are_right() -> None:
    assert iso_utc(0) == "1970-01-01T00:00:00Z"
    assert iso_utc(-1) == "1969-12-31T23:59:59.999999999Z"
    assert iso_utc(1_749_945_600_000_000_001) == "2025-06-15T00:00:00.000000001Z"


def test_a_table_that_cannot_be_finished_leaves_the_old_one(
    store: DuckDBStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "detections.csv"
    path.write_text("old")

    def fails(query: str) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "tuples", fails)
    with pytest.raises(ExportError, match="No space left"):
        write_csv(store, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_a_clear_error(store: DuckDBStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot be written"):
        write_csv(store, tmp_path / "file" / "detections.csv")
