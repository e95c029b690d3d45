"""Reading topics outside of Faust: what a topic holds, from its first message to the last one that was there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as Found

from katydid.streams.kafka.clients import Settings, confluent_settings
from katydid.streams.kafka.configuration import MESSAGE_BYTES, Configuration
from katydid.streams.kafka.errors import BrokerAway, BrokerError
from katydid.streams.kafka.records import Message

ANSWER_S = 15.0
"""Longest that a broker may take to answer, seconds."""
ONE_MESSAGE_S = 60.0
"""Longest that one message of a broker that answers may take: librdkafka unpacks the whole batch around it, and 900 MB
take it seconds, and a busy machine several times that."""


def record_of(found: Found) -> Message:
    """A message of confluent-kafka as one of ours."""
    lost = False
    try:
        headers = found.headers() or []
    except (SystemError, UnicodeDecodeError):  # A name that is no UTF-8: confluent-kafka then tells none of them.
        headers, lost = [], True
    pairs = headers.items() if isinstance(headers, dict) else headers
    return Message(
        topic=found.topic() or "",
        partition=found.partition() or 0,
        offset=found.offset() or 0,
        at_ms=found.timestamp()[1],
        key=_bytes(found.key()),
        value=_bytes(found.value()),
        headers=tuple((name, _bytes(value) or b"") for name, value in pairs),
        headers_lost=lost,
    )


def reader(configuration: Configuration, group: str) -> Consumer:
    """A consumer that commits nothing by itself and joins no group until it subscribes."""
    more: Settings = {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "fetch.message.max.bytes": MESSAGE_BYTES,
        "queued.max.messages.kbytes": 16_384,  # Of each partition; its own 64 MiB would be 768 for twelve.
        "session.timeout.ms": int(configuration.kafka.session_s * 1000),
        "heartbeat.interval.ms": int(configuration.kafka.heartbeat_s * 1000),
    }
    return Consumer(confluent_settings(configuration, more))


Watch = Callable[[int, int], object]
"""Told after each message how many offsets were read, and how many there are to read."""


def all_messages(
    configuration: Configuration,
    topic: str,
    *,
    from_ms: int | None = None,
    newest: int | None = None,
    watch: Watch = lambda read, of: None,
) -> Iterator[Message]:
    """What the topic holds now, each partition in order; from a time on where one is given (ms since 1970), or the
    newest so many offsets of each partition.

    Raises BrokerAway, BrokerError where the topic is not there.
    """
    consumer = reader(configuration, f"{configuration.kafka.group}.reading")
    try:
        for message in _until_the_end(consumer, _starts(consumer, topic, from_ms, newest), watch):
            if from_ms is None or message.at_ms >= from_ms:
                yield message
    except KafkaException as error:
        raise BrokerAway(f"{topic} cannot be read: {error.args[0]}") from error
    finally:
        consumer.close()


def _starts(consumer: Consumer, topic: str, from_ms: int | None, newest: int | None) -> dict[int, tuple[int, int]]:
    """Partition → (first offset to read, offset after the last)."""
    found = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic]
    if found.error is not None:
        raise BrokerError(f"there is no topic {topic} that this user may read: `katydid topics check`")
    bounds: dict[int, tuple[int, int]] = {}
    for number in found.partitions:
        partition = TopicPartition(topic, number)
        low, high = consumer.get_watermark_offsets(partition, timeout=ANSWER_S)
        if from_ms is not None and low < high:
            low = max(low, _since(consumer, partition, from_ms, high))
        if newest is not None:
            low = max(low, high - newest)
        if low < high:
            bounds[number] = (low, high)
    if bounds:
        consumer.assign([TopicPartition(topic, number, low) for number, (low, _) in bounds.items()])
    return bounds


def _since(consumer: Consumer, partition: TopicPartition, from_ms: int, high: int) -> int:
    """The first offset that was written at or after a time. Where the broker knows none, its last message is looked at:
    some answer "none" for "not known"."""
    partition.offset = from_ms
    at = consumer.offsets_for_times([partition], timeout=ANSWER_S)[0].offset
    if at >= 0:
        return at
    consumer.assign([TopicPartition(partition.topic, partition.partition, high - 1)])
    last = consumer.poll(ANSWER_S)
    consumer.unassign()
    return high if last is None or last.error() is not None or last.timestamp()[1] < from_ms else 0


def _until_the_end(consumer: Consumer, bounds: dict[int, tuple[int, int]], watch: Watch) -> Iterator[Message]:
    left = {number: high for number, (_, high) in bounds.items()}
    read, of = dict.fromkeys(bounds, 0), sum(high - low for low, high in bounds.values())
    while left:
        found = consumer.poll(ANSWER_S)
        if found is None:
            raise BrokerAway(f"no message came for {ANSWER_S:g} s, and {len(left)} partitions are not at their end")
        error = found.error()
        if error is not None:
            raise KafkaException(error)
        record = record_of(found)
        end = left.get(record.partition)
        if end is not None and record.offset < end:
            read[record.partition] = record.offset + 1 - bounds[record.partition][0]
            watch(sum(read.values()), of)
            yield record
            if record.offset + 1 >= end:
                del left[record.partition]


def _bytes(data: str | bytes | None) -> bytes | None:
    return data.encode() if isinstance(data, str) else data


def message_at(configuration: Configuration, topic: str, partition: int, offset: int) -> Message | None:
    """The message at one place; None where retention has dropped it. Raises BrokerAway, and BrokerError where the
    broker answers and the message does not come."""
    found = next(iter(messages_at(configuration, topic, partition, offset, offset)), None)
    return found if found is not None and found.offset == offset else None


def messages_at(configuration: Configuration, topic: str, partition: int, first: int, last: int) -> Iterator[Message]:
    """The messages from one offset to another, both of them included, that retention has not dropped. Raises as
    `message_at`."""
    consumer = reader(configuration, f"{configuration.kafka.group}.reading")
    try:
        if partition not in consumer.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions:
            return
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ANSWER_S)
        place, behind = max(low, first), min(last + 1, high)
        if place < behind:
            consumer.assign([TopicPartition(topic, partition, place)])
        while place < behind:
            found = consumer.poll(ONE_MESSAGE_S)
            if found is None:
                raise BrokerError(f"{topic}/{partition}@{place} did not come within {ONE_MESSAGE_S:g} s")
            error = found.error()
            if error is not None:
                raise KafkaException(error)
            record = record_of(found)
            place = record.offset + 1
            if record.offset < behind:
                yield record
    except KafkaException as exc:
        raise BrokerAway(f"{topic} cannot be read: {exc.args[0]}") from exc
    finally:
        consumer.close()
