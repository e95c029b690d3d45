"""A stage for the worker's benchmark: one real Kafka, one real InfluxDB, and `katydid worker` as processes.

Each act has topics, a consumer group and a bucket of its own, so that nothing is left of the act before. Workers are
first warmed up (a few captures for each partition), then suspended, so that a backlog can be laid before them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from prometheus_client.parser import text_string_to_metric_families
from worker_media import Media

from katydid.sensors.envelope import pack
from katydid.streams.kafka.administration import Administration
from katydid.streams.kafka.clients import Settings, confluent_settings, producer_settings
from katydid.streams.kafka.configuration import Configuration, read_configuration
from katydid.streams.kafka.consuming import all_messages

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "deploy"))
from servers.influx import InfluxServer
from servers.kafka import KafkaServer

PARTITIONS = 8
WITHIN_S = 300.0
SLOWEST = 5.0
"""Captures a second that even a machine with much else to do must reach."""
WARM_EACH = 3
"""Captures for each partition before anything is measured."""
_LOOK_S = 0.05


class Late(Exception):
    """Something that should have happened did not."""


def until(there: Callable[[], bool], what: str, within_s: float = WITHIN_S) -> None:
    """Wait for it. Raises Late."""
    end = time.monotonic() + within_s
    while not there():
        if time.monotonic() > end:
            raise Late(f"waited {within_s:.0f} s for {what}")
        time.sleep(_LOOK_S)


class Worker:
    """One `katydid worker`."""

    def __init__(self, configuration: Path, log: Path, environ: Mapping[str, str]) -> None:
        self._log = log
        command = [sys.executable, "-c", "from katydid.streams.cli import main; main()", "worker"]
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [*command, "--config", str(configuration)], stdout=file, stderr=file, env={**os.environ, **environ}
            )
        self.seen = psutil.Process(self._process.pid)

    @property
    def cpu_s(self) -> float:
        """CPU time of all its threads so far, in user and system mode, seconds."""
        spent = self.seen.cpu_times()
        return float(spent.user + spent.system)

    @property
    def resident_mb(self) -> float:
        """Resident set, MB (10**6 bytes)."""
        return float(self.seen.memory_info().rss) / 1e6

    def metrics(self) -> dict[str, float]:
        """Every sample whose labels matter little here, summed by its name."""
        self._must_run()
        words = self._log.read_text(encoding="utf-8", errors="replace")
        address = words.split("metrics at ")[1].split()[0]
        with urllib.request.urlopen(address, timeout=10) as answer:
            text = answer.read().decode()
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = sample.name + "".join(f".{sample.labels[key]}" for key in ("stage",) if key in sample.labels)
                found[name] = found.get(name, 0.0) + sample.value
        return found

    def partitions(self) -> int:
        """How many it has; 0 while it does not serve its metrics yet."""
        self._must_run()
        if "metrics at " not in self._log.read_text(encoding="utf-8", errors="replace"):
            return 0
        return int(self.metrics().get("katydid_assigned_partitions", 0))

    def stop(self) -> None:
        """End it in order, by force after half a minute."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _must_run(self) -> None:
        if self._process.poll() is not None:
            raise Late(f"a worker ended with {self._process.returncode}:\n{self._log.read_text()[-2000:]}")


@dataclass
class Act:
    """Some workers on topics of their own. `sent` counts what they were given; captures are sent by `send`."""

    configuration: Configuration
    workers: Sequence[Worker]
    first: int
    """Number of the first capture."""
    _producer: Producer = field(init=False)
    _admin: AdminClient = field(init=False)
    _group: Consumer = field(init=False)
    sent: int = 0
    due: dict[str, float] = field(default_factory=dict)
    """By capture id, when it was to be sent, seconds since 1970."""

    def __post_init__(self) -> None:
        settings = producer_settings(self.configuration) | {
            "linger.ms": 0,
            "queue.buffering.max.kbytes": 1_048_576,
        }
        self._producer = Producer(settings)
        self._admin = AdminClient(confluent_settings(self.configuration))
        asking: Settings = {"group.id": self.configuration.kafka.group, "enable.auto.commit": False}
        self._group = Consumer(confluent_settings(self.configuration, asking))

    def send(self, media: Media, due: float = 0.0) -> None:
        """One capture, to the partitions in turn; does not wait for the broker."""
        number = self.first + self.sent
        capture = media.capture(number, f"sensor-{number % PARTITIONS}")
        message = pack(capture)
        topic = self.configuration.topics.of(capture.kind)
        self._producer.produce(
            topic, message.value, message.key, partition=number % PARTITIONS, headers=list(message.headers)
        )
        self._producer.poll(0.0)
        self.due[capture.capture_id] = due
        self.sent += 1

    def lay(self, captures: Iterable[Media]) -> None:
        """Send so many; the broker has them when it returns."""
        for media in captures:
            self.send(media)
            if len(self._producer) > 2_000:
                self._producer.flush()
        if self._producer.flush(60.0):
            raise Late("the broker did not take all captures")

    def durable(self) -> int:
        """Outcomes in their topic: they are in the store by then."""
        return sum(self._ends((self.configuration.topics.outcomes,)))

    def finish(self, watch: Callable[[int], None] = lambda done: None) -> None:
        """Wait until every outcome is durable and the offsets of all captures are committed."""

        def all_there() -> bool:
            done = self.durable()
            watch(done)
            return done >= self.sent

        until(all_there, f"{self.sent} outcomes", WITHIN_S + self.sent / SLOWEST)
        until(lambda: self._committed() >= self.sent, "the last offsets to be committed")

    def outcomes(self) -> dict[str, float]:
        """By capture id, when the broker took its outcome, seconds since 1970."""
        topic = self.configuration.topics.outcomes
        return {
            _decode_id(message.value or b"").capture_id: message.at_ms / 1000
            for message in all_messages(self.configuration, topic)
        }

    def warm_up(self, medias: Sequence[Media]) -> None:
        """Every worker has its partitions and has used every model."""
        wanted = 3 * PARTITIONS
        until(
            lambda: all(some := [worker.partitions() for worker in self.workers]) and sum(some) == wanted,
            "all partitions to be handed out",
        )
        for media in medias:
            self.lay([media] * PARTITIONS * WARM_EACH)
        self.finish()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """The workers stand still meanwhile (they do not notice if it takes less than their session of 45 s)."""
        for worker in self.workers:
            worker.seen.suspend()
        try:
            yield
        finally:
            for worker in self.workers:
                worker.seen.resume()

    def cpu_s(self) -> float:
        """Of all workers."""
        return sum(worker.cpu_s for worker in self.workers)

    def identify_s(self) -> float:
        """CPU time in decoding, models and deciding, of all workers."""
        return sum(worker.metrics()["katydid_identify_cpu_seconds"] for worker in self.workers)

    def close(self) -> None:
        for worker in self.workers:
            worker.stop()
        self._group.close()
        self._admin.delete_topics(list(self.configuration.topics.all()))

    def _ends(self, topics: Sequence[str]) -> list[int]:
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call] # the client's own lack
        asked = {TopicPartition(topic, number): latest for topic in topics for number in range(PARTITIONS)}
        return [found.result().offset for found in self._admin.list_offsets(asked).values()]

    def _committed(self) -> int:
        topics = self.configuration.topics
        asked = [TopicPartition(name, n) for name in (topics.frames, topics.clips) for n in range(PARTITIONS)]
        return sum(max(0, found.offset) for found in self._group.committed(asked, timeout=10.0))


class _Identified(msgspec.Struct):
    capture_id: str


_decode_id = msgspec.json.Decoder(_Identified).decode


class Stage:
    """The two servers. A context manager; raises ServerMissing where one cannot be had."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.kafka = KafkaServer(folder / "kafka")
        self.influx = InfluxServer(folder / "influxdb")
        self._stack = ExitStack()
        self._acts = 0
        self._numbered = 0

    def __enter__(self) -> Stage:
        self._stack.callback(self.kafka.kill)
        self._stack.callback(self.influx.kill)
        self.kafka.start()
        self.influx.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def act(
        self, medias: Sequence[Media], workers: int, backlog: Iterable[Media] = (), threads: int | None = None
    ) -> Iterator[Act]:
        """So many workers on new topics, with a model for each of the media; `backlog` is there before they start.
        `threads` of each; None: one a core."""
        self._acts += 1
        path, environ = self._write(medias, threads), {"KATYDID_INFLUX_TOKEN": self.influx.token}
        configuration = read_configuration(path, environ)
        Administration(configuration).create_topics()
        started: list[Worker] = []
        act = Act(configuration, started, self._numbered)
        try:
            act.lay(backlog)
            started += [Worker(path, path.with_suffix(f".{number}.log"), environ) for number in range(workers)]
            yield act
        finally:
            self._numbered += act.sent
            act.close()

    def _write(self, medias: Sequence[Media], threads: int | None) -> Path:
        path = self._folder / f"act-{self._acts}.toml"
        names = ", ".join(f"'{media.bundle.as_posix()}'" for media in medias)
        topics = "\n".join(f'{name} = "act-{self._acts}.{name}"' for name in ("frames", "clips", "health"))
        topics += "\n" + "\n".join(f'{name} = "act-{self._acts}.{name}"' for name in ("outcomes", "deadletters"))
        path.write_text(
            f'[kafka]\nservers = ["{self.kafka.bootstrap}"]\ngroup = "act-{self._acts}"\n'
            f"[topics]\npartitions = {PARTITIONS}\n{topics}\n"
            f'[sink]\nurl = "influx+{self.influx.url}/{self.influx.org}/{self.influx.new_bucket()}"\n'
            f"[models]\nnames = [{names}]\ndirectory = '{(self._folder / 'no-models').as_posix()}'\n"
            '[models.identify]\nregion = "whole"\n[metrics]\nport = 0\n'
            + ("" if threads is None else f"[pipeline]\nworkers = {threads}\n"),
            encoding="utf-8",
        )
        return path
