"""One CSV table of occurrences: one row an animal in view, or a bout of song.

Written as `exports/csv.py` writes detections: UTF-8, times ISO 8601 in UTC, an empty cell for a missing value, and an
apostrophe in front of what a spreadsheet would run.
"""

from __future__ import annotations

from pathlib import Path

from katydid.streams.exports.csv import write_table
from katydid.streams.store.duckdb import DuckDBStore
from katydid.streams.store.reads import OCCURRENCES_QUERY

COLUMNS = (
    "occurrence_id", "sensor_id", "kind", "session", "first_seen", "last_seen", "active_s", "captures", "detections",
    "taxon", "common_name", "rank", "score", "probability", "decision", "accepted", "individual_count", "length_px",
    "body_length_mm", "models", "best_detection_id", "best_file",
)  # fmt: skip


def write_occurrences(store: DuckDBStore, path: Path) -> int:
    """Write the table; return how many rows it has. Raises ExportError."""
    return write_table(store, path, OCCURRENCES_QUERY, COLUMNS, times=("first_seen", "last_seen"))
