"""The sun against published values and an independent package."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from katydid.models.sun import HORIZON_DEG, daylight, sun_at


def ns(*when: int) -> int:
    return round(dt.datetime(*when, tzinfo=dt.UTC).timestamp() * 1e9)  # type: ignore[misc, arg-type]


GOLDEN = (39.742476, -105.1786)
"""Golden, Colorado: the worked example of Reda & Andreas, "Solar Position Algorithm for Solar Radiation
Applications", NREL/TP-560-34302, table A5.1, for 2003-10-17 12:30:30 at UTC-7."""


def test_the_sun_stands_where_nrels_worked_example_has_it() -> None:
    """Topocentric elevation without refraction e0 = 39.872046, azimuth 194.340241, equation of time 14.641503 min."""
    sun = sun_at(ns(2003, 10, 17, 19, 30, 30), *GOLDEN)
    assert sun.elevation_deg == pytest.approx(39.872046, abs=0.01)
    assert sun.azimuth_deg == pytest.approx(194.340241, abs=0.01)
    assert sun.equation_of_time_min == pytest.approx(14.641503, abs=0.05)


def test_it_rises_and_sets_when_nrels_worked_example_says() -> None:
    """Sunrise 06:12:43 and sunset 17:20:19, both within the UTC day of 2003-10-17: the sunset is that of the local
    day before."""
    assert daylight(ns(2003, 10, 17, 19), *GOLDEN).sunrise == pytest.approx(ns(2003, 10, 17, 13, 12, 43), abs=30e9)
    assert daylight(ns(2003, 10, 16, 19), *GOLDEN).sunset == pytest.approx(ns(2003, 10, 17, 0, 20, 19), abs=30e9)


def test_declination_and_equation_of_time_are_meeus_examples() -> None:
    """Meeus, "Astronomical Algorithms", examples 25.a and 28.b: 1992 October 13, 0h: -7.78507 deg; 13 min 42.7 s."""
    sun = sun_at(ns(1992, 10, 13), 0.0, 0.0)
    assert sun.declination_deg == pytest.approx(-7.78507, abs=0.002)
    assert sun.equation_of_time_min == pytest.approx(13 + 42.7 / 60, abs=0.02)


@pytest.mark.parametrize(
    ("when", "declination"),
    [
        ((2024, 3, 20, 3, 6), 0.0),
        ((2024, 6, 20, 20, 51), 23.44),
        ((2024, 9, 22, 12, 44), 0.0),
        ((2024, 12, 21, 9, 20), -23.44),
    ],
)
def test_equinoxes_and_solstices_are_when_the_naval_observatory_has_them(
    when: tuple[int, ...], declination: float
) -> None:
    """US Naval Observatory, Earth's Seasons 2024: instants to the minute."""
    assert sun_at(ns(*when), 0.0, 0.0).declination_deg == pytest.approx(declination, abs=0.01)


def test_elevation_is_astrals_anywhere_at_any_time() -> None:
    """`astral`: another implementation, over fifty years and the whole globe."""
    astral = pytest.importorskip("astral")
    sun_of = pytest.importorskip("astral.sun")
    chance = random.Random(1)
    for _ in range(500):
        day = dt.timedelta(minutes=chance.randrange(50 * 365 * 1440))
        when = dt.datetime(1990, 1, 1, tzinfo=dt.UTC) + day
        latitude, longitude = chance.uniform(-89, 89), chance.uniform(-180, 180)
        wanted = sun_of.elevation(astral.Observer(latitude, longitude), when, with_refraction=False)
        found = sun_at(round(when.timestamp()) * 1_000_000_000, latitude, longitude).elevation_deg
        assert found == pytest.approx(wanted, abs=0.1)


def test_at_sunrise_and_sunset_the_sun_stands_at_the_horizon() -> None:
    chance = random.Random(2)
    for _ in range(200):
        place = chance.uniform(-64, 64), chance.uniform(-180, 180)
        when = ns(2020, 1, 1) + chance.randrange(6 * 365 * 86400) * 1_000_000_000
        day = daylight(when, *place)
        assert day.sunrise is not None and day.sunset is not None
        assert day.sunrise < day.noon < day.sunset
        for moment in (day.sunrise, day.sunset):
            assert sun_at(moment, *place).elevation_deg == pytest.approx(HORIZON_DEG, abs=0.001)
        assert sun_at(day.noon, *place).solar_hour == pytest.approx(12.0, abs=1e-4)
        assert abs(day.noon - when) <= 12.5 * 3.6e12


@pytest.mark.parametrize(("month", "polar"), [(6, "day"), (12, "night")])
def test_tromso_has_polar_day_and_polar_night(month: int, polar: str) -> None:
    day = daylight(ns(2026, month, 21, 12), 69.65, 18.96)
    assert (day.sunrise, day.sunset, day.polar) == (None, None, polar)


def test_in_the_south_the_seasons_are_turned() -> None:
    assert daylight(ns(2026, 12, 21, 12), -75.0, 0.0).polar == "day"
    assert daylight(ns(2026, 6, 21, 12), -75.0, 0.0).polar == "night"


def test_the_poles_themselves_have_a_sun() -> None:
    assert sun_at(ns(2024, 6, 20, 20, 51), 90.0, 0.0).elevation_deg == pytest.approx(23.44, abs=0.01)
    assert daylight(ns(2024, 6, 20, 20, 51), 90.0, 0.0).polar == "day"


def test_solar_time_runs_with_the_longitude() -> None:
    at_greenwich = sun_at(ns(2024, 4, 15, 12), 0.0, 0.0).solar_hour
    assert at_greenwich == pytest.approx(12.0, abs=0.02), "the equation of time is nearly nil in mid April"
    assert sun_at(ns(2024, 4, 15, 12), 0.0, 90.0).solar_hour == pytest.approx(at_greenwich + 6)
    assert sun_at(ns(2024, 4, 15, 12), 0.0, -90.0).solar_hour == pytest.approx(at_greenwich - 6)


def test_places_off_the_globe_are_refused() -> None:
    with pytest.raises(ValueError, match="globe"):
        sun_at(0, 91.0, 0.0)
