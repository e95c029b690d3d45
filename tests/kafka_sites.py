"""A deployment of a test's own on real servers: topics, a group, a sink, and `katydid` run against them."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as Delivered

from kafka_workers import Worker
from katydid.sensors.envelope import Envelope
from katydid.streams.cli import run_command
from katydid.streams.kafka.configuration import Configuration, read_configuration
from katydid.streams.kafka.consuming import all_messages
from katydid.streams.kafka.letters import Letter, letters
from katydid.streams.kafka.records import Message
from mock_broker import DEADLINE_S

NAMES = ("frames", "clips", "health", "outcomes", "deadletters")
COORDINATING = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)
"""What a broker answers to the first group that it hears of."""
Place = tuple[str, int, int]
"""Topic, partition, offset."""


class Site:
    """Its files lie in `folder`; `token` is that of InfluxDB, where `sink` is one."""

    def __init__(
        self, folder: Path, bootstrap: str, bundles: Sequence[Path], *, sink: str = "", token: str = "", more: str = ""
    ) -> None:
        self.folder, self.bootstrap = folder, bootstrap
        self.name = uuid.uuid4().hex[:8]
        self.path = folder / "katydid.toml"
        self._environ = {"KATYDID_INFLUX_TOKEN": token} if token else {}
        self._workers: list[Worker] = []
        topics = "\n".join(f'{name} = "{self.name}.{name}"' for name in NAMES)
        models = ", ".join(f"'{path.as_posix()}'" for path in bundles)
        self.path.write_text(
            f'[kafka]\nservers = ["{bootstrap}"]\ngroup = "{self.name}"\nsession_s = 6\nheartbeat_s = 1\n'
            f'[topics]\npartitions = 3\n{topics}\n[sink]\nurl = "{sink}"\n[models]\nnames = [{models}]\n'
            f"[metrics]\nport = 0\n{more}",
            encoding="utf-8",
        )
        assert self.run("topics", "create") == 0
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "acks": "all", "message.max.bytes": 13_000_000, "log_level": 0}
        )

    @property
    def configuration(self) -> Configuration:
        return read_configuration(self.path, {**os.environ, **self._environ})

    def topic(self, name: str) -> str:
        return f"{self.name}.{name}"

    def run(self, *words: str) -> int:
        """`katydid WORDS --config …` in this process; its exit code."""
        return run_command([*words, "--config", str(self.path)])

    def start(self, *options: str) -> Worker:
        """A worker, which ends with the site."""
        log = self.folder / f"worker-{len(self._workers)}.log"
        self._workers.append(Worker(self.path, log, *options, **self._environ))
        return self._workers[-1]

    def close(self) -> None:
        for worker in self._workers:
            worker.stop(signal.SIGKILL)

    # ------------------------------------------------------------------ topics

    def write(self, name: str, envelope: Envelope, *, partition: int = -1) -> Place:
        return self.write_raw(name, envelope.value, envelope.key, envelope.headers, partition=partition)

    def write_raw(
        self,
        name: str,
        value: bytes | None,
        key: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        *,
        partition: int = -1,
        producer: Producer | None = None,
    ) -> Place:
        """Any message; durable when it returns where it lies."""
        lies: list[Place] = []

        def delivered(error: KafkaError | None, message: Delivered) -> None:
            assert error is None, error
            lies.append((message.topic() or "", message.partition() or 0, message.offset() or 0))

        sending = producer or self._producer
        sending.produce(self.topic(name), value, key, headers=list(headers), partition=partition, on_delivery=delivered)
        assert sending.flush(DEADLINE_S) == 0
        return lies[0]

    def messages(self, name: str) -> list[Message]:
        return list(all_messages(self.configuration, self.topic(name)))

    def letters(self) -> list[Letter]:
        return letters(self.configuration)

    def left(self, name: str, group: str = "") -> int:
        """Messages of a topic that the group has not committed; endless while the broker does not know of the group."""
        settings = {"bootstrap.servers": self.bootstrap, "group.id": group or self.name, "enable.auto.commit": False}
        consumer = Consumer(settings)
        try:
            asked = [TopicPartition(self.topic(name), number) for number in range(3)]
            found = consumer.committed(asked, timeout=DEADLINE_S)
            ends = [consumer.get_watermark_offsets(each, timeout=DEADLINE_S)[1] for each in asked]
        except KafkaException as error:
            if error.args[0].code() not in COORDINATING:
                raise
            return sys.maxsize
        finally:
            consumer.close()
        return sum(end - max(0, each.offset) for end, each in zip(ends, found, strict=True))

    def settled(self) -> bool:
        """Whether everything in the topics that workers read is committed."""
        return not any(self.left(name) for name in ("frames", "clips", "health"))


def kept_by_the_keeper(site: Site) -> bool:
    """Whether a keeper has everything that is in the topic of outcomes."""
    return site.left("outcomes", f"{site.name}.store") == 0
