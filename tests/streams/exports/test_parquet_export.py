"""The Parquet files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from katydid.streams.exports.parquet import write_parquet
from katydid.streams.sink import Arrival
from katydid.streams.store import By, OutcomeFilter, Window, open_store

Make = Callable[..., Arrival]


def test_the_files_hold_what_the_store_answers(tmp_path: Path, make: Make) -> None:
    with open_store(None) as store:
        store.write([make(n, taxa=("Parus major",) * (n % 3), at_s=n * 900) for n in range(50)])
        paths = write_parquet(store, tmp_path)
        names = ["outcomes.parquet", "detections.parquet", "occurrences.parquet", "activity.parquet"]
        assert [path.name for path in paths] == names
        assert pq.read_table(paths[0]).equals(store.outcomes(OutcomeFilter()))
        assert pq.read_table(paths[1]).equals(store.detections(OutcomeFilter()))
        assert pq.read_table(paths[2]).equals(store.occurrences(OutcomeFilter()))
        assert pq.read_table(paths[3]).equals(store.activity(Window(), By.HOUR))


def test_an_empty_store_gives_empty_files_with_all_columns(tmp_path: Path) -> None:
    with open_store(None) as store:
        outcomes, *_ = write_parquet(store, tmp_path / "new")
        assert pq.read_table(outcomes).equals(store.outcomes(OutcomeFilter()))
