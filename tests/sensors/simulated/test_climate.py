"""The weather of a simulated region."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from katydid.sensors.capture import Place
from katydid.sensors.sources.simulated.climate import Climate

LEIDEN = Place(latitude=52.16, longitude=4.49)
HOBART = Place(latitude=-42.9, longitude=147.3)


def hours(year: int, month: int, days: int = 30) -> list[float]:
    start = datetime(year, month, 1, tzinfo=UTC).timestamp()
    return [start + 3600.0 * hour for hour in range(24 * days)]


def mean(place: Place, month: int) -> float:
    climate = Climate()
    temperatures = [climate.temperature_c(at, place) for at in hours(2025, month)]
    return sum(temperatures) / len(temperatures)


def test_july_is_warm_and_january_cold_and_in_the_south_the_other_way_round() -> None:
    assert mean(LEIDEN, 7) == pytest.approx(10.5 + 7.5, abs=2.5)
    assert mean(LEIDEN, 1) == pytest.approx(10.5 - 7.5, abs=2.5)
    assert mean(HOBART, 1) > mean(HOBART, 7) + 10


def test_afternoons_are_warmer_than_nights() -> None:
    climate = Climate(rain=0.0)
    for day in range(1, 20):
        afternoon = datetime(2025, 7, day, 14, 45, tzinfo=UTC).timestamp()
        assert climate.temperature_c(afternoon, LEIDEN) > climate.temperature_c(afternoon - 12 * 3600, LEIDEN) + 4


def test_it_rains_and_blows_for_about_the_stated_share_of_the_time_and_in_spells() -> None:
    climate = Climate(rain=0.1, wind=0.2)
    year = [at + part for month in range(1, 13) for at in hours(2025, month, 28) for part in (0, 900, 1800, 2700)]
    assert sum(map(climate.rains, year)) / len(year) == pytest.approx(0.1, abs=0.02)
    assert sum(map(climate.blows, year)) / len(year) == pytest.approx(0.2, abs=0.04)
    changes = sum(climate.rains(one) != climate.rains(other) for one, other in itertools.pairwise(year))
    assert changes < len(year) * 0.06


def test_stations_of_one_region_have_one_weather_and_slightly_other_temperatures() -> None:
    climate = Climate()
    at = datetime(2025, 7, 3, 12, tzinfo=UTC).timestamp()
    apart = climate.temperature_c(at, LEIDEN, 1) - climate.temperature_c(at, LEIDEN, 2)
    later = climate.temperature_c(at + 1e6, LEIDEN, 1) - climate.temperature_c(at + 1e6, LEIDEN, 2)
    assert apart == pytest.approx(later)
    assert 0 < abs(apart) < 3
