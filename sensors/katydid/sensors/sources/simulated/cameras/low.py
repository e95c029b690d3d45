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
from katydid.sensors.sources.simulated.cameras.paths import Paths, Placed, Stands
from katydid.sensors.sources.simulated.cameras.scene import CameraScene, Ground, bare
from katydid.sensors.sources.simulated.cameras.sprites import Pixels, Sprite, insect_sprite, laid
from katydid.sensors.sources.simulated.cameras.taxa import INSECTS

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
        self._laid = lru_cache(maxsize=32)(self._lay)
        self._last: tuple[tuple[int, tuple[tuple[str, int, Stands], ...]], Pixels] | None = None

    def frame(self, at: float, placed: list[Placed]) -> Pixels:
        """The frame at `at` with these animals, lowest first."""
        scene, seed = self._paths.scene, self._paths.seed
        drawn = _backdrops(bare(scene), self._paths.layout.seed, self._width, self._height)
        key = mixed(seed, round(at * 1e6))
        canvas = self._composed(drawn, (key >> 40) % len(drawn), placed)
        light = light_at(scene, seed, at)
        return exposed(canvas, light, optics_of(self._width, self._height), key)

    def _composed(self, drawn: list[Pixels], wind: int, placed: list[Placed]) -> Pixels:
        """The insects on one of the pictures; the last one is kept, for as long as no one moves."""
        shown = tuple(
            (each.who.taxon, each.who.pattern % _COATS, each.stands) for each in placed if not each.pose.beneath
        )
        if self._last is None or self._last[0] != (wind, shown):
            canvas = drawn[wind].copy()
            for taxon, coat, stands in shown:
                patch = self._laid(taxon, coat, stands)
                if patch is not None:
                    _put(canvas, patch)
            self._last = ((wind, shown), canvas)
        return self._last[1]

    def _lay(self, taxon: str, coat: int, stands: Stands) -> _Patch | None:
        scale = self._scale
        item = _small(taxon, coat, stands.flying, scale)
        pose = (stands.x * scale, stands.y * scale, stands.heading, stands.scale * scale)
        found = laid((self._height, self._width), item, [pose])
        return None if found is None else _Patch(*found)


def _put(canvas: Pixels, patch: _Patch) -> None:
    height, width = patch.clear.shape[:2]
    below = canvas[patch.top : patch.top + height, patch.left : patch.left + width]
    cv2.multiply(below, patch.clear, below, 1.0 / 255.0)
    cv2.add(below, patch.colour, below)


@lru_cache(maxsize=512)
def _small(taxon: str, coat: int, flying: bool, scale: float) -> Sprite:
    """At `scale` pixels a mm, as long as its kind is on average."""
    return insect_sprite(taxon, coat, flying, INSECTS[taxon].length_mm[0] * scale)


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
