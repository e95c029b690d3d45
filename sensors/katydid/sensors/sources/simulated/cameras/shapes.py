"""The outlines that an insect is drawn with, seen from above: head at +x, in units of its length (x -0.5..0.5).

`solid` parts make its box; legs, antennae and the blur of beating wings are drawn but not boxed, as people annotate.
"""

from __future__ import annotations

import math
from functools import cache

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.sensors.sources.simulated.cameras.taxa import Shape

Points = NDArray[np.float64]


class Part(msgspec.Struct, frozen=True, eq=False):
    """One filled outline or line, drawn in the order of the list."""

    outline: Points
    """[n, 2]."""
    colour: int
    """Which of the insect's colours."""
    opacity: float = 1.0
    line: float = 0.0
    """0: filled; else the width of a line along the points, in lengths."""
    solid: bool = True


@cache
def parts(shape: Shape, flying: bool) -> tuple[Part, ...]:
    """What to draw, lowest first."""
    drawn = _DRAWN[shape](flying)
    return tuple(
        msgspec.structs.replace(part, outline=rounded(part.outline)) if part.line == 0.0 else part for part in drawn
    )


def rounded(outline: Points) -> Points:
    """An outline with its corners cut three times (Chaikin 1974)."""
    for _ in range(3 if len(outline) < 16 else 0):
        after = np.roll(outline, -1, axis=0)
        outline = np.stack([0.75 * outline + 0.25 * after, 0.25 * outline + 0.75 * after], axis=1).reshape(-1, 2)
    return outline


@cache
def silhouette(shape: Shape, flying: bool) -> Points:
    """The convex hull of the solid parts, [n, 2], in order around it."""
    every = np.concatenate([part.outline for part in parts(shape, flying) if part.solid])
    hull = cv2.convexHull(every.astype(np.float32))
    return np.asarray(hull, np.float64).reshape(-1, 2)


@cache
def inside(shape: Shape, flying: bool) -> Points:
    """Points spread evenly over the solid parts, [n, 2], some thirty: what share of them is hidden is its share."""
    solid = [part.outline.astype(np.float32) for part in parts(shape, flying) if part.solid]
    hull = silhouette(shape, flying)
    low, high = hull.min(axis=0), hull.max(axis=0)
    step = math.sqrt(float(np.prod(high - low)) / 40.0)
    grid = np.stack(np.meshgrid(np.arange(low[0], high[0], step), np.arange(low[1], high[1], step)), -1).reshape(-1, 2)
    kept = [p for p in grid if any(cv2.pointPolygonTest(o, (float(p[0]), float(p[1])), False) >= 0 for o in solid)]
    return np.array(kept)


def _ellipse(x: float, y: float, a: float, b: float, turn: float = 0.0) -> Points:
    around = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    along, across = a * np.cos(around), b * np.sin(around)
    return np.stack(
        [
            x + along * math.cos(turn) - across * math.sin(turn),
            y + along * math.sin(turn) + across * math.cos(turn),
        ],
        axis=-1,
    )


def _band(x: float, a: float, b: float, first: float, last: float) -> Points:
    """A stripe across an ellipse at (x, 0), between two shares of its half length, -1..1."""
    along = np.linspace(first, last, 5)
    half = b * np.sqrt(np.maximum(0.0, 1.0 - along**2))
    upper = np.stack([x + a * along, half], axis=-1)
    return np.concatenate([upper, (upper * (1, -1))[::-1]])


def _both(points: list[tuple[float, float]]) -> list[Points]:
    one = np.array(points)
    return [one, one * (1.0, -1.0)]


def _lines(points: list[tuple[float, float]], colour: int, width: float) -> list[Part]:
    return [Part(each, colour, 0.9, width, False) for each in _both(points)]


def _legs(reach: float, width: float = 0.02, colour: int = 1, x: float = 0.12) -> list[Part]:
    """Three pairs, bent at the knee."""
    drawn: list[Part] = []
    for along, lean in ((0.12, 0.16), (0.0, -0.04), (-0.1, -0.22)):
        foot = (x + along + lean * 1.4, reach)
        drawn += _lines([(x + along, 0.05), (x + along + lean * 0.7, reach * 0.7), foot], colour, width)
    return drawn


def _wings(points: list[tuple[float, float]], colour: int, opacity: float, solid: bool = True) -> list[Part]:
    return [Part(each, colour, opacity, 0.0, solid) for each in _both(points)]


def _beating(reach: float, colour: int = 2) -> list[Part]:
    """Wings too fast to see: a faint fan on each side."""
    fan = [(0.18, 0.05), (0.36, reach * 0.7), (0.16, reach), (-0.12, reach * 0.85), (0.02, 0.06)]
    return _wings(fan, colour, 0.22, solid=False)


def _bee(flying: bool) -> list[Part]:
    drawn = [] if flying else _legs(0.26)
    drawn += [Part(_ellipse(-0.2, 0, 0.3, 0.165), 0)]
    drawn += [Part(_band(-0.2, 0.3, 0.165, low, low + 0.2), 1) for low in (-0.9, -0.5, -0.1, 0.3)]
    drawn += [Part(_ellipse(0.17, 0, 0.16, 0.155), 0), Part(_ellipse(0.17, 0, 0.1, 0.09), 1, 0.5)]
    drawn += [Part(_ellipse(0.4, 0, 0.09, 0.125), 1), *_lines([(0.46, 0.05), (0.58, 0.12)], 1, 0.015)]
    folded = [(0.14, 0.05), (0.05, 0.15), (-0.3, 0.24), (-0.42, 0.16), (-0.25, 0.06)]
    return drawn + (_beating(0.62) if flying else _wings(folded, 2, 0.4))


def _bumblebee(flying: bool) -> list[Part]:
    drawn = [] if flying else _legs(0.3, 0.03)
    drawn += [Part(_ellipse(-0.17, 0, 0.33, 0.25), 0), Part(_band(-0.17, 0.33, 0.25, 0.3, 0.6), 1)]
    drawn += [Part(_band(-0.17, 0.33, 0.25, -0.98, -0.62), 2)]
    drawn += [Part(_ellipse(0.2, 0, 0.19, 0.22), 0), Part(_band(0.2, 0.19, 0.22, 0.25, 0.85), 1)]
    drawn += [Part(_ellipse(0.41, 0, 0.09, 0.12), 0)]
    folded = [(0.15, 0.1), (0.05, 0.2), (-0.28, 0.32), (-0.36, 0.2), (-0.2, 0.1)]
    return drawn + (_beating(0.66) if flying else _wings(folded, 2, 0.35))


def _hoverfly(flying: bool) -> list[Part]:
    drawn = [] if flying else _legs(0.2, 0.012)
    drawn += [Part(_ellipse(-0.2, 0, 0.3, 0.12), 0)]
    drawn += [Part(_band(-0.2, 0.3, 0.12, low, low + 0.14), 1) for low in (-0.85, -0.5, -0.15, 0.25, 0.55)]
    drawn += [Part(_ellipse(0.17, 0, 0.14, 0.12), 1, 0.85), Part(_ellipse(0.39, 0, 0.09, 0.14), 1)]
    spread = [(0.2, 0.06), (0.14, 0.22), (-0.24, 0.42), (-0.36, 0.36), (-0.26, 0.18), (0.08, 0.05)]
    return drawn + (_beating(0.6) if flying else _wings(spread, 2, 0.33))


def _wasp(flying: bool) -> list[Part]:
    drawn = [] if flying else _legs(0.26, 0.018, 0)
    drawn += [Part(_ellipse(-0.23, 0, 0.27, 0.13), 0)]
    drawn += [Part(_band(-0.23, 0.27, 0.13, low, low + 0.17), 1) for low in (-0.8, -0.42, -0.04, 0.34, 0.75)]
    drawn += [Part(_ellipse(0.18, 0, 0.16, 0.125), 1), Part(_ellipse(0.4, 0, 0.08, 0.13), 0)]
    drawn += [*_lines([(0.45, 0.05), (0.6, 0.14)], 1, 0.02)]
    folded = [(0.16, 0.06), (0.1, 0.14), (-0.34, 0.22), (-0.42, 0.16), (-0.2, 0.06)]
    return drawn + (_beating(0.6) if flying else _wings(folded, 2, 0.45))


def _fly(flying: bool) -> list[Part]:
    drawn = [] if flying else _legs(0.32, 0.022)
    drawn += [Part(_ellipse(-0.18, 0, 0.28, 0.2), 0), Part(_ellipse(0.15, 0, 0.19, 0.19), 0)]
    drawn += [Part(_ellipse(0.15, 0, 0.14, 0.1), 1, 0.4), Part(_ellipse(0.38, 0, 0.1, 0.17), 1)]
    folded = [(0.14, 0.1), (0.02, 0.24), (-0.42, 0.34), (-0.52, 0.2), (-0.3, 0.06)]
    return drawn + (_beating(0.64) if flying else _wings(folded, 2, 0.4))


def _ant(flying: bool) -> list[Part]:
    drawn = [*_legs(0.3, 0.03), *_lines([(0.44, 0.04), (0.56, 0.12), (0.66, 0.1)], 1, 0.02)]
    drawn += [Part(_ellipse(-0.28, 0, 0.22, 0.13), 0), Part(_ellipse(0.08, 0, 0.16, 0.07), 0)]
    return [*drawn, Part(_ellipse(0.37, 0, 0.12, 0.1), 0)]


def _beetle(flying: bool) -> list[Part]:
    drawn = [*_legs(0.34, 0.03), Part(_ellipse(-0.13, 0, 0.37, 0.225), 0), Part(_ellipse(0.26, 0, 0.14, 0.18), 1)]
    drawn += [Part(_ellipse(0.42, 0, 0.08, 0.1), 1), Part(np.array([(0.2, 0.0), (-0.48, 0.0)]), 1, 0.8, 0.015, False)]
    drawn += _lines([(0.47, 0.04), (0.58, 0.13)], 1, 0.02)
    return drawn + (_beating(0.7, 1) if flying else [])


def _ladybird(flying: bool) -> list[Part]:
    drawn = [*_legs(0.4, 0.03), Part(_ellipse(-0.06, 0, 0.42, 0.38), 0)]
    drawn += [Part(_ellipse(0.36, 0, 0.13, 0.22), 1), Part(np.array([(0.3, 0.0), (-0.46, 0.0)]), 1, 0.9, 0.02, False)]
    for x, y in ((0.12, 0.17), (-0.12, 0.24), (-0.3, 0.12), (-0.08, 0.08)):
        drawn += [Part(_ellipse(x, side * y, 0.055, 0.055), 1) for side in (-1, 1)]
    return drawn + (_beating(0.7, 1) if flying else [])


def _butterfly(flying: bool) -> list[Part]:
    hind = [(0.02, 0.03), (-0.1, 0.42), (-0.36, 0.52), (-0.5, 0.3), (-0.4, 0.06)]
    fore = [(0.2, 0.03), (0.46, 0.5), (0.4, 0.78), (0.2, 0.8), (-0.08, 0.46), (-0.02, 0.03)]
    tip = [(0.46, 0.5), (0.4, 0.78), (0.27, 0.79), (0.36, 0.56)]
    drawn = [*_wings(hind, 2, 0.96), *_wings(fore, 0, 0.97), *_wings(tip, 1, 0.75)]
    drawn += [Part(_ellipse(0.1, side * 0.42, 0.05, 0.05), 1, 0.8) for side in (-1, 1)]
    drawn += _lines([(0.38, 0.02), (0.62, 0.13)], 1, 0.012)
    return [*drawn, Part(_ellipse(0.05, 0, 0.33, 0.045), 1)]


def _roofed_moth(flying: bool) -> list[Part]:
    if flying:
        return _spread_moth(0.62)
    wing = [(0.34, 0.02), (0.24, 0.17), (-0.1, 0.25), (-0.46, 0.24), (-0.5, 0.1), (-0.48, 0.0)]
    band = [(-0.22, 0.01), (-0.18, 0.245), (-0.26, 0.248), (-0.3, 0.01)]
    drawn = [*_lines([(0.42, 0.03), (0.5, 0.16)], 1, 0.012), Part(_ellipse(-0.08, 0, 0.4, 0.1), 0)]
    drawn += [*_wings(wing, 0, 1.0), *_wings(band, 1, 0.5)]
    drawn += [Part(_ellipse(x, side * 0.13, 0.045, 0.035), 1, 0.75) for x in (0.05, -0.1) for side in (-1, 1)]
    return [*drawn, Part(_ellipse(0.32, 0, 0.14, 0.12), 0), Part(_ellipse(0.34, 0, 0.1, 0.08), 1, 0.4)]


def _flat_moth(flying: bool) -> list[Part]:
    return _spread_moth(0.85)


def _spread_moth(reach: float) -> list[Part]:
    """Wings flat and wide, forewings over hind wings, with a band and a scalloped edge."""
    hind = [(0.1, 0.03), (-0.08, reach * 0.62), (-0.38, reach * 0.6), (-0.5, reach * 0.3), (-0.42, 0.03)]
    fore = [(0.3, 0.03), (0.34, reach * 0.6), (0.26, reach), (-0.02, reach * 0.92), (-0.14, reach * 0.5), (0.0, 0.03)]
    band = [(0.14, 0.06), (0.16, reach * 0.9), (0.1, reach * 0.9), (0.05, 0.06)]
    low = [(-0.16, 0.05), (-0.2, reach * 0.58), (-0.26, reach * 0.58), (-0.25, 0.05)]
    drawn = [*_wings(hind, 0, 0.97), *_wings(low, 1, 0.45), *_wings(fore, 0, 1.0), *_wings(band, 1, 0.5)]
    drawn += [Part(_ellipse(0.16, side * reach * 0.45, 0.03, 0.03), 1, 0.8) for side in (-1, 1)]
    return [*drawn, *_lines([(0.4, 0.02), (0.5, 0.16)], 1, 0.012), Part(_ellipse(0.05, 0, 0.4, 0.07), 0)]


def _lacewing(flying: bool) -> list[Part]:
    wing = [(0.3, 0.02), (0.2, 0.12), (-0.35, 0.2), (-0.5, 0.12), (-0.4, 0.0)]
    if flying:
        wing = [(0.2, 0.02), (0.36, 0.5), (0.16, 0.62), (-0.06, 0.5), (0.0, 0.02)]
    drawn = [*_wings(wing, 2, 0.45), *_lines([wing[0], wing[2], wing[3]], 0, 0.012)]
    drawn += [*_lines([(0.45, 0.02), (0.7, 0.12), (0.95, 0.2)], 1, 0.008)]
    return [*drawn, Part(_ellipse(0.05, 0, 0.4, 0.04), 0), Part(_ellipse(0.44, 0, 0.06, 0.06), 0)]


def _cranefly(flying: bool) -> list[Part]:
    drawn: list[Part] = []
    for x, y in ((0.75, 0.75), (0.1, 1.0), (-0.7, 0.85)):
        drawn += _lines([(0.25, 0.03), (x * 0.55 + 0.1, y * 0.65), (x, y)], 1, 0.014)
    wing = [(0.28, 0.03), (0.2, 0.32), (-0.1, 0.72), (-0.24, 0.7), (-0.2, 0.5), (0.16, 0.05)]
    drawn += _wings(wing, 2, 0.4)
    return [*drawn, Part(_ellipse(-0.12, 0, 0.38, 0.05), 0), Part(_ellipse(0.3, 0, 0.12, 0.08), 0)]


_DRAWN = {
    Shape.BEE: _bee,
    Shape.BUMBLEBEE: _bumblebee,
    Shape.HOVERFLY: _hoverfly,
    Shape.WASP: _wasp,
    Shape.FLY: _fly,
    Shape.ANT: _ant,
    Shape.BEETLE: _beetle,
    Shape.LADYBIRD: _ladybird,
    Shape.BUTTERFLY: _butterfly,
    Shape.ROOFED_MOTH: _roofed_moth,
    Shape.FLAT_MOTH: _flat_moth,
    Shape.LACEWING: _lacewing,
    Shape.CRANEFLY: _cranefly,
}
