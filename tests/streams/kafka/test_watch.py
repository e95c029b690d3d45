"""The thread that looks at a worker: what it cannot read is told and does not stop captures, unless it lasts."""

from __future__ import annotations

import logging
import threading

import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from katydid.streams.kafka import watch as watching
from katydid.streams.kafka.status import _judged
from katydid.streams.kafka.watch import Watch
from mock_broker import until


class Watched:
    """A worker whose gauges and pipeline raise what a test puts there."""

    def __init__(self) -> None:
        self.looks = 0
        self.trouble: Exception | None = None
        self.failure: Exception | None = None
        self.is_settled = False
        self.ended: list[object] = []
        self.over = threading.Event()

    def settled(self) -> bool:
        if self.failure is not None:
            raise self.failure
        return self.is_settled

    def gauge(self) -> None:
        self.looks += 1
        if self.trouble is not None:
            raise self.trouble

    def end(self, how: object = "parted") -> None:
        self.ended.append(how)
        self.over.set()

    def watch(self, blind_s: float) -> Watch:
        return Watch(settled=self.settled, gauge=self.gauge, part=self.end, fail=self.end, blind_s=blind_s)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(watching, "EVERY_S", 0.01)
    return Watched()


def test_a_gauge_that_raises_is_told_once_and_the_next_look_is_taken(
    worker: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watch = worker.watch(blind_s=3600.0)
    watch.start()
    worker.trouble = KeyError("clips-3")
    until(lambda: "cannot be read" in caplog.text, "the error line")
    before = worker.looks
    until(lambda: worker.looks > before + 3, "more looks")
    worker.trouble = None
    before = worker.looks
    until(lambda: worker.looks > before, "one that works")
    watch.close()
    assert worker.ended == []
    (told,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert told.exc_info is not None and "clips-3" in str(told.exc_info[1])


def test_gauges_that_go_on_raising_end_the_process(worker: Watched) -> None:
    worker.trouble = KeyError("clips-3")
    worker.watch(blind_s=0.1).start()
    assert worker.over.wait(30)
    assert worker.ended == [worker.trouble]


def test_what_stopped_the_pipeline_ends_the_process(worker: Watched) -> None:
    watch = worker.watch(blind_s=3600.0)
    watch.start()
    worker.failure = ValueError("a bug")
    assert worker.over.wait(30)
    assert worker.ended == [worker.failure]


def test_told_to_stop_it_ends_what_is_settled_and_waits_for_what_is_not(worker: Watched) -> None:
    watch = worker.watch(blind_s=3600.0)
    watch.start()
    watch.told_to_stop(0.05)
    before = worker.looks
    until(lambda: worker.looks > before + 20, "far more time than it was given")
    assert worker.ended == []
    worker.is_settled = True
    assert worker.over.wait(30)
    assert worker.ended == ["parted"]


def test_one_that_is_not_told_to_stop_goes_on_with_nothing_to_do(worker: Watched) -> None:
    worker.is_settled = True
    watch = worker.watch(blind_s=3600.0)
    watch.start()
    until(lambda: worker.looks > 20, "twenty looks")
    watch.close()
    assert worker.ended == []


def test_a_worker_that_cannot_be_looked_at_is_not_called_alive() -> None:
    def broken() -> None:
        raise KeyError("clips-3")

    verdict = _judged(broken)  # type: ignore[arg-type] # it never answers
    assert not verdict.alive and not verdict.ready and "clips-3" in verdict.words
