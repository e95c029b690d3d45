"""When the simulated night is, how warm, what the weather does, who sings in it and who comes to the light."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum

import msgspec

from katydid.sensors.capture import Place
from katydid.sensors.sources.songs import SONGS, SingsBy

SINGERS = (
    "Chorthippus biguttulus",
    "Pholidoptera griseoaptera",
    "Nemobius sylvestris",
    "Gryllus campestris",
    "Oecanthus pellucens",
)
"""The station's species: one of the day, two of both, two of the night or of both, all of north-west Europe."""
COLDEST_SONG_C = 10.0
"""Under this no one sings; Ragge & Reynolds (1998) give about 10 °C for most species' lower limit."""


class Weather(StrEnum):
    CALM = "calm"
    WIND = "wind"
    RAIN = "rain"


class Night(msgspec.Struct, frozen=True, kw_only=True):
    """One night at one place; one seed stands for everything random in it."""

    seed: int = 1
    day: date = date(2026, 7, 14)
    """The evening's date."""
    start_hour: float = 19.0
    """Local hours, may pass 24."""
    hours: float = 12.0
    utc_offset_h: float = 2.0
    sunset_hour: float = 21.97
    sunrise_hour: float = 29.62
    """Local; 5.62 of the next morning. Those of the default place and day (checked in a test)."""
    place: Place = Place(latitude=52.16, longitude=4.49, source="guano")
    """Leiden, the Netherlands."""
    clip_every_s: float = 600.0
    clip_s: float = 20.0
    frame_every_s: float = 120.0
    sample_rate: int = 44_100
    frame_size: tuple[int, int] = (1280, 960)
    """Width and height, pixels."""
    singers: tuple[str, ...] = SINGERS
    rain_hours: tuple[float, float] = (26.0, 26.8)
    wind_hours: tuple[float, float] = (28.0, 29.5)
    arrivals_per_hour: float = 14.0
    """Insects that come to the sheet at the peak of the night."""
    stay_minutes: float = 45.0
    """Mean of an exponential."""

    @property
    def zone(self) -> timezone:
        return timezone(timedelta(hours=self.utc_offset_h))

    def moment(self, hour: float) -> datetime:
        """Local time with its offset; `hour` may pass 24."""
        midnight = datetime(self.day.year, self.day.month, self.day.day, tzinfo=self.zone)
        return midnight + timedelta(seconds=round(hour * 3600))

    def temperature_c(self, hour: float) -> float:
        """Air temperature: a cosine with its peak of 24 °C at 15:00 and 12 °C twelve hours later."""
        return 18.0 + 6.0 * math.cos(2.0 * math.pi * (hour - 15.0) / 24.0)

    def is_dark(self, hour: float) -> bool:
        return self.sunset_hour <= hour < self.sunrise_hour

    def weather(self, hour: float) -> Weather:
        if self.rain_hours[0] <= hour < self.rain_hours[1]:
            return Weather.RAIN
        if self.wind_hours[0] <= hour < self.wind_hours[1]:
            return Weather.WIND
        return Weather.CALM

    def singing_chance(self, species: str, hour: float) -> float:
        """Chance, 0..1, that a clip at this hour holds a song of the species."""
        if self.temperature_c(hour) < COLDEST_SONG_C or self.weather(hour) is Weather.RAIN:
            return 0.0
        sings_by = SONGS[species].sings_by
        if sings_by is SingsBy.BOTH:
            return 0.3
        at_its_time = self.is_dark(hour) is (sings_by is SingsBy.NIGHT)
        return 0.45 if at_its_time else 0.0

    def arrivals_at(self, hour: float) -> float:
        """Insects an hour: a bell around 23:30 of two hours' width, nothing by day or in rain."""
        if not self.is_dark(hour) or self.weather(hour) is Weather.RAIN:
            return 0.0
        return self.arrivals_per_hour * math.exp(-0.5 * ((hour - 23.5) / 2.0) ** 2)
