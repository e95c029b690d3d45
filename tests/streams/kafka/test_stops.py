"""Told to stop while the broker is away: an end in order, within a bounded time, that loses nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from confluent_kafka import KafkaError, Producer

from kafka_workers import StartWorker, Worker, message, settings
from katydid.sensors.envelope import Envelope
from katydid.streams.cli import run_command
from katydid.streams.kafka.consuming import record_of
from katydid.streams.kafka.records import outcome_record, read_outcome
from katydid.streams.sink import Arrival
from katydid.streams.store import OutcomeFilter, open_store
from mock_broker import MockBroker, until
from mock_cluster import PRODUCE
from servers.kafka import KafkaServer
from worker_pages import metric

STOP_S = 12


def test_with_nothing_left_to_write_it_gives_up_the_last_commit(broker: MockBroker, start: StartWorker) -> None:
    broker.write("katydid.clips", [message(number) for number in range(8)])
    worker = start(kafka=f"stop_s = {STOP_S}")
    until(lambda: broker.settled("katydid.clips"), "every offset committed")
    worker.port()
    broker.down()
    assert stopped_early(worker) == 75
    assert "told to stop while the broker is away" in worker.words


def test_what_cannot_be_written_any_more_comes_again(broker: MockBroker, start: StartWorker) -> None:
    worker = start(kafka=f"stop_s = {STOP_S}", more="[pipeline]\ncommit_s = 600.0")
    broker.write("katydid.clips", [message(number) for number in range(8)])
    until(lambda: metric(worker, "katydid_in_flight_captures") == 8, "all of them taken")
    broker.down()
    assert stopped_early(worker) == 75
    assert "told to stop while the broker is away" in worker.words

    broker.up()
    again = start()
    until(lambda: broker.settled("katydid.clips"), "every offset committed")
    assert again.stop() == 0
    found = {read_outcome(record_of(each)).capture_id for each in broker.messages("katydid.outcomes")}
    assert found == {f"{number:032x}" for number in range(8)}


def stopped_early(worker: Worker) -> int:
    """The exit code of a worker that ended by itself, not by its watchdog."""
    began = time.monotonic()
    code = worker.stop()
    took = time.monotonic() - began
    assert "not stopped after" not in worker.words, worker.words
    assert took < 0.8 * STOP_S, f"{took:.1f} s\n{worker.words}"
    return code


def test_a_store_kept_from_the_topic_of_outcomes_ends_in_order(
    broker: MockBroker, bundle_path: Path, make: Callable[..., Arrival], tmp_path: Path
) -> None:
    path, store = tmp_path / "katydid.toml", tmp_path / "second.duckdb"
    path.write_text(settings(broker, bundle_path, kafka=f"stop_s = {STOP_S}"), encoding="utf-8")
    record = outcome_record("katydid.outcomes", make(1).outcome)
    keeper = Worker(path, tmp_path / "keeper.log", "--sink", f"duckdb://{store}")
    try:
        keeper.port()
        broker.write(
            "katydid.outcomes", [Envelope(key=record.key or b"", value=record.value or b"", headers=record.headers)]
        )
        until(lambda: broker.settled("katydid.outcomes", "katydid.store"), "the one outcome")
        broker.down()
        assert stopped_early(keeper) == 0  # Its offsets are in the store itself.
    finally:
        keeper.stop(signal.SIGKILL)
    with open_store(store, read_only=True) as kept:
        assert kept.outcomes(OutcomeFilter()).num_rows == 1


def test_one_with_a_dead_letter_that_cannot_be_written_gives_it_up_too(
    broker: MockBroker, bundle_path: Path, tmp_path: Path
) -> None:
    path, store = tmp_path / "katydid.toml", tmp_path / "second.duckdb"
    path.write_text(settings(broker, bundle_path, kafka=f"stop_s = {STOP_S}"), encoding="utf-8")
    broker.write_raw("katydid.outcomes", b"{}", b"s")
    broker.next_errors(PRODUCE, [KafkaError.NOT_LEADER_FOR_PARTITION] * 10_000)
    keeper = Worker(path, tmp_path / "keeper.log", "--sink", f"duckdb://{store}")
    try:
        keeper.port()
        until(lambda: "is a dead letter" in keeper.words, "the dead letter")
        assert stopped_early(keeper) == 75
    finally:
        keeper.stop(signal.SIGKILL)
    assert "told to stop while the broker is away" in keeper.words


def test_a_real_broker_that_was_killed_is_not_waited_for_either(
    new_kafka_server: Callable[..., KafkaServer], bundle_path: Path, tmp_path: Path
) -> None:
    server = new_kafka_server()
    server.start()
    path = tmp_path / "katydid.toml"
    text = settings(server, bundle_path, kafka=f"stop_s = {STOP_S}", more="[topics]\npartitions = 2")
    path.write_text(text, encoding="utf-8")
    assert run_command(["topics", "create", "--config", str(path)]) == 0
    sender = Producer({"bootstrap.servers": server.bootstrap})
    for each in map(message, range(4)):
        sender.produce("katydid.clips", each.value, each.key, headers=list(each.headers))
    assert sender.flush(60) == 0
    worker = Worker(path, tmp_path / "worker.log")
    try:
        until(lambda: metric(worker, "katydid_captures_total") == 4, "all of them durable")
        server.kill()
        assert stopped_early(worker) == 75
        assert "told to stop while the broker is away" in worker.words
        server.restart()
        again = Worker(path, tmp_path / "again.log")
        try:
            until(lambda: metric(again, "katydid_assigned_partitions") == 6, "its partitions")
            assert again.stop() == 0
        finally:
            again.stop(signal.SIGKILL)
    finally:
        worker.stop(signal.SIGKILL)


def test_what_a_killed_worker_left_in_the_temporary_folder_goes_at_the_next_start(
    broker: MockBroker, bundle_path: Path, tmp_path: Path
) -> None:
    path, temporary = tmp_path / "katydid.toml", tmp_path / "temporary"
    path.write_text(settings(broker, bundle_path), encoding="utf-8")
    temporary.mkdir()
    environ = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    first = Worker(path, tmp_path / "first.log", **environ)
    second: Worker | None = None
    try:
        first.port()
        (left,) = temporary.glob("katydid-worker-*")
        first.stop(signal.SIGKILL)
        assert left.is_dir()
        second = Worker(path, tmp_path / "second.log", **environ)
        second.port()
        assert not left.exists() and len(list(temporary.glob("katydid-worker-*"))) == 1
        broker.write("katydid.clips", [message(1)])
        until(lambda: broker.settled("katydid.clips"), "at work, and so listening to signals")
        assert second.stop() == 0
        assert list(temporary.iterdir()) == []
    finally:
        for worker in filter(None, (first, second)):
            worker.stop(signal.SIGKILL)


CRASHING = """
from katydid.streams.kafka.app import RestlessConsumer

async def crash(self, timeout):
    raise ZeroDivisionError("a bug in the client")

RestlessConsumer._wait_next_records = crash
from katydid.streams.cli import main
main()
"""


def test_what_crashes_inside_faust_is_the_last_that_is_said(
    broker: MockBroker, bundle_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "katydid.toml"
    path.write_text(settings(broker, bundle_path), encoding="utf-8")
    command = [sys.executable, "-c", CRASHING, "worker", "--config", str(path)]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "ZeroDivisionError: a bug in the client"
    assert "nanobind" not in ended.stderr
