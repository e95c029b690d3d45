"""When outcomes are written: by count or by time, and gathered for longer while there is a backlog."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from katydid.models.outcome import Outcome, Status
from katydid.sensors.capture import Clock, ClockSource, Kind
from katydid.sensors.sources.protocol import Position
from katydid.streams.sink import Arrival
from katydid.streams.writer import Writer

DEADLINE_S = 30.0
SOON_S, NEVER_S = 0.01, 3600.0


def arrival(number: int) -> Arrival:
    outcome = Outcome(
        capture_id=f"{number:032x}", sensor_id="one", kind=Kind.CLIP, captured_at=0,
        clock=Clock(source=ClockSource.NONE),
        media_type="", sha256="", length=0, status=Status.EMPTY,
    )  # fmt: skip
    return Arrival(outcome=outcome, position=Position(source="test", partition="0", offset=number))


class Backlog:
    """Says how many captures wait, and how often it was asked; keeps what was written."""

    def __init__(self, waiting: int) -> None:
        self.waiting, self.asked = waiting, 0
        self.batches: list[list[int]] = []

    def behind(self, finished: int) -> bool:
        self.asked += 1
        return self.waiting >= finished

    def write(self, arrivals: Sequence[Arrival]) -> None:
        self.batches.append([each.position.offset for each in arrivals])

    def close(self) -> None:
        """Nothing to let go of."""

    @contextmanager
    def writer(self, gather_s: float = NEVER_S) -> Iterator[Writer]:
        failures: list[Exception] = []
        made = Writer(
            self, commit_items=1000, commit_s=SOON_S, gather_s=gather_s, behind=self.behind,
            durable=lambda arrivals: None, failed=failures.append,
        )  # fmt: skip
        made.start()
        try:
            yield made
        finally:
            made.close()
        assert failures == []


def wait_until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not there():
        assert time.monotonic() < end
        threading.Event().wait(0.002)


def test_with_no_backlog_an_outcome_waits_no_longer_than_its_time() -> None:
    backlog = Backlog(waiting=0)
    with backlog.writer() as writer:
        writer.add([arrival(0)])
        wait_until(lambda: backlog.batches == [[0]])


def test_behind_a_backlog_outcomes_are_gathered_until_as_many_are_finished_as_wait() -> None:
    backlog = Backlog(waiting=3)
    with backlog.writer() as writer:
        writer.add([arrival(0)])
        wait_until(lambda: backlog.asked >= 2)  # Its time is over, and the thread has decided to wait on.
        backlog.waiting = 2
        writer.add([arrival(1)])
        assert backlog.batches == []
        backlog.waiting = 1
        writer.add([arrival(2)])
        wait_until(lambda: backlog.batches == [[0, 1, 2]])


def test_a_backlog_that_does_not_move_holds_nothing_back_for_ever() -> None:
    backlog = Backlog(waiting=1_000_000)
    with backlog.writer(gather_s=0.1) as writer:
        writer.add([arrival(0)])
        wait_until(lambda: backlog.batches == [[0]])


def test_at_its_end_what_was_gathered_is_written_at_once() -> None:
    backlog = Backlog(waiting=1_000_000)
    with backlog.writer() as writer:
        writer.add([arrival(0), arrival(1)])
        writer.flush()
        wait_until(lambda: backlog.batches == [[0, 1]])
    with backlog.writer() as writer:
        writer.add([arrival(2)])
    assert backlog.batches == [[0, 1], [2]]
