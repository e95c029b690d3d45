"""The dead letters that a topic holds: told, shown, and sent again when what was wrong is mended.

A topic forgets nothing that is in it, so a letter that was sent again is marked by a small record behind it. Sending
again is safe at any time: ids are deterministic, and stores keep one outcome of a capture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from katydid.streams.kafka.configuration import Configuration
from katydid.streams.kafka.consuming import all_messages, message_at
from katydid.streams.kafka.errors import BrokerError, MessageTooLarge
from katydid.streams.kafka.producing import DurableProducer
from katydid.streams.kafka.records import (
    DEADLETTER_HEADER,
    Message,
    Retried,
    Whence,
    original_record,
    read_deadletter,
    read_retried,
    retried_record,
)


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter, without the value of its original."""

    partition: int
    offset: int
    whence: Whence
    key: bytes | None
    length: int
    """Bytes of the original's value that lie in the dead letter."""
    retried: bool

    @property
    def name(self) -> str:
        """What a person calls it: PARTITION:OFFSET on the dead-letter topic."""
        return f"{self.partition}:{self.offset}"


def letters(configuration: Configuration) -> list[Letter]:
    """All of them, the oldest first. Raises BrokerError."""
    found: dict[tuple[int, int], Letter] = {}
    sent: set[tuple[int, int]] = set()
    for message in all_messages(configuration, configuration.topics.deadletters):
        mark = read_retried(message)
        if mark is not None:
            sent.add((mark.partition, mark.offset))
            continue
        whence = read_deadletter(message)
        if whence is not None:
            place = (message.partition, message.offset)
            found[place] = Letter(*place, whence, message.key, len(message.value or b""), retried=False)
    marked = [_marked(letter) if place in sent else letter for place, letter in found.items()]
    return sorted(marked, key=lambda letter: (letter.whence.died_ms, letter.partition, letter.offset))


def original_of(configuration: Configuration, letter: Letter) -> Message:
    """The original as it came, value and all, with the dead letter's headers. Raises BrokerError where it is gone."""
    message = message_at(configuration, configuration.topics.deadletters, letter.partition, letter.offset)
    if message is None:
        raise BrokerError(f"the dead letter {letter.name} is gone: retention has dropped it")
    if not letter.whence.value_left_out:
        return message
    whence = letter.whence
    first = message_at(configuration, whence.topic, whence.partition, whence.offset)
    if first is None:
        raise BrokerError(
            f"the media of dead letter {letter.name} stayed in {whence.topic}/{whence.partition}@{whence.offset}, and "
            "retention has dropped them there: the sensor must send them again"
        )
    ours = tuple(header for header in message.headers if header[0] == DEADLETTER_HEADER)
    return msgspec.structs.replace(message, key=first.key, value=first.value, headers=(*first.headers, *ours))


def retry(configuration: Configuration, chosen: Sequence[Letter]) -> Iterator[tuple[Letter, BrokerError | None]]:
    """Send the originals again where they were, and mark each; tells of each whether it went: one that is gone or too
    large is no obstacle to the others. Raises BrokerAway, and BrokerError for a topic or right that is missing."""
    producer = DurableProducer(configuration)
    try:
        for letter in chosen:
            try:
                original = original_of(configuration, letter)
            except BrokerError as error:
                if error.exit_code != BrokerError.exit_code:
                    raise
                yield letter, error
                continue
            try:
                producer.send([original_record(original, letter.whence)])
            except MessageTooLarge as error:
                yield letter, error
                continue
            mark = Retried(partition=letter.partition, offset=letter.offset)
            producer.send([retried_record(configuration.topics.deadletters, letter.key, mark)])
            yield letter, None
    finally:
        producer.close()


def _marked(letter: Letter) -> Letter:
    return Letter(letter.partition, letter.offset, letter.whence, letter.key, letter.length, retried=True)
