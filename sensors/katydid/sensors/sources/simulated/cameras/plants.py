"""What the wind moves: flower heads on stems, grass, leaves before the lens; and spots of food, which lie still."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from katydid.sensors.sources.simulated.cameras.grounds import texture
from katydid.sensors.sources.simulated.cameras.layout import Layout
from katydid.sensors.sources.simulated.cameras.scene import Ground
from katydid.sensors.sources.simulated.cameras.shapes import rounded
from katydid.sensors.sources.simulated.cameras.sprites import Floats, Pixels, Sprite, lay, sprite

_BLADES = 110
_KINDS = 5
"""Different heads drawn; each plant has one of them, turned its own way."""
Colour = tuple[int, int, int]
Species = tuple[int, Colour, Colour]

_FLOWERS: tuple[Species, ...] = (
    (9, (240, 206, 28), (212, 160, 18)),
    (21, (240, 240, 234), (222, 176, 40)),
    (5, (122, 92, 190), (236, 206, 96)),
    (8, (214, 112, 160), (240, 214, 120)),
    (13, (232, 132, 36), (120, 72, 32)),
    (5, (236, 226, 226), (196, 204, 120)),
)
"""Petals, their colour and that of the middle."""
_GREEN = ((88, 128, 52), (70, 110, 44), (120, 148, 70), (138, 140, 84), (60, 92, 48))


class Greenery:
    """The moving things of one layout at one size, drawn once and laid down anew for each moment."""

    def __init__(self, layout: Layout, width: int) -> None:
        self.layout, self.scale = layout, width / layout.scene.width_mm
        chance = np.random.default_rng([layout.seed & 0xFFFFFFFF, 61])
        self._flowers = layout.scene.ground is Ground.FLOWERS
        middle_mm = float(np.mean(layout.radius[: layout.plants])) if layout.plants else 1.0
        draw = _head if self._flowers else _food
        species = _FLOWERS[int(chance.integers(len(_FLOWERS)))]
        self._heads = [draw(chance, species, middle_mm * self.scale) for _ in range(_KINDS if layout.plants else 0)]
        self._turns = chance.uniform(0, 2 * math.pi, max(1, layout.plants))
        self._leaves = [
            _leaf_sprite(chance, half * self.scale, float(width / half)) for half, width, _ in layout.leaf_shape
        ]
        self._stems = chance.normal(0.0, 1.5, (layout.plants, 2))
        self._grass = _grass(chance, layout)

    def under(self, canvas: Pixels, at: float) -> None:
        """Blades, stems, and the shadows of the heads: what lies below those who are beneath the flowers."""
        if not self._flowers:
            return
        sway, gust = self.layout.sway(at), self.layout.gust(at)
        self._shadows(canvas, sway)
        grass = self._grass
        swing = np.sin(7.0 * (at % 86_400.0) * grass.beat + grass.phase)[:, None] * grass.give
        self._fill(canvas, _blades(grass.base, grass.tip + gust**2 * (16.0 * swing + 6.0), grass.wide), grass.colours)
        plants = slice(0, self.layout.plants)
        head = np.stack([self.layout.x[plants], self.layout.y[plants]], -1)
        radius = self.layout.radius[plants]
        stems = _blades(head + self._stems * radius[:, None], head + sway[:, plants].T, 0.09 * radius)
        self._fill(canvas, stems, [_GREEN[1]] * self.layout.plants)

    def _fill(self, canvas: Pixels, outlines: Floats, colours: Sequence[Colour]) -> None:
        """Outlines [n, m, 2] in mm, each in its colour."""
        for outline, colour in zip(_fixed(outlines * self.scale), colours, strict=True):
            cv2.fillPoly(canvas, [outline], colour, cv2.LINE_AA, 4)

    def heads(self, canvas: Pixels, at: float) -> None:
        """Flower heads or food."""
        sway, layout = self.layout.sway(at), self.layout
        for plant in range(layout.plants):
            x, y = (layout.x[plant] + sway[0, plant]) * self.scale, (layout.y[plant] + sway[1, plant]) * self.scale
            nod = 0.012 * float(sway[0, plant])
            grow = float(layout.radius[plant]) * self.scale
            lay(canvas, self._heads[plant % _KINDS], float(x), float(y), float(self._turns[plant]) + nod, grow)

    def leaves(self, canvas: Pixels, at: float) -> None:
        """Leaves that hang before everything."""
        sway, layout = self.layout.sway(at), self.layout
        for number, ((half, _, turn), item) in enumerate(
            zip(layout.leaf_shape, self._leaves, strict=True), layout.plants
        ):
            x, y = (layout.x[number] + sway[0, number]) * self.scale, (layout.y[number] + sway[1, number]) * self.scale
            lay(canvas, item, float(x), float(y), float(turn), float(half) * self.scale)

    def _shadows(self, canvas: Pixels, sway: Floats) -> None:
        """Soft dark under every head, made at a quarter of the size."""
        layout, height, width = self.layout, canvas.shape[0], canvas.shape[1]
        mask = np.full((max(1, height // 4), max(1, width // 4)), 255, np.uint8)
        small = self.scale / 4
        for plant in range(layout.plants):
            drop = 0.35 * layout.radius[plant]
            x, y = layout.x[plant] + 0.5 * sway[0, plant] + drop, layout.y[plant] + 0.5 * sway[1, plant] + drop
            cv2.circle(mask, (round(x * small), round(y * small)), max(1, round(layout.radius[plant] * small)), 105, -1)
        soft = cv2.resize(cv2.GaussianBlur(mask, (0, 0), 2.5 * small + 0.3), (width, height))
        cv2.multiply(canvas, cv2.merge([soft, soft, soft]), canvas, 1.0 / 255.0)


def _head(
    chance: np.random.Generator, species: tuple[int, tuple[int, int, int], tuple[int, int, int]], px: float
) -> Sprite:
    """A flower head of radius 1: two rings of petals, each shaded to its tip, around a rough middle."""
    petals, petal_rgb, middle_rgb = species
    size = 2 * max(6, math.ceil(px * 2.2))
    unit = size / 2.2
    colour, alpha = np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.uint8)
    for ring, reach in ((0, 1.0), (1, 0.86)):
        for number in range(petals):
            turn = 2 * math.pi * (number + 0.5 * ring) / petals + chance.normal(0, 0.05)
            paint = np.array(petal_rgb) * (0.78 + 0.2 * ring + chance.uniform(-0.06, 0.08))
            outline = _petal(turn, reach * chance.uniform(0.93, 1.05), 1.35 * math.pi / petals) * unit + size / 2
            points = _fixed(outline)
            cv2.fillPoly(colour, [points], tuple(float(c) for c in paint), cv2.LINE_AA, 4)
            cv2.line(colour, (size // 2, size // 2), _at(outline[6]), tuple(float(c) for c in paint * 0.82), 1)
            cv2.fillPoly(alpha, [points], 255, cv2.LINE_AA, 4)
    _middle(colour, alpha, chance, np.array(middle_rgb, np.float64), 0.3 * unit)
    colour *= (1.0 + texture(chance, size, size, {0.2: 0.05, 0.05: 0.05}))[:, :, None]
    return _halved(colour, alpha, unit)


def _middle(
    colour: NDArray[np.float32], alpha: Pixels, chance: np.random.Generator, rgb: NDArray[np.float64], radius: float
) -> None:
    """Stamens: dots around a rough disc."""
    centre = colour.shape[0] / 2
    cv2.circle(
        colour, (round(centre), round(centre)), round(radius), tuple(float(c) for c in rgb * 0.8), -1, cv2.LINE_AA
    )
    cv2.circle(alpha, (round(centre), round(centre)), round(radius), 255, -1, cv2.LINE_AA)
    for _ in range(70):
        far, turn = radius * math.sqrt(chance.random()), chance.uniform(0, 2 * math.pi)
        dot = (round(centre + far * math.cos(turn)), round(centre + far * math.sin(turn)))
        paint = tuple(float(c) for c in np.minimum(rgb * chance.uniform(0.65, 1.25), 255))
        cv2.circle(colour, dot, max(1, round(0.13 * radius)), paint, -1, cv2.LINE_AA)


def _food(chance: np.random.Generator, species: Species, px: float) -> Sprite:
    """A piece of ripe fruit or a drop of bait, radius 1."""
    size = 2 * max(6, math.ceil(px * 2.2))
    unit = size / 2.2
    around = np.linspace(0, 2 * math.pi, 14, endpoint=False)
    far = 0.85 + chance.normal(0, 0.1, 14)
    outline = rounded(np.stack([np.cos(around) * far, np.sin(around) * far], -1)) * unit + size / 2
    alpha = np.zeros((size, size), np.uint8)
    cv2.fillPoly(alpha, [_fixed(outline)], 255, cv2.LINE_AA, 4)
    rgb = np.array([(186, 120, 58), (150, 84, 50), (200, 168, 96), (128, 52, 48)][int(chance.integers(4))])
    depth = cv2.GaussianBlur(alpha, (0, 0), 0.25 * unit).astype(np.float32) / np.float32(255.0)
    rough = 0.7 + 0.4 * depth + texture(chance, size, size, {0.3: 0.06, 0.08: 0.05})
    return _halved(rgb.astype(np.float32) * rough[:, :, None], alpha, unit)


def _leaf_sprite(chance: np.random.Generator, half_px: float, slim: float) -> Sprite:
    """A leaf of half length 1 and half width `slim`, with a rib and veins."""
    size = 2 * max(6, math.ceil(half_px * 2.2))
    unit = size / 2.2
    along = np.linspace(-1, 1, 24)
    half = slim * np.sqrt(1.0 - along**2)
    outline = np.concatenate([np.stack([along, half], -1), np.stack([along, -half], -1)[::-1]]) * unit + size / 2
    alpha = np.zeros((size, size), np.uint8)
    cv2.fillPoly(alpha, [_fixed(outline)], 255, cv2.LINE_AA, 4)
    rgb = np.array(_GREEN[int(chance.integers(3))], np.float32) * np.float32(chance.uniform(0.8, 1.2))
    colour = rgb * (1.0 + texture(chance, size, size, {0.3: 0.08, 0.04: 0.05}))[:, :, None]
    pale = tuple(float(c) for c in rgb * 1.35)
    centre = size / 2
    cv2.line(colour, (round(centre - unit), round(centre)), (round(centre + unit), round(centre)), pale, 3, cv2.LINE_AA)
    for step in np.linspace(-0.8, 0.7, 9):
        for side in (-1, 1):
            tip = (round(centre + (step + 0.25) * unit), round(centre + side * slim * unit))
            cv2.line(colour, (round(centre + step * unit), round(centre)), tip, pale, 1, cv2.LINE_AA)
    return _halved(colour, alpha, unit)


def _halved(colour: NDArray[np.float32], alpha: Pixels, unit: float) -> Sprite:
    """A sprite of half the size that it was drawn at."""
    half = colour.shape[0] // 2
    small = cv2.resize(colour, (half, half), interpolation=cv2.INTER_AREA)
    share = cv2.resize(alpha, (half, half), interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255.0)
    return sprite(small, share, unit / 2)


def _petal(turn: float, reach: float, half_turn: float) -> Floats:
    """An outline from the middle to `reach`, widest at two thirds."""
    along = np.array([0.1, 0.35, 0.65, 0.85, 0.95, 0.99, 1.0, 0.99, 0.95, 0.85, 0.65, 0.35])
    wide = np.array([0.1, 0.5, 0.8, 0.72, 0.5, 0.25, 0.0, -0.25, -0.5, -0.72, -0.8, -0.5])
    across = wide * math.tan(min(half_turn, 0.7)) * 0.75
    x, y = along * reach, across * reach
    return np.stack([x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)], -1)


class _Grass(NamedTuple):
    """Blades: where they stand (mm, [n, 2]) and point at rest, half widths, and how each swings."""

    base: Floats
    tip: Floats
    wide: Floats
    colours: list[Colour]
    beat: Floats
    phase: Floats
    give: Floats
    """[n, 2]: how far and whither."""


def _grass(chance: np.random.Generator, layout: Layout) -> _Grass:
    """Tufts of blades that lean one way."""
    scene = layout.scene
    tufts = _BLADES // 8
    size = (scene.width_mm, scene.height_mm)
    base = np.repeat(chance.uniform(0, size, (tufts, 2)), 8, axis=0) + chance.normal(0, 3.0, (8 * tufts, 2))
    turn = np.repeat(chance.uniform(0, 2 * math.pi, tufts), 8) + chance.normal(0, 0.6, 8 * tufts)
    far = scene.width_mm * chance.uniform(0.03, 0.13, 8 * tufts)
    greens = [np.array(_GREEN[int(chance.integers(len(_GREEN)))]) * chance.uniform(0.7, 1.2) for _ in range(8 * tufts)]
    return _Grass(
        base=base,
        tip=base + far[:, None] * np.stack([np.cos(turn), np.sin(turn)], -1),
        wide=chance.uniform(0.4, 1.2, 8 * tufts),
        colours=[(int(green[0]), int(green[1]), int(green[2])) for green in greens],
        beat=chance.uniform(0.5, 1.7, 8 * tufts),
        phase=chance.uniform(0, 2 * math.pi, 8 * tufts),
        give=chance.normal(0.0, 0.7, (8 * tufts, 2)),
    )


_ALONG = np.array([0.0, 0.25, 0.5, 0.75, 0.92])
"""Where along a blade its outline has points, before the tip."""


def _blades(base: Floats, tip: Floats, wide: Floats) -> Floats:
    """Thin bowed outlines from bases to tips, [n, 11, 2], of half widths `wide` at the base."""
    along = (tip - base)[:, None, :]
    across = np.stack([-along[..., 1], along[..., 0]], -1)
    part = _ALONG[None, :, None]
    middle = base[:, None, :] + part * along + 0.35 * part * (1.0 - part) * across
    side = across / (np.linalg.norm(across, axis=2, keepdims=True) + 1e-9) * wide[:, None, None] * np.sqrt(1.0 - part)
    return np.concatenate([middle + side, tip[:, None, :], (middle - side)[:, ::-1]], axis=1)


def _fixed(points: Floats) -> NDArray[np.int32]:
    """With four bits behind the point, as OpenCV's `shift` = 4 wants it."""
    return np.round(points * 16).astype(np.int32)


def _at(where: Floats) -> tuple[int, int]:
    return round(float(where[0])), round(float(where[1]))
