"""From what a device's clock said to UTC, with where it was read, how fine it is and how far it can be off.

Nothing is refused for its time. A reading without an offset takes the zone of the deployment, else the one given as
an option, else this machine's, marked *assumed*. Readings that fall into the hour that daylight saving repeats or
skips are kept with a flag and an uncertainty that covers both meanings; clocks that booted in 1970 or run ahead of
today are kept with a flag. Without any reading the file's date stands in; without that, 1970.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from katydid.sensors.capture import Clock, ClockSource, ZoneSource
from katydid.sensors.errors import SensorError

NS = 1_000_000_000
IMPOSSIBLE = frozenset({"before_2000", "in_future"})
"""Flags of a time that cannot be right."""
TIMELESS = "no_reading"
"""The flag of a capture that says nothing about time itself: all there is, is the date of its file."""
UNDATED = IMPOSSIBLE | {TIMELESS}
"""With any of these flags a capture counts, and nothing is concluded from when it was made."""
_MS = 1_000_000
_EPOCH = datetime(1970, 1, 1)
EARLIEST_NS = -70 * 31_556_952 * NS
LATEST_NS = 230 * 31_556_952 * NS
"""About 1900 to 2200: times beyond are set to these bounds and flagged, so that every store and page can show them."""
_YEAR_2000_NS = 946_684_800 * NS
_DAY_NS = 86_400 * NS
_FILE_DATE_UNCERTAINTY_S = 86_400.0
"""A file's date is that of its last write or copy; a day is a guess, and the source says that it is no reading."""
_NO_TIME_UNCERTAINTY_S = 3.2e9
"""A hundred years: nothing is known."""
_TRUST = tuple(ClockSource)
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)


class ZoneError(SensorError):
    """No such time zone."""

    exit_code = 2


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of the device's clock, as a file or its name gives it."""

    source: ClockSource
    recorded: str
    """Character by character as recorded, with the offset where it has one."""
    wall_ns: int
    """What the digits say, taken as if they were UTC, nanoseconds since 1970."""
    offset_s: int | None = None
    """Seconds east of UTC, where the device recorded it; 0 for a reading in UTC."""
    resolution_s: float = 1.0
    uncertainty_s: float = 0.0
    """What the device itself says the reading can be off by, beyond its resolution, seconds."""

    @property
    def recorded_ms(self) -> int:
        """Milliseconds since 1970 without any zone that the device did not record itself: what ids start with."""
        return (self.wall_ns - (self.offset_s or 0) * NS) // _MS


def reading(
    source: ClockSource,
    recorded: str,
    wall: datetime,
    *,
    offset_s: int | None = None,
    extra_ns: int = 0,
    resolution_s: float = 1.0,
) -> Reading:
    """A reading from naive wall time; `extra_ns` are nanoseconds beyond what `wall` holds."""
    since = wall - _EPOCH
    wall_ns = (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1000 + extra_ns
    return Reading(source=source, recorded=recorded, wall_ns=wall_ns, offset_s=offset_s, resolution_s=resolution_s)


def chosen(readings: Sequence[Reading]) -> Reading | None:
    """The most trusted reading, in the order of `ClockSource`; the first of equals."""
    return min(readings, key=lambda each: _TRUST.index(each.source), default=None)


def resolve(
    readings: Sequence[Reading],
    *,
    zone_option: str | None = None,
    deployment_zone: str | None = None,
    file_date_ns: int | None = None,
    now_ns: int | None = None,
    machine_zone: tzinfo | None = None,
) -> tuple[int, Clock]:
    """UTC nanoseconds since 1970 and how they are known.

    `zone_option` and `deployment_zone` are IANA names or offsets such as "+02:00"; `file_date_ns` the file's date as
    the last resort; `now_ns` and `machine_zone` stand in for this machine's in tests. Raises ZoneError for a zone
    that does not exist.
    """
    now = time.time_ns() if now_ns is None else now_ns
    best = chosen(readings)
    if best is None:
        return _without_reading(file_date_ns, now)
    flags: tuple[str, ...] = ()
    doubt_s = 0.0
    if best.offset_s is not None:
        zone, whose = offset_name(best.offset_s), ZoneSource.RECORDED
        utc_ns = best.wall_ns - best.offset_s * NS
    else:
        where, zone, whose = _zone(deployment_zone, zone_option, machine_zone)
        utc_ns, doubt_s, flags, zone = _to_utc(best.wall_ns, where, zone)
    utc_ns, more = _plausible(utc_ns, now)
    return utc_ns, Clock(
        source=best.source,
        recorded=best.recorded,
        resolution_s=best.resolution_s,
        uncertainty_s=best.resolution_s + best.uncertainty_s + doubt_s,
        zone=zone,
        zone_source=whose,
        flags=(*flags, *more),
    )


def is_dated(how: Clock) -> bool:
    """Whether the device itself said when, and can be right."""
    return UNDATED.isdisjoint(how.flags) and how.source is not ClockSource.NONE


def find_zone(name: str) -> tzinfo:
    """The zone of an IANA name or of an offset such as "+02:00", "UTC+2". Raises ZoneError."""
    offset = _OFFSET.fullmatch(name.strip())
    if offset:
        return timezone(timedelta(seconds=offset_seconds(*offset.groups())))
    try:
        return ZoneInfo(name.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        hint = 'a name such as "Europe/Amsterdam" or an offset such as "+02:00" is wanted'
        raise ZoneError(f"no time zone {name!r}: {hint}") from exc


def offset_seconds(sign: str, hours: str, minutes: str | None) -> int:
    """Seconds east of UTC from the parts of "+02:00". At most a day."""
    size = int(hours) * 3600 + int(minutes or 0) * 60
    return (-1 if sign == "-" else 1) * min(size, 86_340)


def offset_name(offset_s: int) -> str:
    """ "+02:00" for 7200, "UTC" for 0."""
    if not offset_s:
        return "UTC"
    hours, minutes = divmod(abs(offset_s) // 60, 60)
    return f"{'-' if offset_s < 0 else '+'}{hours:02d}:{minutes:02d}"


def _without_reading(file_date_ns: int | None, now_ns: int) -> tuple[int, Clock]:
    if file_date_ns is None:
        uncertain = Clock(
            source=ClockSource.NONE,
            uncertainty_s=_NO_TIME_UNCERTAINTY_S,
            resolution_s=_NO_TIME_UNCERTAINTY_S,
            zone_source=ZoneSource.RECORDED,
            flags=(TIMELESS,),
        )
        return 0, uncertain
    utc_ns, flags = _plausible(file_date_ns, now_ns)
    return utc_ns, Clock(
        source=ClockSource.FILE_DATE,
        uncertainty_s=_FILE_DATE_UNCERTAINTY_S,
        zone_source=ZoneSource.RECORDED,
        flags=(TIMELESS, *flags),
    )


def _zone(
    deployment_zone: str | None, zone_option: str | None, machine_zone: tzinfo | None
) -> tuple[tzinfo | None, str, ZoneSource]:
    """The zone, its name, and whose word it is; None as zone stands for this machine's own."""
    if deployment_zone:
        return find_zone(deployment_zone), deployment_zone, ZoneSource.DEPLOYMENT
    if zone_option:
        return find_zone(zone_option), zone_option, ZoneSource.OPTION
    return machine_zone, str(machine_zone or ""), ZoneSource.ASSUMED


def _to_utc(wall_ns: int, zone: tzinfo | None, name: str) -> tuple[int, float, tuple[str, ...], str]:
    """(UTC ns, doubt in s, flags, the zone's name).

    PEP 495: where both folds differ the wall time is ambiguous (the earlier is taken) or was skipped (the offset
    before the change is taken: a clock that nobody set). The other meaning is within the doubt.
    """
    first, second = (_offset(wall_ns, zone, fold) for fold in (0, 1))
    doubt = abs(first - second)
    flags = () if not doubt else ("fold",) if first > second else ("gap",)
    return wall_ns - first * NS, float(doubt), flags, name or offset_name(first)


def _offset(wall_ns: int, zone: tzinfo | None, fold: int) -> int:
    """Seconds east of UTC at a wall time in `zone`, or in this machine's zone for None."""
    wall_ns = min(max(wall_ns, EARLIEST_NS), LATEST_NS)
    wall = (_EPOCH + timedelta(microseconds=wall_ns // 1000)).replace(fold=fold)
    try:
        aware = wall.astimezone() if zone is None else wall.replace(tzinfo=zone)
    except (OSError, OverflowError, ValueError):  # Windows knows no local time before 1970.
        aware = wall.replace(tzinfo=UTC)
    offset = aware.utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _plausible(utc_ns: int, now_ns: int) -> tuple[int, tuple[str, ...]]:
    """Within the bounds that can be shown, and what is odd about it."""
    flags: tuple[str, ...] = ()
    if utc_ns < _YEAR_2000_NS:
        flags = ("before_2000",)
    elif utc_ns > now_ns + _DAY_NS:
        flags = ("in_future",)
    return min(max(utc_ns, EARLIEST_NS), LATEST_NS), flags
