"""The mock cluster with what the tests of workers do: write messages, look at offsets, wait for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from confluent_kafka import Message, Producer, TopicPartition

from katydid.sensors.envelope import Envelope
from mock_cluster import MockCluster, reading

DEADLINE_S = 60.0
PARTITIONS = 4
TOPICS = ("katydid.frames", "katydid.clips", "katydid.health", "katydid.outcomes", "katydid.deadletters")


class MockBroker(MockCluster):
    """One broker with the five topics."""

    def __init__(self, topics: Iterable[str] = TOPICS, partitions: int = PARTITIONS) -> None:
        super().__init__(1)
        self._partitions = partitions
        for topic in topics:
            self.create_topic(topic, partitions)
        self._producer = Producer(
            {"bootstrap.servers": self.bootstrap, "log_level": 0, "message.max.bytes": 13_000_000}
        )

    def write(self, topic: str, envelopes: Iterable[Envelope], partition: int = -1) -> None:
        """Durable when it returns."""
        for each in envelopes:
            self._producer.produce(topic, each.value, each.key, headers=list(each.headers), partition=partition)
            self._producer.poll(0)
        assert self._producer.flush(DEADLINE_S) == 0

    def write_raw(self, topic: str, value: bytes | None, key: bytes | None, partition: int = -1) -> None:
        """A message that is none of ours. Durable when it returns."""
        self._producer.produce(topic, value, key, partition=partition)
        assert self._producer.flush(DEADLINE_S) == 0

    def read(self, topic: str, count: int, deadline_s: float = DEADLINE_S) -> list[Message]:
        """The messages of a topic, when there are so many."""
        until(lambda: self.count(topic) >= count, f"{count} messages in {topic}", deadline_s)
        return self.messages(topic)

    def committed(self, group: str, topic: str) -> list[int]:
        """Committed offsets of a group by partition; negative where there is none."""
        asked = [TopicPartition(topic, number) for number in range(self._partitions)]
        with reading(self, group) as consumer:
            return [each.offset for each in consumer.committed(asked, timeout=DEADLINE_S)]

    def settled(self, topic: str, group: str = "katydid") -> bool:
        """Whether everything in the topic is committed."""
        with reading(self) as consumer:
            ends = [
                consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=DEADLINE_S)[1]
                for number in range(self._partitions)
            ]
        return all(max(offset, 0) == end for offset, end in zip(self.committed(group, topic), ends, strict=True))


def until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for a condition."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.05)
