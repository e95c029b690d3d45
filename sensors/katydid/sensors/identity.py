"""Deterministic ids: the same recording gets the same id on every machine, in every run, under every folder.

An id is 128 bits, written as 32 hexadecimal digits:

    48 bits   the recorded time in milliseconds since 1970, so that ids sort by time; 0 where there is no reading
    80 bits   BLAKE2b of what the device itself recorded

What goes into the hash is what the device said: its id, its own reading of the time character by character, its
running number and the digest of the bytes. Never a corrected time, a zone, a deployment, a path or a file's date:
moving the folder, declaring a zone or mending a clock later makes no new id.
"""

from __future__ import annotations

import hashlib

TIME_DIGITS = 12
"""Hexadecimal digits of the time prefix: 48 bits reach the year 10889."""
_LARGEST_MS = (1 << 48) - 1
_HASH_BYTES = 10


def capture_id(*, sensor_id: str, recorded: str, recorded_ms: int | None, sequence: int | None, sha256: str) -> str:
    """The id of one frame or clip: 32 lower-case hexadecimal digits.

    `recorded` is the device's reading as recorded ("" for none) and `recorded_ms` the same as milliseconds since
    1970, without any zone that the device did not record itself; `sequence` its running number; `sha256` that of the
    encoded bytes. Times before 1970 sort first, those after 10889 last.
    """
    number = "" if sequence is None else str(sequence)
    milliseconds = min(max(recorded_ms or 0, 0), _LARGEST_MS)
    return f"{milliseconds:012x}" + _hash(b"katydid.capture", sensor_id, recorded, number, sha256.lower())


def detection_id(capture_id: str, bundle_digest: str, ordinal: int) -> str:
    """The id of the detection number `ordinal` that a bundle made in a capture; sorts by time as the capture does."""
    return capture_id[:TIME_DIGITS] + _hash(b"katydid.detect", capture_id, bundle_digest, str(ordinal))


def occurrence_id(first_detection_id: str) -> str:
    """The id of the occurrence that begins with a detection: no detection is in two. Sorts by time as that does."""
    return first_detection_id[:TIME_DIGITS] + _hash(b"katydid.occur", first_detection_id)


def time_ms(identifier: str) -> int:
    """The recorded time in milliseconds since 1970 that an id of any sort starts with."""
    return int(identifier[:TIME_DIGITS], 16)


def _hash(purpose: bytes, *parts: str) -> str:
    """20 hexadecimal digits; each part goes in with its length, so that no two lists of parts look alike."""
    digest = hashlib.blake2b(digest_size=_HASH_BYTES, person=purpose)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()
