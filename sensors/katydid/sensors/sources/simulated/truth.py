"""What was really there, one row an animal in a frame or a song in a clip; written apart from the media."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import msgspec

from katydid.sensors.errors import SourceError


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """One animal (or one refused file) of one simulated capture. What does not apply is None or ""."""

    file: str
    """Below the media folder, "/" between parts."""
    kind: str
    """"frame" or "clip"."""
    taxon: str = ""
    """Scientific name of a singer; the shape ("moth", "beetle", "lacewing") of an insect on the sheet; "" for a row
    that only says that the file is there."""
    individual: str = ""
    start_s: float | None = None
    end_s: float | None = None
    snr_db: float | None = None
    """Power of the song in its own band over that of everything else there, decibel."""
    box_x: float | None = None
    box_y: float | None = None
    box_w: float | None = None
    box_h: float | None = None
    temperature_c: float | None = None
    note: str = ""
    """"wind", "rain", "bird", "truncated", "empty": what else there is to say."""
    sensor: str = ""
    at: str = ""
    """The true time of the frame, or of the clip's first sample: ISO 8601 with milliseconds, UTC."""
    visible: float | None = None
    """Share of the animal's outline that nothing hides, 0..1."""
    channel: int | None = None
    """Of a clip: where the song is loudest; times are those in the file, after samples that were lost."""
    over_everything_db: float | None = None
    """As `snr_db`, over other singers too."""


_COLUMNS = Truth.__struct_fields__


def write_truth(path: Path, rows: Iterable[Truth]) -> None:
    """Write a CSV with one column a field; None is an empty cell. Rows are taken one by one: there may be many."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for row in rows:
            cells = (getattr(row, name) for name in _COLUMNS)
            writer.writerow(["" if cell is None else cell for cell in cells])


def read_truth(path: Path) -> list[Truth]:
    """Read what `write_truth` wrote. Raises SourceError that names the line where a cell is not what it should be."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        named = set(rows.fieldnames or ())
        if not {"file", "kind", "taxon"} <= named <= set(_COLUMNS):
            raise SourceError(f"{path} is no truth file: its columns should be {', '.join(_COLUMNS)}")
        return [_row(path, number, cells) for number, cells in enumerate(rows, 2)]


def _row(path: Path, number: int, cells: dict[str, str]) -> Truth:
    given = {name: cell for name, cell in cells.items() if cell != ""}
    try:
        return msgspec.convert(given, Truth, strict=False)
    except msgspec.ValidationError as exc:
        raise SourceError(f"{path}, line {number}: {exc}") from exc
