"""A worker that keeps a DuckDB store finds the frames of a camera there; others keep them in memory alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from katydid.models.image.earlier import Reduced
from katydid.streams.kafka.stores import kept_frames
from katydid.streams.sink import Arrival
from katydid.streams.store import open_store


def test_a_restarted_worker_finds_what_the_store_kept(tmp_path: Path, make: object) -> None:
    assert callable(make)
    pixels = np.arange(270 * 480, dtype=np.uint32).astype(np.uint8).reshape(270, 480)
    with open_store(tmp_path / "store.duckdb") as store:
        for number in range(3):
            made: Arrival = make(number, at_s=float(number))
            outcome = made.outcome
            frame = Reduced(outcome.capture_id, outcome.sensor_id, outcome.captured_at, pixels + np.uint8(number))
            store.write([Arrival(outcome=outcome, position=made.position, frame=frame)])
    with open_store(tmp_path / "store.duckdb") as store:
        load = kept_frames(store)
        assert load is not None
        frames = load("SM4-1")
        assert [frame.at for frame in frames] == sorted(frame.at for frame in frames) and len(frames) == 3
        assert all((frame.pixels == pixels + np.uint8(number)).all() for number, frame in enumerate(frames))
        assert load("another") == ()


def test_without_such_a_store_there_is_nothing_to_find() -> None:
    assert kept_frames(None) is None
