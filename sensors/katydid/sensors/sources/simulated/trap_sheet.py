"""Insects on a lit sheet: who comes when, where they sit, and what the camera sees.

An insect arrives at random (a Poisson process with the night's rate), sits for an exponential time, shuffles a little
now and then, and leaves. It keeps its number, so individuals are known. Shapes are drawn: moths as a pair of patterned
wings over a body, beetles as dark ovals, lacewings as pale bodies with long clear wings.
"""

from __future__ import annotations

import math
from enum import StrEnum

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.sensors.sources.simulated.night import Night

Pixels = NDArray[np.uint8]

SPACING = 1.6
"""Insects keep at least this many of the larger one's length apart, so that boxes do not merge."""
_SHUFFLE_CHANCE = 0.03
_NOISE = 2.0
"""Standard deviation of the camera's noise, grey levels."""
_FLICKER = 0.006
"""Standard deviation of the lamp's brightness from frame to frame, of its mean."""
_EDGE = 0.06
"""Share of the frame at each side on which no insect sits (the sheet's seam)."""


class Shape(StrEnum):
    MOTH = "moth"
    BEETLE = "beetle"
    LACEWING = "lacewing"


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One insect's stay on the sheet."""

    individual: str
    shape: Shape
    arrives: float
    leaves: float
    """Local hours."""
    x: float
    y: float
    """Centre, pixels."""
    length: float
    """Body with wings, pixels."""
    angle: float
    """Radians."""
    colour: tuple[int, int, int]
    seed: int


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One insect in one frame: its box in pixels."""

    visit: Visit
    x: int
    y: int
    w: int
    h: int


def visits(night: Night, rng: np.random.Generator) -> list[Visit]:
    """Everyone who comes to the sheet in this night, in the order of arrival."""
    found: list[Visit] = []
    step = 1.0 / 60.0
    hour = night.start_hour
    while hour < night.start_hour + night.hours:
        for _ in range(rng.poisson(night.arrivals_at(hour) * step)):
            visit = _arrival(night, hour, len(found) + 1, rng)
            if _has_room(visit, found):
                found.append(visit)
        hour += step
    return found


class Sheet:
    """The sheet as the camera sees it: the same folds all night, fresh sensor noise in every frame."""

    def __init__(self, night: Night) -> None:
        self._size = night.frame_size
        rng = np.random.default_rng([night.seed, 77])
        self._cloth = _cloth(self._size, rng)
        self._noise = rng.normal(0.0, _NOISE, (self._size[1], self._size[0])).astype(np.int16)

    def frame(self, hour: float, everyone: list[Visit], rng: np.random.Generator) -> tuple[Pixels, list[Seen]]:
        """The sheet at `hour`: RGB uint8 [H, W, 3], and who sits on it."""
        pixels = cv2.convertScaleAbs(self._cloth, alpha=float(rng.normal(1.0, _FLICKER)))
        seen = [_draw(pixels, visit, hour) for visit in everyone if visit.arrives <= hour < visit.leaves]
        shift = (int(rng.integers(self._size[1])), int(rng.integers(self._size[0])))
        noise = cv2.merge([np.roll(self._noise, shift, axis=(0, 1))] * 3)
        return np.asarray(cv2.add(pixels, noise, dtype=cv2.CV_8U), np.uint8), seen


def _arrival(night: Night, hour: float, number: int, rng: np.random.Generator) -> Visit:
    width, height = night.frame_size
    shape = list(Shape)[int(rng.choice(3, p=(0.6, 0.25, 0.15)))]
    longest = {Shape.MOTH: (60, 150), Shape.BEETLE: (45, 90), Shape.LACEWING: (70, 120)}[shape]
    dark = int(rng.integers(35, 110))
    tint = {Shape.MOTH: (dark + 25, dark + 5, dark - 20), Shape.BEETLE: (40, 32, 28), Shape.LACEWING: (90, 125, 70)}
    return Visit(
        individual=f"insect-{number:03d}",
        shape=shape,
        arrives=hour,
        leaves=hour + float(rng.exponential(night.stay_minutes)) / 60.0 + 1.0 / 30.0,
        x=float(rng.uniform(_EDGE, 1 - _EDGE) * width),
        y=float(rng.uniform(_EDGE, 1 - _EDGE) * height),
        length=float(rng.uniform(*longest)) * width / 1600,
        angle=float(rng.uniform(0, 2 * math.pi)),
        colour=tint[shape],
        seed=int(rng.integers(1 << 31)),
    )


def _has_room(visit: Visit, others: list[Visit]) -> bool:
    return not any(
        visit.arrives < other.leaves
        and math.hypot(visit.x - other.x, visit.y - other.y) < SPACING * max(visit.length, other.length)
        for other in others
    )


def _cloth(size: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """A pale cloth, brighter around the lamp, with soft folds."""
    width, height = size
    folds = rng.normal(0.0, 1.0, (6, 8)).astype(np.float32)
    cloth = 205.0 + 6.0 * cv2.resize(folds, (width, height), interpolation=cv2.INTER_CUBIC)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    grey = np.clip(cloth + 25.0 * np.exp(-(x * x + y * y) / 0.7), 0, 255)
    return np.stack([grey, grey * 0.98, grey * 0.92], axis=-1).astype(np.uint8)


def _draw(pixels: Pixels, visit: Visit, hour: float) -> Seen:
    """Draw one insect where it sits at `hour`; its box is that of the pixels drawn."""
    x, y, angle = _pose(visit, hour)
    reach = math.ceil(visit.length)
    left, top = max(round(x) - reach, 0), max(round(y) - reach, 0)
    patch = pixels[top : round(y) + reach, left : round(x) + reach]
    drawn = np.zeros(patch.shape[:2], np.uint8)
    colour = cv2.resize(_pattern(visit), (patch.shape[1], patch.shape[0]), interpolation=cv2.INTER_LINEAR)
    for part, opacity in _parts(visit, x - left, y - top, angle):
        layer = np.zeros_like(drawn)
        cv2.fillPoly(layer, [part], 255, lineType=cv2.LINE_AA)
        share = (layer.astype(np.float32) * (opacity / 255.0))[:, :, None]
        patch[:] = np.clip(patch * (1 - share) + colour * share, 0, 255).astype(np.uint8)
        drawn = np.maximum(drawn, layer)
    x0, y0, w, h = cv2.boundingRect(drawn)
    return Seen(visit=visit, x=left + x0, y=top + y0, w=w, h=h)


def _pattern(visit: Visit) -> NDArray[np.float32]:
    """A small patch of the insect's own colour with blotches, [6, 6, 3]."""
    blotches = np.random.default_rng(visit.seed).normal(0.0, 14.0, (6, 6, 1))
    return (np.asarray(visit.colour, np.float32) + blotches).astype(np.float32)


def _pose(visit: Visit, hour: float) -> tuple[float, float, float]:
    """Where it sits now: it shuffles a few pixels with a small chance every two minutes of its stay."""
    steps = np.random.default_rng([visit.seed, 3]).random((1 + int((hour - visit.arrives) * 30), 3))
    moved = steps[steps[:, 0] < _SHUFFLE_CHANCE]
    x = visit.x + float(np.sum(moved[:, 1] - 0.5)) * 0.4 * visit.length
    y = visit.y + float(np.sum(moved[:, 2] - 0.5)) * 0.4 * visit.length
    return x, y, visit.angle + float(np.sum(moved[:, 1] - 0.5))


def _parts(visit: Visit, x: float, y: float, angle: float) -> list[tuple[NDArray[np.int32], float]]:
    """Polygons to fill and how opaque each is, wings first."""
    half = visit.length / 2
    if visit.shape is Shape.BEETLE:
        return [(_ellipse(x, y, half, half * 0.55, angle), 0.95)]
    wings = []
    for side in (-1, 1):
        outline = [(0.5, 0.0), (0.3, side * 0.4), (-0.45, side * 0.8), (-0.8, side * 0.55), (-0.6, 0.0)]
        clear = visit.shape is Shape.LACEWING
        if clear:
            outline = [(0.4, 0.0), (0.2, side * 0.3), (-1.0, side * 0.35), (-0.6, 0.0)]
        wings.append((_polygon(outline, x, y, half, angle), 0.45 if clear else 0.85))
    return [*wings, (_ellipse(x, y, half * 0.75, half * 0.16, angle), 0.95)]


def _ellipse(x: float, y: float, a: float, b: float, angle: float) -> NDArray[np.int32]:
    around = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    return _polygon([(math.cos(t), math.sin(t) * b / a) for t in around], x, y, a, angle)


def _polygon(outline: list[tuple[float, float]], x: float, y: float, scale: float, angle: float) -> NDArray[np.int32]:
    points = np.asarray(outline) * scale
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.asarray(np.round(points @ turn.T + (x, y)), np.int32)
