"""Hours of the local day: what was counted in quarter hours of UTC, folded onto the 24 hours that people live by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo

import msgspec

from katydid.models.sun import daylight
from katydid.sensors.capture import Place
from katydid.streams.report.findings import QUARTER_S
from katydid.streams.report.text import NS

HOURS = 24
DATES_LOOKED_AT = 13
"""Dates with a recording, evenly picked, whose sunrise and sunset are worked out."""


class LocalHours:
    """From a quarter hour since 1970 (UTC) to the hour of the local day that it lies in."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._hours: dict[int, int] = {}

    def hour(self, quarter: int) -> int:
        """0..23."""
        if quarter not in self._hours:
            self._hours[quarter] = datetime.fromtimestamp(quarter * QUARTER_S, tz=self._zone).hour
        return self._hours[quarter]

    def folded(self, quarters: Mapping[int, float]) -> list[float]:
        """Sums of `quarters` over each of the 24 hours."""
        sums = [0.0] * HOURS
        for quarter, amount in quarters.items():
            sums[self.hour(quarter)] += amount
        return sums


class SunTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Local clock hours, 0..24, of sunrise and sunset: earliest and latest over the dates of a report."""

    rise: tuple[float, float]
    set: tuple[float, float]


def sun_times(place: Place, quarters: Iterable[int], zone: tzinfo) -> SunTimes | None:
    """Sunrise and sunset at `place` on the dates of `quarters` (quarter hours since 1970, UTC); None where the sun did
    neither on any of them (polar), or there are none."""
    dates = sorted({datetime.fromtimestamp(quarter * QUARTER_S, tz=zone).date() for quarter in quarters})
    steps = min(len(dates), DATES_LOOKED_AT)
    rises, sets = [], []
    for step in range(steps):
        date = dates[round((len(dates) - 1) * step / max(steps - 1, 1))]
        noon = datetime(date.year, date.month, date.day, 12, tzinfo=zone)
        light = daylight(int(noon.timestamp()) * NS, place.latitude, place.longitude)
        if light.sunrise is not None and light.sunset is not None:
            rises.append(_clock_hour(light.sunrise, zone))
            sets.append(_clock_hour(light.sunset, zone))
    if not rises:
        return None
    return SunTimes(rise=(min(rises), max(rises)), set=(min(sets), max(sets)))


def _clock_hour(ns: int, zone: tzinfo) -> float:
    at = datetime.fromtimestamp(ns // NS, tz=zone)
    return at.hour + at.minute / 60 + at.second / 3600


def starts_at(effort: list[float]) -> int:
    """Where the drawn day begins: at noon (12) where more was recorded from 18 to 6 o'clock than from 6 to 18, so
    that a night stays in one piece; else at midnight (0)."""
    day = sum(effort[6:18])
    return 12 if sum(effort) - day > day else 0
