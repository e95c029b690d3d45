"""Frames, and crops of them around a detection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from katydid.models.outcome import Box
from katydid.sensors import images
from katydid.sensors.limits import Limits

FRAME_WIDTH = 720
CROP_SIDE = 144
CROP_MARGIN = 0.2
"""Of the longer side of the box, on each side."""
SMALLEST_CROP = 48
"""Pixels of the frame: less than this shows nothing but blocks."""

Pixels = NDArray[np.uint8]


def open_frame(path: Path) -> Pixels:
    """The whole frame, uint8 [H, W, 3] RGB, upright. Raises OSError and RefusedMedia."""
    return images.decode(path.read_bytes(), Limits()).pixels


def shrunk(pixels: Pixels, width: int = FRAME_WIDTH) -> Pixels:
    """The frame at most `width` wide."""
    if pixels.shape[1] <= width:
        return pixels
    return images.resize(pixels, max(1, round(pixels.shape[0] * width / pixels.shape[1])), width)


def crop(pixels: Pixels, box: Box | None) -> Pixels:
    """A square of the frame around `box` (None: around the middle), in the frame's own pixels.

    Where the square would leave the frame it is moved back inside, so nothing is invented around the edge.
    """
    height, width = pixels.shape[:2]
    if box is None:
        box = Box(x=0.0, y=0.0, w=1.0, h=1.0)
    longer = max(box.w * width, box.h * height) * (1 + 2 * CROP_MARGIN)
    square = max(1, min(round(max(longer, SMALLEST_CROP)), width, height))
    left = round(min(max((box.x + box.w / 2) * width - square / 2, 0), width - square))
    top = round(min(max((box.y + box.h / 2) * height - square / 2, 0), height - square))
    return np.ascontiguousarray(pixels[top : top + square, left : left + square])


def thumbnail(pixels: Pixels, box: Box | None, side: int = CROP_SIDE) -> Pixels:
    """The crop at `side` x `side`."""
    return images.resize(crop(pixels, box), side, side)
