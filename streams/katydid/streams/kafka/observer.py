"""Looks at the group's offsets from outside, every few seconds: lag, and how near retention is. What retention dropped
before it was read, is an error line and a counter at once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection

from confluent_kafka import Consumer, KafkaException, TopicPartition

from katydid.streams.kafka.clients import confluent_settings
from katydid.streams.kafka.configuration import Configuration
from katydid.streams.kafka.metrics import Metrics
from katydid.streams.kafka.retention import Jumps, Lost, Partition

EVERY_S = 5.0
ANSWER_S = 5.0

_log = logging.getLogger(__name__)


class Observer:
    """A thread that reads the group's offsets without being a member of it."""

    def __init__(
        self, configuration: Configuration, metrics: Metrics, assigned: Callable[[], Collection[Partition]]
    ) -> None:
        self._configuration = configuration
        self._metrics = metrics
        self._assigned = assigned
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="katydid-observer", daemon=True)
        self._wake = threading.Event()
        self._jumps = Jumps(self._wake.set)
        self._lost = Lost()
        self._shown: set[Partition] = set()

    def start(self) -> None:
        self._jumps.listen()
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._jumps.close()
        self._stop.set()
        self._wake.set()
        self._thread.join(ANSWER_S)

    def _run(self) -> None:
        kafka = self._configuration.kafka
        consumer = Consumer(
            confluent_settings(self._configuration, {"group.id": kafka.group, "enable.auto.commit": False})
        )
        try:
            while not self._stopped():
                try:
                    self._count_lost(consumer)
                    self._look(consumer)
                except KafkaException as error:  # Liveness tells; this only counts.
                    _log.debug("lag cannot be read: %s", error)
        finally:
            consumer.close()

    def _stopped(self) -> bool:
        """Waits until it is time for another look, or something happened."""
        self._wake.wait(EVERY_S if self._shown else 0.5)
        self._wake.clear()
        return self._stop.is_set()

    def _count_lost(self, consumer: Consumer) -> None:
        while (jump := self._jumps.next()) is not None:
            partition, wanted = jump
            try:
                low, _ = consumer.get_watermark_offsets(TopicPartition(*partition), timeout=ANSWER_S)
            except KafkaException:
                self._jumps.wanted(partition, wanted)
                raise
            self._gone(partition, wanted, low)

    def _gone(self, partition: Partition, wanted: int, low: int) -> None:
        """The client wanted an offset that is gone; the log starts at `low`."""
        gone = self._lost.between(partition, wanted, low)
        if gone:
            topic, number = partition
            self._metrics.lost.labels(topic).inc(gone)
            _log.error(
                "%s/%d: %d messages were dropped by retention before they were read (read up to %d, log starts at %d): "
                "lengthen the topic's retention or add workers",
                topic, number, gone, wanted, low,
            )  # fmt: skip

    def _look(self, consumer: Consumer) -> None:
        assigned = sorted(self._assigned())
        for topic, number in self._shown - set(assigned):
            self._metrics.lag.remove(topic, str(number))
            self._metrics.headroom.remove(topic, str(number))
        self._shown &= set(assigned)
        if not assigned:
            return
        asked = [TopicPartition(topic, number) for topic, number in assigned]
        for found in consumer.committed(asked, timeout=ANSWER_S):
            low, high = consumer.get_watermark_offsets(found, timeout=ANSWER_S)
            self._note((found.topic, found.partition), found.offset, low, high)

    def _note(self, partition: Partition, committed: int, low: int, high: int) -> None:
        """Offsets of one partition; `committed` is negative where there is none."""
        topic, number = partition
        self._shown.add(partition)
        position = committed if committed >= 0 else low
        self._metrics.lag.labels(topic, str(number)).set(max(0, high - position))
        self._metrics.headroom.labels(topic, str(number)).set(max(0, position - low))
