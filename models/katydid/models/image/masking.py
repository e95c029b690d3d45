"""Parts of a camera's view where nothing is looked for: a scale bar, a screw, a time stamp, the road behind.

A mask says what is hidden in polygons, so that it is part of the settings and of their digest. `read_mask` makes the
polygons of a picture that is black where nothing is to be looked for.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from katydid.models.image.earlier import small_grey
from katydid.models.outcome import Box
from katydid.models.settings import Mask, Polygon
from katydid.sensors import images
from katydid.sensors.limits import Limits

_BLACK = 128
"""Darker than this is hidden."""


def hidden(masks: Sequence[Mask], sensor_id: str, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """bool [height, width], True where nothing is looked for; None where all is. Masks of that sensor, and of all."""
    polygons = tuple(
        polygon for mask in masks if mask.sensor in ("", sensor_id) for polygon in mask.polygons if len(polygon) >= 3
    )
    return _filled(polygons, shape[0], shape[1]) if polygons else None


def read_mask(path: Path, sensor: str = "") -> Mask:
    """The mask that a picture shows, black where nothing is to be looked for. Raises OSError and RefusedMedia."""
    grey = small_grey(images.decode(path.read_bytes(), Limits()).pixels)
    dark = (grey < _BLACK).astype(np.uint8)
    contours, _ = cv2.findContours(dark, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    height, width = grey.shape
    polygons = tuple(
        tuple((float(x + 0.5) / width, float(y + 0.5) / height) for x, y in contour[:, 0])
        for contour in contours
        if len(contour) >= 3
    )
    return Mask(sensor=sensor, polygons=polygons)


def mask_of(text: str) -> Mask:
    """ "[SENSOR=]X,Y,W,H" (a rectangle, shares of the frame) or "[SENSOR=]FILE" (see `read_mask`). Raises ValueError,
    OSError and RefusedMedia."""
    sensor, _, what = text.rpartition("=")
    try:
        sides = [float(part) for part in what.split(",")]
    except ValueError:
        return read_mask(Path(what), sensor)
    if len(sides) != 4 or not all(0 <= side <= 1 for side in sides):
        raise ValueError("a rectangle is X,Y,W,H, each from 0 to 1")
    x, y, w, h = sides
    return Mask(sensor=sensor, polygons=(((x, y), (x + w, y), (x + w, y + h), (x, y + h)),))


@functools.lru_cache(maxsize=64)
def _filled(polygons: tuple[Polygon, ...], height: int, width: int) -> NDArray[np.bool_]:
    """By the even-odd rule within one mask, so that a polygon in a polygon is a hole."""
    canvas = np.zeros((height, width), dtype=np.uint8)
    corners = [
        np.array([(round(x * width - 0.5), round(y * height - 0.5)) for x, y in polygon], dtype=np.int32)
        for polygon in polygons
    ]
    cv2.fillPoly(canvas, corners, 1)
    return canvas.astype(np.bool_)


def covers(mask: NDArray[np.bool_], box: Box) -> bool:
    """Whether the middle of a box lies in what a mask hides (of any size, as long as it is of the frame's shape)."""
    height, width = mask.shape
    row, column = int((box.y + box.h / 2) * height), int((box.x + box.w / 2) * width)
    return bool(mask[min(max(row, 0), height - 1), min(max(column, 0), width - 1)])
