"""From a message to a capture, or to the reason why it is none.

What cannot be read at all is a dead letter and nothing more. Where the envelope can be read and only its media cannot
be used, there is a capture, and it ends as a refused outcome like any other.
"""

from __future__ import annotations

import time
from importlib.metadata import version

import msgspec

from katydid.models.outcome import Outcome
from katydid.sensors.capture import Capture, Health
from katydid.sensors.envelope import Envelope, unpack
from katydid.sensors.errors import EnvelopeError, MediaDiffer
from katydid.sensors.sources.protocol import Position, Taken
from katydid.streams.kafka.records import UNREADABLE_HEADER, Message, StandIn, Whence, read_health

SOURCE = "kafka:"
"""Positions of a topic have the source "kafka:TOPIC"."""


class Dead(Exception):
    """A message that cannot be used: `reason` is a short code, the text says it in words."""

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason = reason


def capture_of(message: Message) -> Capture:
    """The capture of a message; refused already where its media are not those of its envelope. Raises Dead."""
    _check_readable(message)
    envelope = Envelope(key=message.key or b"", value=message.value or b"", headers=message.headers)
    try:
        return unpack(envelope)
    except MediaDiffer as error:
        return msgspec.structs.replace(
            error.capture, payload=envelope.value, payload_ref=None, refusal=f"corrupted: {error}"
        )
    except EnvelopeError as error:
        raise Dead("envelope", str(error)) from error


def health_of(message: Message) -> Health:
    """The reading of a message. Raises Dead."""
    _check_readable(message)
    try:
        return read_health(message)
    except EnvelopeError as error:
        raise Dead("health", str(error)) from error


def _check_readable(message: Message) -> None:
    for name, words in message.headers:
        if name == UNREADABLE_HEADER:
            raise Dead("unreadable", words.decode("utf-8", "backslashreplace"))


def taken_from(message: Message, capture: Capture) -> Taken:
    """The capture with the place in its topic that its outcome settles."""
    position = Position(source=SOURCE + message.topic, partition=str(message.partition), offset=message.offset)
    return Taken(capture=capture, position=position)


def lane_of(position: Position) -> tuple[str, int]:
    """Topic and partition of a position."""
    return position.source.removeprefix(SOURCE), int(position.partition)


def whence(message: Message, reason: str, words: str, *, capture_id: str = "") -> Whence:
    """Why a message is given up, for its dead letter; or all messages that it stands for."""
    stand_in = next((why for _, why in message.headers if isinstance(why, StandIn)), None)
    return Whence(
        reason=reason,
        message=words,
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        at_ms=message.at_ms,
        died_ms=int(time.time() * 1000),
        capture_id=capture_id,
        katydid_version=version("katydid"),
        last=None if stand_in is None else stand_in.last,
        unpacks_to=0 if stand_in is None else stand_in.unpacks_to,
    )


def whence_refused(message: Message, outcome: Outcome) -> Whence:
    """The same for a capture that was refused."""
    return whence(message, outcome.reason, outcome.message, capture_id=outcome.capture_id)
