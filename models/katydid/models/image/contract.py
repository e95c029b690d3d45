"""A detector's contract that cannot hold, or that would have a frame cut into millions of tiles, is refused."""

from __future__ import annotations

from katydid.models.errors import BundleError
from katydid.models.manifest import Detector, ImageInput, Tiles

LEAST_TILE, LARGEST_INPUT = 64, 4096
"""Pixels of an input's side."""
MOST_SIDES, LARGEST_SIDE = 4, 16_384
MOST_BOXES = 5_000
"""Of one look."""


def check_detector(name: str, image: ImageInput | None, detector: Detector | None) -> None:
    """Raises BundleError, headed by `name`, that says what is wrong."""
    if detector is None or image is None:
        raise BundleError(f"{name}: a detector must say where its boxes stand and what its input is")
    if wrong := _wrong(image, detector):
        raise BundleError(f"{name}: {wrong}")


def _wrong(image: ImageInput, detector: Detector) -> str | None:
    for side in (image.height, image.width):
        if not 1 <= side <= LARGEST_INPUT:
            return f"an input of {image.height} x {image.width} pixels: sides go from 1 to {LARGEST_INPUT}"
    if not 1 <= detector.most <= MOST_BOXES:
        return f"{detector.most} boxes a look: there can be 1 to {MOST_BOXES}"
    if not 0 < detector.overlap <= 1:
        return f"an overlap of {detector.overlap}: it lies over 0, up to 1"
    return None if detector.tiles is None else _wrong_tiles(image, detector.tiles)


def _wrong_tiles(image: ImageInput, tiles: Tiles) -> str | None:
    least = min(image.height, image.width)
    if least < LEAST_TILE:
        return f"tiles of {image.height} x {image.width} pixels: a side has at least {LEAST_TILE}"
    if not 0 <= tiles.overlap <= least // 2:
        return f"tiles that share {tiles.overlap} pixels: 0 to half a tile's side ({least // 2})"
    if not 1 <= len(tiles.short_sides) <= MOST_SIDES:
        return f"{len(tiles.short_sides)} scales: there can be 1 to {MOST_SIDES}"
    for side in tiles.short_sides:
        if not 1 <= side <= LARGEST_SIDE:
            return f"a frame of {side} pixels on its shorter side: 1 to {LARGEST_SIDE}"
    return None
