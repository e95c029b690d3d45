"""Where things stand in a scene, and how the wind moves them: flower heads, spots of food, leaves before the lens."""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from random import Random

import numpy as np
from numpy.typing import NDArray

from katydid.sensors.sources.simulated.cameras.chance import smooth, stream
from katydid.sensors.sources.simulated.cameras.scene import CameraScene, Ground, bare

Floats = NDArray[np.float64]

_LAYOUT, _GUST = 11, 12
"""Which chance is which."""
_NATURAL_HZ = (0.7, 1.9)
"""Small herbs swing at about 1-2 Hz (from memory of plant biomechanics; de Langre 2008 reviews them)."""


class Layout:
    """The fixed things of one scene and seed. Lengths in mm from the upper left corner; index 0..plants-1 are heads or
    spots, then the leaves."""

    def __init__(self, scene: CameraScene, seed: int) -> None:
        self.scene, self.seed = scene, seed
        chance = stream(seed, _LAYOUT)
        self.plants = scene.plants
        spots = _patches(scene, chance) if scene.ground is Ground.FLOWERS else _dish(scene, chance)
        self.x: Floats = np.array([each[0] for each in spots])
        self.y: Floats = np.array([each[1] for each in spots])
        self.radius: Floats = np.array([each[2] for each in spots])
        self.leaf_shape: Floats = np.array([_leaf(scene, chance) for _ in range(scene.leaves)]).reshape(-1, 3)
        """[leaves, 3]: half length, half width (mm) and direction (radians)."""
        for half, _, _ in self.leaf_shape:
            self.x = np.append(self.x, chance.uniform(0, scene.width_mm))
            self.y = np.append(self.y, chance.uniform(0, scene.height_mm))
            self.radius = np.append(self.radius, half)
        count = len(self.x)
        self._hertz = np.array([chance.uniform(*_NATURAL_HZ) for _ in range(count)])
        self._phase = np.array([chance.uniform(0, 2 * math.pi) for _ in range(2 * count)]).reshape(2, count)
        sways = np.array([2.0 * chance.uniform(0.5, 1.0) for _ in range(count)])
        self._reach = sways * np.minimum(self.radius, 0.05 * scene.width_mm)
        if scene.ground is Ground.FEEDER:
            self._reach[: self.plants] = 0.0
        self._blow = chance.uniform(0, 2 * math.pi)
        self._swayed: tuple[float, Floats] = (math.nan, np.zeros((2, count)))

    def gust(self, at: float) -> float:
        """How hard it blows at `at` (seconds since 1970): the scene's wind on average, up to twice that."""
        fast, slow = smooth(at, 5.0, self.seed, _GUST, 0), smooth(at, 60.0, self.seed, _GUST, 1)
        return self.scene.weather.wind * (0.4 + 1.2 * fast) * (0.6 + 0.8 * slow)

    def sway(self, at: float) -> Floats:
        """How far each plant is from its place at `at`, mm, [2, plants + leaves]."""
        known = self._swayed
        if known[0] != at:
            self._swayed = known = (at, self._sway(at))
        return known[1]

    def _sway(self, at: float) -> Floats:
        gust = self.gust(at)
        swing = 2 * math.pi * self._hertz * (at % 86_400.0)
        along = 0.5 + 0.45 * np.sin(swing + self._phase[0]) + 0.2 * np.sin(2.3 * swing + self._phase[1])
        across = 0.3 * np.sin(0.8 * swing + self._phase[1])
        turn_x, turn_y = math.cos(self._blow), math.sin(self._blow)
        far = gust**2 * self._reach  # drag grows with the square of the wind
        return np.stack([far * (along * turn_x - across * turn_y), far * (along * turn_y + across * turn_x)])

    def hidden(self, x: Floats, y: Floats, at: float, beneath: bool) -> NDArray[np.bool_]:
        """Which of the points (mm) a leaf covers, or a flower if they are beneath the flowers, [n]."""
        sway = self.sway(at)
        covered = np.zeros(len(x), bool)
        for number, (half, width, angle) in enumerate(self.leaf_shape, self.plants):
            dx, dy = x - self.x[number] - sway[0, number], y - self.y[number] - sway[1, number]
            if np.hypot(dx[0], dy[0]) > half + 60.0:
                continue
            along, across = dx * math.cos(angle) + dy * math.sin(angle), dy * math.cos(angle) - dx * math.sin(angle)
            covered |= (along / half) ** 2 + (across / width) ** 2 < 1.0
        if beneath:
            heads = slice(0, self.plants)
            dx = x[:, None] - self.x[heads] - sway[0, heads]
            dy = y[:, None] - self.y[heads] - sway[1, heads]
            covered |= (dx**2 + dy**2 < (0.9 * self.radius[heads]) ** 2).any(axis=1)
        return covered

    @cached_property
    def nearness(self) -> list[list[float]]:
        """For each plant, running sums of how readily an animal goes to each other: e-folding in 15 % of the width."""
        plants = slice(0, self.plants)
        far = np.hypot(self.x[plants, None] - self.x[plants], self.y[plants, None] - self.y[plants])
        weights = 0.05 + np.exp(-far / (0.15 * self.scene.width_mm))
        if self.plants > 1:
            np.fill_diagonal(weights, 0.0)
        return [[float(each) for each in row] for row in np.cumsum(weights, axis=1)]


@lru_cache(maxsize=32)
def _laid_out(scene: CameraScene, look: int) -> Layout:
    return Layout(scene, look)


def layout_of(scene: CameraScene, seed: int) -> Layout:
    """The layout of a scene; scenes that share `look`, ground, size and weather share it."""
    return _laid_out(bare(scene), seed if scene.look is None else scene.look)


def _patches(scene: CameraScene, chance: Random) -> list[tuple[float, float, float]]:
    """Flower heads in clumps, x, y and radius: 6-16 mm across the kinds, alike within one scene."""
    radius = chance.uniform(6.0, 16.0)
    heads: list[tuple[float, float, float]] = []
    while len(heads) < scene.plants:
        middle_x, middle_y = chance.uniform(0.05, 0.95) * scene.width_mm, chance.uniform(0.1, 0.9) * scene.height_mm
        for _ in range(min(chance.randint(2, 9), scene.plants - len(heads))):
            size = radius * chance.uniform(0.75, 1.15)
            x, y = middle_x + chance.gauss(0, 2.6) * radius, middle_y + chance.gauss(0, 2.2) * radius
            heads.append((x, y, size))
    return heads


def _dish(scene: CameraScene, chance: Random) -> list[tuple[float, float, float]]:
    """Spots of food on a dish in the middle of the picture (none on a sheet)."""
    spots = []
    for _ in range(scene.plants):
        far, turn = dish_radius_mm(scene) * 0.75 * math.sqrt(chance.random()), chance.uniform(0, 2 * math.pi)
        x, y = scene.width_mm / 2 + far * math.cos(turn), scene.height_mm / 2 + far * math.sin(turn)
        spots.append((x, y, chance.uniform(6.0, 14.0)))
    return spots


def dish_radius_mm(scene: CameraScene) -> float:
    """The feeder's dish: most of the picture's height."""
    return 0.42 * min(scene.height_mm, scene.width_mm)


def _leaf(scene: CameraScene, chance: Random) -> tuple[float, float, float]:
    half = chance.uniform(0.025, 0.06) * scene.width_mm
    return half, half * chance.uniform(0.25, 0.4), chance.uniform(0, 2 * math.pi)
