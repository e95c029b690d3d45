"""Where the sun stands, to about half a degree, and how active an animal of the day, the night or dusk is then."""

from __future__ import annotations

import math

from katydid.sensors.capture import Place
from katydid.sensors.sources.simulated.cameras.taxa import Diel

DAY_S = 86_400.0
_YEAR_DAYS = 365.2425
_NIGHT_BELOW = -6.0
"""Degrees: the end of civil twilight."""


def elevation(at: float, place: Place) -> float:
    """Degrees above the horizon at `at` (seconds since 1970), with Spencer's (1971) series for declination and the
    equation of time; good to about 0.5 degrees."""
    year = 2.0 * math.pi * ((at / DAY_S) % _YEAR_DAYS) / _YEAR_DAYS
    declination = (
        0.006918
        - 0.399912 * math.cos(year)
        + 0.070257 * math.sin(year)
        - 0.006758 * math.cos(2 * year)
        + 0.000907 * math.sin(2 * year)
    )
    turn = math.radians(15.0 * (solar_hour(at, place) - 12.0))
    latitude = math.radians(place.latitude)
    height = math.sin(latitude) * math.sin(declination)
    height += math.cos(latitude) * math.cos(declination) * math.cos(turn)
    return math.degrees(math.asin(max(-1.0, min(1.0, height))))


def solar_hour(at: float, place: Place) -> float:
    """Hours of local apparent solar time, 0..24; the sun is highest at 12."""
    year = 2.0 * math.pi * ((at / DAY_S) % _YEAR_DAYS) / _YEAR_DAYS
    equation_min = 229.18 * (
        0.000075
        + 0.001868 * math.cos(year)
        - 0.032077 * math.sin(year)
        - 0.014615 * math.cos(2 * year)
        - 0.040849 * math.sin(2 * year)
    )
    return (at % DAY_S / 3600.0 + place.longitude / 15.0 + equation_min / 60.0) % 24.0


def activity(diel: Diel, at: float, place: Place) -> float:
    """0..1: a bell around 12:30 for animals of the day, around 23:30 for those of the night (solar time, widths of
    3.5 and 2.5 hours, none with the sun on the wrong side), around the sun at -5 degrees for those of dusk; assumed."""
    if diel is Diel.ALWAYS:
        return 1.0
    height = elevation(at, place)
    if diel is Diel.DUSK:
        return math.exp(-0.5 * ((height + 5.0) / 5.0) ** 2)
    hour = solar_hour(at, place)
    if diel is Diel.DAY:
        return math.exp(-0.5 * ((hour - 12.5) / 3.5) ** 2) if height > 0.0 else 0.0
    late = (hour - 23.5 + 12.0) % 24.0 - 12.0
    return math.exp(-0.5 * (late / 2.5) ** 2) if height < _NIGHT_BELOW else 0.0


def season(peak_day: float, width_days: float, at: float) -> float:
    """0..1: a bell around a day of the year, wrapped at its end."""
    off = ((at / DAY_S) % _YEAR_DAYS - peak_day + _YEAR_DAYS / 2) % _YEAR_DAYS - _YEAR_DAYS / 2
    return math.exp(-0.5 * (off / width_days) ** 2)
