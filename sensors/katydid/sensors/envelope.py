"""A capture as a message: key, value and one header, versioned.

    key      the sensor's id, UTF-8, so that one sensor's captures stay in order
    value    the encoded media exactly as they came; empty where they travel as a reference
    header   "katydid.capture": JSON {"v": 1, "capture": {...}}, the facts without the bytes

The version counts breaking changes. Fields that a later writer added are ignored, missing ones take their defaults; a
version from the future is an EnvelopeError, and the message stays where it is.
"""

from __future__ import annotations

import hashlib

import msgspec

from katydid.sensors.capture import Capture
from katydid.sensors.errors import EnvelopeError

VERSION = 1
HEADER = "katydid.capture"


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One message as a broker carries it."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class _Versioned(msgspec.Struct, frozen=True):
    v: int


class _Header(msgspec.Struct, frozen=True):
    v: int
    capture: Capture


_VERSION_DECODER = msgspec.json.Decoder(_Versioned)
_HEADER_DECODER = msgspec.json.Decoder(_Header)


def pack(capture: Capture) -> Envelope:
    """The message of a capture. Raises EnvelopeError where it holds neither or both of bytes and reference."""
    if (capture.payload is None) == (capture.payload_ref is None):
        raise EnvelopeError(f"the capture {capture.capture_id} must hold either bytes or a reference to them")
    bare = msgspec.structs.replace(capture, payload=None)
    try:
        header = msgspec.json.encode(_Header(v=VERSION, capture=bare))
        key = capture.sensor_id.encode()
    except UnicodeEncodeError as exc:
        raise EnvelopeError(f"the capture {capture.capture_id} holds text that UTF-8 cannot") from exc
    return Envelope(key=key, value=capture.payload or b"", headers=((HEADER, header),))


def unpack(envelope: Envelope) -> Capture:
    """The capture of a message, byte for byte as it was packed.

    Raises EnvelopeError: no header of ours, a version from the future, a header that is no capture, a key of another
    sensor, or a value that does not match the length and digest in the header.
    """
    header = dict(envelope.headers).get(HEADER)
    if header is None:
        raise EnvelopeError(f"the message has no header {HEADER!r}: it is none of ours")
    bare = _decode(header)
    if bare.sensor_id.encode() != envelope.key:
        raise EnvelopeError(f"the key is not the sensor {bare.sensor_id!r} of the header")
    if bare.payload_ref is not None:
        if envelope.value:
            raise EnvelopeError("the message refers to its media and carries some as well")
        return bare
    _check_value(bare, envelope.value)
    return msgspec.structs.replace(bare, payload=envelope.value)


def _decode(header: bytes) -> Capture:
    try:
        version = _VERSION_DECODER.decode(header).v
        if not 1 <= version <= VERSION:
            raise EnvelopeError(
                f"the message has version {version}, this program reads up to {VERSION}: install a newer Katydid"
            )
        return _HEADER_DECODER.decode(header).capture
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise EnvelopeError(f"the header is no capture: {exc}") from exc


def _check_value(bare: Capture, value: bytes) -> None:
    """What a source refused without reading it has no bytes, and a digest of its name."""
    if bare.refusal and not value:
        return
    if len(value) != bare.length or hashlib.sha256(value).hexdigest() != bare.sha256:
        raise EnvelopeError(f"the media of capture {bare.capture_id} are not those that were sent")
