"""From a device's reading to UTC. Expected instants are written out by hand from the zones' published rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.sensors import clock
from katydid.sensors.capture import ClockSource, ZoneSource
from katydid.sensors.clock import Reading

NOW = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * clock.NS


def reading(wall: datetime, source: ClockSource = ClockSource.EXIF, offset_s: int | None = None) -> Reading:
    return clock.reading(source, wall.isoformat(), wall, offset_s=offset_s)


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * clock.NS  # type: ignore[misc,arg-type]


def test_a_recorded_offset_is_believed_before_any_zone() -> None:
    when, how = clock.resolve(
        [reading(datetime(2021, 4, 11, 20, 43, 9), offset_s=3600)],
        zone_option="Asia/Tokyo",
        deployment_zone="America/Lima",
        now_ns=NOW,
    )
    assert when == utc(2021, 4, 11, 19, 43, 9)
    assert (how.zone, how.zone_source, how.flags) == ("+01:00", ZoneSource.RECORDED, ())


def test_the_deployments_zone_comes_before_the_option_and_that_before_this_machines() -> None:
    wall = [reading(datetime(2024, 7, 1, 12, 0, 0))]
    lima, how = clock.resolve(wall, deployment_zone="America/Lima", zone_option="Asia/Tokyo", now_ns=NOW)
    assert (lima, how.zone, how.zone_source) == (utc(2024, 7, 1, 17), "America/Lima", ZoneSource.DEPLOYMENT)
    tokyo, how = clock.resolve(wall, zone_option="Asia/Tokyo", now_ns=NOW)
    assert (tokyo, how.zone_source) == (utc(2024, 7, 1, 3), ZoneSource.OPTION)
    here, how = clock.resolve(wall, machine_zone=ZoneInfo("Europe/Amsterdam"), now_ns=NOW)
    assert (here, how.zone_source) == (utc(2024, 7, 1, 10), ZoneSource.ASSUMED)


def test_without_any_zone_this_machines_own_is_assumed_and_named() -> None:
    wall = datetime(2024, 7, 1, 12, 0, 0)
    when, how = clock.resolve([reading(wall)], now_ns=NOW)
    assert when == int(wall.astimezone().timestamp()) * clock.NS
    assert how.zone_source is ZoneSource.ASSUMED and how.zone


def test_an_hour_that_daylight_saving_repeats_is_kept_with_both_meanings_within_its_uncertainty() -> None:
    """Amsterdam, 27 October 2024: 02:30 happened at 00:30 and at 01:30 UTC."""
    when, how = clock.resolve([reading(datetime(2024, 10, 27, 2, 30))], zone_option="Europe/Amsterdam", now_ns=NOW)
    assert when == utc(2024, 10, 27, 0, 30) and how.flags == ("fold",)
    assert when + how.uncertainty_s * clock.NS >= utc(2024, 10, 27, 1, 30)


def test_an_hour_that_daylight_saving_skips_is_read_by_the_clock_that_nobody_set() -> None:
    """Amsterdam, 31 March 2024: 02:30 did not happen; a clock still on winter time shows it at 01:30 UTC."""
    when, how = clock.resolve([reading(datetime(2024, 3, 31, 2, 30))], zone_option="Europe/Amsterdam", now_ns=NOW)
    assert when == utc(2024, 3, 31, 1, 30) and how.flags == ("gap",)
    assert how.uncertainty_s >= 3600


def test_the_hours_beside_a_change_are_certain() -> None:
    for wall, expected in (
        (datetime(2024, 10, 27, 1, 59, 59), utc(2024, 10, 26, 23, 59, 59)),
        (datetime(2024, 10, 27, 3, 0, 0), utc(2024, 10, 27, 2, 0, 0)),
        (datetime(2024, 3, 31, 3, 0, 0), utc(2024, 3, 31, 1, 0, 0)),
    ):
        when, how = clock.resolve([reading(wall)], zone_option="Europe/Amsterdam", now_ns=NOW)
        assert (when, how.flags, how.uncertainty_s) == (expected, (), 1.0)


def test_a_clock_that_booted_in_1970_is_kept_and_flagged() -> None:
    when, how = clock.resolve([reading(datetime(1970, 1, 1, 0, 3, 20), offset_s=0)], now_ns=NOW)
    assert (when, how.flags) == (200 * clock.NS, ("before_2000",))


def test_a_clock_ahead_of_today_is_kept_and_flagged_but_not_for_a_few_hours() -> None:
    when, how = clock.resolve([reading(datetime(2031, 5, 1), offset_s=0)], now_ns=NOW)
    assert (when, how.flags) == (utc(2031, 5, 1), ("in_future",))
    _, how = clock.resolve([reading(datetime(2026, 1, 1, 12), offset_s=0)], now_ns=NOW)
    assert how.flags == ()


def test_a_year_that_no_store_can_hold_is_set_to_the_bound_and_flagged() -> None:
    late, how = clock.resolve([reading(datetime(9999, 12, 31), offset_s=0)], now_ns=NOW)
    assert (late, how.flags) == (clock.LATEST_NS, ("in_future",)) and late < 1 << 63
    early, how = clock.resolve([reading(datetime(1, 1, 1), offset_s=0)], now_ns=NOW)
    assert (early, how.flags) == (clock.EARLIEST_NS, ("before_2000",))


def test_the_files_date_is_the_last_resort_and_says_so() -> None:
    date = utc(2024, 7, 1, 10)
    when, how = clock.resolve([], zone_option="Asia/Tokyo", file_date_ns=date, now_ns=NOW)
    assert when == date and how.source is ClockSource.FILE_DATE
    assert "no_reading" in how.flags and how.recorded == "" and how.uncertainty_s >= 3600
    when, how = clock.resolve([reading(datetime(2020, 1, 1), offset_s=0)], file_date_ns=date, now_ns=NOW)
    assert when == utc(2020, 1, 1) and how.source is ClockSource.EXIF


def test_no_time_at_all_is_kept_too() -> None:
    when, how = clock.resolve([], now_ns=NOW)
    assert (when, how.source, how.flags) == (0, ClockSource.NONE, ("no_reading",))


def test_what_the_device_wrote_into_the_file_is_believed_before_the_files_name() -> None:
    name = reading(datetime(2021, 5, 31, 8, 25, 38), ClockSource.FILE_NAME)
    inside = reading(datetime(2021, 4, 11, 20, 43, 9), ClockSource.EXIF)
    _, how = clock.resolve([name, inside], zone_option="UTC", now_ns=NOW)
    assert how.source is ClockSource.EXIF and how.recorded == "2021-04-11T20:43:09"


@pytest.mark.parametrize(
    ("name", "hours"), [("+02:00", 2), ("-0530", -5.5), ("UTC+2", 2), ("UTC-3", -3), ("+14", 14), ("GMT+1:00", 1)]
)
def test_a_zone_may_be_given_as_an_offset(name: str, hours: float) -> None:
    assert clock.find_zone(name).utcoffset(None) == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["Europe/Amsterdm", "", "../../etc/passwd", "CEST!", "\0"])
def test_a_zone_that_does_not_exist_is_named_in_the_error(name: str) -> None:
    with pytest.raises(clock.ZoneError, match="no time zone"):
        clock.find_zone(name)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1)))
def test_the_true_instant_always_lies_within_the_uncertainty(wall: datetime) -> None:
    zone = ZoneInfo("America/New_York")
    wall = wall.replace(microsecond=0)
    when, how = clock.resolve([reading(wall)], zone_option="America/New_York", now_ns=NOW)
    for fold in (0, 1):
        meant = int(wall.replace(tzinfo=zone, fold=fold).timestamp()) * clock.NS
        assert abs(when - meant) <= how.uncertainty_s * clock.NS


@given(st.integers(-86_340, 86_340).map(lambda s: s // 60 * 60), st.datetimes(datetime(1971, 1, 1)))
def test_declaring_a_zone_never_changes_what_ids_are_made_of(offset: int, wall: datetime) -> None:
    plain = clock.reading(ClockSource.EXIF, "x", wall)
    assert plain.recorded_ms == clock.reading(ClockSource.EXIF, "x", wall, offset_s=0).recorded_ms
    shifted = clock.reading(ClockSource.EXIF, "x", wall, offset_s=offset)
    assert plain.recorded_ms - shifted.recorded_ms == offset * 1000
