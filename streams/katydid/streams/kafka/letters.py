"""The dead letters that a topic holds: told, shown, and sent again when what was wrong is mended.

A topic forgets nothing that is in it, so a letter that was sent again is marked by a small record behind it. Sending
again is safe at any time: ids are deterministic, and stores keep one outcome of a capture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import msgspec

from katydid.streams.kafka.configuration import Configuration
from katydid.streams.kafka.consuming import Watch, all_messages, message_at, messages_at
from katydid.streams.kafka.errors import BrokerError, MessageTooLarge
from katydid.streams.kafka.producing import DurableProducer
from katydid.streams.kafka.records import (
    DEADLETTER_HEADER,
    UNREADABLE_HEADER,
    Headers,
    Message,
    Record,
    Retried,
    Whence,
    original_record,
    read_deadletter,
    read_retried,
    retried_record,
)

UNPACKED_MIB = 256
"""Originals whose batch may take more memory than this to unpack are left where they are, unless told otherwise."""
SENT_AT_ONCE = 500
"""Messages of one batch that are sent again together."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter, without the value of its original."""

    partition: int
    offset: int
    whence: Whence
    key: bytes | None
    length: int
    """Bytes of the original's value that lie in the dead letter."""
    retried: bool = False
    """Known where all letters were read."""

    @property
    def name(self) -> str:
        """What a person calls it: PARTITION:OFFSET on the dead-letter topic."""
        return f"{self.partition}:{self.offset}"

    @property
    def origin(self) -> str:
        """Where the original is, or the originals are: TOPIC/PARTITION@OFFSET or @FIRST-LAST."""
        whence = self.whence
        end = "" if whence.last in (None, whence.offset) else f"-{whence.last}"
        return f"{whence.topic}/{whence.partition}@{whence.offset}{end}"


def letters(
    configuration: Configuration, newest: int | None = None, watch: Watch = lambda read, of: None
) -> list[Letter]:
    """All of them, or those among the newest so many messages of each partition; the oldest first. Their values are
    read, for Kafka knows no other way, and not kept. Raises BrokerError."""
    found: dict[tuple[int, int], Letter] = {}
    sent: set[tuple[int, int]] = set()
    for message in all_messages(configuration, configuration.topics.deadletters, newest=newest, watch=watch):
        mark = read_retried(message)
        if mark is not None:
            sent.add((mark.partition, mark.offset))
        elif (letter := _letter(message)) is not None:
            found[letter.partition, letter.offset] = letter
    marked = [replace(letter, retried=place in sent) for place, letter in found.items()]
    return sorted(marked, key=lambda letter: (letter.whence.died_ms, letter.partition, letter.offset))


def letter_at(configuration: Configuration, partition: int, offset: int) -> Letter | None:
    """The one at a place; None where none is. Raises BrokerError."""
    message = message_at(configuration, configuration.topics.deadletters, partition, offset)
    return None if message is None else _letter(message)


def _letter(message: Message) -> Letter | None:
    whence = read_deadletter(message)
    if whence is None:
        return None
    return Letter(message.partition, message.offset, whence, message.key, len(message.value or b""))


def original_of(configuration: Configuration, letter: Letter, unpacked_mib: int = UNPACKED_MIB) -> Message:
    """The original as it came, value and all, with the dead letter's headers; of several the first. Raises BrokerError
    where it is gone, or takes too much memory."""
    return next(originals_of(configuration, letter, unpacked_mib))


def originals_of(configuration: Configuration, letter: Letter, unpacked_mib: int = UNPACKED_MIB) -> Iterator[Message]:
    """All that the letter stands for, one after the other; raises as `original_of`."""
    kept = message_at(configuration, configuration.topics.deadletters, letter.partition, letter.offset)
    if kept is None:
        raise BrokerError(f"the dead letter {letter.name} is gone: retention has dropped it")
    if not letter.whence.value_left_out:
        yield kept
        return
    _check_memory(letter, unpacked_mib)
    whence, some = letter.whence, False
    last = whence.offset if whence.last is None else whence.last
    for first in messages_at(configuration, whence.topic, whence.partition, whence.offset, last):
        some = True
        yield msgspec.structs.replace(kept, key=first.key, value=first.value, headers=_headers(letter, first, kept))
    if not some:
        raise BrokerError(
            f"the media of dead letter {letter.name} stayed in {letter.origin}, and retention has dropped them there: "
            "the sensor must send them again"
        )


def _check_memory(letter: Letter, unpacked_mib: int) -> None:
    needed = -(-letter.whence.unpacks_to // 2**20)
    if needed > unpacked_mib:
        raise BrokerError(
            f"the batch at {letter.origin} may unpack to {needed:,} MiB, which it takes whole in memory: give "
            f"--unpack-mib {needed} where there is so much"
        )


def _headers(letter: Letter, first: Message, kept: Message) -> Headers:
    """Those of the original, and ours. A name that is no UTF-8 is one that librdkafka cannot tell, and with it all
    others: then those that the dead letter kept."""
    ours = tuple(header for header in kept.headers if header[0] == DEADLETTER_HEADER)
    if not first.headers_lost:
        return (*first.headers, *ours)
    if not any(name not in (DEADLETTER_HEADER, UNREADABLE_HEADER) for name, _ in kept.headers):
        raise BrokerError(
            f"the headers of {letter.origin} cannot be read, because the name of one is no UTF-8, and nothing can be "
            "sent again without them"
        )
    return kept.headers


def retry(
    configuration: Configuration, chosen: Sequence[Letter], unpacked_mib: int = UNPACKED_MIB
) -> Iterator[tuple[Letter, BrokerError | None]]:
    """Send the originals again where they were, and mark each letter; tells of each whether it went: one that is gone
    or too large is no obstacle to the others. Raises BrokerAway, and BrokerError for a topic or right that is missing.
    """
    producer = DurableProducer(configuration)
    try:
        for letter in chosen:
            originals = originals_of(configuration, letter, unpacked_mib)
            error = _send(producer, _readable(original_record(each, letter.whence) for each in originals))
            if error is None:
                mark = Retried(partition=letter.partition, offset=letter.offset)
                producer.send([retried_record(configuration.topics.deadletters, letter.key, mark)])
            yield letter, error
    finally:
        producer.close()


def _readable(records: Iterable[Record]) -> Iterator[Record | BrokerError]:
    """The records until one cannot be read, and then why."""
    try:
        yield from records
    except BrokerError as error:
        if error.exit_code != BrokerError.exit_code:
            raise
        yield error


def _send(producer: DurableProducer, records: Iterator[Record | BrokerError]) -> BrokerError | None:
    """Some at a time; the first thing that could not be read, or is too large. The others are sent."""
    wrong: BrokerError | None = None
    while some := list(islice(records, SENT_AT_ONCE)):
        good = [record for record in some if not isinstance(record, BrokerError)]
        unread = [error for error in some if isinstance(error, BrokerError)]
        wrong = next((each for each in [wrong, *unread, _send_each(producer, good)] if each is not None), None)
    return wrong


def _send_each(producer: DurableProducer, records: Sequence[Record]) -> MessageTooLarge | None:
    """All of them at once, or those that are not too large one by one."""
    if not records:
        return None
    try:
        producer.send(records)
        return None
    except MessageTooLarge as error:
        if len(records) > 1:
            middle = len(records) // 2
            first, second = _send_each(producer, records[:middle]), _send_each(producer, records[middle:])
            return first or second
        return error
