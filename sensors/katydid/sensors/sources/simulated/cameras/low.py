"""Low fidelity: small frames at a hundredth of the cost, for load and long runs. RGB uint8 [about 180, 320, 3].

The scene was drawn beforehand at some moments of the wind; a frame is one of these under the moment's light, with each
insect laid on it. Insects are where the truth says; flowers are only near it. No shadows, no shake, no smear.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from katydid.sensors.sources.simulated.cameras.chance import mixed
from katydid.sensors.sources.simulated.cameras.high import Stage, exposed, optics_of
from katydid.sensors.sources.simulated.cameras.layout import layout_of
from katydid.sensors.sources.simulated.cameras.light import light_at
from katydid.sensors.sources.simulated.cameras.paths import Paths, Placed
from katydid.sensors.sources.simulated.cameras.scene import CameraScene, Ground, bare
from katydid.sensors.sources.simulated.cameras.sprites import Pixels, Sprite, insect_sprite, laid

_WIDTH = 320
_WINDS = 6
"""Moments of the wind that are drawn, _APART_S from each other."""
_APART_S = 1.37
_COATS = 8
"""Patterns of each taxon that are drawn."""


class _Patch(NamedTuple):
    """A turned insect where it goes: added after what lies below was multiplied by `clear`."""

    left: int
    top: int
    colour: Pixels
    clear: Pixels


class LowFidelity:
    """Draws the frames of one camera."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._width = min(_WIDTH, paths.scene.width)
        self._height = round(paths.scene.height * self._width / paths.scene.width)
        self._scale = self._width / paths.scene.width_mm
        self._laid = lru_cache(maxsize=64)(self._lay)

    def frame(self, at: float, placed: list[Placed]) -> Pixels:
        """The frame at `at` with these animals, lowest first."""
        scene, seed = self._paths.scene, self._paths.seed
        drawn = _backdrops(bare(scene), self._paths.layout.seed, self._width, self._height)
        key = mixed(seed, round(at * 1e6))
        canvas = drawn[(key >> 40) % len(drawn)].copy()
        for each in placed:
            where = (each.x, each.y, each.pose.heading, each.scale)
            flying = each.pose.flying
            patch = self._laid(each.who.taxon, each.who.pattern % _COATS, flying, where)
            if patch is not None and not each.pose.beneath:
                _put(canvas, patch)
        light = light_at(scene, seed, at)
        return exposed(canvas, light, optics_of(self._width, self._height), key)

    def _lay(self, taxon: str, coat: int, flying: bool, where: tuple[float, float, float, float]) -> _Patch | None:
        x, y, heading, unit = where
        scale = self._scale
        item = _small(taxon, coat, flying, max(3, round(unit * scale)))
        pose = (x * scale, y * scale, heading, unit * scale)
        found = laid((self._height, self._width), item, [pose])
        return None if found is None else _Patch(*found)


def _put(canvas: Pixels, patch: _Patch) -> None:
    height, width = patch.clear.shape[:2]
    below = canvas[patch.top : patch.top + height, patch.left : patch.left + width]
    cv2.multiply(below, patch.clear, below, 1.0 / 255.0)
    cv2.add(below, patch.colour, below)


@lru_cache(maxsize=1024)
def _small(taxon: str, coat: int, flying: bool, pixels_long: int) -> Sprite:
    return insect_sprite(taxon, coat, flying, pixels_long)


@lru_cache(maxsize=32)
def _backdrops(scene: CameraScene, look: int, width: int, height: int) -> list[Pixels]:
    """Drawn at twice the size and reduced. The last 32 looks are kept, about a megabyte each."""
    layout = layout_of(scene, look)
    double = Stage(scene, layout, 2 * width, 2 * height)
    moves = scene.weather.wind > 0.0 and (scene.ground is Ground.FLOWERS or scene.leaves > 0 or scene.weather.web)
    pictures = []
    for number in range(_WINDS if moves else 1):
        at = number * _APART_S
        canvas = double.below(at)
        double.heads(canvas, at)
        double.above(canvas, at, 0.0)
        pictures.append(np.asarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA), np.uint8))
    return pictures
