"""A broker in this process, and workers as processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kafka_workers import RATE, StartWorker, Worker, settings
from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.manifest import BundleKind

if TYPE_CHECKING:
    from mock_broker import MockBroker


@pytest.fixture
def broker() -> Iterator[MockBroker]:
    pytest.importorskip("confluent_kafka", reason="needs the kafka extra")
    from mock_broker import MockBroker

    with MockBroker() as found:
        yield found


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bundles")
    return placeholder_bundle(directory, kind=BundleKind.SOUND_CLASSIFIER, sample_rate=RATE, seconds=1.0).path


@pytest.fixture
def start(broker: MockBroker, bundle_path: Path, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts workers, and ends them with the test."""
    workers: list[Worker] = []

    def begin(**options: str) -> Worker:
        number = len(workers)
        path = tmp_path / f"worker-{number}.toml"
        path.write_text(settings(broker, bundle_path, **options), encoding="utf-8")
        workers.append(Worker(path, tmp_path / f"worker-{number}.log"))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.stop(signal.SIGKILL)
