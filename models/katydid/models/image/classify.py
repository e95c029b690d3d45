"""A frame, or a crop of it, at the size that a bundle takes: by area when it shrinks (`sensors.images.resize`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from katydid.models.manifest import ImageInput, Resize
from katydid.models.outcome import Box
from katydid.sensors import images

Pixels = NDArray[np.uint8]

MARGIN = 114
"""Grey level around a letterboxed picture, as the YOLO family was trained with."""


CONTEXT = 0.1
"""Of a crop's longer side, added on each side."""


def at_input(pixels: Pixels, image: ImageInput) -> Pixels:
    """uint8 [H, W, 3] → uint8 [height, width, 3], the way the bundle says."""
    if image.resize is Resize.CENTRE_CROP:
        return images.resize(_centre(pixels, image.height / image.width), image.height, image.width)
    if image.resize is Resize.LETTERBOX:
        return _letterbox(pixels, image.height, image.width)
    return images.resize(pixels, image.height, image.width)


def surroundings(box: Box, width: int, height: int, context: float = CONTEXT) -> Box:
    """The square around a box with a share of its longer side added all round, within the frame; what a classifier
    is shown, undistorted, with a little of what the insect sits on. `width`, `height`: of the frame, pixels."""
    side = (1 + 2 * context) * max(box.w * width, box.h * height)
    w, h = min(side / width, 1.0), min(side / height, 1.0)
    x = min(max(box.x + box.w / 2 - w / 2, 0.0), 1.0 - w)
    y = min(max(box.y + box.h / 2 - h / 2, 0.0), 1.0 - h)
    return Box(x=x, y=y, w=w, h=h)


def crop(pixels: Pixels, box: Box) -> Pixels:
    """The part of uint8 [H, W, 3] that a relative box covers, at least one pixel."""
    height, width = pixels.shape[:2]
    left, top = min(int(box.x * width), width - 1), min(int(box.y * height), height - 1)
    right = min(max(round((box.x + box.w) * width), left + 1), width)
    bottom = min(max(round((box.y + box.h) * height), top + 1), height)
    return np.ascontiguousarray(pixels[top:bottom, left:right])


def _centre(pixels: Pixels, aspect: float) -> Pixels:
    """The largest part around the centre whose height is `aspect` times its width."""
    height, width = pixels.shape[:2]
    wide, high = min(width, round(height / aspect)), min(height, round(width * aspect))
    wide, high = max(wide, 1), max(high, 1)
    left, top = (width - wide) // 2, (height - high) // 2
    return np.ascontiguousarray(pixels[top : top + high, left : left + wide])


def _letterbox(pixels: Pixels, height: int, width: int) -> Pixels:
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    high = min(height, max(1, round(pixels.shape[0] * scale)))
    wide = min(width, max(1, round(pixels.shape[1] * scale)))
    canvas = np.full((height, width, 3), MARGIN, dtype=np.uint8)
    top, left = (height - high) // 2, (width - wide) // 2
    canvas[top : top + high, left : left + wide] = images.resize(pixels, high, wide)
    return canvas
