"""How good boxes are: average precision, and recall at a stated number of false boxes a photo.

Matching is COCO's: from the surest box down, each takes the truth that it overlaps most among those not taken, if that
is enough. Average precision is the mean of the interpolated precision at 101 recalls, over all photos together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from katydid.models.image.suppression import overlaps

Boxes = NDArray[np.float32]
RECALLS = np.linspace(0, 1, 101)
MOST = 1000
"""Boxes of one photo that count, the surest."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One photo: what is there, and what was found."""

    truth: Boxes
    """[n, 4]: left, top, right, bottom in pixels."""
    found: Boxes
    """[m, 4]"""
    scores: NDArray[np.float32]
    """[m]"""


@dataclass(frozen=True, eq=False)
class Matched:
    """All boxes of all photos, the surest first."""

    scores: NDArray[np.float32]
    right: NDArray[np.bool_]
    """The box took a truth."""
    sides: NDArray[np.float32]
    """Side of the truth that was taken (square root of its area), pixels; 0 for a false box."""
    truths: NDArray[np.float32]
    """The sides of all that is there."""
    photos: int


def matched(photos: Sequence[Judged], overlap: float) -> Matched:
    """Which boxes are right at this overlap (intersection over union)."""
    scores, taken = [], []
    for photo in photos:
        order = np.argsort(-photo.scores, kind="stable")[:MOST]
        scores.append(photo.scores[order])
        taken.append(_taken(photo.truth, photo.found[order], overlap))
    every, sides = np.concatenate(scores), np.concatenate(taken)
    order = np.argsort(-every, kind="stable")
    return Matched(
        scores=every[order],
        right=sides[order] > 0,
        sides=sides[order],
        truths=np.concatenate([_sides(photo.truth) for photo in photos]),
        photos=len(photos),
    )


def average_precision(each: Matched) -> float:
    """COCO's: precision made to fall with recall, averaged at 101 recalls."""
    right = np.cumsum(each.right)
    recall = right / max(len(each.truths), 1)
    precision = right / np.arange(1, len(right) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, RECALLS, side="left")
    return float(np.where(at < len(falling), np.append(falling, 0)[np.minimum(at, len(falling))], 0).mean())


def threshold_at(each: Matched, false_per_photo: float) -> float:
    """The lowest score down to which there are at most so many false boxes a photo."""
    false = np.cumsum(~each.right)
    within = np.flatnonzero(false <= false_per_photo * each.photos)
    # Boxes of equal score stand or fall together.
    for index in within[::-1]:
        if index + 1 == len(false) or each.scores[index + 1] < each.scores[index]:
            return float(each.scores[index])
    return float("inf")


def recall(each: Matched, threshold: float, sides: tuple[float, float] = (0.0, np.inf)) -> float:
    """Share of what is there, of these sides in pixels (from, up to), that boxes at or above the threshold find."""
    low, high = sides
    there = int(((each.truths >= low) & (each.truths < high)).sum())
    found = (each.scores >= threshold) & each.right & (each.sides >= low) & (each.sides < high)
    return int(found.sum()) / there if there else float("nan")


def _taken(truth: Boxes, found: Boxes, overlap: float) -> NDArray[np.float32]:
    """For each box, the surest first, the side of the truth that it takes, or 0."""
    free, sides = np.ones(len(truth), bool), _sides(truth)
    taken = np.zeros(len(found), np.float32)
    for index, box in enumerate(found):
        shares = np.where(free, overlaps(box, truth), -1) if len(truth) else np.empty(0)
        if len(shares) and shares.max() >= overlap:
            best = int(shares.argmax())
            free[best], taken[index] = False, sides[best]
    return taken


def _sides(boxes: Boxes) -> NDArray[np.float32]:
    sides: NDArray[np.float32] = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    return sides
