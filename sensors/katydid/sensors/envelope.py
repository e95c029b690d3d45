"""A capture as a message: key, value and one header, versioned.

    key      the sensor's id, UTF-8, so that one sensor's captures stay in order
    value    the encoded media exactly as they came; empty where they travel as a reference
    header   "katydid.capture": JSON {"v": 1, "capture": {...}}, the facts without the bytes

The version counts breaking changes. Fields that a later writer added are ignored, missing ones take their defaults; a
version from the future is an EnvelopeError, and the message stays where it is. `docs/envelope.md` has the rules.

A header comes from somebody else, so it is believed in nothing: its size is bounded before it is decoded, and what it
claims (numbers that a store cannot hold, a digest that is none, media inside the header) is checked before anybody acts
on it. The writer is held to the same checks, so that nothing is sent that would be refused. Whatever the bytes are,
`unpack` gives a capture or raises EnvelopeError, and nothing else.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence

import msgspec

from katydid.sensors.capture import Capture
from katydid.sensors.errors import EnvelopeError, MediaDiffer

VERSION = 1
HEADER = "katydid.capture"
MAX_HEADER_BYTES = 128 * 1024
"""A capture's facts take about 1 KB; the longest that a file can hold (30 facts of 300 letters and a path of 4,096
bytes, every byte escaped) some 80 KB."""

_CAPTURE_ID = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_INT64 = 1 << 63


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
_DECODERS = {1: msgspec.json.Decoder(_Header)}
"""One for every version ever written: none is ever taken out."""


def pack(capture: Capture) -> Envelope:
    """The message of a capture.

    Raises EnvelopeError where it holds neither or both of bytes and reference, or claims what `unpack` would refuse.
    """
    if (capture.payload is None) == (capture.payload_ref is None):
        raise EnvelopeError(f"the capture {capture.capture_id} must hold either bytes or a reference to them")
    bare = msgspec.structs.replace(capture, payload=None)
    _check_claims(bare)
    try:
        header = msgspec.json.encode(_Header(v=VERSION, capture=bare))
        key = capture.sensor_id.encode()
    except UnicodeEncodeError as exc:
        raise EnvelopeError(f"the capture {capture.capture_id} holds text that UTF-8 cannot") from exc
    _check_size(header)
    return Envelope(key=key, value=capture.payload or b"", headers=((HEADER, header),))


def unpack(envelope: Envelope) -> Capture:
    """The capture of a message, byte for byte as it was packed.

    Raises EnvelopeError: no header of ours or more than one, a header over 128 KiB, a version from the future, a header
    that is no capture or claims what cannot be, a key of another sensor. Raises MediaDiffer for a value that does not
    match the length and digest in the header.
    """
    bare = _decode(_our_header(envelope.headers))
    _check_claims(bare)
    if bare.sensor_id.encode() != envelope.key:
        raise EnvelopeError(f"the key is not the sensor {bare.sensor_id!r} of the header")
    if bare.payload_ref is not None:
        if envelope.value:
            raise EnvelopeError("the message refers to its media and carries some as well")
        return bare
    _check_value(bare, envelope.value)
    return msgspec.structs.replace(bare, payload=envelope.value)


def _our_header(headers: Sequence[tuple[str, bytes]]) -> bytes:
    """The one header of ours. Brokers allow a name twice; which of the two is meant nobody could say."""
    ours = [value for name, value in headers if name == HEADER]
    if len(ours) != 1 or not ours[0]:
        what = "has no header" if not ours or not ours[0] else f"has {len(ours)} headers"
        raise EnvelopeError(f"the message {what} {HEADER!r}: it is none of ours")
    _check_size(ours[0])
    return ours[0]


def _decode(header: bytes) -> Capture:
    try:
        version = _VERSION_DECODER.decode(header).v
        decoder = _DECODERS.get(version)
        if decoder is None:
            raise EnvelopeError(_unknown(version))
        return decoder.decode(header).capture
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise EnvelopeError(f"the header is no capture: {exc}") from exc


def _unknown(version: int) -> str:
    if version > VERSION:
        return f"the message has version {version}, this program reads up to {VERSION}: install a newer Katydid"
    return f"the message has version {version}, which no Katydid ever wrote"


def _check_size(header: bytes) -> None:
    if len(header) > MAX_HEADER_BYTES:
        raise EnvelopeError(f"a header of {len(header):,} bytes is over the limit of {MAX_HEADER_BYTES:,}")


def _check_claims(bare: Capture) -> None:
    """What a header says about numbers and digests, before anything is done with it."""
    if bare.payload is not None:
        raise EnvelopeError("the header holds media: they belong into the value")
    if not _CAPTURE_ID.fullmatch(bare.capture_id):
        raise EnvelopeError(f"{bare.capture_id[:40]!r} is no id of a capture: 32 hexadecimal digits")
    if not _SHA256.fullmatch(bare.sha256):
        raise EnvelopeError(f"{bare.sha256[:80]!r} is no SHA-256: 64 hexadecimal digits")
    if not all(-_INT64 <= number < _INT64 for number in (bare.captured_at, bare.sequence or 0)):
        raise EnvelopeError("the time or running number of the capture does not fit 64 bits")
    if not 0 <= bare.length < _INT64:
        raise EnvelopeError("a length that media cannot have")
    ref = bare.payload_ref
    if ref is not None and (ref.sha256, ref.length) != (bare.sha256, bare.length):
        raise EnvelopeError("the reference is to other media than those of the capture")
    if not all(math.isfinite(number) for number in _floats(bare)):  # JSON has no word for them: they would become null.
        raise EnvelopeError(f"a place or uncertainty of the capture {bare.capture_id} is no finite number")


def _floats(bare: Capture) -> tuple[float, ...]:
    clock, place = bare.clock, bare.place
    if place is None:
        return clock.resolution_s, clock.uncertainty_s
    optional = (place.uncertainty_m or 0.0, place.elevation_m or 0.0)
    return clock.resolution_s, clock.uncertainty_s, place.latitude, place.longitude, *optional


def _check_value(bare: Capture, value: bytes) -> None:
    """What a source refused without reading it has no bytes, and a digest of its name."""
    if bare.refusal and not value:
        return
    if len(value) != bare.length or hashlib.sha256(value).hexdigest() != bare.sha256:
        raise MediaDiffer(f"the media of capture {bare.capture_id} are not those that were sent", bare)
