"""Nights: a session runs from noon to noon in local time, so that a night is one session and not two dates."""

from __future__ import annotations

import functools
import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
QUARTER = 15 * 60 * 1_000_000_000
"""Nanoseconds. Every offset from UTC in use since 1972 is a multiple of this, and every change of one falls on one, so
all moments of a quarter of an hour are in the same session."""
WIDEST = 24 * 3600 * 1_000_000_000
"""Nanoseconds: no offset is further from UTC. Zones in use end at 14 hours; what a device or a user writes need not."""
_DAY = 24 * 3600 * 1_000_000_000


def session_of(captured_at: int, zone: str) -> str:
    """The session that a moment (UTC, nanoseconds) belongs to, as the local date on whose noon it began.

    `zone` is an IANA name or "+HH:MM", as in `Clock.zone`; one that is not known counts as UTC.
    """
    return _of_quarter(captured_at // QUARTER, zone)


def reach(session: str) -> tuple[int, int]:
    """From when to when (UTC, nanoseconds, half-open) a moment of the session may lie, in whatever zone."""
    noon = date.fromisoformat(session).toordinal() - date(1970, 1, 1).toordinal()
    start = noon * _DAY + _DAY // 2
    return start - WIDEST, start + _DAY + WIDEST


@functools.lru_cache(maxsize=4096)
def _of_quarter(quarter: int, zone: str) -> str:
    seconds = quarter * (QUARTER // 1_000_000_000)
    try:
        local = (_EPOCH + timedelta(seconds=seconds)).astimezone(_zone(zone))
        return (local - timedelta(hours=12)).date().isoformat()
    except OverflowError:  # Before the year 1 or after 9999: a broken clock is no reason to stop.
        return date.max.isoformat() if quarter > 0 else date.min.isoformat()


@functools.lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    written = _OFFSET.fullmatch(name)
    if written:
        offset = timedelta(hours=int(written[2]), minutes=int(written[3]))
        return timezone(-offset if written[1] == "-" else offset) if offset < timedelta(days=1) else UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
