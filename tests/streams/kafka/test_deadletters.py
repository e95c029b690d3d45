"""What cannot be used is kept as it was with its reason, and can be sent again when what was wrong is mended."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from confluent_kafka import Consumer, KafkaError, TopicPartition

from kafka_workers import message, settings
from katydid.streams.cli import run_command
from katydid.streams.kafka import consuming
from katydid.streams.kafka.configuration import Configuration, read_configuration
from katydid.streams.kafka.consuming import all_messages, record_of
from katydid.streams.kafka.deadletters import DeadLetters
from katydid.streams.kafka.errors import BrokerAway
from katydid.streams.kafka.intake import Dead, capture_of, whence
from katydid.streams.kafka.letters import letters, original_of, retry
from katydid.streams.kafka.producing import DurableProducer
from katydid.streams.kafka.records import DEADLETTER_HEADER, Message
from mock_broker import MockBroker
from mock_cluster import PRODUCE


@pytest.fixture
def file(broker: MockBroker, bundle_path: Path, tmp_path: Path) -> Path:
    path = tmp_path / "katydid.toml"
    path.write_text(settings(broker, bundle_path), encoding="utf-8")
    return path


@pytest.fixture
def configuration(file: Path) -> Configuration:
    return read_configuration(file, {})


def bury(configuration: Configuration, broker: MockBroker, count: int, *, left_out: bool = False) -> list[Message]:
    """Send so many captures, and give all of them up."""
    broker.write("katydid.clips", [message(number) for number in range(count)])
    originals = [record_of(found) for found in broker.read("katydid.clips", count)]
    producer = DurableProducer(configuration)
    grave = DeadLetters(producer, "katydid.deadletters")
    for number, original in enumerate(originals):
        why = whence(original, "envelope" if number % 2 else "missing", "as the test says")
        grave.bury(original, msgspec.structs.replace(why, value_left_out=left_out))
    producer.close()
    assert grave.counts.total() == count
    return originals


def test_a_dead_letter_is_the_original_with_its_reason_and_place(
    broker: MockBroker, configuration: Configuration
) -> None:
    (original,) = bury(configuration, broker, 1)
    (letter,) = letters(configuration)
    kept = original_of(configuration, letter)
    assert (kept.key, kept.value) == (original.key, original.value)
    assert kept.headers[:-1] == original.headers
    assert kept.headers[-1][0] == DEADLETTER_HEADER
    why = letter.whence
    assert (why.reason, why.topic, why.partition, why.offset, why.at_ms) == (
        "missing",
        "katydid.clips",
        original.partition,
        original.offset,
        original.at_ms,
    )


def test_sent_again_it_is_where_it_was_byte_for_byte_and_marked(
    broker: MockBroker, configuration: Configuration
) -> None:
    (original,) = bury(configuration, broker, 1)
    assert [error for _, error in retry(configuration, letters(configuration))] == [None]
    again = [found for found in all_messages(configuration, "katydid.clips") if found.offset != original.offset]
    assert [(each.key, each.value, each.headers) for each in again] == [
        (original.key, original.value, original.headers)
    ]
    assert [letter.retried for letter in letters(configuration)] == [True]


def test_a_value_that_was_left_out_is_fetched_from_where_it_stayed(
    broker: MockBroker, configuration: Configuration
) -> None:
    (original,) = bury(configuration, broker, 1, left_out=True)
    (letter,) = letters(configuration)
    assert letter.length == 0
    assert original_of(configuration, letter).value == original.value


def test_one_that_its_topic_takes_no_more_keeps_no_other_back(
    broker: MockBroker, configuration: Configuration, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after max.message.bytes of the topic was made smaller."""
    bury(configuration, broker, 3)
    broker.next_errors(PRODUCE, [KafkaError.MSG_SIZE_TOO_LARGE])
    assert run_command(["deadletters", "retry", "--all", "--config", str(file)]) == 7
    said = capsys.readouterr()
    assert "2 sent again, 1 could not be" in said.out and "too large for katydid.clips" in said.err
    assert [letter.retried for letter in letters(configuration)] == [False, True, True]


class Answering:
    """A consumer that answers so to whoever asks for one message, and as it is else."""

    def __init__(self, consumer: Consumer, at: TopicPartition, answer: object) -> None:
        self._consumer, self._at, self._answer = consumer, at, answer

    def poll(self, timeout: float) -> object:
        (asked,) = self._consumer.assignment()
        here = (asked.partition, asked.offset) == (self._at.partition, self._at.offset)
        return self._answer if here and asked.topic == self._at.topic else self._consumer.poll(timeout)

    def __getattr__(self, name: str) -> object:
        return getattr(self._consumer, name)


def answer(monkeypatch: pytest.MonkeyPatch, at: Message, with_: object) -> None:
    place, real = TopicPartition(at.topic, at.partition, at.offset), consuming.reader
    monkeypatch.setattr(consuming, "reader", lambda *words: Answering(real(*words), place, with_))


def test_one_that_does_not_come_in_time_keeps_no_other_back(
    broker: MockBroker, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one in a batch that unpacks to a gigabyte, on a busy machine."""
    originals = bury(configuration, broker, 3, left_out=True)
    chosen = letters(configuration)
    answer(monkeypatch, originals[0], None)
    first, *others = [error for _, error in retry(configuration, chosen)]
    assert "did not come" in str(first) and others == [None, None]


def test_a_broker_that_breaks_off_is_not_taken_for_one_that_has_dropped_the_message(
    broker: MockBroker, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    (original,) = bury(configuration, broker, 1)
    (letter,) = letters(configuration)
    dead = msgspec.structs.replace(
        original, topic="katydid.deadletters", partition=letter.partition, offset=letter.offset
    )
    answer(monkeypatch, dead, SimpleNamespace(error=lambda: KafkaError(KafkaError._TRANSPORT)))
    with pytest.raises(BrokerAway):
        original_of(configuration, letter)


def test_commands_list_show_and_retry(
    broker: MockBroker, configuration: Configuration, file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    originals = bury(configuration, broker, 4)
    assert run_command(["deadletters", "list", "--config", str(file)]) == 0
    said = capsys.readouterr().out
    assert said.count("as the test says") == 4 and "4 dead letters" in said
    name = said.split()[0]
    out = tmp_path / "original.wav"
    assert run_command(["deadletters", "show", name, "--config", str(file), "--out", str(out)]) == 0
    assert out.read_bytes() in [original.value for original in originals]
    assert run_command(["deadletters", "show", name, "--config", str(file), "--out", str(tmp_path)]) == 2
    assert run_command(["deadletters", "retry", "--reason", "missing", "--config", str(file)]) == 0
    assert broker.count("katydid.clips") == 6
    capsys.readouterr()
    assert run_command(["deadletters", "list", "--config", str(file)]) == 0
    said = capsys.readouterr().out
    assert said.count(" envelope ") == 2 and " missing " not in said
    assert run_command(["deadletters", "retry", "--config", str(file)]) == 2
    assert run_command(["deadletters", "show", "9:9", "--config", str(file)]) == 2


def test_a_message_from_the_future_is_dead_and_names_no_capture() -> None:
    packed = message(1)
    future = packed.headers[0][1].replace(b'{"v":1', b'{"v":99')
    with pytest.raises(Dead, match="newer Katydid"):
        capture_of(_message(packed.key, packed.value, (("katydid.capture", future),)))


def test_media_that_are_not_those_of_the_envelope_are_a_refused_capture() -> None:
    packed = message(1)
    capture = capture_of(_message(packed.key, packed.value[:-1] + b"?", packed.headers))
    assert capture.refusal.startswith("corrupted: ")
    assert capture.payload == packed.value[:-1] + b"?"


def _message(key: bytes, value: bytes, headers: tuple[tuple[str, bytes], ...]) -> Message:
    return Message(topic="katydid.clips", partition=0, offset=0, at_ms=0, key=key, value=value, headers=headers)
