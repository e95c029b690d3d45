"""Small pictures with alpha that are laid over larger ones: insects, flower heads, leaves. Premultiplied, RGB.

A sprite is drawn once, larger than needed, within the circle in its square; then it is turned, scaled and moved by
parts of a pixel.
"""

from __future__ import annotations

import math

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.sensors.sources.simulated.cameras import shapes
from katydid.sensors.sources.simulated.cameras.taxa import INSECTS, Shape

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

Where = tuple[float, float, float, float]
"""The middle's x and y (pixels), the turn (radians), and pixels a unit."""

_FINER = 3
"""Drawn this many times larger, then reduced."""
_REACH = {Shape.CRANEFLY: 1.1, Shape.LACEWING: 1.0, Shape.BUTTERFLY: 0.9, Shape.FLAT_MOTH: 0.95}
"""How far from its middle an insect is drawn to in any direction, lengths; others 0.75."""


class Sprite(msgspec.Struct, frozen=True, eq=False):
    """A picture to lay over others."""

    colour: Pixels
    """[n, n, 3], already times alpha."""
    clear: Pixels
    """[n, n]: 255 - alpha."""
    per_unit: float
    """Pixels a unit (an insect's length, or mm of a plant)."""


def sprite(colour: NDArray[np.float32], alpha: NDArray[np.float32], per_unit: float) -> Sprite:
    """From RGB [n, n, 3] 0..255 and alpha [n, n] 0..1."""
    return _premultiplied(colour * alpha[:, :, None], alpha, per_unit)


def _premultiplied(colour: NDArray[np.float32], alpha: NDArray[np.float32], per_unit: float) -> Sprite:
    through = np.round(255.0 * (1.0 - alpha)).astype(np.uint8)
    return Sprite(np.clip(colour, 0, 255).astype(np.uint8), through, per_unit)


def insect_sprite(taxon: str, pattern: int, flying: bool, pixels_long: float) -> Sprite:
    """One animal with its own blotches and tint; `pixels_long` is about how large it will be."""
    insect = INSECTS[taxon]
    reach = _REACH.get(insect.shape, 0.75)
    unit = max(pixels_long, 4.0) * _FINER
    size = _FINER * math.ceil(2.0 * reach * unit / _FINER)
    chance = np.random.default_rng([pattern & 0xFFFFFFFF, 41])
    tint = 1.0 + chance.normal(0.0, 0.07) + chance.normal(0.0, 0.02, 3)
    colour, alpha = np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.float32)
    body = np.zeros((size, size), np.float32)
    for part in shapes.parts(insect.shape, flying):
        share = _filled(part, unit, size) * part.opacity
        paint = np.clip(np.array(insect.colours[part.colour % len(insect.colours)]) * tint, 0, 255)
        colour += share[:, :, None] * (paint.astype(np.float32) - colour)
        alpha += share * (1.0 - alpha)
        if part.opacity > 0.8 and part.line == 0.0:
            body = np.maximum(body, share)
    colour *= _relief(body, unit, insect.shape)[:, :, None] * _blotches(size, unit, chance)[:, :, None]
    small = size // _FINER
    reduced = [cv2.resize(each, (small, small), interpolation=cv2.INTER_AREA) for each in (colour, alpha)]
    return _premultiplied(reduced[0], reduced[1], unit / _FINER)


def _filled(part: shapes.Part, unit: float, size: int) -> NDArray[np.float32]:
    """Where a part is, [size, size] 0..1."""
    mask = np.zeros((size, size), np.uint8)
    points = np.round((part.outline * unit + size / 2) * 16).astype(np.int32)
    if part.line > 0.0:
        thick = max(1, round(part.line * unit))
        cv2.polylines(mask, [points], False, 255, thick, cv2.LINE_AA, 4)
    else:
        cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / np.float32(255.0)


def _relief(body: NDArray[np.float32], unit: float, shape: Shape) -> NDArray[np.float32]:
    """Brightness of a rounded body: less at its edges; wings that lie flat have little of it."""
    flat = shape in (Shape.FLAT_MOTH, Shape.BUTTERFLY)
    depth = cv2.GaussianBlur(body, (0, 0), 0.06 * unit)
    return np.asarray((0.9 + 0.12 * depth) if flat else (0.62 + 0.5 * depth), np.float32)


def _blotches(size: int, unit: float, chance: np.random.Generator) -> NDArray[np.float32]:
    """Scales and hairs: brightness that varies over a tenth and a fortieth of its length."""
    coarse = chance.normal(0.0, 0.09, (math.ceil(12 * size / unit), math.ceil(12 * size / unit)))
    fine = chance.normal(0.0, 0.07, (math.ceil(40 * size / unit), math.ceil(40 * size / unit)))
    grown = [
        cv2.resize(each.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR) for each in (coarse, fine)
    ]
    return np.asarray(1.0 + grown[0] + grown[1], np.float32)


def lay(canvas: Pixels, item: Sprite, x: float, y: float, turn: float, scale: float) -> None:
    """Lay a sprite over `canvas` [H, W, 3] with its middle at (x, y) pixels, turned, at `scale` pixels a unit."""
    lay_smeared(canvas, item, [(x, y, turn, scale)])


def lay_smeared(canvas: Pixels, item: Sprite, poses: list[Where]) -> None:
    """Lay a sprite over `canvas` as one animal that was at each of the poses for an equal time."""
    found = laid((canvas.shape[0], canvas.shape[1]), item, poses)
    if found is None:
        return
    left, top, colour, clear = found
    patch = canvas[top : top + clear.shape[0], left : left + clear.shape[1]]
    cv2.multiply(patch, clear, patch, 1.0 / 255.0)
    cv2.add(patch, colour, patch)


def laid(size: tuple[int, int], item: Sprite, poses: list[Where]) -> tuple[int, int, Pixels, Pixels] | None:
    """What `lay_smeared` does to a canvas of `size` (height, width): left, top, what is added there, and what is
    multiplied before (over 255); None where the sprite lies outside."""
    window = _window(size, item, poses)
    if window is None:
        return None
    left, top, right, bottom = window
    warped = [_warped(item, pose, left, top, right - left, bottom - top) for pose in poses]
    colour, clear = warped[0] if len(warped) == 1 else _mean(warped)
    return left, top, colour, clear


def _mean(warped: list[tuple[Pixels, Pixels]]) -> tuple[Pixels, Pixels]:
    colours, clears = (np.stack(each).astype(np.float32).mean(axis=0) for each in zip(*warped, strict=True))
    return colours.astype(np.uint8), np.ceil(clears).astype(np.uint8)


def _warped(item: Sprite, pose: Where, left: int, top: int, width: int, height: int) -> tuple[Pixels, Pixels]:
    x, y, turn, scale = pose
    grow = scale / item.per_unit
    cos, sin = grow * math.cos(turn), grow * math.sin(turn)
    middle = (item.colour.shape[0] - 1) / 2
    move = np.array(
        [
            [cos, -sin, x - 0.5 - left - middle * (cos - sin)],
            [sin, cos, y - 0.5 - top - middle * (sin + cos)],
        ]
    )
    colour = cv2.warpAffine(item.colour, move, (width, height), flags=cv2.INTER_LINEAR)
    clear = cv2.warpAffine(item.clear, move, (width, height), flags=cv2.INTER_LINEAR, borderValue=255)
    return np.asarray(colour, np.uint8), np.asarray(cv2.merge([clear, clear, clear]), np.uint8)


def _window(size: tuple[int, int], item: Sprite, poses: list[Where]) -> tuple[int, int, int, int] | None:
    """The part of the canvas that is touched: left, top, right, bottom; None where none is."""
    half = item.colour.shape[0] / 2 / item.per_unit
    reach = [half * scale + 1.5 for _, _, _, scale in poses]
    left = max(0, math.floor(min(pose[0] - r for pose, r in zip(poses, reach, strict=True))))
    top = max(0, math.floor(min(pose[1] - r for pose, r in zip(poses, reach, strict=True))))
    right = min(size[1], math.ceil(max(pose[0] + r for pose, r in zip(poses, reach, strict=True))))
    bottom = min(size[0], math.ceil(max(pose[1] + r for pose, r in zip(poses, reach, strict=True))))
    return (left, top, right, bottom) if left < right and top < bottom else None


def shade(canvas: Pixels, outline: Floats, dark: float, blur: float) -> None:
    """Darken an outline [n, 2] (pixels) on the canvas by a share `dark`, with edges of `blur` pixels."""
    margin = 3.0 * blur + 2.0
    left, top = (max(0, math.floor(v - margin)) for v in outline.min(axis=0))
    right = min(canvas.shape[1], math.ceil(outline[:, 0].max() + margin))
    bottom = min(canvas.shape[0], math.ceil(outline[:, 1].max() + margin))
    if left >= right or top >= bottom:
        return
    mask = np.full((bottom - top, right - left), 255, np.uint8)
    points = np.round((outline - (left + 0.5, top + 0.5)) * 16).astype(np.int32)
    cv2.fillPoly(mask, [points], round(255 * (1.0 - dark)), cv2.LINE_AA, 4)
    if blur > 0.4:
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), blur), np.uint8)
    patch = canvas[top:bottom, left:right]
    cv2.multiply(patch, cv2.merge([mask, mask, mask]), patch, 1.0 / 255.0)
