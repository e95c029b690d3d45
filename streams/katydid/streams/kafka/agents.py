"""The thin agents: from a stream into the pipeline, and from a durable outcome back to an acknowledgement.

    stream.noack().events() ─▶ Message ─▶ capture_of ─▶ references ─▶ pipeline.put ┄┄▶ durable ─▶ event.ack(), in order
                                   └──────▶ dead letter, durable ───────────────────────────────▶ event.ack(), in order

All of it runs on Faust's event loop, except what is said to run elsewhere. What raises here, stops the process.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import msgspec

from katydid.models.batching import Lane as Urgency
from katydid.models.outcome import Outcome
from katydid.sensors.capture import Capture, Health
from katydid.sensors.errors import MediaStoreDown
from katydid.sensors.references import References
from katydid.sensors.sources.protocol import Position, Taken
from katydid.streams.errors import Unkeepable
from katydid.streams.kafka.ahead import Ahead
from katydid.streams.kafka.app import SETTLED
from katydid.streams.kafka.deadletters import DeadLetters
from katydid.streams.kafka.deliveries import Deliveries, Delivery, Lane
from katydid.streams.kafka.intake import Dead, capture_of, health_of, lane_of, taken_from, whence, whence_refused
from katydid.streams.kafka.metrics import Metrics
from katydid.streams.kafka.records import REST, Message
from katydid.streams.pipeline import Pipeline
from katydid.streams.sink import Arrival

THREAD_BYTES = 1 << 20
"""Values above this are hashed in a thread, so that heartbeats are served meanwhile."""
STORE_PAUSE_S = (0.5, 15.0)
"""First and longest pause while a media store does not answer, seconds."""
_LOOK_S = 0.25

_log = logging.getLogger(__name__)


class Events(Protocol):
    """What is used of a Faust stream."""

    def noack(self) -> Events: ...
    def events(self) -> AsyncIterator[Any]: ...


@dataclass(eq=False, slots=True)
class Open:
    """A capture on its way: what is needed to acknowledge it, and to bury it where it is refused."""

    delivery: Delivery
    message: Message
    """Without its value, which is in the pipeline."""
    capture: Capture
    """Without its payload; of a reference, where its media lie on this machine."""


class Intake:
    """What agents do with messages. One for a worker."""

    def __init__(
        self,
        pipeline: Callable[[], Pipeline],
        deadletters: DeadLetters,
        references: References,
        metrics: Metrics,
        *,
        failed: Callable[[BaseException], None],
        media_at_once: int = 4,
    ) -> None:
        """`failed` is told what stops the process, where no agent can raise it."""
        self._pipeline = pipeline
        self._deadletters = deadletters
        self._references = references
        self._metrics = metrics
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: dict[tuple[Lane, int], Open] = {}
        self.deliveries = Deliveries()
        self.keep_health: Callable[[Health], None] | None = None
        """Durable when it returns; raises Unkeepable. None: readings are counted only."""
        self.stopping = False
        self.given_up = threading.Event()
        """Set when a stop has waited long enough for media stores."""
        self._ahead = Ahead(media_at_once, failed)
        self._fetchers = ThreadPoolExecutor(media_at_once, "katydid-media")  # asyncio's own are few, and for short work

    def close(self) -> None:
        """Let go of the threads."""
        self._fetchers.shutdown(wait=False, cancel_futures=True)

    # ------------------------------------------------------------------ on the event loop

    async def captures(self, stream: Events) -> None:
        """The agent of a topic of frames or clips."""
        async for event in stream.noack().events():
            await self._each(event, self._take)

    async def health(self, stream: Events) -> None:
        """The agent of the topic of health readings."""
        async for event in stream.noack().events():
            await self._each(event, self._note)

    async def _each(self, event: Any, use: Callable[[Delivery, Message], Awaitable[None]]) -> None:
        self._loop = asyncio.get_running_loop()
        message = _message(event)
        lane = (message.topic, message.partition)
        delivery = Delivery(lane, message.offset, message.at_ms, partial(_acknowledge, event))
        if self.deliveries.take(delivery).again:
            return
        try:
            if any(value is REST for _, value in message.headers):
                self.deliveries.settle(delivery)
            else:
                await use(delivery, message)
        except Dead as dead:
            _log.warning("%s/%d@%d is a dead letter: %s", message.topic, message.partition, message.offset, dead)
            await asyncio.to_thread(self._deadletters.bury, message, whence(message, dead.reason, str(dead)))
            self._metrics.dead_letters.labels(dead.reason).inc()
            self.deliveries.settle(delivery)
        except asyncio.CancelledError:
            self.deliveries.forget(delivery)
            raise

    async def _note(self, delivery: Delivery, message: Message) -> None:
        reading = health_of(message)
        if self.keep_health is not None:
            try:
                await asyncio.to_thread(self.keep_health, reading)
            except Unkeepable as error:
                raise Dead("unstored", str(error)) from error
        self._metrics.health.inc()
        self.deliveries.settle(delivery)

    async def _take(self, delivery: Delivery, message: Message) -> None:
        large = len(message.value or b"") > THREAD_BYTES
        capture = await asyncio.to_thread(capture_of, message) if large else capture_of(message)
        put = partial(self._put, delivery, message)
        if capture.payload_ref is not None:
            await self._ahead.take(delivery.lane, partial(self._local, capture), put)
            return
        await self._ahead.turn(delivery.lane)
        await put(capture)

    async def _put(self, delivery: Delivery, message: Message, capture: Capture) -> None:
        taken = taken_from(message, capture)
        opened = Open(
            delivery,
            msgspec.structs.replace(message, value=None),
            msgspec.structs.replace(capture, payload=None),
        )
        self._open[delivery.lane, delivery.offset] = opened
        began = time.monotonic()
        await self._pipeline().put(taken, lane=Urgency.LIVE)
        self._metrics.observe_stage("room", time.monotonic() - began)

    async def _local(self, capture: Capture) -> Capture:
        """With its media on this machine. A store that does not answer is waited for: nothing is wrong with the
        capture."""
        pause, longest = STORE_PAUSE_S
        began = time.monotonic()
        while True:
            try:
                found = await asyncio.get_running_loop().run_in_executor(
                    self._fetchers, self._references.local, capture
                )
                self._metrics.observe_stage("media", time.monotonic() - began)
                return found
            except MediaStoreDown as down:
                if self.given_up.is_set():
                    raise MediaStoreDown(f"told to stop while a media store is away: {down}") from down
                _log.warning("%s; trying again in %.1f s", down, pause)
                await self._rest(pause * random.uniform(0.8, 1.2))
                pause = min(2 * pause, longest)

    async def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self.given_up.is_set():
            await asyncio.sleep(min(left, _LOOK_S))

    def settle(self, arrivals: Sequence[Arrival]) -> None:
        """These outcomes are durable: acknowledge their messages."""
        now = time.time()
        for arrival in arrivals:
            lane, offset = lane_of(arrival.position), arrival.position.offset
            delivery = self.deliveries.first(lane, offset)
            if delivery is None:  # Its partition was taken away meanwhile.
                continue
            outcome = arrival.outcome
            self._metrics.captures.labels(outcome.kind.value, outcome.status.value).inc()
            self._metrics.latency.labels(outcome.kind.value).observe(max(0.0, now - delivery.at_ms / 1000))
            self.deliveries.settle(delivery)
            opened = self._open.pop((lane, offset), None)
            if opened is not None and opened.capture.payload_ref is not None:
                self._references.release(opened.capture)

    def _opened(self, position: Position) -> Open | None:
        return self._open.get((lane_of(position), position.offset))

    # ------------------------------------------------------------------ called from other threads

    def durable(self, arrivals: Sequence[Arrival]) -> None:
        """From the writer's thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.settle, arrivals)

    def refused(self, taken: Taken, outcome: Outcome) -> None:
        """From a worker of the pipeline, which waits: the original is a dead letter before its outcome is written."""
        opened = self._opened(taken.position)
        if opened is None:
            return
        original = msgspec.structs.replace(opened.message, value=taken.capture.payload or b"")
        self._deadletters.bury(original, whence_refused(original, outcome))
        self._metrics.dead_letters.labels(outcome.reason).inc()

    def poison(self, arrival: Arrival, words: str) -> None:
        """From the writer's thread: an outcome that the store refuses for ever. It is in its topic; where it came from
        is kept, so that it can be tried again."""
        self._metrics.unstored.inc()
        self._bury_outcome(arrival, "unstored", words)

    def too_large(self, arrival: Arrival, words: str) -> None:
        """From the writer's thread: an outcome that its topic takes never. The store has it."""
        self._bury_outcome(arrival, "outcome_too_large", words)

    def _bury_outcome(self, arrival: Arrival, reason: str, words: str) -> None:
        opened = self._opened(arrival.position)
        self._metrics.dead_letters.labels(reason).inc()
        if opened is not None:
            record = whence(opened.message, reason, words, capture_id=arrival.outcome.capture_id)
            self._deadletters.bury(opened.message, msgspec.structs.replace(record, value_left_out=True))


def _acknowledge(event: Any) -> None:
    event.message.value = SETTLED
    event.ack()


def _message(event: Any) -> Message:
    """The raw message of a Faust event, which keeps no bytes from here on: only what it takes to acknowledge it."""
    raw = event.message
    message = Message(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        at_ms=round((raw.timestamp or 0.0) * 1000),
        key=raw.key,
        value=raw.value,
        headers=tuple((name, value or b"") for name, value in raw.headers or ()),
    )
    raw.value = event.value = None
    return message
