"""A store kept from the topic of outcomes, and another model's outcomes beside the first's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from confluent_kafka import KafkaError

from kafka_workers import RATE, message, settings
from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.manifest import BundleKind
from katydid.models.outcome import Outcome
from katydid.sensors.envelope import Envelope
from katydid.streams.cli import run_command
from katydid.streams.kafka.configuration import Configuration, read_configuration
from katydid.streams.kafka.deadletters import DeadLetters
from katydid.streams.kafka.errors import BrokerAway, ConfigurationError
from katydid.streams.kafka.keeping import Keeper
from katydid.streams.kafka.metrics import Metrics
from katydid.streams.kafka.producing import DurableProducer
from katydid.streams.kafka.records import outcome_record
from katydid.streams.kafka.replaying import beside
from katydid.streams.sink import Arrival
from katydid.streams.store import DuckDBStore, OutcomeFilter, open_store
from mock_broker import MockBroker, until

Make = Callable[..., Arrival]
LIST_OFFSETS = 2
"""Kafka's number of the request."""


@pytest.fixture
def file(broker: MockBroker, bundle_path: Path, tmp_path: Path) -> Path:
    path = tmp_path / "katydid.toml"
    text = settings(broker, bundle_path, sink=f"duckdb://{tmp_path / 'moor.duckdb'}", more="[pipeline]\ncommit_s = 0.1")
    path.write_text(text, encoding="utf-8")
    return path


@contextmanager
def keeping(configuration: Configuration, store: DuckDBStore) -> Iterator[Keeper]:
    producer = DurableProducer(configuration)
    keeper = Keeper(configuration, store, DeadLetters(producer, "katydid.deadletters"), Metrics())
    thread = threading.Thread(target=keeper.run)
    thread.start()
    yield keeper
    keeper.stop.set()
    thread.join()
    producer.close()


def write(broker: MockBroker, outcome: Outcome) -> None:
    record = outcome_record("katydid.outcomes", outcome)
    broker.write(
        "katydid.outcomes", [Envelope(key=record.key or b"", value=record.value or b"", headers=record.headers)]
    )


def stored(store: DuckDBStore) -> int:
    return int(store.outcomes(OutcomeFilter()).num_rows)


def test_a_store_is_kept_from_the_topic_and_goes_on_behind_its_own_offsets(
    broker: MockBroker, file: Path, make: Make, tmp_path: Path
) -> None:
    configuration = read_configuration(file, {})
    first = [make(number, taxa=("Parus major",), sensor=f"s{number}").outcome for number in range(20)]
    for outcome in first:
        write(broker, outcome)
    path = tmp_path / "second.duckdb"
    with open_store(path) as store:
        with keeping(configuration, store) as keeper:
            until(lambda: stored(store) == 20, "twenty outcomes")
            assert keeper.verdict().ready
        offsets = dict(store.offsets("kafka:katydid.outcomes"))
    write(broker, first[0])
    broker.write_raw("katydid.outcomes", b"{}", b"s1")
    write(broker, make(20, sensor="s3").outcome)
    with open_store(path) as store:
        assert dict(store.offsets("kafka:katydid.outcomes")) == offsets
        with keeping(configuration, store):
            until(lambda: stored(store) == 21, "the one that is new")
            until(lambda: broker.count("katydid.deadletters") == 1, "what is no outcome")
        assert store.outcome(first[7].capture_id) == first[7]


def test_a_store_put_back_from_a_copy_catches_up(broker: MockBroker, file: Path, make: Make, tmp_path: Path) -> None:
    configuration = read_configuration(file, {})
    for number in range(5):
        write(broker, make(number).outcome)
    for name in ("one.duckdb", "two.duckdb"):
        with open_store(tmp_path / name) as store, keeping(configuration, store):
            until(lambda store=store: stored(store) == 5, "all of them")  # type: ignore[misc]


@pytest.mark.parametrize("outcomes", [0, 3])
def test_a_dead_letter_at_the_end_is_buried_once_however_often_the_keeper_starts(
    broker: MockBroker, file: Path, make: Make, tmp_path: Path, outcomes: int
) -> None:
    configuration = read_configuration(file, {})
    for number in range(outcomes):
        write(broker, make(number, sensor="s").outcome)
    broker.write_raw("katydid.outcomes", b"{}", b"s")
    path = tmp_path / "second.duckdb"
    with open_store(path) as store, keeping(configuration, store):
        until(lambda: broker.count("katydid.deadletters") == 1, "what is no outcome")
        until(lambda: broker.settled("katydid.outcomes", "katydid.store"), "its batch")
    write(broker, make(9, sensor="s").outcome)
    with open_store(path) as store, keeping(configuration, store):
        until(lambda: stored(store) == outcomes + 1, "what came behind it")
    assert broker.count("katydid.deadletters") == 1


def test_a_broker_that_does_not_say_where_a_topic_begins_is_worth_another_try(
    broker: MockBroker, file: Path, make: Make
) -> None:
    configuration = read_configuration(file, {})
    broker.next_errors(LIST_OFFSETS, [KafkaError.UNKNOWN] * 20)
    producer = DurableProducer(configuration)
    with open_store(None) as store, pytest.raises(BrokerAway) as away:
        Keeper(configuration, store, DeadLetters(producer, "katydid.deadletters"), Metrics()).run()
    producer.close()
    assert away.value.exit_code == 75


def test_another_model_writes_beside_the_first(
    broker: MockBroker, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broker.write("katydid.clips", [message(number) for number in range(6)])
    broker.write_raw("katydid.clips", b"junk", b"x")
    other = placeholder_bundle(
        tmp_path, kind=BundleKind.SOUND_CLASSIFIER, name="other", sample_rate=RATE, seconds=1.0, seed=7
    )
    command = ["replay", "--from", "2020-01-01", "--models", str(other.path), "--config", str(file)]
    assert run_command(command) == 0
    assert "6 captures" in capsys.readouterr().out
    with open_store(tmp_path / "moor.other.duckdb", read_only=True) as store:
        assert stored(store) == 6
        assert set(store.detections(OutcomeFilter()).column("model").to_pylist()) == {"other-1"}
    assert run_command(command) == 0
    assert "0 captures" in (said := capsys.readouterr().out) and "6 were there, 1 messages are no captures" in said
    assert run_command([*command[:2], "2999-01-01", *command[3:], "--sink", f"duckdb://{tmp_path}/none.duckdb"]) == 0
    assert "0 captures" in capsys.readouterr().out
    assert run_command([*command[:2], "yesterday", *command[3:]]) == 2


def test_where_another_models_outcomes_go() -> None:
    assert beside("duckdb:///data/moor.duckdb", ["birdnet"]) == "duckdb:///data/moor.birdnet.duckdb"
    with pytest.raises(ConfigurationError, match="--sink"):
        beside("influx+http://host:8086/org/bucket", ["birdnet"])
