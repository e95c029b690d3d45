"""A second store, kept from the topic of outcomes: `katydid worker --sink duckdb:///PATH`, for one who wants SQL.

No model runs here. Each batch of outcomes is written with its offsets in one transaction, and a restart goes on behind
the offsets that the store itself holds: so a store that was put back from a copy catches up, and a kill changes
nothing. The group's committed offsets are for those who watch lag; a store that keeps no positions goes by them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Found

from katydid.sensors.errors import EnvelopeError
from katydid.sensors.sources.protocol import Position
from katydid.streams.kafka.configuration import Configuration
from katydid.streams.kafka.consuming import ANSWER_S, reader, record_of
from katydid.streams.kafka.deadletters import DeadLetters
from katydid.streams.kafka.errors import BrokerAway, BrokerError
from katydid.streams.kafka.intake import SOURCE, whence
from katydid.streams.kafka.liveness import Pulse, Verdict, judge
from katydid.streams.kafka.metrics import Metrics
from katydid.streams.kafka.records import Message, read_outcome
from katydid.streams.sink import Arrival, Sink
from katydid.streams.store import DuckDBStore

POLL_S = 0.5
LOOK_S = 60.0
"""How often the topic is looked at for new partitions, seconds."""
_RETRIABLE = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._TIMED_OUT)

_log = logging.getLogger(__name__)


class Keeper:
    """Writes the topic of outcomes into a store until it is told to stop."""

    def __init__(self, configuration: Configuration, store: Sink, deadletters: DeadLetters, metrics: Metrics) -> None:
        self._configuration = configuration
        self._topic = configuration.topics.outcomes
        self._store = store
        self._deadletters = deadletters
        self._metrics = metrics
        self.group = f"{configuration.kafka.group}.store"
        self._pulse = Pulse(started=time.monotonic())
        self._batch: Mapping[tuple[str, int], Message] = {}
        """What is being written now, by partition and offset."""
        self.stop = threading.Event()

    def run(self) -> None:
        """Raises BrokerError, StoreError."""
        consumer = reader(self._configuration, self.group)
        try:
            self._assign(consumer)
            looked = time.monotonic()
            while not self.stop.is_set():
                self._write(consumer, self._fetch(consumer))
                if time.monotonic() - looked > LOOK_S:
                    looked = time.monotonic()
                    self._assign_new(consumer)
        except KafkaException as error:
            raise BrokerAway(f"{self._topic} cannot be read: {error.args[0].str()}") from error
        finally:
            consumer.close()

    def verdict(self) -> Verdict:
        """What /healthz and /readyz say."""
        kafka = self._configuration.kafka
        return judge(self._pulse, time.monotonic(), kafka.alive_s, self.group)

    # ------------------------------------------------------------------ where to go on

    def _assign(self, consumer: Consumer) -> None:
        self._note_partitions(consumer, self._starts(consumer, self._partitions(consumer)))

    def _assign_new(self, consumer: Consumer) -> None:
        have = {each.partition for each in consumer.assignment()}
        new = [number for number in self._partitions(consumer) if number not in have]
        if new:
            places = {each.partition: each.offset for each in consumer.position(consumer.assignment())}
            starts = {number: place for number, place in places.items() if place >= 0}
            self._note_partitions(consumer, starts | self._starts(consumer, [*new, *(have - set(starts))]))

    def _note_partitions(self, consumer: Consumer, starts: Mapping[int, int]) -> None:
        consumer.assign([TopicPartition(self._topic, number, start) for number, start in starts.items()])
        self._pulse.partitions = len(starts)
        self._metrics.partitions.set(len(starts))

    def _partitions(self, consumer: Consumer) -> list[int]:
        found = consumer.list_topics(self._topic, timeout=ANSWER_S).topics[self._topic]
        if found.error is not None:
            raise BrokerError(f"there is no topic {self._topic} that this user may read: `katydid topics check`")
        return sorted(found.partitions)

    def _starts(self, consumer: Consumer, partitions: Sequence[int]) -> dict[int, int]:
        """Partition → first offset to read."""
        kept = self._kept(consumer, partitions)
        starts: dict[int, int] = {}
        for number in partitions:
            low, _ = consumer.get_watermark_offsets(TopicPartition(self._topic, number), timeout=ANSWER_S)
            wanted = kept.get(number, low)
            if wanted < low and number in kept:
                self._metrics.lost.labels(self._topic).inc(low - wanted)
                _log.error(
                    "%s/%d: %d outcomes were dropped by retention before they were stored: lengthen its retention",
                    self._topic, number, low - wanted,
                )  # fmt: skip
            starts[number] = max(low, wanted)
        return starts

    def _kept(self, consumer: Consumer, partitions: Sequence[int]) -> dict[int, int]:
        """Partition → the offset behind what the store holds."""
        if isinstance(self._store, DuckDBStore):
            offsets = self._store.offsets(SOURCE + self._topic)
            kept = {int(number): offset + 1 for number, offset in offsets.items()}
            for number in partitions:
                behind = self._store.meta(self._behind(number))
                if behind is not None:
                    kept[number] = max(kept.get(number, 0), int(behind))
            return kept
        asked = [TopicPartition(self._topic, number) for number in partitions]
        found = consumer.committed(asked, timeout=ANSWER_S)
        return {each.partition: each.offset for each in found if each.offset >= 0}

    def _behind(self, partition: int) -> str:
        """The word in the store that says how far a partition was read where its end was a dead letter."""
        return f"read {SOURCE}{self._topic}/{partition}"

    # ------------------------------------------------------------------ fetching and writing

    def _fetch(self, consumer: Consumer) -> list[Found]:
        bounds = self._configuration.pipeline
        good: list[Found] = []
        for found in consumer.consume(bounds.commit_items, timeout=min(POLL_S, bounds.commit_s)):
            error = found.error()
            if error is None:
                good.append(found)
            elif error.code() not in _RETRIABLE:
                raise BrokerError(f"{self._topic} cannot be read: {error.str()}")
        self._pulse.fetched = time.monotonic() if good or self._answers(consumer) else self._pulse.fetched
        return good

    def _answers(self, consumer: Consumer) -> bool:
        """Whether the broker still answers while nothing comes."""
        now = time.monotonic()
        if now - (self._pulse.fetched or 0.0) < self._configuration.kafka.alive_s / 4:
            return False
        try:
            consumer.list_topics(self._topic, timeout=POLL_S)
        except KafkaException:
            return False
        return True

    def _write(self, consumer: Consumer, messages: Sequence[Found]) -> None:
        if not messages:
            return
        pairs = [(found, self._arrival(found)) for found in messages]
        arrivals = [arrival for _, arrival in pairs if arrival is not None]
        self._batch = {(str(found.partition() or 0), found.offset() or 0): record_of(found) for found in messages}
        self._pulse.writing = began = time.monotonic()
        self._store.write(arrivals)
        self._keep_ends(pairs)
        self._metrics.observe_stage("store", time.monotonic() - began)
        self._pulse.writing = None
        self._pulse.committed = time.monotonic()
        for arrival in arrivals:
            self._metrics.captures.labels(arrival.outcome.kind.value, arrival.outcome.status.value).inc()
        ends = {found.partition() or 0: (found.offset() or 0) + 1 for found in messages}
        consumer.commit(
            offsets=[TopicPartition(self._topic, number, end) for number, end in ends.items()], asynchronous=True
        )

    def poisoned(self, arrival: Arrival, words: str) -> None:
        """From within `write`: an outcome that the store refuses for ever. A dead letter before anything behind it is
        committed, with the outcome itself; its topic has it too, and no other reader is disturbed."""
        _log.error("the store refuses the outcome of capture %s for ever: %s", arrival.outcome.capture_id, words)
        message = self._batch[arrival.position.partition, arrival.position.offset]
        record = whence(message, "unstored", words, capture_id=arrival.outcome.capture_id)
        self._deadletters.bury(message, record)
        self._metrics.unstored.inc()
        self._metrics.dead_letters.labels(record.reason).inc()

    def _keep_ends(self, pairs: Sequence[tuple[Found, Arrival | None]]) -> None:
        """Outcomes carry their position into the store. A dead letter has none, and one behind the last outcome of its
        partition would be buried again after every restart."""
        last = {found.partition() or 0: (found.offset() or 0, arrival) for found, arrival in pairs}
        for number, (offset, arrival) in last.items():
            if arrival is None and isinstance(self._store, DuckDBStore):
                self._store.set_meta(self._behind(number), str(offset + 1))

    def _arrival(self, found: Found) -> Arrival | None:
        message = record_of(found)
        try:
            outcome = read_outcome(message)
        except EnvelopeError as error:
            _log.warning("%s/%d@%d is a dead letter: %s", message.topic, message.partition, message.offset, error)
            self._deadletters.bury(message, whence(message, "outcome", str(error)))
            self._metrics.dead_letters.labels("outcome").inc()
            return None
        position = Position(source=SOURCE + message.topic, partition=str(message.partition), offset=message.offset)
        return Arrival(outcome=outcome, position=position)
