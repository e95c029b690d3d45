"""When a point lies: the recorded time, spread over the clock's own resolution by a hash of the id.

Two points of one measurement with equal tags and equal times are one point: the later write replaces the earlier.
A camera that writes down whole seconds gives ten frames of a burst one time, so each is put at a nanosecond of its
own within that second (or that millisecond, where the clock shows fractions), chosen by the id: the same in every
replay. A point never leaves the second, and so never the hour, of its capture. The exact time is a field of the point.

Two given points of one second meet with probability 10⁻⁹; in ten thousand bursts of ten frames, 0.0005 are lost on
average, where spreading over a microsecond lost one frame in twenty.
"""

from __future__ import annotations

from hashlib import blake2b

from katydid.sensors.identity import TIME_DIGITS

SECOND, MILLISECOND = 1_000_000_000, 1_000_000
"""Nanoseconds."""
HOUR = 3_600 * SECOND
EARLIEST, LATEST = -(2**63) + 2, 2**63 - 2
"""What InfluxDB takes: from September 1677 to April 2262."""


def point_time(at: int, resolution_s: float, identifier: str) -> int:
    """Nanoseconds within the second (or millisecond) of `at`, UTC, of what was recorded with that resolution."""
    step = SECOND if resolution_s >= 1 else MILLISECOND
    return _within(at - at % step, _spread(identifier, step))


def identity_time(capture_id: str) -> int:
    """Where the identity of a capture lies: within a second of the device's own reading, which its id starts with."""
    return _within(recorded_ns(capture_id), _spread(capture_id, SECOND))


def recorded_ns(identifier: str) -> int:
    """The device's own reading that an id of either sort starts with, nanoseconds; 0 for none, or for no id of ours."""
    try:
        return min(int(identifier[:TIME_DIGITS], 16) * MILLISECOND, LATEST - SECOND)
    except ValueError:
        return 0


def _within(start: int, offset: int) -> int:
    return min(max(start, EARLIEST), LATEST - SECOND) + offset


def _spread(identifier: str, step: int) -> int:
    digest = blake2b(identifier.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % step
