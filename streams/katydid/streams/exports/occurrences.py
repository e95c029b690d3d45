"""One CSV table of occurrences: one row an animal in view, or a bout of song.

Written as `exports/csv.py` writes detections: UTF-8, times ISO 8601 in UTC, an empty cell for a missing value, and an
apostrophe in front of what a spreadsheet would run.
"""

from __future__ import annotations

import csv
from pathlib import Path

from katydid.streams.exports.csv import guarded, iso_utc
from katydid.streams.exports.replacing import replacing
from katydid.streams.store.duckdb import DuckDBStore
from katydid.streams.store.reads import OCCURRENCES_QUERY

COLUMNS = (
    "occurrence_id", "sensor_id", "kind", "session", "first_seen", "last_seen", "active_s", "captures", "detections",
    "taxon", "common_name", "rank", "score", "probability", "decision", "accepted", "individual_count", "length_px",
    "body_length_mm", "models", "best_detection_id", "best_file",
)  # fmt: skip
_TIMES = (COLUMNS.index("first_seen"), COLUMNS.index("last_seen"))


def write_occurrences(store: DuckDBStore, path: Path) -> int:
    """Write the table; return how many rows it has. Raises ExportError."""
    written = 0
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for rows in store.tuples(OCCURRENCES_QUERY):
            writer.writerows([_cells(row) for row in rows])
            written += len(rows)
    return written


def _cells(row: tuple[object, ...]) -> list[object]:
    cells = [guarded(cell) if isinstance(cell, str) else cell for cell in row]
    for place in _TIMES:
        cells[place] = iso_utc(int(str(row[place])))
    return cells
