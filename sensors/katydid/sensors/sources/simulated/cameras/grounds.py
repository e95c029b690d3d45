"""What does not move: a trap's sheet, a flower bed's soil and litter, a feeder's board and dish. RGB by full light."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from katydid.sensors.sources.simulated.cameras.layout import dish_radius_mm
from katydid.sensors.sources.simulated.cameras.scene import CameraScene, Ground
from katydid.sensors.sources.simulated.cameras.shapes import rounded

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]

_LITTER = (
    ((92, 74, 58), ((122, 92, 66), (98, 74, 58), (140, 116, 92), (84, 66, 56), (150, 132, 112))),
    ((70, 78, 48), ((96, 116, 58), (82, 98, 50), (118, 132, 74), (104, 92, 62), (70, 92, 52))),
    ((112, 104, 94), ((134, 126, 116), (98, 92, 86), (152, 146, 136), (120, 106, 90), (86, 80, 74))),
    ((58, 48, 40), ((84, 64, 48), (70, 54, 44), (104, 84, 66), (60, 52, 48), (92, 86, 60))),
)
"""Soil, and what lies on it: fallen leaves, green cover, gravel, peat."""


_RINGS = ((1.0, (176, 172, 160)), (0.97, (222, 220, 210)), (0.9, (206, 204, 194)), (0.885, (228, 226, 217)))
"""A dish from its rim to its floor: share of the radius, colour."""


def ground_picture(scene: CameraScene, look: int, width: int, height: int) -> Pixels:
    """The still part of a scene, uint8 [height, width, 3]."""
    chance = np.random.default_rng([look & 0xFFFFFFFF, 51])
    if scene.ground is Ground.SHEET:
        return _sheet(chance, width, height)
    if scene.ground is Ground.FEEDER:
        return _board(scene, chance, width, height)
    return _bed(chance, width, height)


def texture(chance: np.random.Generator, width: int, height: int, cells: dict[float, float]) -> Plane:
    """Noise [height, width] of mean 0: for each size of cell (share of the width) a standard deviation."""
    plane = np.zeros((height, width), np.float32)
    for cell, spread in cells.items():
        across = max(2, round(1.0 / cell) + 1)
        down = max(2, round(height / width / cell) + 1)
        grid = chance.normal(0.0, spread, (down, across)).astype(np.float32)
        plane += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return plane


def _sheet(chance: np.random.Generator, width: int, height: int) -> Pixels:
    """White cloth with folds, a weave and some stains."""
    folds = texture(chance, width, height, {0.5: 7.0, 0.2: 4.0, 0.06: 1.5})
    x = np.arange(width, dtype=np.float32) * np.float32(1920.0 / width)
    y = np.arange(height, dtype=np.float32) * np.float32(1920.0 / width)
    weave = 1.6 * np.sin(x * 2.1)[None, :] + 1.6 * np.sin(y * 2.1)[:, None]
    light = 205.0 + folds + (weave if width >= 1200 else 0.0)
    for _ in range(int(chance.integers(1, 5))):
        middle = (int(chance.uniform(0, width)), int(chance.uniform(0, height)))
        stain = np.zeros((height, width), np.uint8)
        cv2.circle(stain, middle, max(1, round(width * chance.uniform(0.002, 0.012))), 255, -1)
        soft = cv2.GaussianBlur(stain, (0, 0), max(0.8, 0.002 * width)).astype(np.float32) / np.float32(255.0)
        light -= soft * float(chance.uniform(5, 24))
    tint = np.array([1.0, 0.985, 0.95], np.float32)
    return np.asarray(np.clip(light[:, :, None] * tint, 0, 255), np.uint8)


def _bed(chance: np.random.Generator, width: int, height: int) -> Pixels:
    """Soil under litter: some hundred leaves, chips and twigs, each shaded, the later over the earlier."""
    soil, litter = _LITTER[int(chance.integers(len(_LITTER)))]
    plane = texture(chance, width, height, {0.1: 8.0, 0.03: 8.0, 0.01: 7.0, 0.004: 7.0})
    picture = np.clip(np.array(soil, np.float32) * 0.62 + plane[:, :, None], 0, 255).astype(np.uint8)
    long = width * float(chance.uniform(0.02, 0.06))
    for _ in range(round(0.8 * width * height / long**2)):
        colour = np.array(litter[int(chance.integers(len(litter)))]) * chance.uniform(0.6, 1.25)
        middle = (chance.uniform(0, width), chance.uniform(0, height))
        _fallen(picture, chance, middle, long * chance.uniform(0.4, 1.3), colour)
    for _ in range(30):
        _twig(picture, chance, width, height)
    grain = texture(chance, width, height, {0.006: 5.0, 2.0 / width: 6.0})
    return np.asarray(np.clip(picture + grain[:, :, None], 0, 255), np.uint8)


def _fallen(
    picture: Pixels, chance: np.random.Generator, middle: tuple[float, float], half: float, colour: NDArray[np.float64]
) -> None:
    """One fallen leaf or chip: its shadow, its two halves in two shades, its rib."""
    around = np.linspace(0, 2 * math.pi, 16, endpoint=False)
    ragged = 1.0 + chance.normal(0.0, 0.12, 16)
    along, across = half * np.cos(around) * ragged, half * chance.uniform(0.25, 0.6) * np.sin(around) * ragged
    turn = chance.uniform(0, 2 * math.pi)
    x = along * math.cos(turn) - across * math.sin(turn) + middle[0]
    y = along * math.sin(turn) + across * math.cos(turn) + middle[1]
    outline = rounded(np.stack([x, y], -1)[:15])
    drop = 0.08 * half
    darker = tuple(float(c) for c in colour * 0.38)
    cv2.fillPoly(picture, [_fixed(outline + drop)], darker, cv2.LINE_AA, 4)
    for part, brighter in ((outline, 1.0), (outline[: len(outline) // 2], 1.15)):
        cv2.fillPoly(picture, [_fixed(part)], tuple(float(c) for c in colour * brighter), cv2.LINE_AA, 4)
    rib = tuple(float(c) for c in colour * 0.75)
    cv2.polylines(
        picture, [_fixed(outline[[0, len(outline) // 2]])], False, rib, max(1, round(half * 0.04)), cv2.LINE_AA, 4
    )


def _twig(picture: Pixels, chance: np.random.Generator, width: int, height: int) -> None:
    first = np.array([chance.uniform(0, width), chance.uniform(0, height)])
    steps = chance.normal(0, 1, 2) * width * 0.03 + chance.normal(0, width * 0.004, (4, 2))
    points = np.concatenate([[first], first + np.cumsum(steps, axis=0)])
    colour = tuple(float(c) for c in np.array([146, 128, 102]) * chance.uniform(0.5, 1.3))
    cv2.polylines(picture, [_fixed(points)], False, colour, max(1, round(width * 0.0015)), cv2.LINE_AA, 4)


def _board(scene: CameraScene, chance: np.random.Generator, width: int, height: int) -> Pixels:
    """A wooden board with grain, and a pale dish with a rim on it."""
    grain = texture(chance, width, height, {0.3: 6.0, 0.02: 3.0})
    stripes = chance.normal(0.0, 9.0, (max(2, height // 12), 3)).astype(np.float32)
    grain += cv2.resize(stripes, (width, height), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(np.array([134, 106, 76], np.float32) + grain[:, :, None], 0, 255).astype(np.uint8)
    scale = width / scene.width_mm
    middle, radius = (width // 2, height // 2), dish_radius_mm(scene) * scale
    shadow = np.zeros((height, width), np.uint8)
    cv2.circle(shadow, (middle[0] + round(4 * scale), middle[1] + round(5 * scale)), round(radius), 130, -1)
    soft = cv2.GaussianBlur(shadow, (0, 0), 3 * scale).astype(np.float32)[:, :, None] / np.float32(255.0)
    picture = (picture * (1.0 - soft)).astype(np.uint8)
    for share, colour in (
        (1.0, (176, 172, 160)),
        (0.97, (222, 220, 210)),
        (0.9, (206, 204, 194)),
        (0.885, (228, 226, 217)),
    ):
        cv2.circle(picture, middle, round(radius * share), colour, -1, cv2.LINE_AA)
    wear = texture(chance, width, height, {0.15: 2.0, 0.02: 1.2, 2.0 / width: 1.5})
    return np.asarray(np.clip(picture + wear[:, :, None], 0, 255), np.uint8)


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    """With four bits behind the point, as OpenCV's `shift` = 4 wants it."""
    return np.round(points * 16).astype(np.int32)
