"""Captures for an oracle run: a simulated night is drawn once, and its files are stamped as those of many sensors.

Every capture has an id of its own, because sensor, device reading and sequence go into it; the media come from a pool,
so that a hundred thousand captures cost no more drawing than a few hundred.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from katydid.sensors import identity
from katydid.sensors.capture import Capture, Clock, ClockSource, Kind, ZoneSource
from katydid.sensors.sources.simulated import Night, SimulatedSource, Station

SENSORS = 24
FIRST = datetime(2026, 7, 1, tzinfo=UTC)
EVERY_S = 10
RUBBISH = b"\xff\xd8\xff\xe0 no picture at all"
RUBBISH_EVERY = 50
"""One capture in so many is refused: its bytes are no media."""


def pool(seed: int) -> list[Capture]:
    """The files of one short simulated night: 40 small frames and 10 clips, its broken ones among them."""
    night = Night(
        seed=seed, start_hour=22.0, hours=1.0, clip_every_s=360.0, clip_s=2.0, frame_every_s=90.0, frame_size=(480, 360)
    )
    return [taken.capture for taken in SimulatedSource(Station(night)).captures(lambda _: False)]


def minted(count: int, seed: int) -> Iterator[Capture]:
    """`count` captures of `SENSORS` sensors, each sensor's in the order of its clock."""
    media = [one for one in pool(seed) if one.payload]
    for number in range(count):
        yield _stamped(media[number % len(media)], number)


def _stamped(drawn: Capture, number: int) -> Capture:
    """`drawn` as the capture number `number` of the run: another sensor, time and sequence."""
    sensor, sequence = number % SENSORS, number // SENSORS
    at = FIRST + timedelta(seconds=sequence * EVERY_S)
    payload = RUBBISH + number.to_bytes(8, "big") if number % RUBBISH_EVERY == 7 else drawn.payload or b""
    digest = hashlib.sha256(payload).hexdigest()
    recorded = at.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    nanoseconds = int(at.timestamp()) * 10**9
    prefix = "CAM" if drawn.kind is Kind.FRAME else "REC"
    sensor_id = f"{prefix}-{sensor:03d}"
    return msgspec.structs.replace(
        drawn,
        capture_id=identity.capture_id(
            sensor_id=sensor_id,
            recorded=recorded,
            recorded_ms=nanoseconds // 10**6,
            sequence=sequence,
            sha256=digest,
        ),
        sensor_id=sensor_id,
        captured_at=nanoseconds,
        clock=Clock(
            source=ClockSource.EXIF,
            recorded=recorded,
            resolution_s=1.0,
            uncertainty_s=1.0,
            zone="+00:00",
            zone_source=ZoneSource.RECORDED,
        ),
        payload=payload,
        sha256=digest,
        length=len(payload),
        sequence=sequence,
        file=f"{sensor_id}/{number:07d}",
        refusal="",
    )
