"""Static members on a real broker: two with one id, and several that come at once."""

from __future__ import annotations

import signal
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from kafka_workers import Worker, settings
from katydid.streams.cli import run_command
from mock_broker import until
from servers.kafka import KafkaServer

pytestmark = pytest.mark.slow

Begin = Callable[[str], Worker]


@pytest.fixture
def begin(kafka_server: KafkaServer, bundle_path: Path, tmp_path: Path) -> Iterator[Begin]:
    """Starts a worker with an instance id, in a group and on topics of this test's own."""
    prefix, workers = uuid.uuid4().hex[:8], list[Worker]()
    names = ("frames", "clips", "health", "outcomes", "deadletters")
    topics = "\n".join(f'{name} = "{prefix}.{name}"' for name in names)
    path = tmp_path / "katydid.toml"
    group = f'group = "{prefix}"'
    path.write_text(
        settings(kafka_server, bundle_path, kafka=group, more=f"[topics]\npartitions = 3\n{topics}"), encoding="utf-8"
    )
    assert run_command(["topics", "create", "--config", str(path)]) == 0

    def start(instance: str) -> Worker:
        workers.append(Worker(path, tmp_path / f"{len(workers)}.log", "--instance", instance))
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop(signal.SIGKILL)


def is_ready(worker: Worker) -> bool:
    """What /readyz says: it has partitions, and something came through."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port()}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.URLError:
        return False


def test_of_two_live_workers_with_one_id_one_ends_and_says_why(begin: Begin) -> None:
    first = begin("twin")
    until(lambda: is_ready(first), "the first one is at work")
    both = (first, begin("twin"))
    until(lambda: any(worker.process.poll() is not None for worker in both), "one of them ends")
    (ended,) = (worker for worker in both if worker.process.poll() is not None)
    assert ended.process.returncode == 7
    assert "another live worker seems to have the instance id 'twin' too" in ended.words


def test_workers_with_ids_of_their_own_that_come_at_once_all_stay(begin: Begin) -> None:
    workers = [begin(f"box-{number}") for number in range(3)]
    until(lambda: all(is_ready(worker) for worker in workers), "all three are at work")
    assert [worker.process.poll() for worker in workers] == [None] * 3
    assert [worker.stop() for worker in workers] == [0] * 3
