"""What has changed since the frames before: insects that move or arrive, on any ground, for cameras that stand still.

All on grey frames 480 wide (`earlier.py`); lengths below are shares of that width.

1. **Background**: the earlier frames, each brought to the mean of this one, give a median and a spread (the distance
   between its quartiles) at each pixel. Local light (a cloud's soft edge) is taken from the frame by the ratio of two
   blurs, a quarter of the width wide: far larger than any insect.
2. **Evidence** is what lies outside the band between the median dilated and eroded by one pixel. That tolerance is the
   whole trick: leaves and petals that tremble by a pixel stay inside it. Half the spread, three times the frame's own
   noise (six grey levels at least) and what the surroundings do in general are taken off.
3. **Blobs**: hysteresis from 2.8 to 8 grey levels, gaps closed and specks opened, of a size and shape that an insect
   may have. Again at half the size, which finds what is large and pale.
4. **Ghosts**: where an insect was and is no more, the edges and the contrast are weaker in the frame than in the
   background; such a blob is dropped.
5. **Box**: the difference to the background, the least over shifts of three pixels, cut at a share of its peak.
6. **Score**: the summed evidence. Nothing is proposed where more than a tenth of the frame changed at once.

Measured on a real sequence of flowers in wind, and chosen knowing it: see docs/localisers.md. An insect that sits
still becomes background after half the earlier frames; one under a hundredth of the width is not seen.
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
NOISES = 3.0
SPREADS = 0.5
ACTIVITY_WINDOW = 0.05
LOW, HIGH = 2.8, 8.0
CLOSING, OPENING = 0.012, 0.004
SIDES = (0.01, 0.25)
MAX_ASPECT = 4.0
MIN_FILL = 0.25
MOST_CHANGED = 0.10
SAME_VIEW = 0.6
"""Correlation with the background under which the camera looks at something else: its own pictures are at 0.9 and
more, also in another light; unrelated ones are under 0.5."""
HALF_SCORE = 800.0
"""Summed evidence, grey levels times pixels, at which the score is 0.5."""
MOST = 200
"""Proposals of one frame at most; the strongest stay."""

_NORMAL = 1.4826
"""From a median absolute deviation to a standard deviation, for a normal distribution."""
_LIGHT_REDUCTION = 4
_LIGHT_BOUNDS = (0.5, 2.0)
_THREE = np.ones((3, 3), np.uint8)

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
    seen = _Compared(frame, before)
    changes = _evidence(seen, hidden)
    blobs, changed = _blobs(changes)
    alike = _correlation(frame, seen.median)
    if changed > MOST_CHANGED or alike < SAME_VIEW:
        return Moved((), changed, alike)
    blobs += [blob for blob in _at_half(frame, before, hidden) if not any(_meet(blob.box, b.box) for b in blobs)]
    chosen = _apart((blob, _boxed(seen, blob.box)) for blob in blobs if not _ghost(seen, blob.box))
    return Moved(tuple(_proposal(blob, box, frame.shape) for blob, box in chosen[:MOST]), changed, alike)


class _Compared:
    """A frame in the light of its background, with that background's median and spread."""

    def __init__(self, frame: Grey, before: Sequence[Grey]) -> None:
        mean = cv2.mean(frame)[0]
        ordered = _sorted([_bytes(cv2.convertScaleAbs(one, alpha=mean / max(1.0, cv2.mean(one)[0]))) for one in before])
        self.median = _quantile(ordered, 0.5)
        self.spread = _bytes(cv2.subtract(_quantile(ordered, 0.75), _quantile(ordered, 0.25)))
        self.frame = _bytes(cv2.convertScaleAbs(cv2.multiply(frame.astype(np.float32), _light(frame, self.median))))


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


def _light(frame: Grey, background: Grey) -> Floats:
    """By what the frame must be multiplied to have the background's light, at each pixel."""
    height, width = frame.shape
    high, wide = max(1, height // _LIGHT_REDUCTION), max(1, width // _LIGHT_REDUCTION)
    side = max(3, int(LIGHT_WINDOW * wide) | 1)
    was, is_now = (
        cv2.blur(images.resize(each, high, wide).astype(np.float32), (side, side)) for each in (background, frame)
    )
    ratio = np.clip((was + 1) / (is_now + 1), *_LIGHT_BOUNDS)
    return np.asarray(cv2.resize(ratio, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _evidence(seen: _Compared, hidden: NDArray[np.bool_] | None) -> Floats:
    """Grey levels by which each pixel lies outside what the background may be; under 0: not at all."""
    over = cv2.subtract(seen.frame, cv2.dilate(seen.median, _THREE))
    under = cv2.subtract(cv2.erode(seen.median, _THREE), seen.frame)
    outside = cv2.max(over, under).astype(np.float32)
    noise = _NORMAL * float(np.median(cv2.absdiff(seen.frame, seen.median)[::2, ::2]))
    side = max(3, int(ACTIVITY_WINDOW * outside.shape[1]) | 1)
    activity = cv2.blur(outside, (side, side))
    evidence: Floats = outside - activity - np.float32(SPREADS) * seen.spread - np.float32(max(FLOOR, NOISES * noise))
    if hidden is not None:
        evidence[hidden] = 0
    return evidence


def _blobs(evidence: Floats) -> tuple[list[Blob], float]:
    """Connected evidence of the right size and shape, and the share of the frame that changed."""
    width = evidence.shape[1]
    weak = (evidence >= LOW).astype(np.uint8)
    weak = _bytes(cv2.morphologyEx(weak, cv2.MORPH_CLOSE, _disc(CLOSING * width)))
    weak = _bytes(cv2.morphologyEx(weak, cv2.MORPH_OPEN, _disc(OPENING * width)))
    _, marks, stats, _ = cv2.connectedComponentsWithStats(weak, connectivity=8)
    found = []
    for number in range(1, len(stats)):
        x, y, w, h, area = (int(value) for value in stats[number])
        if not _insect_shaped(w, h, area, width):
            continue
        inside = evidence[y : y + h, x : x + w][np.asarray(marks)[y : y + h, x : x + w] == number]
        if inside.max() >= HIGH:
            found.append(Blob((x, y, w, h), float(np.maximum(inside, 0).sum())))
    return found, cv2.countNonZero(weak) / weak.size


def _insect_shaped(w: int, h: int, area: int, width: int) -> bool:
    short, long = min(w, h), max(w, h)
    sized = SIDES[0] * width <= short and long <= SIDES[1] * width
    return sized and long <= MAX_ASPECT * short and area >= MIN_FILL * w * h


def _disc(across: float) -> Grey:
    side = max(1, round(across)) | 1
    return _bytes(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))


def _at_half(frame: Grey, before: Sequence[Grey], hidden: NDArray[np.bool_] | None) -> list[Blob]:
    """Blobs at half the size, in the frame's pixels."""
    high, wide = frame.shape[0] // 2, frame.shape[1] // 2
    if min(high, wide) < 2:
        return []
    small = _Compared(images.resize(frame, high, wide), [images.resize(one, high, wide) for one in before])
    hides = None if hidden is None else images.resize(hidden.astype(np.uint8), high, wide) > 0
    found, _ = _blobs(_evidence(small, hides))
    return [Blob((2 * x, 2 * y, 2 * w, 2 * h), 4 * blob.evidence) for blob in found for x, y, w, h in [blob.box]]


def _ghost(seen: _Compared, box: Pixels) -> bool:
    """Whether something was there that is not there any more."""
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
    """The box of what differs."""
    return box


def _apart(blobs: Iterator[tuple[Blob, Pixels]]) -> list[tuple[Blob, Pixels]]:
    """Those that lie apart, the strongest first."""
    kept: list[tuple[Blob, Pixels]] = []
    for blob, box in sorted(blobs, key=lambda each: (-each[0].evidence, each[1])):
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
    )


def _correlation(one: Grey, other: Grey) -> float:
    """Of two pictures, at an eighth of their size; 0 where one is all of one grey."""
    shape = max(2, one.shape[0] // 8), max(2, one.shape[1] // 8)
    a, b = (images.resize(each, *shape).astype(np.float64).ravel() for each in (one, other))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 0.0


def _bytes(pixels: object) -> Grey:
    return np.asarray(pixels, dtype=np.uint8)
