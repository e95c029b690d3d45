"""What cannot be used is kept as it was with its reason, and can be sent again when what was wrong is mended."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from kafka_workers import StartWorker, message, settings
from katydid.streams.cli import run_command
from katydid.streams.kafka import consuming
from katydid.streams.kafka.configuration import Configuration, read_configuration
from katydid.streams.kafka.consuming import all_messages, record_of
from katydid.streams.kafka.deadletters import DeadLetters
from katydid.streams.kafka.errors import BrokerAway
from katydid.streams.kafka.intake import Dead, capture_of, whence
from katydid.streams.kafka.letters import Letter, letters, original_of, retry
from katydid.streams.kafka.producing import DurableProducer
from katydid.streams.kafka.records import DEADLETTER_HEADER, UNREADABLE_HEADER, Message, read_outcome
from mock_broker import MockBroker, until
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


def packed(broker: MockBroker, numbers: range) -> None:
    """Captures in one batch that aiokafka has no package for."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, "compression.type": "lz4", "linger.ms": 500})
    for number in numbers:
        each = message(number)
        producer.produce("katydid.clips", each.value, each.key, headers=list(each.headers), partition=1)
    assert producer.flush(60) == 0


def test_a_batch_that_cannot_be_unpacked_is_one_dead_letter_and_sent_again_each_of_it_has_its_outcome(
    broker: MockBroker, configuration: Configuration, start: StartWorker
) -> None:
    packed(broker, range(5))
    broker.write("katydid.clips", [message(9)], partition=1)
    worker = start()
    until(lambda: broker.settled("katydid.clips"), "every offset committed")
    (letter,) = letters(configuration)
    assert letter.whence.reason == "unreadable"
    assert letter.origin == "katydid.clips/1@0-4"
    assert original_of(configuration, letter).value == message(0).value
    assert [error for _, error in retry(configuration, [letter])] == [None]
    found = {read_outcome(record_of(each)).capture_id for each in broker.read("katydid.outcomes", 6)}
    assert found == {f"{number:032x}" for number in (0, 1, 2, 3, 4, 9)}
    assert worker.stop() == 0
    assert [each.retried for each in letters(configuration)] == [True]


def lying(configuration: Configuration, original: Message, **changes: object) -> Letter:
    """A dead letter whose original lies where it was, and what is said of it."""
    producer = DurableProducer(configuration)
    why = msgspec.structs.replace(whence(original, "unreadable", "why"), value_left_out=True, **changes)
    DeadLetters(producer, "katydid.deadletters").bury(original, why)
    producer.close()
    return letters(configuration)[-1]


def test_what_may_unpack_to_more_memory_than_there_may_be_is_not_even_read(
    broker: MockBroker, configuration: Configuration
) -> None:
    broker.write("katydid.clips", [message(1)])
    (original,) = (record_of(found) for found in broker.read("katydid.clips", 1))
    letter = lying(configuration, original, unpacks_to=300 << 20)
    ((_, error),) = retry(configuration, [letter])
    assert "may unpack to 300 MiB" in str(error) and "--unpack-mib 300" in str(error)
    assert broker.count("katydid.clips") == 1
    assert [error for _, error in retry(configuration, [letter], unpacked_mib=300)] == [None]
    assert broker.count("katydid.clips") == 2


def test_an_original_with_a_header_that_librdkafka_cannot_tell_keeps_the_headers_of_its_letter(
    broker: MockBroker, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    (original,) = bury(configuration, broker, 1, left_out=True)
    nothing_kept = lying(configuration, msgspec.structs.replace(original, headers=((UNREADABLE_HEADER, b"why"),)))

    def headers() -> object:
        raise UnicodeDecodeError("utf-8", b"bad\xff", 3, 4, "invalid start byte")

    found = SimpleNamespace(
        error=lambda: None, headers=headers, topic=lambda: original.topic, partition=lambda: original.partition,
        offset=lambda: original.offset, timestamp=lambda: (1, 0), key=lambda: original.key,
        value=lambda: original.value,
    )  # fmt: skip
    answer(monkeypatch, original, found)
    (kept,) = (letter for letter in letters(configuration) if letter != nothing_kept)
    (_, error), (_, other) = retry(configuration, [kept, nothing_kept])
    assert error is None and "the name of one is no UTF-8" in str(other)
    _, again = (record_of(each) for each in broker.read("katydid.clips", 2))
    assert (again.headers, again.value) == (original.headers, original.value)


def test_the_newest_of_each_partition_are_looked_at_and_how_far_it_is_is_told(
    broker: MockBroker, configuration: Configuration, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bury(configuration, broker, 12)
    everything = letters(configuration)
    last = {letter.partition: letter.offset for letter in sorted(everything, key=lambda each: each.offset)}
    told: list[tuple[int, int]] = []
    newest = letters(configuration, newest=1, watch=lambda read, of: told.append((read, of)))
    assert {(letter.partition, letter.offset) for letter in newest} == set(last.items())
    assert told == [(number + 1, len(last)) for number in range(len(last))]
    assert run_command(["deadletters", "list", "--newest", "1", "--config", str(file)]) == 0
    assert "among the newest 1 messages of each partition" in capsys.readouterr().out


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
