"""Where the sun stands: NOAA's equations, as in their solar calculator.

After Meeus, "Astronomical Algorithms" (1991), in the low-accuracy form that NOAA's Global Monitoring Laboratory
publishes (gml.noaa.gov/grad/solcalc/calcdetails.html). Good to 0.01° in declination from 1900 to 2100, and to a minute
in sunrise and sunset up to 72° of latitude. Elevations here are geometric: no refraction, except that sunrise and
sunset are where the centre stands 0.833° under the horizon, refraction (34') and half the disc (16') together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

HORIZON_DEG = -0.833
"""Elevation of the sun's centre at sunrise and sunset."""

_NS_A_DAY = 86_400_000_000_000
_MINUTES_A_DAY = 1440.0
_J2000_UNIX_DAYS = 10957.5
"""From 1970-01-01 00:00 to the epoch J2000.0, 2000-01-01 12:00."""
_DAYS_A_CENTURY = 36525.0


@dataclass(frozen=True)
class Sun:
    """The sun as seen from one place at one moment."""

    elevation_deg: float
    """Of its centre above the horizon, geometric, -90..90."""
    azimuth_deg: float
    """Clockwise from north, 0..360."""
    solar_hour: float
    """Apparent solar time, 0..24: 12 when it stands highest."""
    declination_deg: float
    equation_of_time_min: float
    """Apparent minus mean solar time, minutes."""


@dataclass(frozen=True)
class Daylight:
    """Sunrise and sunset of one solar day, UTC, nanoseconds; both None where the sun does not cross the horizon."""

    sunrise: int | None
    sunset: int | None
    noon: int
    """When the sun stands highest."""
    polar: str = ""
    """"day" or "night" where the sun does not cross the horizon; "" otherwise."""


def sun_at(time_ns: int, latitude: float, longitude: float) -> Sun:
    """The sun at UTC `time_ns` (nanoseconds since 1970), degrees north and east. Raises ValueError off the globe."""
    _check(latitude, longitude)
    declination, equation = _declination_and_equation(_centuries(time_ns))
    day_share = (time_ns % _NS_A_DAY) / _NS_A_DAY
    minutes = (day_share * _MINUTES_A_DAY + equation + 4.0 * longitude) % _MINUTES_A_DAY
    hour_angle = math.radians(minutes / 4.0 - 180.0)
    north, tilt = math.radians(latitude), math.radians(declination)
    up = math.sin(north) * math.sin(tilt) + math.cos(north) * math.cos(tilt) * math.cos(hour_angle)
    east = -math.cos(tilt) * math.sin(hour_angle)
    polewards = math.cos(north) * math.sin(tilt) - math.sin(north) * math.cos(tilt) * math.cos(hour_angle)
    return Sun(
        elevation_deg=math.degrees(math.asin(min(1.0, max(-1.0, up)))),
        azimuth_deg=math.degrees(math.atan2(east, polewards)) % 360.0,
        solar_hour=minutes / 60.0 % 24.0,
        declination_deg=declination,
        equation_of_time_min=equation,
    )


def daylight(time_ns: int, latitude: float, longitude: float) -> Daylight:
    """Sunrise, noon and sunset of the solar day, midnight to midnight by the sun, in which `time_ns` lies."""
    _check(latitude, longitude)
    noon = _noon(time_ns, longitude)
    rise, fall = _crossing(noon, latitude, longitude, -1), _crossing(noon, latitude, longitude, 1)
    if rise is None or fall is None:
        declination, _ = _declination_and_equation(_centuries(noon))
        polar = "day" if latitude * declination > 0 else "night"
        return Daylight(sunrise=None, sunset=None, noon=noon, polar=polar)
    return Daylight(sunrise=rise, sunset=fall, noon=noon)


def _noon(time_ns: int, longitude: float) -> int:
    """The solar noon nearest to `time_ns`."""
    hour = sun_at(time_ns, 0.0, longitude).solar_hour
    guess = time_ns + round((12.0 - hour) * 3.6e12)
    return guess + round((12.0 - sun_at(guess, 0.0, longitude).solar_hour) * 3.6e12)


def _crossing(noon: int, latitude: float, longitude: float, side: int) -> int | None:
    """When the sun crosses the horizon before (-1) or after (1) noon, by three steps of the hour angle; None: never."""
    at = noon
    for _ in range(3):
        declination, equation = _declination_and_equation(_centuries(at))
        angle = _hour_angle(latitude, declination)
        if angle is None:
            return None
        minutes = _MINUTES_A_DAY / 2 + side * 4.0 * angle
        now = ((at % _NS_A_DAY) / _NS_A_DAY * _MINUTES_A_DAY + equation + 4.0 * longitude) % _MINUTES_A_DAY
        # The same solar day as noon: the difference to the wanted hour is never half a day or more from noon.
        wrong = (minutes - now + _MINUTES_A_DAY / 2) % _MINUTES_A_DAY - _MINUTES_A_DAY / 2
        at += round(wrong * 6e10)
    return at


def _hour_angle(latitude: float, declination: float) -> float | None:
    """Degrees between noon and the moment when the sun stands at the horizon; None where it never does."""
    north, tilt = math.radians(latitude), math.radians(declination)
    share = math.cos(north) * math.cos(tilt)
    if share <= 1e-12:
        return None
    cosine = (math.sin(math.radians(HORIZON_DEG)) - math.sin(north) * math.sin(tilt)) / share
    return math.degrees(math.acos(cosine)) if -1.0 <= cosine <= 1.0 else None


def _centuries(time_ns: int) -> float:
    """Julian centuries since J2000.0."""
    return (time_ns / _NS_A_DAY - _J2000_UNIX_DAYS) / _DAYS_A_CENTURY


def _declination_and_equation(t: float) -> tuple[float, float]:
    """Declination in degrees and equation of time in minutes; t in Julian centuries. NOAA's spreadsheet, by column."""
    mean_longitude = math.radians((280.46646 + t * (36000.76983 + t * 0.0003032)) % 360.0)
    anomaly = math.radians(357.52911 + t * (35999.05029 - 0.0001537 * t))
    eccentricity = 0.016708634 - t * (0.000042037 + 0.0000001267 * t)
    centre = (
        math.sin(anomaly) * (1.914602 - t * (0.004817 + 0.000014 * t))
        + math.sin(2 * anomaly) * (0.019993 - 0.000101 * t)
        + math.sin(3 * anomaly) * 0.000289
    )
    node = math.radians(125.04 - 1934.136 * t)
    apparent = mean_longitude + math.radians(centre - 0.00569 - 0.00478 * math.sin(node))
    mean_obliquity = 23.0 + (26.0 + (21.448 - t * (46.815 + t * (0.00059 - t * 0.001813))) / 60.0) / 60.0
    obliquity = math.radians(mean_obliquity + 0.00256 * math.cos(node))
    declination = math.degrees(math.asin(math.sin(obliquity) * math.sin(apparent)))
    y = math.tan(obliquity / 2) ** 2
    equation = (
        y * math.sin(2 * mean_longitude)
        - 2 * eccentricity * math.sin(anomaly)
        + 4 * eccentricity * y * math.sin(anomaly) * math.cos(2 * mean_longitude)
        - 0.5 * y * y * math.sin(4 * mean_longitude)
        - 1.25 * eccentricity * eccentricity * math.sin(2 * anomaly)
    )
    return declination, 4.0 * math.degrees(equation)


def _check(latitude: float, longitude: float) -> None:
    if not (-90.0 <= latitude <= 90.0 and -360.0 <= longitude <= 360.0):
        raise ValueError(f"latitude {latitude} and longitude {longitude} are not on the globe")
