"""A frame cut into tiles that overlap, so that a detector sees small insects at their full size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from katydid.models.manifest import ImageInput, Tiles
from katydid.sensors import images

Pixels = NDArray[np.uint8]

OUTSIDE = 114
"""Grey level beyond a frame that is smaller than a tile."""


def starts(length: int, tile: int, overlap: int) -> tuple[int, ...]:
    """Where the fewest tiles of a size begin so that they cover `length` and neighbours share `overlap` pixels at
    least; evenly spread. One at 0 where the tile is not shorter."""
    if tile >= length:
        return (0,)
    count = -(-(length - overlap) // (tile - overlap))
    return tuple(round(index * (length - tile) / (count - 1)) for index in range(count))


def corners(height: int, width: int, image: ImageInput, overlap: int) -> NDArray[np.intp]:
    """Left and top of every tile [m, 2] of a frame, row by row."""
    tops, lefts = starts(height, image.height, overlap), starts(width, image.width, overlap)
    return np.array([(left, top) for top in tops for left in lefts], np.intp)


def reduced(pixels: Pixels, short_side: int) -> Pixels:
    """The frame with its shorter side at `short_side` pixels; as it is where it is smaller."""
    height, width = pixels.shape[:2]
    scale = short_side / min(height, width)
    if scale >= 1:
        return pixels
    return images.resize(pixels, max(1, round(height * scale)), max(1, round(width * scale)))


def cut_out(pixels: Pixels, corner: NDArray[np.intp], image: ImageInput) -> Pixels:
    """One tile, uint8 [height, width, 3]; grey where the frame ends before it."""
    left, top = corner
    part = pixels[top : top + image.height, left : left + image.width]
    if part.shape[:2] == (image.height, image.width):
        return part
    tile = np.full((image.height, image.width, 3), OUTSIDE, np.uint8)
    tile[: part.shape[0], : part.shape[1]] = part
    return tile


def longest_side(tiles: Tiles | None, image: ImageInput) -> int:
    """Pixels that a frame's shorter side must have after decoding."""
    return min(image.height, image.width) if tiles is None else max(tiles.short_sides)
