"""What a simulated camera looks at, how often, and in what weather: one frozen record, all lengths in millimetres.

A scene says nothing of one season's animals: those follow from the scene and a seed (`paths.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from katydid.sensors.capture import Place
from katydid.sensors.sources.simulated.cameras.taxa import INSECTS


class Ground(StrEnum):
    """What lies before the lens."""

    SHEET = "sheet"
    FLOWERS = "flowers"
    FEEDER = "feeder"


class Watch(StrEnum):
    """In which hours the camera works, by the sun's elevation."""

    ALWAYS = "always"
    DAY = "day"
    NIGHT = "night"


class TimeLapse(msgspec.Struct, frozen=True, tag="time_lapse"):
    """One frame every so many seconds, on multiples of `every_s` since 1970."""

    every_s: float = 10.0

    def moments(self, start: float, end: float) -> Iterator[tuple[float, int]]:
        """Seconds since 1970 of each frame from `start` to before `end`, each with its number in the burst (0)."""
        tick = ceil(start / self.every_s)
        while tick * self.every_s < end:
            yield tick * self.every_s, 0
            tick += 1


class Bursts(msgspec.Struct, frozen=True, tag="bursts"):
    """Several frames a trigger. With `apart_s` × `frames` ≤ 1 they share one second, as in camera-trap packages of
    ten frames a trigger whose time stamps have no fractions."""

    every_s: float = 30.0
    """Between two triggers, on multiples since 1970."""
    frames: int = 10
    apart_s: float = 0.1
    only_when_seen: bool = False
    """A trigger fires only if an animal is in view, as with a passive infrared sensor that never errs."""

    def moments(self, start: float, end: float) -> Iterator[tuple[float, int]]:
        """As `TimeLapse.moments`; frames of a trigger before `start` are not repeated."""
        tick = ceil((start - self.frames * self.apart_s) / self.every_s)
        while tick * self.every_s < end:
            for number in range(self.frames):
                at = tick * self.every_s + number * self.apart_s
                if start <= at < end:
                    yield at, number
            tick += 1


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """What moves and dims that is no animal. Wind, gusts and clouds vary in time around these, by the seed."""

    wind: float = 0.2
    """Speed: 0 still, 0.2 light air, 0.5 a breeze; heads sway by its square, at 1 by their own width. Gusts reach twice
    the mean."""
    clouds: float = 0.3
    """Share of the daytime in a cloud's shadow, 0..1; shadows pass over the picture with an edge."""
    dew: float = 0.0
    """0..1: drops on ground and leaves by night and until three hours after sunrise."""
    web: bool = False
    """A spider's web across a corner, trembling in the wind."""
    light_steps_per_hour: float = 0.0
    """Sudden steps of exposure by up to a quarter, as cameras make them."""
    shake_px: float = 0.0
    """Standard deviation of the camera's own movement, pixels at the scene's full size."""


class Visitors(msgspec.Struct, frozen=True, kw_only=True):
    """One taxon of `taxa.INSECTS` at this scene."""

    taxon: str
    per_hour: float
    """Individuals that come in an hour at the peak of its day and season."""
    stay_factor: float = 1.0
    """All of its seconds on flowers, food or sheet times this."""


class CameraScene(msgspec.Struct, frozen=True, kw_only=True):
    """One fixed camera and what comes before it."""

    ground: Ground
    visitors: tuple[Visitors, ...]
    rhythm: TimeLapse | Bursts = TimeLapse()
    watch: Watch = Watch.ALWAYS
    width: int = 1920
    height: int = 1080
    width_mm: float = 400.0
    """What the width of a frame measures on the ground."""
    place: Place = Place(latitude=52.16, longitude=4.49, source="simulated")
    zone: str = "Europe/Amsterdam"
    """IANA name: the camera's clock, and what "local" means."""
    weather: Weather = Weather()
    infrared: bool = True
    """In the dark, monochrome frames under the camera's own lamp; a sheet's lamp stays white light."""
    plants: int = 40
    """Flower heads (flowers), or spots of food (feeder)."""
    leaves: int = 6
    """Leaves that hang before the flowers and hide what passes behind them."""
    quality: int = 88
    """JPEG, 1..100."""
    exposure_s: float = 0.008
    """What moves is smeared over this long."""
    shadows: bool = True
    look: int | None = None
    """The seed of what does not move (flowers, leaves, ground). None: the camera's own. Many cameras that share a few
    looks share the memory of their pictures."""
    seasonal: bool = True
    """False: every day is the peak of every season."""

    def __post_init__(self) -> None:
        unknown = [each.taxon for each in self.visitors if each.taxon not in INSECTS]
        if unknown:
            raise ValueError(f"no such simulated insect: {', '.join(unknown)}; there are {', '.join(INSECTS)}")

    @property
    def height_mm(self) -> float:
        return self.width_mm * self.height / self.width

    @property
    def mm_per_pixel(self) -> float:
        """At the full size of the scene."""
        return self.width_mm / self.width

    @property
    def tzinfo(self) -> ZoneInfo:
        return ZoneInfo(self.zone)


def bare(scene: CameraScene) -> CameraScene:
    """What the scene looks like without animals and hours: two scenes alike in this share their pictures."""
    plain = CameraScene(ground=scene.ground, visitors=())
    kept = ("width", "height", "width_mm", "weather", "plants", "leaves")
    return msgspec.structs.replace(plain, **{name: getattr(scene, name) for name in kept})


def trap_sheet(**changes: Any) -> CameraScene:
    """A lit sheet by night, 60 cm wide, one frame every 10 s; `changes` are fields of `CameraScene`."""
    scene = CameraScene(
        ground=Ground.SHEET,
        visitors=_at_peak(
            ("Noctua pronuba", 3.0),
            ("Autographa gamma", 3.0),
            ("Idaea aversata", 2.5),
            ("Biston betularia", 1.0),
            ("Chrysoteuchia culmella", 4.0),
            ("Chrysoperla carnea", 2.0),
            ("Tipula oleracea", 2.0),
            ("Harmonia axyridis", 1.0),
            ("Amphimallon solstitiale", 1.0),
        ),
        watch=Watch.NIGHT,
        width_mm=600.0,
        plants=0,
        leaves=0,
        exposure_s=0.02,
        weather=Weather(clouds=0.0),
    )
    return msgspec.structs.replace(scene, **changes)


def flower_patch(**changes: Any) -> CameraScene:
    """Flowers in the wind from above by day, 40 cm wide, one frame every second; `changes` as for `trap_sheet`."""
    scene = CameraScene(
        ground=Ground.FLOWERS,
        visitors=_at_peak(
            ("Apis mellifera", 20.0),
            ("Bombus terrestris", 10.0),
            ("Lasioglossum", 6.0),
            ("Episyrphus balteatus", 14.0),
            ("Eristalis tenax", 6.0),
            ("Pieris rapae", 2.0),
        ),
        rhythm=TimeLapse(1.0),
        watch=Watch.DAY,
        width_mm=400.0,
        exposure_s=0.004,
    )
    return msgspec.structs.replace(scene, **changes)


def feeder(**changes: Any) -> CameraScene:
    """A dish with food from above, day and night (infrared), 30 cm wide, bursts of ten frames; `changes` as above."""
    scene = CameraScene(
        ground=Ground.FEEDER,
        visitors=_at_peak(
            ("Calliphora vicina", 12.0),
            ("Musca domestica", 15.0),
            ("Vespula vulgaris", 6.0),
            ("Lasius niger", 12.0),
            ("Noctua pronuba", 2.0),
            ("Carabus nemoralis", 1.0),
        ),
        rhythm=Bursts(),
        width_mm=300.0,
        plants=6,
        leaves=2,
    )
    return msgspec.structs.replace(scene, **changes)


def busier(scene: CameraScene, times: float) -> CameraScene:
    """The same scene with so many times the arrivals of every taxon."""
    more = tuple(msgspec.structs.replace(each, per_hour=each.per_hour * times) for each in scene.visitors)
    return msgspec.structs.replace(scene, visitors=more)


def _at_peak(*rates: tuple[str, float]) -> tuple[Visitors, ...]:
    return tuple(Visitors(taxon=taxon, per_hour=per_hour) for taxon, per_hour in rates)
