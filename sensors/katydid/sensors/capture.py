"""What came from the field: one frame or one clip, its facts, and where its sensor stood.

The records are frozen `msgspec.Struct`s, the same from the wire to the store. Times are UTC in integer
nanoseconds since 1970-01-01; every field says its unit.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What a sensor records: a still picture or a stretch of sound."""

    FRAME = "frame"
    CLIP = "clip"


class ClockSource(StrEnum):
    """Where a reading of the device's clock was found, the most trusted first."""

    GUANO = "guano"
    AUDIOMOTH = "audiomoth"
    WAMD = "wamd"
    EXIF = "exif"
    FILE_NAME = "file_name"
    FILE_DATE = "file_date"
    """The date of the file: not the device's own word, so it takes no part in identity."""
    SIMULATED = "simulated"
    NONE = "none"


class ZoneSource(StrEnum):
    """Who said which offset from UTC the reading has."""

    RECORDED = "recorded"
    DEPLOYMENT = "deployment"
    OPTION = "option"
    ASSUMED = "assumed"


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """How the time of a capture is known."""

    source: ClockSource
    recorded: str = ""
    """The device's own reading, character by character as recorded; "" where there is none."""
    resolution_s: float = 1.0
    """Smallest step that the reading can show, seconds."""
    uncertainty_s: float = 1.0
    """Half width of the interval in which the true time lies, as far as the file tells, seconds."""
    zone: str = "UTC"
    """IANA zone or "+HH:MM" by which the reading was taken to UTC."""
    zone_source: ZoneSource = ZoneSource.ASSUMED
    flags: tuple[str, ...] = ()
    """Any of: "fold", "gap" (daylight saving), "before_2000", "in_future", "no_reading"."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a sensor stood, WGS 84."""

    latitude: float
    """Degrees north, -90..90."""
    longitude: float
    """Degrees east, -180..180."""
    uncertainty_m: float | None = None
    elevation_m: float | None = None
    source: str = ""
    """Where it was read: "exif", "guano", "deployment", "option"."""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a file says about itself, and where it says it."""

    name: str
    """Lower snake case, for example "temperature_c", "battery_v", "gain", "serial", "model"."""
    value: str
    read_from: str
    """"exif", "guano", "audiomoth", "wamd", "file_name", "wav_header"."""


class MediaRef(msgspec.Struct, frozen=True, kw_only=True):
    """Media that lie elsewhere: read from `url` (a path for a folder) in pieces, never whole."""

    url: str
    sha256: str
    """64 hexadecimal digits over the encoded bytes."""
    length: int
    """Bytes."""


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """One frame or clip as it left the field: the encoded bytes exactly as they came, and its facts."""

    capture_id: str
    """32 hexadecimal digits, see `identity.py`; sorts by recorded time."""
    sensor_id: str
    kind: Kind
    captured_at: int
    """UTC, nanoseconds since 1970; for a clip its first sample."""
    clock: Clock
    media_type: str
    """For example "image/jpeg", "audio/flac"; from the bytes, not from the name."""
    payload: bytes | None = None
    payload_ref: MediaRef | None = None
    """Exactly one of payload and payload_ref is given."""
    sha256: str
    """64 hexadecimal digits over the encoded bytes, wherever they lie."""
    length: int
    """Bytes of the encoded media."""
    sequence: int | None = None
    """The device's own running number, where the file or its name has one."""
    place: Place | None = None
    facts: tuple[Fact, ...] = ()
    file: str = ""
    """Where a person finds it again: the path below the folder with "/" between parts. Not part of identity."""
    refusal: str = ""
    """Set by a source that already knows why these bytes cannot be used, as "code: words", for example
    "unreadable: Permission denied"; the payload is then empty and `sha256` that of name and size. "" otherwise."""


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """Where, when and how a sensor stood (after Camtrap DP's deployments), with an IANA zone."""

    deployment_id: str
    sensor_id: str
    place: Place | None = None
    zone: str | None = None
    """IANA name, for example "Europe/Amsterdam"."""
    start: int | None = None
    """UTC, nanoseconds; None: open."""
    end: int | None = None
    location_name: str = ""
    comments: str = ""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What a sensor says of itself."""

    sensor_id: str
    at: int
    """UTC, nanoseconds."""
    battery_v: float | None = None
    temperature_c: float | None = None
    storage_free_bytes: int | None = None
    uptime_s: float | None = None
    last_capture_id: str | None = None
    pushed_bytes: int | None = None
    """Of a push: bytes that the broker acknowledged since it began."""
    backlog: int | None = None
    """Of a push: captures that are not acknowledged yet."""
    oldest_waiting_s: float | None = None
    """Of a push: how long the capture that was sent first waits for its acknowledgement; 0 where none does."""
    clock_offset_s: float | None = None
    """This machine's clock less the broker's, seconds."""
    captured: int | None = None
    """Of a live source: frames or clips kept since it began."""
    lost: int | None = None
    """Of a live source: frames that were dropped or withheld, or times at which samples were lost, since it began."""
    reconnects: int | None = None
    """Of a live source: how often it was there again, since it began."""
    blind_s: float | None = None
    """Of a live source: seconds without a usable picture or sound (away, frozen, black, flat), since it began."""
    version: str | None = None
    """Katydid's, on the sensor's side."""
