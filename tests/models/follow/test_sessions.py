"""Sessions run from noon to noon, local."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.models.follow.sessions import reach, session_of

ZONES = ["UTC", "Europe/Amsterdam", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Australia/Lord_Howe"]
WRITTEN = ["+23:59", "-23:59", "+18:00", "-15:15"]
"""Offsets that no place has, but a device may write."""


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("at", "zone", "session"),
    [
        ("2026-07-14T23:30:00+02:00", "Europe/Amsterdam", "2026-07-14"),
        ("2026-07-15T03:30:00+02:00", "Europe/Amsterdam", "2026-07-14"),
        ("2026-07-15T11:59:59+02:00", "Europe/Amsterdam", "2026-07-14"),
        ("2026-07-15T12:00:00+02:00", "Europe/Amsterdam", "2026-07-15"),
        ("2026-07-15T11:59:59+02:00", "+02:00", "2026-07-14"),
        ("2026-07-15T11:59:59-09:30", "-09:30", "2026-07-14"),
        ("1970-01-01T00:00:00+00:00", "UTC", "1969-12-31"),
        ("2026-07-15T11:59:59+00:00", "no such zone", "2026-07-14"),
    ],
)
def test_a_moment_belongs_to_the_night_that_it_is_in(at: str, zone: str, session: str) -> None:
    assert session_of(ns(at), zone) == session


@given(st.datetimes(datetime(1973, 1, 1), datetime(2100, 1, 1)), st.sampled_from(ZONES))
def test_a_session_is_the_date_of_twelve_hours_before_by_the_wall_clock(moment: datetime, zone: str) -> None:
    wall = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    expected = wall.date().toordinal() - (wall.hour < 12)
    at = round(moment.replace(tzinfo=UTC).timestamp() * 1e6) * 1000
    assert datetime.fromisoformat(session_of(at, zone)).toordinal() == expected
    start, end = reach(session_of(at, zone))
    assert start <= at < end


@given(st.datetimes(datetime(1973, 1, 1), datetime(2100, 1, 1)), st.sampled_from(WRITTEN))
def test_a_session_reaches_as_far_as_any_offset_that_can_be_written(moment: datetime, zone: str) -> None:
    at = round(moment.replace(tzinfo=UTC).timestamp() * 1e6) * 1000
    start, end = reach(session_of(at, zone))
    assert start <= at < end


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(ZONES))
def test_no_clock_is_too_wrong(at: int, zone: str) -> None:
    assert len(session_of(at, zone)) == 10
