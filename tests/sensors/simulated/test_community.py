"""Which species live where: means, spreads and correlations as stated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from katydid.sensors.sources.simulated.community import Community, Lives

REGION = Community(
    species=(
        Lives(taxon="dry", mean=3.0, habitat=-0.8),
        Lives(taxon="dry too", mean=1.0, habitat=-0.9),
        Lives(taxon="wet", mean=2.0, habitat=0.8),
        Lives(taxon="anywhere", mean=4.0),
    ),
    spread=0.8,
)


def abundances(region: Community, stations: int) -> np.ndarray:
    return np.array([list(region.abundance(station).values()) for station in range(stations)])


def test_species_of_one_habitat_occur_together_and_those_of_two_exclude_each_other() -> None:
    """4,000 stations: a correlation of .72 has a standard error of 1 - .72² over √4000, .008."""
    together = np.corrcoef(np.log(abundances(REGION, 4000)).T)
    assert together[0, 1] == pytest.approx(0.72, abs=0.03)
    assert together[0, 2] == pytest.approx(-0.64, abs=0.04)
    assert together[0, 3] == pytest.approx(0.0, abs=0.05)


def test_the_mean_over_stations_is_the_species_mean() -> None:
    """A lognormal of spread .8 has a coefficient of variation of .95: 1.5 % of standard error at 4,000."""
    assert abundances(REGION, 4000).mean(axis=0) == pytest.approx([3.0, 1.0, 2.0, 4.0], rel=0.06)


def test_without_spread_every_station_has_the_mean() -> None:
    even = Community(species=REGION.species, spread=0.0)
    assert even.abundance(5) == {"dry": 3.0, "dry too": 1.0, "wet": 2.0, "anywhere": 4.0}


def test_another_seed_is_another_region_and_the_same_is_the_same() -> None:
    assert REGION.abundance(7) == REGION.abundance(7)
    other = Community(species=REGION.species, seed=2)
    assert not math.isclose(other.abundance(7)["dry"], REGION.abundance(7)["dry"])
