"""Checkpoints in the pauses between batches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from katydid.streams.errors import StoreFull
from katydid.streams.sink import Arrival
from katydid.streams.store import open_store
from katydid.streams.store.checkpointing import AFTER_BYTES, LEAST_BYTES, PAUSES, Checkpointer, Rhythm

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


def steady(pause_s: float) -> Rhythm:
    rhythm = Rhythm()
    for _ in range(PAUSES):
        rhythm.paused(pause_s)
    return rhythm


def test_without_a_rhythm_nothing_is_known_to_fit() -> None:
    rhythm = Rhythm()
    for _ in range(PAUSES - 1):
        rhythm.paused(10.0)
    assert not rhythm.fits(AFTER_BYTES, 1)


def test_in_long_pauses_a_checkpoint_waits_until_it_is_worth_it() -> None:
    rhythm = steady(1.0)
    assert not rhythm.fits(AFTER_BYTES - 1, 1)
    assert rhythm.fits(AFTER_BYTES, 1)


def test_in_short_pauses_a_checkpoint_comes_while_it_still_fits() -> None:
    # 16 MB take 50 ms until something else is known: with a quarter to spare, 25 ms hold 6.4 MB.
    rhythm = steady(0.025)
    assert not rhythm.fits(4_200_000, 2_000_000)
    assert rhythm.fits(6_300_000, 2_000_000)
    assert not rhythm.fits(6_500_000, 2_000_000)


def test_in_pauses_too_short_for_any_none_is_begun() -> None:
    assert not any(steady(0.001).fits(nbytes, 2_000_000) for nbytes in (LEAST_BYTES, AFTER_BYTES, 10 * AFTER_BYTES))


def test_one_short_pause_among_long_ones_counts() -> None:
    rhythm = steady(1.0)
    rhythm.paused(0.001)
    assert not rhythm.fits(AFTER_BYTES, 1)


def test_a_slow_disk_is_learned() -> None:
    rhythm = steady(0.1)
    assert rhythm.fits(AFTER_BYTES, 1)
    rhythm.folded(AFTER_BYTES, 1.0)
    assert not rhythm.fits(AFTER_BYTES, 1)


def test_a_checkpoint_that_fits_does_not_wait_for_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("katydid.streams.store.checkpointing.PAUSE_S", 10 * DEADLINE_S)
    now, made = [0.0], threading.Event()
    checkpointer = Checkpointer(made.set, clock=lambda: now[0])
    for _ in range(PAUSES):
        checkpointer.writing()
        checkpointer.wrote(1)
        now[0] += 1.0
    checkpointer.writing()
    checkpointer.wrote(AFTER_BYTES)
    assert made.wait(DEADLINE_S)
    checkpointer.close()


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
