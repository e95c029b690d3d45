"""The topic of outcomes: one that is too large for it stops nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from kafka_workers import settings
from katydid.streams.kafka.configuration import MESSAGE_BYTES, read_configuration
from katydid.streams.kafka.consuming import record_of
from katydid.streams.kafka.errors import BrokerAway, MessageTooLarge
from katydid.streams.kafka.outcomes import WorkerSink
from katydid.streams.kafka.producing import DurableProducer
from katydid.streams.kafka.records import Record, read_outcome
from katydid.streams.sink import Arrival
from mock_broker import MockBroker

Make = Callable[..., Arrival]


@pytest.fixture
def producer(broker: MockBroker, bundle_path: Path, tmp_path: Path) -> Iterator[DurableProducer]:
    path = tmp_path / "katydid.toml"
    path.write_text(settings(broker, bundle_path), encoding="utf-8")
    made = DurableProducer(read_configuration(path, {}))
    yield made
    made.close()


def huge(arrival: Arrival) -> Arrival:
    """With more to say than a message may hold."""
    outcome = msgspec.structs.replace(arrival.outcome, message="x" * (MESSAGE_BYTES + 100_000))
    return msgspec.structs.replace(arrival, outcome=outcome)


def batch(make: Make) -> list[Arrival]:
    made = [make(number) for number in range(8)]
    return [huge(each) if number in (2, 7) else each for number, each in enumerate(made)]


def test_what_is_too_large_is_handed_over_once_and_all_others_are_in_the_topic(
    broker: MockBroker, producer: DurableProducer, make: Make
) -> None:
    arrivals, handed = batch(make), list[tuple[Arrival, str]]()
    sink = WorkerSink(producer, "katydid.outcomes", None, _unseen, lambda one, why: handed.append((one, why)))
    sink.write(arrivals)
    assert [one for one, _ in handed] == [arrivals[2], arrivals[7]]
    assert "too large for katydid.outcomes" in handed[0][1]
    found = {read_outcome(record_of(each)).capture_id for each in broker.messages("katydid.outcomes")}
    assert found == {each.outcome.capture_id for number, each in enumerate(arrivals) if number not in (2, 7)}
    assert sink.writing_since is None


def test_with_nobody_to_hand_it_to_it_is_an_error(producer: DurableProducer, make: Make) -> None:
    with pytest.raises(MessageTooLarge):
        WorkerSink(producer, "katydid.outcomes", None, _unseen).write([huge(make(1))])


def test_a_broker_that_is_away_is_not_taken_for_an_outcome_that_is_too_large(make: Make) -> None:
    class Away:
        def send(self, records: list[Record]) -> None:
            raise BrokerAway("away")

    sink = WorkerSink(Away(), "t", None, _unseen, lambda one, why: pytest.fail(why))  # type: ignore[arg-type]
    with pytest.raises(BrokerAway):
        sink.write([make(1)])


def _unseen(step: str, seconds: float) -> None:
    assert seconds >= 0
