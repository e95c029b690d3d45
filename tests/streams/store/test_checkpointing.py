"""Checkpoints in the pauses between batches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from katydid.streams.errors import StoreFull
from katydid.streams.sink import Arrival
from katydid.streams.store import open_store
from katydid.streams.store.checkpointing import AFTER_BYTES, Checkpointer

DEADLINE_S = 20.0


def test_a_checkpoint_follows_when_enough_was_written_and_nobody_writes() -> None:
    made = threading.Event()
    checkpointer = Checkpointer(made.set)
    checkpointer.wrote(AFTER_BYTES)
    assert made.wait(DEADLINE_S)
    checkpointer.close()


def test_little_is_left_in_the_log() -> None:
    made = threading.Event()
    checkpointer = Checkpointer(made.set)
    checkpointer.wrote(AFTER_BYTES - 1)
    checkpointer.close()
    assert not made.is_set()


def test_a_checkpoint_that_failed_stops_the_next_write() -> None:
    tried = threading.Event()

    def full() -> None:
        tried.set()
        raise StoreFull("no room left")

    checkpointer = Checkpointer(full)
    checkpointer.wrote(AFTER_BYTES)
    assert tried.wait(DEADLINE_S)
    checkpointer.close()
    with pytest.raises(StoreFull):
        checkpointer.wrote(1)


def test_the_log_is_folded_into_the_file_without_anyone_asking(
    tmp_path: Path, make: Callable[..., Arrival], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("katydid.streams.store.checkpointing.AFTER_BYTES", 1)
    path = tmp_path / "detections.duckdb"
    log = path.with_name(path.name + ".wal")
    with open_store(path) as store:
        before = path.stat().st_size
        store.write([make(1, taxa=("Parus major",))])
        patience = threading.Event()
        for _ in range(400):
            if path.stat().st_size > before and (not log.exists() or log.stat().st_size < 1000):
                break
            patience.wait(DEADLINE_S / 400)
        assert path.stat().st_size > before
