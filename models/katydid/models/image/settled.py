"""Insects that sit on a plain ground, found in one frame without weights: for trap sheets, light sheets and walls.

1. The frame as grey, 480 pixels wide. Widths below are shares of that.
2. **The ground** is the local median over a window of a quarter of the width; what remains is the residual.
   Its spread, 1.4826 × the median of |residual|, says how restless the ground is: 4-14 grey levels on sheets, 14-18
   on a hive's entrance board, 24-60 where plants, feathers or bark fill the frame.
3. **Evidence** is a residual, dark or light, of five spreads and at least 14 grey levels; a blob goes on down to 0.8 of
   that (hysteresis).
4. A blob is proposed if its sides are 0.01-0.25 of the width, its aspect is at most 4 and it fills a quarter of its
   box.
5. Its score grows with its contrast: c / (c + threshold) for a mean residual c.

It does not tell an insect from a stain, a screw or a printed letter, merges insects that touch, and does not see
what is smaller than 1 % of the width. What moves is for the motion localiser, which needs the frames before.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from katydid.models.image.earlier import Grey, small_grey
from katydid.models.image.localise import Proposal, Scene
from katydid.models.outcome import Box
from katydid.sensors import images

NAME = "settled-1"
WINDOW = 0.25
SPREADS = 5.0
FLOOR = 14.0
"""Grey levels: paper grain and JPEG stay under it."""
RELEASE = 0.8
SIDES = (0.01, 0.25)
MAX_ASPECT = 4.0
MIN_FILL = 0.25
PLAIN_GROUND = 14.0
"""Spread up to which the ground counts as plain: 113 of 114 photos of sticky traps, and no frame of a hive's entrance,
where nine of ten boxes would be no bee."""
BLANK_SHARE = 0.005
"""Share of pixels over the threshold under which nothing stands out: half a per cent of the frame."""
MOST = 1000
"""Proposals of one frame at most; the strongest stay. The fullest of 114 sticky traps has 400 insects."""

_MEDIAN_REDUCTION = 4
"""The median is taken at a quarter of the size: it is smooth there anyway, and 16 times cheaper."""
_NORMAL = 1.4826
"""From a median absolute deviation to a standard deviation, for a normal distribution."""


@dataclass(frozen=True)
class Settled:
    """The localiser `settled`."""

    max_proposals: int = MOST
    on_any_ground: bool = True
    """False: where the ground is not plain nothing is proposed, which saves two thirds of the time."""

    @property
    def name(self) -> str:
        return NAME

    def propose(self, pixels: NDArray[np.uint8], hidden: NDArray[np.bool_] | None = None) -> Scene:
        """uint8 [H, W, 3] RGB or [H, W] → boxes of what sits there, and how plain the ground is. `hidden`, [h, w] as
        `earlier.small_grey` is: True where nothing is looked for."""
        residual = _residual(small_grey(pixels))
        ground = _NORMAL * _median(residual)
        if hidden is not None:
            residual[hidden] = 0
        threshold = max(FLOOR, SPREADS * ground)
        plain = ground <= PLAIN_GROUND
        return Scene(
            proposals=_blobs(residual, threshold)[: self.max_proposals] if plain or self.on_any_ground else (),
            ground=ground,
            plain=plain,
            blank=float((residual >= threshold).mean()) < BLANK_SHARE,
        )


def _residual(grey: Grey) -> Grey:
    """How far each pixel is from the local median, dark or light."""
    height, width = grey.shape
    reduced = images.resize(grey, max(1, height // _MEDIAN_REDUCTION), max(1, width // _MEDIAN_REDUCTION))
    side = max(3, int(WINDOW * width / _MEDIAN_REDUCTION) | 1)
    ground = images.resize(np.asarray(cv2.medianBlur(reduced, side), dtype=np.uint8), height, width)
    return np.asarray(cv2.absdiff(grey, ground), dtype=np.uint8)


def _median(values: Grey) -> float:
    """Of bytes, by their histogram; within a grey level by the share of it that lies below the middle."""
    counts = np.bincount(values.ravel(), minlength=256)
    below = np.concatenate([[0], counts.cumsum()])
    middle = values.size / 2
    level = int(np.searchsorted(below[1:], middle))
    return max(0.0, level - 0.5 + float(middle - below[level]) / float(counts[level]))


def _blobs(residual: Grey, threshold: float) -> tuple[Proposal, ...]:
    """Connected evidence of the right size and shape, the strongest first."""
    height, width = residual.shape
    weak = (residual >= RELEASE * threshold).astype(np.uint8)
    at = np.flatnonzero(weak)
    # 16-bit marks are three times faster, and enough where there are fewer pixels than marks.
    depth = cv2.CV_16U if len(at) < np.iinfo(np.uint16).max else cv2.CV_32S
    count, marks, stats, _ = cv2.connectedComponentsWithStats(weak, connectivity=8, ltype=depth)
    stats = np.asarray(stats)
    owner, evidence = np.asarray(marks).ravel()[at], residual.ravel()[at]
    keep = _well_shaped(stats, width)
    keep &= np.bincount(owner[evidence >= threshold], minlength=count) > 0
    keep[0] = False
    contrast = np.bincount(owner, evidence, count) / stats[:, cv2.CC_STAT_AREA]
    scores = contrast / (contrast + threshold)
    chosen = np.flatnonzero(keep)
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    return tuple(
        Proposal(
            box=Box(x=int(x) / width, y=int(y) / height, w=int(w) / width, h=int(h) / height), score=float(scores[i])
        )
        for i, (x, y, w, h, _) in zip(chosen, stats[chosen], strict=True)
    )


def _well_shaped(stats: NDArray[np.int32], width: int) -> NDArray[np.bool_]:
    wide, high = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    short, long = np.minimum(wide, high), np.maximum(wide, high)
    fills: NDArray[np.bool_] = stats[:, cv2.CC_STAT_AREA] >= MIN_FILL * wide * high
    return (short >= SIDES[0] * width) & (long <= SIDES[1] * width) & (long <= MAX_ASPECT * short) & fills
