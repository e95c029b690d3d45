"""What the detector is taught with: squares cut from the photos, turned, scaled and recoloured, and where insects are.

A patch is cut around a box in most cases, else anywhere. An insect that the patch's edge cuts is still one while half
of it shows (tiles cut them too); with less of it, its place is left out of the account.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from katydid.models.training.image_photos import Boxes, Photo
from katydid.sensors import images

STRIDE = 4
"""Pixels a cell of the heat map."""
SIDE = 256
"""Pixels of a patch."""
POINTS_SHARE = 0.08
"""Share of the patches that come from photos with points."""
AROUND_SHARE = 0.75
"""Share of the patches that are cut around an insect."""
SCALES = (0.65, 1.6)
"""By which a photo is reduced or enlarged."""
GREY_SHARE, SWAPPED_SHARE = 0.1, 0.1
"""Patches without colour, and with their colours changed about: grounds that are not yellow."""
SHOWS = 0.5
"""Share of an insect that must show in a patch to count."""
POINT_SIDE = 24.0
"""Pixels of an insect that only a point was set on."""
SPREAD = 0.54 / 6
"""Standard deviation of a centre's heat as a share of the box's side (TTFNet: Liu et al. 2020)."""
LEAST_SPREAD = 0.7
"""Cells."""


@dataclass(frozen=True, eq=False)
class Batch:
    """n patches and what they should be answered with."""

    pixels: NDArray[np.float32]
    """[n, 3, SIDE, SIDE], pixel / 255 - 0.5."""
    heat: NDArray[np.float32]
    """[n, 1, h, w]: 1 at the centre of an insect, less around it."""
    counts: NDArray[np.float32]
    """[n, 1, h, w]: 0 where nothing is asked."""
    boxes: NDArray[np.float32]
    """[n, 4, h, w]: left, top, right, bottom in pixels of the patch, of the insect that a cell belongs to."""
    weight: NDArray[np.float32]
    """[n, 1, h, w]: how much a cell's box counts; the cells of one insect sum to 1."""


class Patches:
    """Draws batches; the same seed draws the same."""

    def __init__(self, photos: Sequence[Photo], seed: int, side: int = SIDE) -> None:
        self._rng = np.random.default_rng(seed)
        self._sized = [photo for photo in photos if photo.sized]
        self._points = [photo for photo in photos if not photo.sized]
        self._side = side

    def draw(self, count: int) -> Batch:
        made = [self._patch() for _ in range(count)]
        return Batch(*(np.stack(each) for each in zip(*made, strict=True)))

    def _patch(self) -> tuple[NDArray[np.float32], ...]:
        rng = self._rng
        some = self._points if self._points and rng.random() < POINTS_SHARE else self._sized
        photo = some[rng.integers(len(some))]
        pixels, boxes = self._cut(photo)
        pixels, boxes = turned(pixels, boxes, int(rng.integers(8)))
        target = targets(boxes, self._side, sized=photo.sized)
        return (recoloured(pixels, rng).transpose(2, 0, 1), *target)

    def _cut(self, photo: Photo) -> tuple[NDArray[np.uint8], Boxes]:
        """A square of the photo, and all its boxes in the square's pixels."""
        rng, (height, width) = self._rng, photo.pixels.shape[:2]
        cut = round(self._side / float(np.exp(rng.uniform(*np.log(SCALES)))))
        if len(photo.boxes) and rng.random() < AROUND_SHARE:
            x0, y0, x1, y1 = photo.boxes[rng.integers(len(photo.boxes))]
            middle = np.array(((x0 + x1) / 2, (y0 + y1) / 2)) + rng.uniform(-0.45, 0.45, 2) * cut
        else:
            middle = rng.uniform((0, 0), (width, height))
        left, top = np.rint(middle - cut / 2).astype(int)
        pixels = images.resize(_window(photo.pixels, left, top, cut), self._side, self._side)
        corner = np.array((left, top, left, top), np.float32)
        return pixels, (photo.boxes - corner) * np.float32(self._side / cut)


def _window(pixels: NDArray[np.uint8], left: int, top: int, side: int) -> NDArray[np.uint8]:
    """A square of the photo; black where it reaches beyond."""
    window = np.zeros((side, side, 3), np.uint8)
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    if x0 < x1 and y0 < y1:
        window[y0 - top : y1 - top, x0 - left : x1 - left] = pixels[y0:y1, x0:x1]
    return window


def turned(pixels: NDArray[np.uint8], boxes: Boxes, way: int) -> tuple[NDArray[np.uint8], Boxes]:
    """A square [s, s, 3] and its boxes [n, 4] in one of its eight positions, `way` 0..7."""
    side = np.float32(len(pixels))
    if way & 4:
        pixels, boxes = pixels.transpose(1, 0, 2), boxes[:, (1, 0, 3, 2)]
    if way & 2:
        pixels = pixels[::-1]
        boxes = np.stack((boxes[:, 0], side - boxes[:, 3], boxes[:, 2], side - boxes[:, 1]), axis=1)
    if way & 1:
        pixels = pixels[:, ::-1]
        boxes = np.stack((side - boxes[:, 2], boxes[:, 1], side - boxes[:, 0], boxes[:, 3]), axis=1)
    return pixels, boxes


def recoloured(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """uint8 [h, w, 3] → float32, pixel / 255 - 0.5, in another light; at times grey or on another ground."""
    values = pixels.astype(np.float32) / 255
    draw = rng.random()
    if draw < GREY_SHARE:
        values = np.repeat(values @ np.array(((0.299,), (0.587,), (0.114,)), np.float32), 3, axis=2)
    elif draw < GREY_SHARE + SWAPPED_SHARE:
        values = values[:, :, rng.permutation(3)]
    gain = rng.uniform(0.75, 1.25) * rng.uniform(0.92, 1.08, 3)
    contrast = rng.uniform(0.75, 1.25)
    middle = values.mean()
    values = np.clip(((values - middle) * contrast + middle) * gain, 0, 1) - 0.5
    if rng.random() < 0.3:
        values += rng.normal(0, rng.uniform(0.005, 0.03), values.shape)
    return np.asarray(values, np.float32)


def targets(boxes: Boxes, side: int, *, sized: bool) -> tuple[NDArray[np.float32], ...]:
    """Heat, counts, boxes and weight (`Batch`) for insects [n, 4] in a patch's pixels."""
    cells = side // STRIDE
    heat, counts = np.zeros((1, cells, cells), np.float32), np.ones((1, cells, cells), np.float32)
    owner, weight = np.zeros((4, cells, cells), np.float32), np.zeros((1, cells, cells), np.float32)
    margin = np.float32(0 if sized else POINT_SIDE / 2)
    whole: Boxes = boxes + np.array((-1, -1, 1, 1), np.float32) * margin
    shown: Boxes = np.clip(whole, 0, side).astype(np.float32)
    shares = _areas(shown) / np.maximum(_areas(whole), 1e-6)
    # The largest first: where insects overlap, a cell belongs to the smaller one.
    for index in np.argsort(-_areas(whole), kind="stable"):
        if shares[index] <= 0:
            continue
        if shares[index] < SHOWS:
            _leave_out(counts, shown[index])
            continue
        bump = _bump(shown[index], cells)
        np.maximum(heat[0], bump, out=heat[0])
        if sized:
            mine = bump > 0.3
            owner[:, mine] = shown[index][:, np.newaxis]
            weight[0, mine] = bump[mine] / bump[mine].sum()
    counts[heat == 1] = 1
    return heat, counts, owner, weight


def _bump(box: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """The heat of one insect, [cells, cells]; exactly 1 in the cell of its centre."""
    middle = (box[:2] + box[2:]) / 2 / STRIDE
    at = np.clip(middle.astype(int), 0, cells - 1)
    spread = np.maximum(LEAST_SPREAD, SPREAD * (box[2:] - box[:2]) / STRIDE)
    x, y = (np.exp(-((np.arange(cells) - at[axis]) ** 2) / (2 * spread[axis] ** 2)) for axis in (0, 1))
    return np.outer(y, x).astype(np.float32)


def _leave_out(counts: NDArray[np.float32], box: NDArray[np.float32]) -> None:
    left, top = (box[:2] // STRIDE).astype(int)
    right, bottom = (-(-box[2:] // STRIDE)).astype(int)
    counts[0, top:bottom, left:right] = 0


def _areas(boxes: NDArray[np.floating]) -> NDArray[np.float32]:
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(sides[:, 0] * sides[:, 1], np.float32)
