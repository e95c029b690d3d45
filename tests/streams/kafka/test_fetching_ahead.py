"""Media by reference are fetched several at once; their captures go on in the order of their messages."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from kafka_workers import StartWorker, clip, message
from katydid.models.batching import Lane as Urgency
from katydid.models.outcome import Outcome, Status
from katydid.sensors.capture import Capture, MediaRef
from katydid.sensors.envelope import Envelope, pack
from katydid.sensors.media_store import MediaStore, object_url, open_media_store
from katydid.sensors.sources.protocol import Position, Taken
from katydid.streams.kafka.agents import Intake
from katydid.streams.kafka.ahead import Ahead, fetched_ahead
from katydid.streams.kafka.consuming import record_of
from katydid.streams.kafka.metrics import Metrics
from katydid.streams.kafka.records import read_outcome
from katydid.streams.sink import Arrival
from mock_broker import MockBroker, until

CLIPS, FRAMES = ("katydid.clips", 0), ("katydid.clips", 1)


class Fetches:
    """Fetches that end when a test says so."""

    def __init__(self, at_once: int) -> None:
        self.failures: list[BaseException] = []
        self.ahead = Ahead(at_once, self.failures.append)
        self.gates: dict[str, asyncio.Event] = {}
        self.put: list[str] = []

    async def take(self, lane: tuple[str, int], name: str) -> None:
        async def fetch() -> str:
            self.gates[name] = asyncio.Event()
            await self.gates[name].wait()
            if name.startswith("bad"):
                raise ValueError(name)
            return name

        async def put(found: str) -> None:
            self.put.append(found)

        await self.ahead.take(lane, fetch, put)
        await self.rest()

    async def end(self, *names: str) -> None:
        for name in names:
            self.gates[name].set()
            await self.rest()

    async def rest(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


async def test_a_lane_keeps_its_order_whatever_is_fetched_first_and_holds_up_no_other() -> None:
    fetches = Fetches(8)
    for lane, name in ((CLIPS, "1"), (CLIPS, "2"), (FRAMES, "3"), (CLIPS, "4")):
        await fetches.take(lane, name)
    await fetches.end("4", "3", "2")
    assert fetches.put == ["3"]
    turn = asyncio.create_task(fetches.ahead.turn(CLIPS))
    await fetches.ahead.turn(FRAMES)
    await fetches.rest()
    assert not turn.done()
    await fetches.end("1")
    assert fetches.put == ["3", "1", "2", "4"]
    await turn
    assert fetches.failures == []


async def test_no_more_than_so_many_are_under_way() -> None:
    fetches = Fetches(2)
    await fetches.take(CLIPS, "1")
    await fetches.take(CLIPS, "2")
    third = asyncio.create_task(fetches.take(CLIPS, "3"))
    await fetches.end("2")  # Fetched, and waits for its turn: no room for a third yet.
    assert set(fetches.gates) == {"1", "2"}
    await fetches.end("1")
    await third
    assert set(fetches.gates) == {"1", "2", "3"}


async def test_what_fails_is_told_and_nothing_of_its_lane_goes_past_it() -> None:
    fetches = Fetches(8)
    for name in ("1", "bad", "2"):
        await fetches.take(CLIPS, name)
    await fetches.end("1", "2", "bad")
    assert [str(error) for error in fetches.failures] == ["bad"]
    assert fetches.put == ["1"]
    with pytest.raises(asyncio.CancelledError):
        await fetches.ahead.turn(CLIPS)


class Meeting:
    """Fetches by threads, none of which ends before so many have begun."""

    def __init__(self, together: int) -> None:
        self._barrier = threading.Barrier(together, timeout=30)
        self.begun = 0

    def fetch(self, number: int) -> int:
        self.begun += 1
        if number < 4:
            self._barrier.wait()
        if number == 6:
            raise ValueError("gone")
        return number


def test_a_reader_without_a_loop_fetches_ahead_in_order_too_and_no_further_than_that() -> None:
    meeting = Meeting(4)
    numbers = iter(range(100))
    fetched = fetched_ahead(numbers, meeting.fetch, 4)
    assert [next(fetched) for _ in range(6)] == list(range(6))
    assert next(numbers) <= 10
    with pytest.raises(ValueError, match="gone"):
        next(fetched)
    assert meeting.begun <= 10


# ---------------------------------------------------------------------- the agent


class Topic:
    """A stream of messages as the agent sees it."""

    def __init__(self, envelopes: Sequence[Envelope]) -> None:
        self._envelopes = envelopes
        self.acknowledged: list[int] = []

    def noack(self) -> Topic:
        return self

    async def events(self) -> AsyncIterator[Any]:
        for offset, each in enumerate(self._envelopes):
            acknowledge = partial(self.acknowledged.append, offset)
            raw = SimpleNamespace(
                topic=CLIPS[0], partition=CLIPS[1], offset=offset, timestamp=0.0,
                key=each.key, value=each.value, headers=list(each.headers),
            )  # fmt: skip
            yield SimpleNamespace(message=raw, value=raw.value, ack=acknowledge)


class AllAtOnce:
    """References that answer none before so many are asked for at the same time."""

    def __init__(self, together: int) -> None:
        self._barrier = threading.Barrier(together, timeout=30)

    def local(self, capture: Capture) -> Capture:
        self._barrier.wait()
        return capture


class Taker:
    """A pipeline that takes everything."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    async def put(self, taken: Taken, *, lane: Urgency) -> None:
        self.taken.append(taken.position.offset)


async def test_the_agent_fetches_four_at_once_and_an_inline_capture_keeps_its_place() -> None:
    failures: list[BaseException] = []
    pipeline = Taker()
    intake = Intake(
        lambda: pipeline,  # type: ignore[arg-type,return-value] # what is used of one
        None,  # type: ignore[arg-type] # nothing is buried
        AllAtOnce(4),  # type: ignore[arg-type]
        Metrics(),
        failed=failures.append,
        media_at_once=4,
    )
    references = [pack(by_reference(number, "file:///mnt/media")) for number in range(4)]
    await asyncio.wait_for(intake.captures(Topic([*references, message(9)])), 60)
    assert pipeline.taken == [0, 1, 2, 3, 4] and failures == []
    intake.close()


class Copies:
    """References that give each who asks a copy of its own."""

    def __init__(self) -> None:
        self.made, self.gone = list[str](), list[str]()

    def local(self, capture: Capture) -> Capture:
        assert capture.payload_ref is not None
        self.made.append(f"/copies/{len(self.made)}")
        return msgspec.structs.replace(
            capture, payload_ref=msgspec.structs.replace(capture.payload_ref, url=self.made[-1])
        )

    def release(self, capture: Capture) -> None:
        assert capture.payload_ref is not None
        self.gone.append(capture.payload_ref.url)


async def test_a_message_that_comes_again_is_not_worked_on_again_and_is_acknowledged_with_the_first() -> None:
    """As after a rebalance that a slow media store outlasted."""
    copies, pipeline = Copies(), Taker()
    intake = Intake(
        lambda: pipeline,  # type: ignore[arg-type,return-value] # what is used of one
        None,  # type: ignore[arg-type] # nothing is buried
        copies,  # type: ignore[arg-type]
        Metrics(),
        failed=pytest.fail,  # type: ignore[arg-type]
    )
    envelopes = [pack(by_reference(1, "file:///mnt/media")), message(9)]  # The second waits for its turn.
    first, second = Topic(envelopes), Topic(envelopes)
    await intake.captures(first)
    await intake.captures(second)
    assert pipeline.taken == [0, 1] and len(copies.made) == 1
    intake.settle([done(0)])
    assert copies.gone == copies.made
    assert (first.acknowledged, second.acknowledged) == ([0], [])
    intake.settle([done(1)])
    assert (first.acknowledged, second.acknowledged) == ([0, 1], [0, 1])
    assert len(intake.deliveries) == 0
    intake.close()


def done(offset: int) -> Arrival:
    whole = clip(offset)
    outcome = Outcome(
        capture_id=whole.capture_id, sensor_id=whole.sensor_id, kind=whole.kind, captured_at=0, clock=whole.clock,
        media_type="", sha256="", length=0, status=Status.EMPTY,
    )  # fmt: skip
    return Arrival(outcome=outcome, position=Position(source=f"kafka:{CLIPS[0]}", partition="0", offset=offset))


def by_reference(number: int, store: str) -> Capture:
    whole = clip(number)
    place = MediaRef(url=object_url(store, whole.sha256), sha256=whole.sha256, length=whole.length)
    return msgspec.structs.replace(whole, payload=None, payload_ref=place)


# ---------------------------------------------------------------------- a worker


@pytest.fixture
def shelf(tmp_path: Path) -> MediaStore:
    (tmp_path / "media").mkdir()
    return open_media_store((tmp_path / "media").as_uri())


def keep(shelf: MediaStore, number: int, folder: Path) -> None:
    whole, path = clip(number), folder / f"{number}.wav"
    path.write_bytes(whole.payload or b"")
    shelf.put(path, whole.sha256, whole.length)


def test_a_worker_writes_references_and_inline_captures_in_their_order(
    broker: MockBroker, start: StartWorker, shelf: MediaStore, tmp_path: Path
) -> None:
    inline = {3, 4, 11}
    for number in set(range(16)) - inline:
        keep(shelf, number, tmp_path)
    envelopes = [message(n) if n in inline else pack(by_reference(n, shelf.url)) for n in range(16)]
    broker.write("katydid.clips", envelopes, partition=0)
    worker = start(more=f'[media]\nstores = ["{shelf.url}"]')
    found = [read_outcome(record_of(each)) for each in broker.read("katydid.outcomes", 16)]
    for _, of_one in itertools.groupby(sorted(found, key=lambda each: each.sensor_id), key=lambda each: each.sensor_id):
        ids = [each.capture_id for each in of_one]
        assert ids == sorted(ids)
    until(lambda: broker.settled("katydid.clips"), "every offset committed")
    assert worker.stop() == 0


def test_told_to_stop_while_a_media_store_is_away_it_ends_before_the_watchdog(
    broker: MockBroker, start: StartWorker, shelf: MediaStore, tmp_path: Path
) -> None:
    keep(shelf, 1, tmp_path)
    (tmp_path / "media").rename(tmp_path / "unmounted")
    broker.write("katydid.clips", [pack(by_reference(1, shelf.url))])
    worker = start(kafka="stop_s = 12", more=f'[media]\nstores = ["{shelf.url}"]')
    until(lambda: "is it mounted?" in worker.words, "a look at the store")
    assert worker.stop() == 75
    assert "told to stop while a media store is away" in worker.words
    assert "not stopped after" not in worker.words
    assert not broker.settled("katydid.clips")

    (tmp_path / "unmounted").rename(tmp_path / "media")
    again = start(more=f'[media]\nstores = ["{shelf.url}"]')
    until(lambda: broker.settled("katydid.clips"), "every offset committed")
    assert again.stop() == 0
    (found,) = broker.read("katydid.outcomes", 1)
    assert read_outcome(record_of(found)).reason == ""
