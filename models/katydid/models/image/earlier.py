"""Frames of one camera as later ones are compared with them: small, grey, and few.

A frame is compared with those that the same camera made before it. Which these are is a matter of the camera's own
sequence, so whoever feeds frames in keeps it: `identification` hands out each frame's `Reduced` and is given those of
the `EARLIER` frames before it. What counts as earlier is `comparable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from katydid.models.outcome import Measure
from katydid.sensors import images
from katydid.sensors.capture import Capture

Grey = NDArray[np.uint8]
"""uint8 [height, width], 0 black."""

WIDTH = 480
HIGHEST = 1280
"""A frame that would be taller than this at 480 wide is brought to this height instead."""
EARLIER = 8
"""Frames that a frame is compared with at most. Four are nearly as good; with one, a real sequence had 0.89 false
boxes a frame instead of 0.20."""
ENOUGH = 3
"""With fewer, what was found is provisional."""
LONGEST_NS = 6 * 3600 * 1_000_000_000
"""What is older than six hours shows another light and other leaves: the evening before is no background."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """A frame as later ones of its camera are compared with it."""

    capture_id: str
    sensor_id: str
    at: int
    """UTC, nanoseconds, as the capture's `captured_at`."""
    pixels: Grey
    """uint8 [height, width], 480 wide."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return int(self.pixels.nbytes)


Earlier = tuple[Reduced, ...]
"""The frames before one, the newest last; at most EARLIER."""


def reduced(capture: Capture, pixels: NDArray[np.uint8]) -> Reduced:
    """What is kept of a frame, from its upright pixels, uint8 [H, W, 3] RGB or [H, W] grey, decoded reduced or not."""
    return Reduced(capture.capture_id, capture.sensor_id, capture.captured_at, small_grey(pixels))


def small_grey(pixels: NDArray[np.uint8]) -> Grey:
    """Grey levels at 480 pixels wide, shrunk by area."""
    grey = pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    scale = min(WIDTH / grey.shape[1], HIGHEST / grey.shape[0])
    return images.resize(grey, max(1, round(grey.shape[0] * scale)), max(1, round(grey.shape[1] * scale)))


def comparable(frame: Reduced, before: Sequence[Reduced]) -> Earlier:
    """Those of `before` that are earlier pictures of the same size, six hours old at most; the newest EARLIER of them.

    A frame that comes late (a card that was found in autumn) is so never compared with what was made after it.
    """
    fitting = (
        one
        for one in before
        if one.capture_id != frame.capture_id
        and one.pixels.shape == frame.pixels.shape
        and 0 <= frame.at - one.at <= LONGEST_NS
    )
    return tuple(fitting)[-EARLIER:]


def counted(earlier: Sequence[Reduced]) -> Measure:
    """How many there were, against how many it takes to be sure; for the outcome's measures."""
    n = len(earlier)
    return Measure(name="earlier_frames", value=float(n), bound=float(ENOUGH), passed=n >= ENOUGH)
