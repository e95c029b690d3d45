"""What leaves follow: an animal that stays in view through 180 frames, or a bout of song across clips, once.

A detection says "there is one in this frame"; an occurrence says "this is one". Counting occurrences counts animals as
far as a sensor can tell them apart: who leaves the view and comes back is counted again, and two that sing together in
one recording are one bout.
"""

from __future__ import annotations

import msgspec

from katydid.models.outcome import Alternative, RankProbability, Taxon, Verdict
from katydid.sensors.capture import Kind


class Occurrence(msgspec.Struct, frozen=True, kw_only=True):
    """One animal in view, or one bout of one kind of song, of one sensor in one session."""

    occurrence_id: str
    """32 hexadecimal digits, made from the first detection; sorts by that detection's recorded time."""
    sensor_id: str
    kind: Kind
    session: str
    """The local date on whose noon the session began, for example "2026-07-14"; it ends at the next noon."""
    first_seen: int
    """UTC, nanoseconds: of the first capture that shows it, or when the first event of the bout begins."""
    last_seen: int
    """UTC, nanoseconds: of the last capture that shows it, or when the last event of the bout ends."""
    active_s: float
    """Seconds from first to last for an animal in view; seconds of sound in its events for a bout."""
    captures: int
    """In how many captures it is."""
    detections: tuple[str, ...]
    """The detections that it gathers, by their ids in the order of time. Each detection is in one occurrence."""
    best_detection_id: str
    """The detection that is surest of the name: the picture to show."""
    taxon: Taxon | None
    """What it is, fused along the track; None: nothing named any of its detections."""
    score: float
    """What the models said of `taxon`, the mean over all that named any of its detections; 0..1. Without a name the
    mean of the localiser's scores."""
    probability: float | None = None
    """The same of calibrated probabilities; None where one of them is missing."""
    lineage: tuple[RankProbability, ...] = ()
    """The same at every rank that its detections state, leaf first."""
    alternatives: tuple[Alternative, ...] = ()
    """What else it could be, the likeliest first, by the same means."""
    verdict: Verdict
    """What was decided about most of the detections that bear its name."""
    accepted: int = 0
    """How many of its detections were accepted."""
    individual_count: int = 1
    length_px: float | None = None
    """Median of the longer side of its boxes, pixels of the full frame: of the box, so legs and wings count, and an
    animal that sits aslant is longer than its box. None for sound and for whole frames."""
    body_length_mm: float | None = None
    """`length_px` by the deployment's scale; None without one."""
    models: tuple[str, ...] = ()
    """The bundles that named its detections."""
    settings_digest: str = ""
    """Of the `FollowSettings` that made it."""

    @property
    def confidence(self) -> float:
        """The probability where there is one, else the score."""
        return self.score if self.probability is None else self.probability
