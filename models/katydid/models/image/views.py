"""A frame as a detector looks at it: the views that it is shown, and what their boxes come to on the frame.

views = Views(pixels, image, detector)
for items in views.batches(16):          # uint8 [n, height, width, 3]
    views.keep(seen.boxes, seen.scores)  # what the model says about them
boxes, scores = views.found(0.3)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from katydid.models.image import classify, tiling
from katydid.models.image.suppression import joined, suppressed
from katydid.models.manifest import Detector, ImageInput, Resize

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Enough = Callable[[Floats], NDArray[np.bool_]]
"""Of scores [m, classes], which rows count, [m]."""


@dataclass(frozen=True, eq=False)
class _Scale:
    """The frame at one size, and where its tiles lie."""

    pixels: Pixels
    corners: NDArray[np.intp]
    """[m, 2]: left and top; none where the whole frame is one view."""


class Views:
    """The views of one frame, in order, and what was said about them so far."""

    def __init__(self, pixels: Pixels, image: ImageInput, detector: Detector) -> None:
        self._image, self._detector = image, detector
        self._shape = pixels.shape[:2]
        self._scales = list(_scales(pixels, image, detector))
        self._said: list[tuple[Floats, Floats]] = []

    def batches(self, most: int) -> Iterator[Pixels]:
        """The views, uint8 [n, height, width, 3], at most so many at a time. `keep` takes the answers in between."""
        views: list[Pixels] = []
        for scale in self._scales:
            for view in self._views(scale):
                views.append(view)
                if len(views) == most:
                    yield np.stack(views)
                    views = []
        if views:
            yield np.stack(views)

    def keep(self, boxes: Floats, scores: Floats) -> None:
        """What a model says about the views that came last: boxes [n, k, 4] (shares of the input) and scores
        [n, k, classes]."""
        self._said += zip(boxes, scores, strict=True)

    def found(self, enough: Enough) -> tuple[Floats, Floats]:
        """Boxes [m, 4] (left, top, right, bottom, shares of the frame) and scores [m, classes], the surest first.

        Boxes whose scores are not `enough` are left out. Pieces that tiles cut are put together; of boxes that
        overlap too much, at one scale or between two, the surer one stays.
        """
        parts, at = [], 0
        for scale in self._scales:
            count = max(1, len(scale.corners))
            parts.append(self._on_frame(scale, self._said[at : at + count], enough))
            at += count
        boxes, scores = (np.concatenate(each) for each in zip(*parts, strict=True))
        if len(parts) > 1:
            kept = suppressed(boxes, scores.max(axis=1), self._detector.overlap)
            boxes, scores = boxes[kept], scores[kept]
        return boxes, scores

    def _views(self, scale: _Scale) -> Iterator[Pixels]:
        if not len(scale.corners):
            yield classify.at_input(scale.pixels, self._image)
        for corner in scale.corners:
            yield tiling.cut_out(scale.pixels, corner, self._image)

    def _on_frame(self, scale: _Scale, said: list[tuple[Floats, Floats]], enough: Enough) -> tuple[Floats, Floats]:
        """The boxes of one scale, as shares of the frame."""
        boxes, scores = (np.concatenate(each) for each in zip(*said, strict=True))
        owners = np.repeat(np.arange(len(said)), [len(each) for each, _ in said])
        some = (scores.max(axis=1) > 0) & enough(scores)
        boxes, scores, owners = boxes[some], scores[some], owners[some]
        if not len(scale.corners):
            boxes = _uncovered(boxes, self._image, self._shape)
        else:
            boxes, kept = self._together(scale, boxes, scores.max(axis=1), owners)
            scores = scores[kept]
        inside = np.clip(boxes, 0, 1)
        real = (inside[:, 2:] > inside[:, :2]).all(axis=1)
        return inside[real], scores[real]

    def _together(
        self, scale: _Scale, boxes: Floats, scores: Floats, owners: NDArray[np.intp]
    ) -> tuple[Floats, NDArray[np.intp]]:
        """Boxes of all tiles as shares of the frame, and which of them they are named by."""
        side = np.array((self._image.width, self._image.height), np.float32)
        tiles = np.concatenate((scale.corners, scale.corners + side), axis=1).astype(np.float32)
        placed = boxes * np.tile(side, 2) + np.tile(scale.corners[owners], 2)
        height, width = scale.pixels.shape[:2]
        boxes, kept = joined(placed.astype(np.float32), scores, owners, tiles, self._detector.overlap)
        return np.asarray(boxes / np.array((width, height, width, height)), np.float32), kept


def _scales(pixels: Pixels, image: ImageInput, detector: Detector) -> Iterator[_Scale]:
    if detector.tiles is None:
        yield _Scale(pixels, np.empty((0, 2), np.intp))
        return
    seen = set()
    for short_side in detector.tiles.short_sides:
        scaled = tiling.reduced(pixels, short_side)
        # A frame that is smaller than two of the scales is looked at once.
        if scaled.shape not in seen:
            seen.add(scaled.shape)
            yield _Scale(scaled, tiling.corners(scaled.shape[0], scaled.shape[1], image, detector.tiles.overlap))


def _uncovered(boxes: Floats, image: ImageInput, shape: tuple[int, ...]) -> Floats:
    """Shares of the input → shares of the frame [height, width] that was brought to it (`classify.at_input`)."""
    height, width = shape[:2]
    if image.resize is Resize.LETTERBOX:
        scale = min(image.height / height, image.width / width)
        share = np.array((width * scale / image.width, height * scale / image.height), np.float32)
    elif image.resize is Resize.CENTRE_CROP:
        aspect = image.height / image.width
        share = np.array((max(1.0, width * aspect / height), max(1.0, height / (width * aspect))), np.float32)
    else:
        return boxes
    middle = np.float32(0.5)
    return np.asarray((boxes - middle) / np.tile(share, 2) + middle, np.float32)
