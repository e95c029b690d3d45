"""How far a consumer group is behind: asked of the broker itself, past every proxy."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

ASK_S = 10.0


class Lag:
    """Messages of `topics` that `group` has not committed yet."""

    def __init__(self, bootstrap: str, group: str, topics: Sequence[str]) -> None:
        self._topics = topics
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "log_level": 0})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def messages(self) -> int | None:
        """How many; None while the broker does not answer."""
        try:
            committed = self._consumer.committed(self._partitions(), timeout=ASK_S)
            return sum(self._behind(each) for each in committed)
        except KafkaException:
            return None

    def _partitions(self) -> list[TopicPartition]:
        found = []
        for topic in self._topics:
            described = self._consumer.list_topics(topic, timeout=ASK_S).topics[topic]
            found += [TopicPartition(topic, number) for number in described.partitions]
        return found

    def _behind(self, committed: TopicPartition) -> int:
        low, high = self._consumer.get_watermark_offsets(committed, timeout=ASK_S)
        return int(high - max(low, committed.offset))
