"""Writing to topics from any thread: `send` returns when all replicas in sync have the records.

confluent-kafka, because it is thread-safe, needs no event loop, and costs 1 µs a message where aiokafka costs 20.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Producer

from katydid.streams.kafka.clients import producer_settings
from katydid.streams.kafka.configuration import Configuration
from katydid.streams.kafka.errors import BrokerAway, BrokerError, MessageTooLarge
from katydid.streams.kafka.records import Record

if TYPE_CHECKING:
    from confluent_kafka import Message as Delivered

POLL_S = 0.1
_RIGHTS = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
)
_ABSENT = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)
_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE)


class DurableProducer:
    """One connection for all threads of a worker."""

    def __init__(self, configuration: Configuration) -> None:
        self._producer = Producer(producer_settings(configuration))
        self._closed = False
        self._changed = threading.Condition()
        self._senders = 0
        """How many wait for their records: nobody need look for answers when there are none."""
        self._hurried: tuple[float, float] | None = None
        """Since when (monotonic clock) a sender waits no longer than how many seconds."""
        self._poller = threading.Thread(target=self._poll, name="katydid-producer", daemon=True)
        self._poller.start()

    def send(self, records: Sequence[Record]) -> None:
        """Durable when it returns. Raises MessageTooLarge, BrokerError, BrokerAway (after five minutes of trying, or
        what `hurry` said); then some of the records may have been written."""
        sending = _Sending(len(records))
        began = time.monotonic()
        with self._polled():
            for record in records:
                self._produce(record, sending, began)
            while not sending.done(POLL_S):
                self._check(began, records[0].topic)

    def hurry(self, within_s: float) -> None:
        """Told to stop: from now on a `send` waits at most so long. Any thread."""
        self._hurried = (time.monotonic(), within_s)

    def _check(self, began: float, topic: str) -> None:
        if self._hurried is None:
            return
        since, within_s = self._hurried
        if time.monotonic() - max(since, began) > within_s:
            raise BrokerAway(f"told to stop while the broker is away: {topic} could not be written in {within_s:g} s")

    def close(self) -> None:
        """End the thread; what `send` returned for is written already."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._poller.join()
        self._producer.flush(1.0)

    def _produce(self, record: Record, sending: _Sending, began: float) -> None:
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                    on_delivery=sending.delivered,
                )
                return
            except BufferError:  # The queue is full: back-pressure.
                self._producer.poll(POLL_S)
                self._check(began, record.topic)
            except KafkaException as error:
                sending.failed(record.topic, error.args[0])
                return

    @contextmanager
    def _polled(self) -> Iterator[None]:
        """Inside, the thread looks for answers."""
        with self._changed:
            self._senders += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._senders -= 1

    def _poll(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._senders or self._closed)
                if self._closed:
                    return
            self._producer.poll(POLL_S)


class _Sending:
    """Records whose delivery one caller waits for."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._error: BrokerError | None = None
        self._changed = threading.Condition()

    def delivered(self, error: KafkaError | None, message: Delivered) -> None:
        """The producer's word about one record; called from whichever thread polls."""
        with self._changed:
            if error is not None and self._error is None:
                self._error = broker_error(message.topic() or "", error)
            self._left -= 1
            self._changed.notify_all()

    def failed(self, topic: str, error: KafkaError) -> None:
        """One record was not even taken."""
        with self._changed:
            self._error = self._error or broker_error(topic, error)
            self._left -= 1

    def done(self, timeout_s: float) -> bool:
        """Waits so long; whether the word about every record is there. Raises the first that is an error."""
        with self._changed:
            done = self._changed.wait_for(lambda: self._left <= 0, timeout_s)
            if done and self._error is not None:
                raise self._error
            return done


def broker_error(topic: str, error: KafkaError) -> BrokerError:
    """The client's error in words that say what to do."""
    code = error.code()
    if code in _LARGE:
        return MessageTooLarge(
            f"a message is too large for {topic}: `katydid topics check` says whether its max.message.bytes is 12 MiB"
        )
    if code in _RIGHTS:
        return BrokerError(f"no right to write to {topic}: grant WRITE on it to this user (`katydid topics user`)")
    if code in _ABSENT:
        return BrokerError(f"there is no topic {topic}: `katydid topics create`")
    return BrokerAway(f"{topic} cannot be written to: {error.str()}")
