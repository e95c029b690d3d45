"""Boxes that speak of the same insect: which one stays, and how the pieces of one that a tile's edge cut come together.

Boxes are float [n, 4]: left, top, right, bottom.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
Scores = NDArray[np.float32]
Indices = NDArray[np.intp]

NEAR_EDGE = 4.0
"""Pixels from a tile's edge, within which a box counts as cut by it: a detector's boxes end a little before."""
NEAR_SHARE = np.float32(0.1)
"""The same as a share of the box's side."""


def overlaps(box: NDArray[np.floating], boxes: Boxes) -> NDArray[np.float32]:
    """Intersection over union [n] of one box [4] with others [n, 4]."""
    both = shared(box, boxes)
    either = _area(box) + _area(boxes) - both
    result: NDArray[np.float32] = both / np.maximum(either, np.float32(1e-12))
    return result


def shared(box: NDArray[np.floating], boxes: Boxes) -> NDArray[np.float32]:
    """Area [n] that one box [4] has in common with others [n, 4]."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    held = np.maximum(sides, np.float32(0))
    result: NDArray[np.float32] = held[:, 0] * held[:, 1]
    return result


def suppressed(boxes: Boxes, scores: Scores, most: float) -> Indices:
    """Indices of the boxes that stay, the surest first: none overlaps a surer one by more than `most`.

    Scores lie over 0. Ties go to the lower index, so the answer is the same on every machine.
    """
    if not len(boxes):
        return np.empty(0, np.intp)
    corners = np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1).astype(np.float64)
    kept = cv2.dnn.NMSBoxes(corners, scores.astype(np.float32), 0.0, most)  # type: ignore[arg-type]  # takes arrays
    return np.asarray(kept, np.intp).ravel()


def joined(boxes: Boxes, scores: Scores, owners: Indices, tiles: Boxes, most: float) -> tuple[Boxes, Indices]:
    """What the boxes of all tiles come to: boxes [k, 4], the surest first, and the index [k] of the one that each is
    named by.

    `owners` [n]: the tile that gave a box; `tiles` [m, 4]: where they lie. Pieces of one insect become the box around
    them; of boxes that overlap by more than `most` after that, the surer one stays.
    """
    whole, names = boxes.copy(), np.arange(len(boxes))
    for group in _groups(_pairs(boxes, owners, tiles, most)):
        members = np.array(sorted(group), np.intp)
        surest = members[scores[members].argmax()]
        whole[surest, :2] = boxes[members, :2].min(axis=0)
        whole[surest, 2:] = boxes[members, 2:].max(axis=0)
        names[members] = surest
    standing = np.flatnonzero(names == np.arange(len(boxes)))
    kept = standing[suppressed(whole[standing], scores[standing], most)]
    return whole[kept], kept


def cut(boxes: Boxes, owners: Indices, tiles: Boxes) -> NDArray[np.bool_]:
    """Which boxes [n] end at an edge of their tile beyond which another tile goes on."""
    mine, sides = tiles[owners], boxes[:, 2:] - boxes[:, :2]
    near = np.maximum(np.float32(NEAR_EDGE), NEAR_SHARE * sides)
    outer = np.concatenate((tiles[:, :2].min(axis=0), tiles[:, 2:].max(axis=0)))
    starts = (boxes[:, :2] - mine[:, :2] <= near) & (mine[:, :2] > outer[:2])
    ends = (mine[:, 2:] - boxes[:, 2:] <= near) & (mine[:, 2:] < outer[2:])
    at_edge: NDArray[np.bool_] = (starts | ends).any(axis=1)
    return at_edge


def _pairs(boxes: Boxes, owners: Indices, tiles: Boxes, most: float) -> list[tuple[int, int]]:
    """Boxes of different tiles that are pieces of one insect: one at least is cut, and they agree on the part of it
    that both tiles see."""
    found = []
    for index in np.flatnonzero(cut(boxes, owners, tiles)):
        others = np.flatnonzero((owners != owners[index]) & (shared(boxes[index], boxes) > 0))
        here, there = tiles[owners[index]], tiles[owners[others]]
        low, high = np.maximum(here[:2], there[:, :2]), np.minimum(here[2:], there[:, 2:])
        agree = [
            bool(overlaps(_within(boxes[index], a, b), _within(boxes[other], a, b)[np.newaxis])[0] > most)
            for other, a, b in zip(others, low, high, strict=True)
        ]
        found += [(int(index), int(other)) for other in others[np.array(agree, bool)]]
    return found


def _within(box: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate((np.clip(box[:2], low, high), np.clip(box[2:], low, high)))


def _groups(pairs: list[tuple[int, int]]) -> list[set[int]]:
    """What hangs together."""
    groups: dict[int, set[int]] = {}
    for one, other in pairs:
        together = groups.get(one, {one}) | groups.get(other, {other})
        for member in together:
            groups[member] = together
    return list({id(group): group for group in groups.values()}.values())


def _area(boxes: NDArray[np.floating]) -> NDArray[np.float32]:
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    area: NDArray[np.float32] = np.asarray(sides[..., 0] * sides[..., 1], np.float32)
    return area
