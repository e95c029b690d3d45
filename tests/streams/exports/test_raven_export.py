"""Raven selection tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.models.outcome import Span, Status
from katydid.sensors.capture import Kind
from katydid.streams.exports.raven import SUFFIX, table_path, write_raven
from katydid.streams.sink import Arrival
from katydid.streams.store import open_store

Make = Callable[..., Arrival]


def write(directory: Path, *arrivals: Arrival) -> int:
    with open_store(None) as store:
        store.write(arrivals)
        return write_raven(store, directory)


@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
def test_crowsetta_reads_back_what_was_found(tmp_path: Path, make: Make) -> None:
    crowsetta = pytest.importorskip("crowsetta")
    spans = (Span(start_s=6.0, end_s=9.0, low_hz=2000.0, high_hz=8000.0), Span(start_s=0.5, end_s=3.5))
    found = make(
        1, file="site/night.wav", taxa=("Parus major", "Erithacus rubecula"), confidences=(0.9, 0.4), spans=spans
    )
    assert write(tmp_path, found) == 1
    table = crowsetta.formats.bbox.Raven.from_file(tmp_path / "site" / f"night.wav{SUFFIX}", annot_col="Common Name").df
    assert list(table["annotation"]) == ["Erithacus rubecula", "Parus major"]
    assert list(table["begin_time_s"]) == [0.5, 6.0]
    assert list(table["end_time_s"]) == [3.5, 9.0]
    assert list(table["low_freq_hz"]) == [0.0, 2000.0]
    assert list(table["high_freq_hz"]) == [24_000.0, 8000.0]


def test_the_columns_are_those_that_users_of_birdnet_analyzer_know(tmp_path: Path, make: Make) -> None:
    write(tmp_path, make(1, file="a.wav", taxa=("Parus major",), confidences=(0.875,)))
    header, row = (tmp_path / f"a.wav{SUFFIX}").read_text().splitlines()
    known = (
        "Selection|View|Channel|Begin Time (s)|End Time (s)|Low Freq (Hz)|High Freq (Hz)|Common Name|Scientific Name|"
        "Confidence|Begin Path|File Offset (s)"
    )
    cells = dict(zip(header.split("\t"), row.split("\t"), strict=True))
    assert header.startswith(known.replace("|", "\t"))
    assert (cells["Selection"], cells["View"], cells["Channel"]) == ("1", "Spectrogram 1", "1")
    assert (cells["Confidence"], cells["Begin Path"], cells["File Offset (s)"]) == ("0.8750", "a.wav", "0.000")


def test_nothing_found_is_a_header_and_refused_or_frames_are_no_table(tmp_path: Path, make: Make) -> None:
    count = write(
        tmp_path,
        make(1, file="quiet.wav"),
        make(2, file="broken.wav", status=Status.REFUSED, reason="truncated"),
        make(3, file="photo.jpg", kind=Kind.FRAME, taxa=("Apis mellifera",)),
    )
    assert count == 1
    assert [path.name for path in tmp_path.iterdir()] == [f"quiet.wav{SUFFIX}"]
    assert len((tmp_path / f"quiet.wav{SUFFIX}").read_text().splitlines()) == 1


def test_recordings_that_differ_only_in_extension_case_or_content_keep_their_own(tmp_path: Path, make: Make) -> None:
    names = ("a.wav", "a.flac", "A.WAV", "a.wav")
    assert write(tmp_path, *(make(n, file=name, at_s=n) for n, name in enumerate(names))) == 4
    assert len({path.name.casefold() for path in tmp_path.iterdir()}) == 4


def test_a_name_with_tabs_and_breaks_stays_in_its_cell(tmp_path: Path, make: Make) -> None:
    write(tmp_path, make(1, file="a\tb\nc.wav", taxa=("x\ty\nz",)))
    (path,) = tmp_path.iterdir()
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    assert len(lines[1].split("\t")) == len(lines[0].split("\t"))


@pytest.mark.parametrize("file", ["../../etc/x.wav", "/etc/x.wav", "..\\..\\x.wav", "C:\\x.wav", "a/../../x.wav", ".."])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, make: Make, file: str) -> None:
    inside = tmp_path / "one" / "two" / "out"
    assert write(inside, make(1, file=file)) == 1
    (written,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written.is_relative_to(inside)


@given(file=st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_name_becomes_a_path_that_stays_inside_and_fits(file: str) -> None:
    path = table_path(file)
    assert not path.is_absolute()
    assert not {"", ".", ".."} & set(path.parts)
    assert all(len(part.encode()) <= 255 for part in path.parts)
    assert not any(character in str(path) for character in '\0\n\\:*?"<>|')


def test_windows_own_names_are_stepped_around() -> None:
    assert str(table_path("con.wav")) == f"_con.wav{SUFFIX}"
    assert str(table_path("contact.wav")) == f"contact.wav{SUFFIX}"
