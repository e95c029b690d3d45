"""What passes over topics besides captures: outcomes, health readings, dead letters; each with one versioned header.

    katydid.outcomes      key sensor_id, value Outcome as JSON, header "katydid.outcome" {"v": 1}
    katydid.health        key sensor_id, value Health as JSON
    katydid.deadletters   key, value and headers of the original, and header "katydid.deadletter" with why and whence

The version counts breaking changes: fields that a later writer added are ignored, missing ones take their defaults.
"""

from __future__ import annotations

import msgspec

from katydid.models.outcome import Outcome
from katydid.sensors.capture import Health
from katydid.sensors.errors import EnvelopeError

VERSION = 1
OUTCOME_HEADER = "katydid.outcome"
DEADLETTER_HEADER = "katydid.deadletter"
RETRIED_HEADER = "katydid.retried"
UNREADABLE_HEADER = "katydid.unreadable"
"""Of a stand-in for records that the client could not read; says why. See `batches.py`."""

Headers = tuple[tuple[str, bytes], ...]


class StandIn(bytes):
    """The value of that header where it was made here, and not by whoever wrote the message: why in words, and of what
    it is the first."""

    last: int
    """Offset of the last record that it stands for."""
    unpacks_to: int
    """Bytes that its batch may take when it is unpacked."""


REST = StandIn(b"the end of what is unreadable")
"""Value of that header for the last record of those: nothing more is to be said of it."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a topic, as it came."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    """When it was written, ms since 1970."""
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    headers_lost: bool = False
    """It has headers, and the client that read it cannot tell them."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is to be written."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Whence(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message was, and why it could not be used."""

    v: int = VERSION
    reason: str
    """A short code: "envelope", "health", or that of a refused outcome."""
    message: str
    topic: str
    partition: int
    offset: int
    at_ms: int
    """When the original was written."""
    died_ms: int
    """When it was given up."""
    capture_id: str = ""
    """Where the envelope could be read."""
    value_left_out: bool = False
    """The original is not, or not whole, beside its reason: it was too large, or could not be read. It is still where
    it came from, until retention ends."""
    katydid_version: str = ""
    last: int | None = None
    """Of messages that could not be read together: the offset of the last. None: it was one."""
    unpacks_to: int = 0
    """Bytes that those messages may take in the memory of whoever reads them; 0: no more than they have."""


class Retried(msgspec.Struct, frozen=True, kw_only=True):
    """A mark behind a dead letter on its topic: the original was sent again."""

    partition: int
    """Of the dead letter."""
    offset: int


_OUTCOME_VERSION = msgspec.json.encode({"v": VERSION})
_OUTCOMES = msgspec.json.Decoder(Outcome)
_HEALTH = msgspec.json.Decoder(Health)
_WHENCE = msgspec.json.Decoder(Whence)
_RETRIED = msgspec.json.Decoder(Retried)


class _Versioned(msgspec.Struct, frozen=True):
    v: int


def outcome_record(topic: str, outcome: Outcome) -> Record:
    """An outcome as a message."""
    return Record(
        topic=topic,
        key=outcome.sensor_id.encode(),
        value=msgspec.json.encode(outcome),
        headers=((OUTCOME_HEADER, _OUTCOME_VERSION),),
    )


def read_outcome(message: Message) -> Outcome:
    """The outcome of a message. Raises EnvelopeError: not one of ours, or from the future."""
    header = dict(message.headers).get(OUTCOME_HEADER)
    if header is None or message.value is None:
        raise EnvelopeError(f"the message has no header {OUTCOME_HEADER!r}: it is no outcome of ours")
    try:
        version = msgspec.json.decode(header, type=_Versioned).v
        if not 1 <= version <= VERSION:
            raise EnvelopeError(f"the outcome has version {version}: install a newer Katydid")
        return _OUTCOMES.decode(message.value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EnvelopeError(f"the message is no outcome: {error}") from error


def read_health(message: Message) -> Health:
    """The reading of a message. Raises EnvelopeError."""
    try:
        health = _HEALTH.decode(message.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EnvelopeError(f"the message is no health reading: {error}") from error
    if health.sensor_id.encode() != message.key:
        raise EnvelopeError(f"the key is not the sensor {health.sensor_id!r} of the reading")
    return health


def deadletter_record(topic: str, message: Message, whence: Whence) -> Record:
    """A dead letter: the original as it was, and whence it came."""
    kept = tuple((_writable(name), value) for name, value in message.headers if name not in _OURS)
    header = (DEADLETTER_HEADER, msgspec.json.encode(whence))
    value = None if whence.value_left_out else message.value
    return Record(topic=topic, key=message.key, value=value, headers=(*kept, header))


_OURS = (DEADLETTER_HEADER, RETRIED_HEADER)
"""Of an original they would be taken for those of its dead letter."""


def _writable(name: str) -> str:
    """A header's name as confluent-kafka can write it."""
    return name.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def read_deadletter(message: Message) -> Whence | None:
    """Whence a dead letter came; None where it is none (a mark, or something foreign)."""
    header = dict(message.headers).get(DEADLETTER_HEADER)
    try:
        return None if header is None else _WHENCE.decode(header)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def retried_record(topic: str, key: bytes | None, retried: Retried) -> Record:
    """The mark that a dead letter was sent again."""
    return Record(topic=topic, key=key, value=None, headers=((RETRIED_HEADER, msgspec.json.encode(retried)),))


def read_retried(message: Message) -> Retried | None:
    """What a mark marks; None where it is none."""
    header = dict(message.headers).get(RETRIED_HEADER)
    try:
        return None if header is None else _RETRIED.decode(header)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def original_record(message: Message, whence: Whence) -> Record:
    """The original of a dead letter, to be sent again where it was."""
    kept = tuple(header for header in message.headers if header[0] != DEADLETTER_HEADER)
    return Record(topic=whence.topic, key=message.key, value=message.value, headers=kept)
