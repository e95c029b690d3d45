"""librdkafka's mock cluster, driven from Python: a real TCP broker in this process, with errors at will.

confluent-kafka can start one (`test.mock.num.brokers`) and cannot steer it; the functions that do are exported by the
library that it ships, and called here through ctypes. Limits: no log-in, no rights, 5 MiB a partition are kept.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import confluent_kafka
import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from katydid.sensors.envelope import Envelope

PRODUCE = 0
"""Kafka's number of the request."""
_CALL_S = 10.0


def _library() -> ctypes.CDLL:
    package = Path(confluent_kafka.__file__).parent
    found = [*package.parent.glob("confluent_kafka.libs/librdkafka*"), *package.glob(".dylibs/librdkafka*")]
    if not found:
        pytest.skip("the librdkafka of confluent-kafka is not where its wheels put it")
    library = ctypes.CDLL(str(found[0]))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library


class MockCluster:
    """Three brokers. A context manager."""

    def __init__(self, brokers: int = 3) -> None:
        self._library = _library()
        conf = ctypes.c_void_p(self._library.rd_kafka_conf_new())
        self._library.rd_kafka_conf_set(conf, b"log_level", b"0", None, ctypes.c_size_t(0))
        self._client = ctypes.c_void_p(self._library.rd_kafka_new(0, conf, None, ctypes.c_size_t(0)))
        self._cluster = ctypes.c_void_p(self._library.rd_kafka_mock_cluster_new(self._client, brokers))
        self.brokers = range(1, brokers + 1)
        self.servers = tuple(self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode().split(","))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)

    @property
    def bootstrap(self) -> str:
        return ",".join(self.servers)

    def create_topic(self, name: str, partitions: int = 4) -> None:
        assert self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1) == 0

    def topic_error(self, name: str, error: int) -> None:
        """What is answered when a client asks about a topic."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, name.encode(), error)

    def next_errors(self, request: int, errors: Sequence[int]) -> None:
        """What the next requests of a kind are answered with."""
        array = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(request), ctypes.c_size_t(len(errors)), array
        )

    def down(self) -> None:
        for broker in self.brokers:
            assert self._library.rd_kafka_mock_broker_set_down(self._cluster, broker) == 0

    def up(self) -> None:
        for broker in self.brokers:
            assert self._library.rd_kafka_mock_broker_set_up(self._cluster, broker) == 0

    def count(self, topic: str) -> int:
        """Messages that a topic holds."""
        with reading(self) as consumer:
            return sum(high - low for _, low, high in _bounds(consumer, topic))

    def messages(self, topic: str) -> list[Message]:
        """Everything that a topic holds, in order within each partition."""
        with reading(self) as consumer:
            bounds = _bounds(consumer, topic)
            assert not any(low for _, low, _ in bounds), "the mock keeps 5 MiB a partition, and has dropped some"
            left = sum(high for _, _, high in bounds)
            consumer.assign([TopicPartition(topic, partition, low) for partition, low, _ in bounds])
            found: list[Message] = []
            until = time.monotonic() + _CALL_S
            while len(found) < left:
                assert time.monotonic() < until, f"{len(found)} of {left} messages could be read"
                found += [message for message in consumer.consume(1000, 0.2) if message.error() is None]
            return found


def received_envelope(message: Message) -> Envelope:
    """A message as the envelope that was sent."""
    headers = cast(list[tuple[str, bytes]], message.headers() or [])
    return Envelope(key=message.key() or b"", value=message.value() or b"", headers=tuple(headers))


class reading:
    """A consumer without a group's duties."""

    def __init__(self, cluster: MockCluster, group: str = "test") -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": cluster.bootstrap, "group.id": group, "enable.auto.commit": False, "log_level": 0}
        )

    def __enter__(self) -> Consumer:
        return self._consumer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()


def _bounds(consumer: Consumer, topic: str) -> list[tuple[int, int, int]]:
    """(partition, first offset, next offset) of every partition."""
    partitions = consumer.list_topics(topic, timeout=_CALL_S).topics[topic].partitions
    bounds = []
    for partition in partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_CALL_S)
        bounds.append((partition, low, high))
    return bounds


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    """Three brokers with the two topics that captures travel on."""
    with MockCluster() as made:
        for topic in ("katydid.frames", "katydid.clips"):
            made.create_topic(topic)
        yield made
