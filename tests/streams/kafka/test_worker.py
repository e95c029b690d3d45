"""`katydid worker` whole: captures in, outcomes in their topic and in the store, offsets after both."""

from __future__ import annotations

import signal
import urllib.error
import urllib.request
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from confluent_kafka import KafkaError

from kafka_workers import StartWorker, clip, message
from katydid.models.outcome import Outcome, Status
from katydid.sensors.capture import MediaRef
from katydid.sensors.envelope import pack
from katydid.sensors.media_store import object_url, open_media_store
from katydid.streams.cli import run_command
from katydid.streams.kafka.consuming import record_of
from katydid.streams.kafka.records import Whence, read_deadletter, read_outcome
from katydid.streams.store import OutcomeFilter, open_store
from mock_broker import MockBroker, until
from mock_cluster import PRODUCE


def outcomes(broker: MockBroker, count: int) -> dict[str, Outcome]:
    read = [read_outcome(record_of(found)) for found in broker.read("katydid.outcomes", count)]
    return {outcome.capture_id: outcome for outcome in read}


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_captures_become_outcomes_and_what_cannot_be_read_becomes_a_dead_letter(
    broker: MockBroker, start: StartWorker, tmp_path: Path
) -> None:
    broker.write("katydid.clips", [message(number) for number in range(30)])
    broker.write("katydid.clips", [message(30, b"this is no sound")])
    broker.write_raw("katydid.clips", b"junk", b"recorder-0")
    broker.write_raw("katydid.clips", None, None)
    broker.write_raw("katydid.health", b'{"sensor_id":"recorder-0","at":1}', b"recorder-0")
    broker.write("katydid.clips", [message(31)])
    store = tmp_path / "moor.duckdb"
    worker = start(sink=f"duckdb://{store}")

    made = outcomes(broker, 32)
    assert set(made) == {f"{number:032x}" for number in range(32)}
    assert [each.capture_id for each in made.values() if each.status is Status.REFUSED] == [f"{30:032x}"]
    until(lambda: broker.settled("katydid.clips") and broker.settled("katydid.health"), "every offset committed")

    letters = {found.value(): read_deadletter(record_of(found)) for found in broker.read("katydid.deadletters", 3)}
    assert set(letters) == {b"junk", None, b"this is no sound"}
    assert reason(letters[b"junk"]) == "envelope"
    assert reason(letters[b"this is no sound"]) == made[f"{30:032x}"].reason == "not_media"

    port = worker.port()
    assert get(port, "/healthz")[0] == get(port, "/readyz")[0] == 200
    metrics = get(port, "/metrics")[1]
    assert 'katydid_captures_total{kind="clip",status="refused"} 1.0' in metrics
    assert 'katydid_dead_letters_total{reason="envelope"} 2.0' in metrics
    assert "katydid_health_readings_total 1.0" in metrics
    assert 'katydid_model_info{engine="placeholder",model="placeholder-1",provider="hash"} 1.0' in metrics

    assert worker.stop() == 0
    with open_store(store, read_only=True) as kept:
        assert set(kept.outcomes(OutcomeFilter()).column("capture_id").to_pylist()) == set(made)
        assert kept.captures_without_outcome() == 0


def test_an_outcome_that_its_topic_never_takes_becomes_a_dead_letter_and_the_partition_moves(
    broker: MockBroker, start: StartWorker, tmp_path: Path
) -> None:
    broker.write("katydid.clips", [message(1)])
    broker.next_errors(PRODUCE, [KafkaError.MSG_SIZE_TOO_LARGE])  # For the first that is written: its outcome.
    store = tmp_path / "moor.duckdb"
    worker = start(sink=f"duckdb://{store}")
    (letter,) = broker.read("katydid.deadletters", 1)
    broker.write("katydid.clips", [message(2)])
    assert set(outcomes(broker, 1)) == {f"{2:032x}"}
    until(lambda: broker.settled("katydid.clips"), "every offset committed")
    whence = read_deadletter(record_of(letter))
    assert whence is not None and whence.reason == "outcome_too_large" and "the store has it" in whence.message
    assert (letter.value(), whence.value_left_out, whence.capture_id) == (None, True, f"{1:032x}")
    assert 'katydid_dead_letters_total{reason="outcome_too_large"} 1.0' in get(worker.port(), "/metrics")[1]
    assert worker.stop() == 0
    with open_store(store, read_only=True) as kept:
        assert kept.outcomes(OutcomeFilter()).num_rows == 2


def reason(whence: Whence | None) -> str:
    assert whence is not None
    return whence.reason


def test_killed_at_any_moment_and_started_again_nothing_is_lost_or_stored_twice(
    broker: MockBroker, start: StartWorker, tmp_path: Path
) -> None:
    broker.write("katydid.clips", [message(number) for number in range(200)])
    store = tmp_path / "moor.duckdb"
    first = start(sink=f"duckdb://{store}", more="[pipeline]\ncommit_items = 16")
    until(lambda: broker.count("katydid.outcomes") >= 16, "the first outcomes")
    first.stop(signal.SIGKILL)
    second = start(sink=f"duckdb://{store}")
    until(lambda: broker.settled("katydid.clips"), "every offset committed")
    assert second.stop() == 0
    assert len(outcomes(broker, 200)) == 200
    with open_store(store, read_only=True) as kept:
        ids = kept.outcomes(OutcomeFilter()).column("capture_id").to_pylist()
    assert sorted(ids) == [f"{number:032x}" for number in range(200)]


def test_media_that_were_not_there_are_stored_once_after_a_retry(
    broker: MockBroker, start: StartWorker, tmp_path: Path
) -> None:
    whole, large = clip(7), tmp_path / "large.wav"
    large.write_bytes(whole.payload or b"")
    media = tmp_path / "media"
    media.mkdir()
    shelf = open_media_store(media.as_uri())
    reference = MediaRef(url=object_url(shelf.url, whole.sha256), sha256=whole.sha256, length=whole.length)
    broker.write("katydid.clips", [pack(msgspec.structs.replace(whole, payload=None, payload_ref=reference))])
    store = tmp_path / "moor.duckdb"
    worker = start(sink=f"duckdb://{store}", more=f'[media]\nstores = ["{shelf.url}"]\ntries = 1')
    first = outcomes(broker, 1)[whole.capture_id]
    assert (first.status, first.reason) == (Status.REFUSED, "missing")
    shelf.put(large, whole.sha256, whole.length)
    assert run_command(["deadletters", "retry", "--all", "--config", str(tmp_path / "worker-0.toml")]) == 0
    until(lambda: broker.count("katydid.outcomes") == 2 and broker.settled("katydid.clips"), "the retried one")
    assert worker.stop() == 0
    with open_store(store, read_only=True) as kept:
        (status,) = kept.outcomes(OutcomeFilter()).column("status").to_pylist()
        assert status != Status.REFUSED
