"""What has changed since the frames before: insects that move or arrive, on any ground, for cameras that stand still.

All on grey frames 480 wide (`earlier.py`); lengths below are shares of that width.

1. **Background**: the earlier frames, each brought to the mean of this one, give a median and a spread (the distance
   between its quartiles) at each pixel. Local light (a cloud's soft edge) is taken from the frame by the ratio of two
   blurs, a quarter of the width wide: far larger than any insect.
2. **Evidence** is what lies outside the band between the median dilated and eroded by one pixel: leaves and petals
   that tremble by a pixel stay inside it. Taken off are half the spread, twice the frame's own noise (six grey levels
   at least), what the surroundings do in general, and a share of how far the place itself was outside the band before
   and came back: a blade of grass that swings.
3. **Blobs**: hysteresis from 3 to 8 grey levels, gaps closed and specks opened, of a size and shape that an insect
   may have.
4. **Swayed** is what each second of the earlier frames shows too, up to six pixels further: a flower's head. Such a
   blob is dropped; and a *ghost*, where an insect was and is no more: edges and contrast are weaker in the frame than
   in the background, and some earlier frame shows the same.
5. **Box**: the blob, and what differs from the background at its best shift within three pixels, from a quarter of the
   greatest difference.
6. **Score**: the summed evidence. Nothing is proposed where more than a tenth of the frame changed at once.

What was measured is in docs/localisers.md. An insect that sits still becomes background after half the earlier frames;
one under a hundredth of the width is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from katydid.models.image.earlier import Grey
from katydid.models.image.localise import Proposal
from katydid.models.outcome import Box, Measure
from katydid.sensors import images

NAME = "motion-1"
LIGHT_WINDOW = 0.25
FLOOR = 6.0
"""Grey levels outside the band that count for nothing, at least."""
NOISES = 2.0
SPREADS = 0.5
ACTIVITY_WINDOW = 0.05
SWINGS = 0.4
"""Of how far a place was outside the band before, and came back."""
LOW, HIGH = 3, 8
CLOSING, OPENING = 0.012, 0.004
SIDES = (0.01, 0.25)
MAX_ASPECT = 4.0
MIN_FILL = 0.25
SWAY = 6
"""Pixels that a flower's head may have moved."""
SWAYED = 0.65
"""Of a blob's difference to the background: what is left of it at the best shift, under which it only swayed."""
SEEN_BEFORE = 0.6
"""The same for a ghost, of the second best of the earlier frames."""
CUT = 0.25
"""Of the greatest difference in a blob."""
MOST_CHANGED = 0.10
SAME_VIEW = 0.9
"""Correlation with the background under which the camera looks at something else: fixed cameras are at 0.98 and more,
also shaken and in another light (0.7 in a storm); a hive over days is at 0.9 at most, and of pairs of photos of one
kind of trap 5 in 100 are over it."""
PLAIN = 15.0
"""Standard deviation, grey levels, of a view in which there is little that could correlate."""
HALF_SCORE = 800.0
"""Summed evidence, grey levels times pixels, at which the score is 0.5."""
CONTEXT = 0.75
"""A box of what moved often lacks a wing, and the photos that classifiers were taught with show insects smaller than
that. Of 33 honey bees one tenth had 13 named so, a half 19, the whole side 20."""
LEAST_SIDE = 16
"""Pixels. A strip is no view that could be compared."""
MOST = 200
"""Proposals of one frame at most; the strongest stay."""

_NORMAL = 1.4826
"""From a median absolute deviation to a standard deviation, for a normal distribution."""
_LIGHT_REDUCTION = 4
_LIGHT_BOUNDS = (0.5, 2.0)
_THREE = np.ones((3, 3), np.uint8)
_NOTHING = 8
"""Grey levels that two pictures of one thing may differ by."""
_SHIFT = 3
_MARGIN = 6

Floats = NDArray[np.float32]
Pixels = tuple[int, int, int, int]
"""x, y, w, h."""


@dataclass(frozen=True)
class Moved:
    """What has changed in a frame."""

    proposals: tuple[Proposal, ...]
    """The strongest first."""
    changed: float
    """Share of the frame, 0..1."""
    alike: float
    """Correlation with the background, -1..1."""

    @property
    def same_view(self) -> bool:
        """Whether the earlier frames show what this one does."""
        return self.alike >= SAME_VIEW

    @property
    def too_much(self) -> bool:
        """Whether so much changed that no insect can be told: a gust, a cloud's sharp edge, a hand."""
        return self.changed > MOST_CHANGED

    @property
    def measures(self) -> tuple[Measure, ...]:
        """For the outcome."""
        changed = Measure(name="changed_share", value=self.changed, bound=MOST_CHANGED, passed=not self.too_much)
        return changed, Measure(name="same_view", value=self.alike, bound=SAME_VIEW, passed=self.same_view)


@dataclass(frozen=True)
class Blob:
    """Connected evidence."""

    box: Pixels
    evidence: float
    """Summed, grey levels."""


def moved(frame: Grey, before: Sequence[Grey], hidden: NDArray[np.bool_] | None = None) -> Moved:
    """What has changed in `frame` since the frames `before` it, at least one, all uint8 [h, w] of one shape. `hidden`,
    [h, w]: True where nothing is looked for."""
    if min(frame.shape) < LEAST_SIDE:
        return Moved((), 0.0, 0.0)
    seen = _Compared(frame, before)
    changes = _evidence(seen, hidden)
    blobs, changed = _blobs(changes)
    if changed > MOST_CHANGED or seen.alike < SAME_VIEW:
        return Moved((), changed, seen.alike)
    blobs = sorted(blobs, key=lambda blob: (-blob.evidence, blob.box))[:MOST]
    chosen = _apart((blob, _boxed(seen, blob.box)) for blob in blobs if not _only_swayed(seen, blob.box))
    return Moved(tuple(_proposal(blob, box, frame.shape) for blob, box in chosen), changed, seen.alike)


class _Compared:
    """A frame in the light of its background, with that background's median and spread."""

    def __init__(self, frame: Grey, before: Sequence[Grey]) -> None:
        mean = cv2.mean(frame)[0]
        self.before = [_bytes(cv2.convertScaleAbs(one, alpha=mean / max(1.0, cv2.mean(one)[0]))) for one in before]
        ordered = _sorted(self.before)
        self.median = _quantile(ordered, 0.5)
        self.spread = _bytes(cv2.subtract(_quantile(ordered, 0.75), _quantile(ordered, 0.25)))
        light, self.alike = _light(frame, self.median)
        self.frame = _bytes(cv2.multiply(frame, light, dtype=cv2.CV_8U))


def _sorted(frames: Sequence[Grey]) -> list[Grey]:
    """At each pixel from dark to light: a network of exchanges, ten times as fast as a sort."""
    ordered = list(frames)
    for last in range(len(ordered) - 1, 0, -1):
        for at in range(last):
            one, other = ordered[at], ordered[at + 1]
            ordered[at], ordered[at + 1] = _bytes(cv2.min(one, other)), _bytes(cv2.max(one, other))
    return ordered


def _quantile(ordered: Sequence[Grey], share: float) -> Grey:
    """Linear between the two nearest."""
    place = share * (len(ordered) - 1)
    low = int(place)
    rest = place - low
    return ordered[low] if rest == 0 else _bytes(cv2.addWeighted(ordered[low], 1 - rest, ordered[low + 1], rest, 0))


def _light(frame: Grey, background: Grey) -> tuple[Floats, float]:
    """By what the frame must be multiplied to have the background's light, at each pixel; and how much it correlates
    with the background then, steadied as in SSIM (Wang et al. 2004), so that two plain sheets are alike."""
    height, width = frame.shape
    high, wide = max(1, height // _LIGHT_REDUCTION), max(1, width // _LIGHT_REDUCTION)
    side = max(3, int(LIGHT_WINDOW * wide) | 1)
    then, now = (images.resize(each, high, wide).astype(np.float32) for each in (background, frame))
    ratio = np.clip((cv2.blur(then, (side, side)) + 1) / (cv2.blur(now, (side, side)) + 1), *_LIGHT_BOUNDS)
    a, b = (each.ravel() - each.mean() for each in (then, now * ratio))
    steady = PLAIN**2 * a.size
    alike = float((a @ b + steady) / np.sqrt((a @ a + steady) * (b @ b + steady)))
    return np.asarray(cv2.resize(ratio, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32), alike


def _evidence(seen: _Compared, hidden: NDArray[np.bool_] | None) -> Grey:
    """Grey levels by which each pixel lies outside what the background may be. In bytes, which stop at 0: a quarter of
    the time that fractions take."""
    high, low = cv2.dilate(seen.median, _THREE), cv2.erode(seen.median, _THREE)
    outside = _outside(seen.frame, low, high)
    noise = _NORMAL * float(np.median(cv2.absdiff(seen.frame, seen.median)[::2, ::2]))
    side = max(3, int(ACTIVITY_WINDOW * outside.shape[1]) | 1)
    evidence = cv2.subtract(outside, max(FLOOR, NOISES * noise))
    for less, share in (
        (cv2.blur(outside, (side, side)), 1.0),
        (seen.spread, SPREADS),
        (_swung(outside, seen.before, low, high), SWINGS),
    ):
        evidence = cv2.subtract(evidence, less if share == 1.0 else cv2.convertScaleAbs(less, alpha=share))
    found = _bytes(evidence)
    if hidden is not None:
        found[hidden] = 0
    return found


def _outside(frame: Grey, low: Grey | cv2.typing.MatLike, high: Grey | cv2.typing.MatLike) -> Grey:
    """By how much each pixel lies outside a band."""
    return _bytes(cv2.max(cv2.subtract(frame, high), cv2.subtract(low, frame)))


def _swung(
    outside: Grey, before: Sequence[Grey], low: Grey | cv2.typing.MatLike, high: Grey | cv2.typing.MatLike
) -> Grey:
    """By how much a place or its neighbours were outside the band before and came back: not as an insect is, that
    came and is there since."""
    still = cv2.compare(outside, HIGH, cv2.CMP_GE)
    most = np.zeros_like(outside)
    for frame in reversed(before):
        then = _outside(frame, low, high)
        still = cv2.bitwise_and(still, cv2.compare(then, HIGH, cv2.CMP_GE))
        most = _bytes(cv2.max(most, cv2.subtract(then, still)))
    return _bytes(cv2.dilate(most, _THREE))


def _blobs(evidence: Grey) -> tuple[list[Blob], float]:
    """Connected evidence of the right size and shape, and the share of the frame that changed."""
    width = evidence.shape[1]
    weak = (evidence >= LOW).astype(np.uint8)
    weak = _bytes(cv2.morphologyEx(weak, cv2.MORPH_CLOSE, _disc(CLOSING * width)))
    weak = _bytes(cv2.morphologyEx(weak, cv2.MORPH_OPEN, _disc(OPENING * width)))
    # 16-bit marks are faster, and enough where no more pixels than that can each be alone.
    depth = cv2.CV_16U if weak.size < 4 * np.iinfo(np.uint16).max else cv2.CV_32S
    _, marks, stats, _ = cv2.connectedComponentsWithStats(weak, connectivity=8, ltype=depth)
    found = []
    for number in range(1, len(stats)):
        x, y, w, h, area = (int(value) for value in stats[number])
        if not _insect_shaped(w, h, area, width):
            continue
        inside = evidence[y : y + h, x : x + w][np.asarray(marks)[y : y + h, x : x + w] == number]
        if inside.max() >= HIGH:
            found.append(Blob((x, y, w, h), float(inside.sum())))
    return found, cv2.countNonZero(weak) / weak.size


def _insect_shaped(w: int, h: int, area: int, width: int) -> bool:
    short, long = min(w, h), max(w, h)
    sized = SIDES[0] * width <= short and long <= SIDES[1] * width
    return sized and long <= MAX_ASPECT * short and area >= MIN_FILL * w * h


def _disc(across: float) -> Grey:
    side = max(1, round(across)) | 1
    return _bytes(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))


def _only_swayed(seen: _Compared, box: Pixels) -> bool:
    """Whether what is there was there before, a little further; or was hidden by an insect that is gone."""
    left = _left_over(seen, box)
    if left[(len(left) - 1) // 2] < SWAYED:
        return True
    return _weaker(seen, box) and left[min(1, len(left) - 1)] < SEEN_BEFORE if len(left) >= 3 else _weaker(seen, box)


def _left_over(seen: _Compared, box: Pixels) -> list[float]:
    """Of the difference to the background: the share that is left where each earlier frame fits best, in order."""
    rows, columns = _around(box, 2, seen.frame.shape)
    part = seen.frame[rows, columns]
    whole = _difference(part, seen.median[rows, columns])
    if whole == 0:
        return [0.0]
    far_rows, far_columns = _around(box, 2 + SWAY, seen.frame.shape)
    return sorted(_difference(part, _best_fit(part, one[far_rows, far_columns])) / whole for one in seen.before)


def _best_fit(part: Grey, field: Grey) -> Grey:
    """The piece of `field` that looks most like `part`."""
    x, y = cv2.minMaxLoc(cv2.matchTemplate(field, part, cv2.TM_SQDIFF))[2]
    return field[y : y + part.shape[0], x : x + part.shape[1]]


def _difference(one: Grey, other: Grey) -> float:
    return float(cv2.sumElems(cv2.subtract(cv2.absdiff(one, other), _NOTHING))[0])


def _around(box: Pixels, margin: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a box and a margin, within the frame."""
    x, y, w, h = box
    return slice(max(0, y - margin), min(shape[0], y + h + margin)), slice(
        max(0, x - margin), min(shape[1], x + w + margin)
    )


def _weaker(seen: _Compared, box: Pixels) -> bool:
    """Whether edges and contrast are weaker than in the background."""
    margin = max(3, round(SIDES[0] * seen.frame.shape[1]))
    now, then = (_outline(pixels, box, margin) for pixels in (seen.frame, seen.median))
    return now[0] < then[0] and now[1] < then[1]


def _outline(pixels: Grey, box: Pixels, margin: int) -> tuple[float, float]:
    """(mean gradient inside, contrast of inside to the margin around)."""
    x, y, w, h = box
    left, top = max(0, x - margin), max(0, y - margin)
    part = pixels[top : y + h + margin, left : x + w + margin].astype(np.float32)
    inside = np.zeros(part.shape, dtype=np.uint8)
    inside[y - top : y - top + h, x - left : x - left + w] = 1
    slope = cv2.absdiff(cv2.Sobel(part, cv2.CV_32F, 1, 0), 0) + cv2.absdiff(cv2.Sobel(part, cv2.CV_32F, 0, 1), 0)
    contrast = abs(cv2.mean(part, inside)[0] - cv2.mean(part, 1 - inside)[0])
    return cv2.mean(slope, inside)[0], contrast


def _boxed(seen: _Compared, box: Pixels) -> Pixels:
    """The box around a blob and all that differs there."""
    x, y, w, h = box
    rows, columns = _around(box, _MARGIN, seen.frame.shape)
    part = seen.frame[rows, columns]
    padded = cv2.copyMakeBorder(seen.median, _SHIFT, _SHIFT, _SHIFT, _SHIFT, cv2.BORDER_REPLICATE)
    field = padded[rows.start : rows.stop + 2 * _SHIFT, columns.start : columns.stop + 2 * _SHIFT]
    differs = _bytes(cv2.absdiff(part, _best_fit(part, _bytes(field))))
    inside = slice(y - rows.start, y - rows.start + h), slice(x - columns.start, x - columns.start + w)
    strong = (differs >= CUT * differs[inside].max()).astype(np.uint8)
    _, marks, stats, _ = cv2.connectedComponentsWithStats(
        cv2.morphologyEx(strong, cv2.MORPH_CLOSE, _disc(3)), connectivity=8
    )
    counts = np.bincount(np.asarray(marks)[inside].ravel(), minlength=len(stats))
    counts[0] = 0
    parts = np.asarray(stats)[np.flatnonzero(counts >= max(4.0, 0.3 * counts.max()))]
    left, top = [x, *(parts[:, 0] + columns.start)], [y, *(parts[:, 1] + rows.start)]
    right = [x + w, *(parts[:, 0] + parts[:, 2] + columns.start)]
    bottom = [y + h, *(parts[:, 1] + parts[:, 3] + rows.start)]
    return int(min(left)), int(min(top)), int(max(right) - min(left)), int(max(bottom) - min(top))


def _apart(blobs: Iterator[tuple[Blob, Pixels]]) -> list[tuple[Blob, Pixels]]:
    """Those that lie apart, of blobs in the order of their evidence."""
    kept: list[tuple[Blob, Pixels]] = []
    for blob, box in blobs:
        if not any(_meet(box, other) for _, other in kept):
            kept.append((blob, box))
    return kept


def _meet(one: Pixels, other: Pixels) -> bool:
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )


def _proposal(blob: Blob, box: Pixels, shape: tuple[int, ...]) -> Proposal:
    (height, width), (x, y, w, h) = shape, box
    return Proposal(
        box=Box(x=x / width, y=y / height, w=w / width, h=h / height),
        score=blob.evidence / (blob.evidence + HALF_SCORE),
        by=NAME,
        context=CONTEXT,
    )


def _bytes(pixels: object) -> Grey:
    return np.asarray(pixels, dtype=np.uint8)
