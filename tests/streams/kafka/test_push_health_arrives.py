"""From `katydid push` to the store: what a push says of itself is counted by a worker and kept by InfluxDB."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from fake_influx import FakeInflux, running_fake
from influx_servers import url_of
from kafka_workers import StartWorker, wav
from katydid.streams.cli import run_command
from mock_broker import MockBroker, until
from worker_pages import metric


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeInflux]:
    with running_fake() as started:
        monkeypatch.setenv("KATYDID_INFLUX_TOKEN", started.token)
        yield started


def test_a_push_tells_how_it_stands_and_a_worker_keeps_it(
    broker: MockBroker, start: StartWorker, fake: FakeInflux, tmp_path: Path
) -> None:
    card = tmp_path / "moor"
    card.mkdir()
    for number in range(3):
        (card / f"20240528_10000{number}.wav").write_bytes(wav(number))
    bucket, before = fake.new_bucket(), time.time_ns()
    worker = start(sink=url_of(fake, bucket))
    assert run_command(["push", str(card), "--config", str(tmp_path / "worker-0.toml"), "--timezone", "UTC"]) == 0
    until(lambda: broker.settled("katydid.health") and broker.count("katydid.health") == 1, "the reading settled")
    ((key, fields),) = fake.buckets[bucket].points["sensor_health"].items()
    assert key[0] == (("sensor", "moor"), ("site", "moor")) and before <= key[1] <= time.time_ns()
    assert 3 * 32_000 < fields["pushed_bytes"] < 4 * 34_000  # type: ignore[operator] # a number
    assert fields["backlog"] == 0 and fields["oldest_waiting_s"] == 0.0
    assert {"storage_free_bytes", "last_capture_id", "version"} <= set(fields)
    assert metric(worker, "katydid_health_readings_total") == 1
    assert worker.stop() == 0


def test_asked_for_none_a_push_sends_none(broker: MockBroker, tmp_path: Path) -> None:
    (tmp_path / "moor").mkdir()
    (tmp_path / "moor" / "20240528_100000.wav").write_bytes(wav(1))
    to = f"kafka://{broker.bootstrap}/"
    assert run_command(["push", str(tmp_path / "moor"), "--to", to, "--timezone", "UTC", "--health-every", "0"]) == 0
    assert (broker.count("katydid.clips"), broker.count("katydid.health")) == (1, 0)
