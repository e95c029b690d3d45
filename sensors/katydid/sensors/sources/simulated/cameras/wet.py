"""Dew and a spider's web: what glitters, and trembles, and is no animal."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from katydid.sensors.sources.simulated.cameras.layout import Layout

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

_DROPS = 500
_SPOKES, _TURNS = 11, 9


class Dew:
    """Drops that lie still: a bright rim, a dark middle, a glint."""

    def __init__(self, look: int, width: int, height: int) -> None:
        chance = np.random.default_rng([look & 0xFFFFFFFF, 71])
        lighter = np.zeros((height, width), np.uint8)
        self._darker = np.full((height, width), 255, np.uint8)
        for _ in range(_DROPS):
            middle = (int(chance.integers(width)), int(chance.integers(height)))
            radius = max(1, round(width * abs(chance.normal(0.0, 0.0011)) + 0.3))
            cv2.circle(self._darker, middle, radius, 205, -1, cv2.LINE_AA)
            cv2.circle(lighter, middle, radius, 34, 1, cv2.LINE_AA)
            cv2.circle(lighter, (middle[0] - radius // 2, middle[1] - radius // 2), max(1, radius // 3), 110, -1)
        self._lighter = lighter

    def fall(self, canvas: Pixels, much: float) -> None:
        """Lay the drops on the canvas, `much` in 0..1."""
        darker = cv2.convertScaleAbs(self._darker, alpha=much, beta=255.0 * (1.0 - much))
        cv2.multiply(canvas, cv2.merge([darker] * 3), canvas, 1.0 / 255.0)
        lighter = cv2.convertScaleAbs(self._lighter, alpha=much)
        cv2.add(canvas, cv2.merge([lighter] * 3), canvas)


class Web:
    """An orb web across one corner: its threads swing with the gusts and shine by their angle to the light."""

    def __init__(self, look: int, layout: Layout) -> None:
        chance = np.random.default_rng([look & 0xFFFFFFFF, 72])
        scene = layout.scene
        self._layout = layout
        self._middle = np.array(
            [chance.choice([0.14, 0.86]) * scene.width_mm, chance.choice([0.2, 0.8]) * scene.height_mm]
        )
        turns = np.sort(chance.uniform(0, 2 * math.pi, _SPOKES))
        reach = chance.uniform(0.12, 0.2, _SPOKES) * scene.width_mm
        self._spokes: Floats = np.stack([np.cos(turns) * reach, np.sin(turns) * reach], -1)

    def hang(self, canvas: Pixels, at: float, scale: float) -> None:
        """Draw the threads at `at`, `scale` pixels a mm."""
        gust = self._layout.gust(at)
        swing = gust * 6.0 * np.array([math.sin(9.0 * (at % 86_400.0)), math.cos(7.0 * (at % 86_400.0))])
        middle = (self._middle + swing) * scale
        ends = (self._middle + self._spokes) * scale
        threads = [np.stack([middle, end]) for end in ends]
        for share in np.linspace(0.15, 0.85, _TURNS):
            sag = share * (1.0 - 0.03 * math.sin(5.0 * share))
            ring = middle + (ends - middle) * sag
            threads.append(np.concatenate([ring, ring[:1]]))
        thick = max(1, round(0.15 * scale))
        low = np.maximum(np.floor(np.min(ends, axis=0)) - 3, 0).astype(int)
        high = np.minimum(np.ceil(np.max(ends, axis=0)) + 3, (canvas.shape[1], canvas.shape[0])).astype(int)
        patch = canvas[low[1] : high[1], low[0] : high[0]]
        if patch.size == 0:
            return
        mask = np.zeros(patch.shape[:2], np.uint8)
        fixed = [np.round((each - low) * 16).astype(np.int32) for each in threads]
        cv2.polylines(mask, fixed, False, round(60 + 40 * min(1.0, gust)), thick, cv2.LINE_AA, 4)
        cv2.add(patch, cv2.merge([mask, mask, mask]), patch)
