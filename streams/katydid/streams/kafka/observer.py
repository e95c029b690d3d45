"""Looks at the group's offsets from outside, every few seconds: lag, and what retention dropped before it was read.

An offset below the log's start is silent loss: the client jumps to the earliest message with one line at INFO. Here it
is an error line and a counter.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection

from confluent_kafka import Consumer, KafkaException, TopicPartition

from katydid.streams.kafka.clients import confluent_settings
from katydid.streams.kafka.configuration import Configuration
from katydid.streams.kafka.metrics import Metrics

EVERY_S = 5.0
ANSWER_S = 5.0

Partition = tuple[str, int]
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
        self._lost: dict[Partition, int] = {}
        self._shown: set[Partition] = set()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(ANSWER_S)

    def _run(self) -> None:
        kafka = self._configuration.kafka
        consumer = Consumer(
            confluent_settings(self._configuration, {"group.id": kafka.group, "enable.auto.commit": False})
        )
        try:
            while not self._stop.wait(EVERY_S if self._shown else 0.5):
                try:
                    self._look(consumer)
                except KafkaException as error:  # Liveness tells; this only counts.
                    _log.debug("lag cannot be read: %s", error)
        finally:
            consumer.close()

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
        if 0 <= committed < low and self._lost.get(partition, -1) < low:
            gone = low - max(committed, self._lost.get(partition, committed))
            self._lost[partition] = low
            self._metrics.lost.labels(topic).inc(gone)
            _log.error(
                "%s/%d: %d messages were dropped by retention before they were read (committed %d, log starts at %d): "
                "lengthen the topic's retention or add workers",
                topic, number, gone, committed, low,
            )  # fmt: skip
