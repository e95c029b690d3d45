"""One CSV table: one row a detection, and one row for each capture that has none.

UTF-8 with a header, commas, quotes where needed, "\\n" between rows (RFC 4180 but for that). Times are ISO 8601 in
UTC with as many decimals as the nanoseconds ask for. A missing value is an empty cell.

A spreadsheet runs a cell that begins with "=", "+", "-", "@", a tab or a line break as a formula, and names of files,
labels and EXIF text come from anywhere: such a text cell gets an apostrophe in front (numbers never do). To read the
text as it was, take the apostrophe off where one of those follows it, or use the Parquet export.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from katydid.streams.exports.replacing import replacing
from katydid.streams.store.duckdb import DuckDBStore
from katydid.streams.store.reads import TABLE_QUERY

TEXT_COLUMNS = (
    "capture_id",
    "detection_id",
    "sensor_id",
    "file",
    "captured_at",
    "status",
    "taxon",
    "common_name",
    "rank",
)
NUMBER_COLUMNS = (
    "start_s", "end_s", "low_hz", "high_hz", "box_x", "box_y", "box_w", "box_h", "score", "probability", "posterior",
)  # fmt: skip
LAST_COLUMNS = ("decision", "reason", "model", "message", "life_stage")
COLUMNS = (*TEXT_COLUMNS, *NUMBER_COLUMNS, *LAST_COLUMNS)
_NUMBERS = frozenset(NUMBER_COLUMNS)

_EPOCH = datetime(1970, 1, 1)
_RUNS_AS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def write_csv(store: DuckDBStore, path: Path) -> int:
    """Write the table; return how many rows it has. Memory does not grow with the store. Raises ExportError."""
    return write_table(store, path, TABLE_QUERY, COLUMNS, times=("captured_at",))


def write_table(store: DuckDBStore, path: Path, query: str, columns: Sequence[str], *, times: Sequence[str]) -> int:
    """The answer to a query of `reads`, which has these columns; those of `times` are nanoseconds since 1970."""
    written, places = 0, [columns.index(name) for name in times]
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for rows in store.tuples(query):
            writer.writerows([_cells(row, places) for row in rows])
            written += len(rows)
    return written


def _cells(row: tuple[object, ...], times: Sequence[int]) -> list[object]:
    cells = [guarded(cell) if isinstance(cell, str) else cell for cell in row]
    for place in times:
        cells[place] = iso_utc(int(str(row[place])))
    return cells


def guarded(text: str) -> str:
    """The text, with an apostrophe in front where a spreadsheet would run it as a formula."""
    return "'" + text if text.startswith(_RUNS_AS_FORMULA) else text


def iso_utc(at: int) -> str:
    """ISO 8601 in UTC of nanoseconds since 1970: 2025-06-15T03:04:05Z, with decimals only where there are some."""
    seconds, nanoseconds = divmod(at, 1_000_000_000)
    decimals = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()}{decimals}Z"
