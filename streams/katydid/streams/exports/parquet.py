"""Parquet files for R, Python and SQL: everything that the store holds, with the columns of `store/columns.py`.

`outcomes.parquet` (one row a capture), `detections.parquet` (one row a detection), `occurrences.parquet` (one row an
animal in view or a bout of song) and `activity.parquet` (the hourly counts with their effort). Text is as it was
recorded; times are nanoseconds in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from katydid.streams.exports.replacing import replacing
from katydid.streams.store.columns import ACTIVITY, DETECTION, OCCURRENCE, OUTCOME
from katydid.streams.store.duckdb import DuckDBStore
from katydid.streams.store.protocol import By, OutcomeFilter, Window
from katydid.streams.store.reads import activity_query, detections_query, occurrences_query, outcomes_query


def write_parquet(store: DuckDBStore, directory: Path) -> list[Path]:
    """Write the four files; return their paths. Each is there whole or not at all. Raises ExportError."""
    everything = OutcomeFilter()
    answers = {
        "outcomes": (outcomes_query(everything), OUTCOME),
        "detections": (detections_query(everything), DETECTION),
        "occurrences": (occurrences_query(everything), OCCURRENCE),
        "activity": (activity_query(Window(), By.HOUR, ()), ACTIVITY),
    }
    paths = []
    for name, (query, schema) in answers.items():
        path = directory / f"{name}.parquet"
        _write(path, schema, store.batches(query, schema))
        paths.append(path)
    return paths


def _write(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    with replacing(path) as beside, pq.ParquetWriter(beside, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
