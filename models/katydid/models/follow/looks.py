"""What follow needs to know of an outcome, and the order in which the sensor looked.

An outcome holds far more than following asks for. A store reads these few columns instead of making whole outcomes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from katydid.models.outcome import Alternative, Outcome, RankProbability, Status, Taxon, Verdict
from katydid.sensors.capture import Kind
from katydid.sensors.clock import TIMELESS

UNSET = "before_2000"
"""The flag of a clock that nobody set."""


class Seen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A detection, as far as following goes. Fields as in `Detection`."""

    detection_id: str
    ordinal: int
    model: str
    taxon: Taxon | None = None
    box: tuple[float, float, float, float] | None = None
    """x, y, w, h: shares of the frame's width and height, from the upper left corner."""
    span: tuple[float, float] | None = None
    """Seconds from the clip's first sample."""
    score: float
    probability: float | None = None
    lineage: tuple[RankProbability, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    verdict: Verdict

    @property
    def confidence(self) -> float:
        """The probability where there is one, else the score."""
        return self.score if self.probability is None else self.probability


class Look(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A capture that a sensor made, and what was seen in it."""

    capture_id: str
    sensor_id: str
    kind: Kind
    at: int
    """UTC, nanoseconds: captured_at."""
    dated: bool = True
    """False: nothing but the file's date says when it was made, so nothing is known of what was before it."""
    unset: bool = False
    """True: the clock had not been set, and began somewhere before 2000 when the power came."""
    resolution_s: float = 1.0
    """Smallest step of the clock."""
    zone: str = "UTC"
    sequence: int | None = None
    looked: bool = True
    """False: it was refused, or no model was there to look; nothing seen says nothing then."""
    seconds: float = 0.0
    """Of sound that were listened to."""
    width: int = 0
    height: int = 0
    """Pixels of the full frame; 0: not known."""
    seen: tuple[Seen, ...] = ()


def look_of(outcome: Outcome) -> Look:
    """What follow needs to know of an outcome."""
    return Look(
        capture_id=outcome.capture_id,
        sensor_id=outcome.sensor_id,
        kind=outcome.kind,
        at=outcome.captured_at,
        dated=TIMELESS not in outcome.clock.flags,
        unset=UNSET in outcome.clock.flags,
        resolution_s=outcome.clock.resolution_s,
        zone=outcome.clock.zone,
        sequence=outcome.sequence,
        looked=outcome.status is Status.IDENTIFIED or outcome.effort.frames > 0 or outcome.effort.seconds > 0,
        seconds=outcome.effort.seconds,
        width=outcome.effort.width,
        height=outcome.effort.height,
        seen=tuple(
            Seen(
                detection_id=one.detection_id,
                ordinal=one.ordinal,
                model=one.model,
                taxon=one.taxon,
                box=None if one.box is None else (one.box.x, one.box.y, one.box.w, one.box.h),
                span=None if one.span is None else (one.span.start_s, one.span.end_s),
                score=one.score,
                probability=one.probability,
                lineage=one.lineage,
                alternatives=one.alternatives,
                verdict=one.decision.verdict,
            )
            for one in outcome.detections
        ),
    )


def in_order(looks: Iterable[Look]) -> list[Look]:
    """Each capture once, as the sensor made them: by time, and within one reading of the clock by the sensor's own
    number. Whatever order they come in, and however often, the answer is the same."""
    once: dict[str, Look] = {}
    for look in looks:
        other = once.setdefault(look.capture_id, look)
        if other is not look and other != look:
            once[look.capture_id] = min(other, look, key=_preference)
    return sorted(once.values(), key=_made)


def restarts(looks: Sequence[Look]) -> dict[str, int]:
    """Capture → how often an unset clock had begun anew before it: its time goes back while the sensor's own numbers go
    on. Such nights lie one over the other by the clock, and must not be followed as one. Where numbers are missing or
    come twice nothing can be told, and nothing is said."""
    unset = [look for look in looks if look.unset and look.sequence is not None]
    numbers = [look.sequence for look in unset]
    if len(set(numbers)) < len(numbers) or len(unset) < sum(look.unset for look in looks):
        return {}
    found: dict[str, int] = {}
    times, before = 0, 0
    for look in sorted(unset, key=lambda look: (look.sequence, look.capture_id)):
        times += bool(found) and look.at < before
        before = look.at
        found[look.capture_id] = times
    return found


def moments(looks: Sequence[Look]) -> list[float]:
    """When each of the looks (in order) was made, seconds from the first: the frames of a burst, which share a reading
    of the clock, are spread evenly over its resolution."""
    found: list[float] = []
    start = looks[0].at if looks else 0
    first = 0
    while first < len(looks):
        end = first + 1
        while end < len(looks) and looks[end].at == looks[first].at:
            end += 1
        begin = (looks[first].at - start) / 1e9
        step = looks[first].resolution_s / (end - first)
        found.extend(begin + step * place for place in range(end - first))
        first = end
    return found


def _made(look: Look) -> tuple[int, int, str]:
    return look.at, -1 if look.sequence is None else look.sequence, look.capture_id


def _preference(look: Look) -> tuple[bool, bytes]:
    """Of two tellings of one capture that differ, the one that is no refusal counts, as in a store."""
    return not look.looked, msgspec.msgpack.encode(look)
