"""How a scene is lit at a moment: sun and its shadows, clouds that pass, a lamp, infrared by night, exposure steps."""

from __future__ import annotations

import math
from enum import StrEnum

import msgspec

from katydid.sensors.sources.simulated.cameras import sun
from katydid.sensors.sources.simulated.cameras.chance import smooth, uniform
from katydid.sensors.sources.simulated.cameras.scene import CameraScene, Ground

_CLOUD, _STEP, _WANDER, _FLICKER = 31, 32, 33, 34
_CLOUD_S = 80.0
"""How long a cloud or a gap between two takes to pass, about."""
_CROSSES_S = 2.5
"""How long a shadow's edge takes from one side of the picture to the other: slow clouds, or the top of a tree."""
_SHADE = 0.55
"""Brightness in a cloud's shadow, after the camera's own exposure has answered."""
_DARK_BELOW = -3.0
"""Degrees: lower than this the sun lights nothing."""


class Kind(StrEnum):
    """What the light comes from."""

    DAY = "day"
    LAMP = "lamp"
    INFRARED = "infrared"
    NONE = "none"


class Light(msgspec.Struct, frozen=True, gc=False):
    """The light of one frame."""

    kind: Kind
    gain: tuple[float, float]
    """Brightness at the picture's left and right, 1 for full daylight."""
    shadow: float
    """How dark the animals' shadows are, 0..1."""
    cast: tuple[float, float]
    """Where a shadow falls from what is 1 mm high, mm."""
    blur: float
    """How soft the shadows are: 1 for sun or lamp, more under clouds."""


def light_at(scene: CameraScene, seed: int, at: float) -> Light:
    """The light at `at`, seconds since 1970."""
    height = sun.elevation(at, scene.place)
    exposure = _exposure(scene, seed, at)
    if height > _DARK_BELOW:
        return _daylight(scene, seed, at, height, exposure)
    if scene.ground is Ground.SHEET:
        flicker = exposure * (0.98 + 0.04 * smooth(at, 0.3, seed, _FLICKER))
        return Light(Kind.LAMP, (flicker, flicker), 0.4, (0.1, 0.9), 1.0)
    if scene.infrared:
        return Light(Kind.INFRARED, (exposure, exposure), 0.5, (0.18, 0.1), 0.7)
    return Light(Kind.NONE, (0.03, 0.03), 0.0, (0.0, 0.0), 1.0)


def watches(scene: CameraScene, at: float) -> bool:
    """Whether the camera works at this time of day."""
    if scene.watch == "always":
        return True
    return (sun.elevation(at, scene.place) > _DARK_BELOW) is (scene.watch == "day")


def dew_at(scene: CameraScene, at: float) -> float:
    """0..1: how much dew lies: from the evening on, gone three hours after sunrise (assumed)."""
    if scene.weather.dew <= 0.0:
        return 0.0
    height, hour = sun.elevation(at, scene.place), sun.solar_hour(at, scene.place)
    drying = max(0.0, 1.0 - max(height, 0.0) / 30.0) if hour < 12.0 else float(height < 0.0)
    return scene.weather.dew * drying


def _daylight(scene: CameraScene, seed: int, at: float, height: float, exposure: float) -> Light:
    low = min(1.0, 0.55 + 0.45 * (height - _DARK_BELOW) / 10.0)
    left = _in_shade(scene, seed, at)
    right = _in_shade(scene, seed, at - _CROSSES_S)
    gain = tuple(exposure * low * (1.0 - (1.0 - _SHADE) * shade) for shade in (left, right))
    clear = (1.0 - 0.5 * (left + right)) * max(0.0, min(1.0, height / 8.0))
    turn = math.radians(15.0 * (sun.solar_hour(at, scene.place) - 12.0))
    far = min(2.0, 1.0 / math.tan(math.radians(max(height, 10.0))))
    cast = (far * math.sin(turn), -far * math.cos(turn) * 0.7)
    return Light(Kind.DAY, (gain[0], gain[1]), 0.18 + 0.37 * clear, cast, 1.0 + 3.0 * (1.0 - clear))


def _in_shade(scene: CameraScene, seed: int, at: float) -> float:
    """0 (sun) .. 1 (in a cloud's shadow), with edges of a second or so."""
    if scene.weather.clouds <= 0.0:
        return 0.0
    thick = smooth(at, _CLOUD_S, seed, _CLOUD) - (1.0 - scene.weather.clouds)
    return max(0.0, min(1.0, 0.5 + thick / 0.03))


def _exposure(scene: CameraScene, seed: int, at: float) -> float:
    """The camera's own exposure: it wanders by some percent, and steps."""
    gain = 0.97 + 0.06 * smooth(at, 25.0, seed, _WANDER)
    steps = scene.weather.light_steps_per_hour
    if steps > 0.0:
        gain *= 0.75 + 0.5 * uniform(seed, _STEP, math.floor(at * steps / 3600.0))
    return gain
