"""The weather of a region through a year: temperature by season, hour and chance; rain and wind in spells.

Everything is a function of time and a seed: it can be asked out of order, and two stations of one region have one
weather, each with its own small offset.
"""

from __future__ import annotations

import math

import msgspec

from katydid.sensors.capture import Place
from katydid.sensors.sources.simulated.cameras import chance, sun

_FRONT_S = 3 * 86_400.0
"""Warm and cold spells last days."""
_SHOWER_S = 2 * 3600.0
_GUST_S = 5 * 3600.0
_TEMPERATURE, _SHOWER, _GUST, _OFFSET = range(4)


class Climate(msgspec.Struct, frozen=True, kw_only=True):
    """A temperate lowland by default (as Leiden: about 10.5 °C in the year's mean)."""

    seed: int = 1
    mean_c: float = 10.5
    """Of the year."""
    season_c: float = 7.5
    """Amplitude between winter and summer; warmest about 30 July, coldest half a year off."""
    day_c: float = 5.0
    """Amplitude between night and day, at 15:00 and 03:00 of solar time; in rain it is halved."""
    spell_c: float = 4.0
    """How far warm and cold spells go from it at most."""
    rain: float = 0.08
    """Share of the time in which it rains, 0.7 at most."""
    wind: float = 0.15
    """Share of the time in which the microphone rumbles, 0.7 at most."""

    def temperature_c(self, at: float, place: Place, station: int = 0) -> float:
        """Air temperature at `at` (seconds since 1970) and a station, °C."""
        day = (at / sun.DAY_S) % 365.2425
        season = self.season_c * math.cos(2.0 * math.pi * (day - 211.0) / 365.2425)
        if place.latitude < 0:
            season = -season
        hour = math.cos(2.0 * math.pi * (sun.solar_hour(at, place) - 15.0) / 24.0)
        hour *= self.day_c * (0.5 if self.rains(at) else 1.0)
        spell = self.spell_c * (2.0 * chance.smooth(at, _FRONT_S, self.seed, _TEMPERATURE) - 1.0)
        offset = 1.5 * (2.0 * chance.uniform(self.seed, _OFFSET, station) - 1.0)
        return self.mean_c + season + hour + spell + offset

    def rains(self, at: float) -> bool:
        """Whether it rains, for the whole region."""
        return _spell(at, _SHOWER_S, self.rain, self.seed, _SHOWER)

    def blows(self, at: float) -> bool:
        """Whether the wind is heard in a microphone."""
        return _spell(at, _GUST_S, self.wind, self.seed, _GUST)


def _spell(at: float, period_s: float, share: float, *keys: int) -> bool:
    """True for `share` of the time, in stretches of about `period_s`: chance of a stretch, with soft ends."""
    whole = math.floor(at / period_s)
    start, length = chance.uniform(*keys, whole, 1), 0.4 + 0.6 * chance.uniform(*keys, whole, 2)
    inside = start * (1.0 - length) <= at / period_s - whole < start * (1.0 - length) + length
    return inside and chance.uniform(*keys, whole) < share / 0.7
