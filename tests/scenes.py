"""What a sensor would have recorded, from animals whose paths and songs are known: truth for the tests of follow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from katydid.models.outcome import (
    Alternative,
    Box,
    Decision,
    Detection,
    Effort,
    Outcome,
    RankProbability,
    Span,
    Status,
    Taxon,
    Verdict,
)
from katydid.sensors.capture import Clock, ClockSource, Kind
from katydid.sensors.identity import capture_id, detection_id

EVENING = 1_784_062_800_000_000_000
"""2026-07-14T21:00:00Z, nanoseconds."""
Path = Callable[[float], tuple[float, float] | None]
"""Seconds since EVENING → centre of the animal (shares of the frame's width and height), None: not in view."""


def taxon(name: str, rank: str = "species") -> Taxon:
    return Taxon(taxon_id=f"name:{name}", name=name, rank=rank)


@dataclass
class Animal:
    """One animal that a camera sees."""

    name: str
    path: Path
    side: float = 0.05
    """Of its box, share of the frame's width."""
    species: str = "Noctua pronuba"
    missed: frozenset[int] = frozenset()
    """Numbers of the frames in which the detector does not see it."""
    named: Callable[[int], str | None] = field(default=lambda _: "Noctua pronuba")


def still(x: float, y: float, first_s: float = 0.0, last_s: float = float("inf")) -> Path:
    """Sits from `first_s` to before `last_s`."""
    return lambda at: (x, y) if first_s <= at < last_s else None


def line(start: tuple[float, float], velocity: tuple[float, float]) -> Path:
    """Moves straight on; out of view outside the frame."""

    def path(at: float) -> tuple[float, float] | None:
        x, y = start[0] + velocity[0] * at, start[1] + velocity[1] * at
        return (x, y) if 0 <= x <= 1 and 0 <= y <= 1 else None

    return path


def filmed(
    animals: Sequence[Animal],
    times: Iterable[float],
    *,
    sensor: str = "CAM-1",
    resolution_s: float = 0.001,
    refused: frozenset[int] = frozenset(),
    zone: str = "UTC",
) -> tuple[list[Outcome], dict[str, str]]:
    """The outcomes of frames at `times` (seconds since EVENING), and detection id → name of the animal."""
    outcomes: list[Outcome] = []
    truth: dict[str, str] = {}
    for number, at in enumerate(times):
        step = round(resolution_s * 1e9)
        stamp = EVENING + round(at * 1e9) // step * step
        seen = [] if number in refused else [a for a in animals if a.path(at) is not None and number not in a.missed]
        made, ids = _frame(seen, stamp, at, number, sensor)
        outcome = _outcome(made, ids, Kind.FRAME, stamp, sensor, number, resolution_s, zone)
        truth |= {one.detection_id: animal.name for one, animal in zip(made, seen, strict=True)}
        outcomes.append(_refuse(outcome) if number in refused else outcome)
    return outcomes, truth


def _frame(seen: Sequence[Animal], stamp: int, at: float, number: int, sensor: str) -> tuple[list[Detection], str]:
    capture = _capture(stamp, number, sensor)
    made: list[Detection] = []
    for ordinal, animal in enumerate(seen):
        place = animal.path(at)
        assert place is not None
        high = animal.side * 4 / 3  # The frame is 4 by 3, so this is a square.
        box = Box(x=place[0] - animal.side / 2, y=place[1] - high / 2, w=animal.side, h=high)
        made.append(detection(capture, ordinal, animal.named(number), box=box))
    return made, capture


def recorded(
    clips: Iterable[tuple[float, float, Sequence[tuple[str, float, float]]]], *, sensor: str = "REC-1"
) -> list[Outcome]:
    """The outcomes of clips (begin and length in seconds since EVENING, events as (species, start_s, end_s))."""
    outcomes = []
    for number, (begin, length, events) in enumerate(clips):
        stamp = EVENING + round(begin * 1e9)
        capture = _capture(stamp, number, sensor)
        made = [
            detection(capture, ordinal, species, span=Span(start_s=start, end_s=end))
            for ordinal, (species, start, end) in enumerate(events)
        ]
        outcomes.append(_outcome(made, capture, Kind.CLIP, stamp, sensor, number, 1.0, "UTC", seconds=length))
    return outcomes


def detection(
    capture: str,
    ordinal: int,
    name: str | None,
    *,
    probability: float = 0.9,
    box: Box | None = None,
    span: Span | None = None,
    model: str = "insects-1",
    others: Sequence[tuple[str, float]] = (),
) -> Detection:
    """One detection with a calibrated name, or without any."""
    digest = hashlib.sha256(model.encode()).hexdigest()
    genus = (name or "").split(" ")[0]
    lineage = (
        RankProbability(rank="species", name=name or "", probability=probability),
        RankProbability(rank="genus", name=genus, probability=min(1.0, probability + 0.05)),
    )
    return Detection(
        detection_id=detection_id(capture, digest, ordinal),
        ordinal=ordinal,
        model=model,
        model_digest=digest,
        taxon=None if name is None else taxon(name),
        box=box,
        span=span,
        score=probability,
        probability=None if name is None else probability,
        lineage=() if name is None else lineage,
        alternatives=tuple(Alternative(taxon=taxon(other), score=p, probability=p) for other, p in others),
        decision=Decision(verdict=Verdict.ACCEPTED if name else Verdict.UNIDENTIFIABLE, reason="made"),
    )


def _capture(stamp: int, number: int, sensor: str) -> str:
    sha = hashlib.sha256(f"{sensor}/{number}".encode()).hexdigest()
    return capture_id(
        sensor_id=sensor, recorded=str(stamp), recorded_ms=stamp // 1_000_000, sequence=number, sha256=sha
    )


def _outcome(
    made: Sequence[Detection],
    capture: str,
    kind: Kind,
    stamp: int,
    sensor: str,
    number: int,
    resolution_s: float,
    zone: str,
    seconds: float = 0.0,
) -> Outcome:
    frame = kind is Kind.FRAME
    effort = (
        Effort(frames=1, width=1600, height=1200) if frame else Effort(seconds=seconds, channels=1, sample_rate=48_000)
    )
    return Outcome(
        capture_id=capture,
        sensor_id=sensor,
        kind=kind,
        captured_at=stamp,
        clock=Clock(source=ClockSource.SIMULATED, recorded=str(stamp), resolution_s=resolution_s, zone=zone),
        media_type="image/jpeg" if frame else "audio/flac",
        sha256=hashlib.sha256(capture.encode()).hexdigest(),
        length=1,
        sequence=number,
        status=Status.IDENTIFIED if made else Status.EMPTY,
        effort=effort,
        detections=tuple(made),
    )


def _refuse(outcome: Outcome) -> Outcome:
    import msgspec

    return msgspec.structs.replace(
        outcome, status=Status.REFUSED, reason="truncated", message="cut off", effort=Effort(), detections=()
    )
