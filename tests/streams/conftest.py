"""Outcomes for the tests of what keeps and shows them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from katydid.models.outcome import (
    Box,
    Decision,
    Detection,
    Effort,
    Outcome,
    Span,
    Status,
    Taxon,
    Verdict,
)
from katydid.sensors.capture import Clock, ClockSource, Kind, Place
from katydid.sensors.sources.protocol import Position
from katydid.streams.sink import Arrival

MIDNIGHT = 1_749_945_600_000_000_000
"""2025-06-15T00:00:00Z, nanoseconds."""
SECOND = 1_000_000_000
Make = Callable[..., Arrival]


def digits(text: str, count: int) -> str:
    return hashlib.blake2b(text.encode(), digest_size=count // 2).hexdigest()


def arrival(
    number: int = 0,
    *,
    taxa: tuple[str, ...] = (),
    confidences: tuple[float, ...] = (),
    sensor: str = "SM4-1",
    at_s: float = 0.0,
    kind: Kind = Kind.CLIP,
    status: Status | None = None,
    reason: str = "",
    message: str = "",
    file: str | None = None,
    verdict: Verdict = Verdict.ACCEPTED,
    spans: tuple[Span | None, ...] = (),
    place: Place | None = None,
    calibrated: bool = True,
) -> Arrival:
    """An arrival `at_s` seconds after midnight of 15 June 2025, one detection for each of `taxa`."""
    at = MIDNIGHT + int(at_s * SECOND)
    prefix = f"{at // 1_000_000:012x}"
    detections = tuple(
        Detection(
            detection_id=prefix + digits(f"{sensor}/{number}/{ordinal}", 20),
            ordinal=ordinal,
            model="birds-1",
            model_digest="d" * 32,
            taxon=Taxon(taxon_id=f"name:{taxon}", name=taxon, rank="species") if taxon else None,
            span=(spans[ordinal] if spans else Span(start_s=0.0, end_s=3.0)) if kind is Kind.CLIP else None,
            box=Box(x=0.1, y=0.2, w=0.3, h=0.4) if kind is Kind.FRAME else None,
            score=confidences[ordinal] if confidences else 0.75,
            probability=(confidences[ordinal] if confidences else 0.75) if calibrated else None,
            decision=Decision(verdict=verdict, reason="as the test says"),
        )
        for ordinal, taxon in enumerate(taxa)
    )
    looked = status is not Status.REFUSED
    clip = Effort(seconds=60.0, channels=1, sample_rate=48_000)
    effort = (clip if kind is Kind.CLIP else Effort(frames=1, width=640, height=480)) if looked else Effort()
    name = file if file is not None else f"{sensor}/{number}.wav"
    outcome = Outcome(
        capture_id=prefix + digits(f"{sensor}/{number}", 20),
        sensor_id=sensor,
        kind=kind,
        captured_at=at,
        clock=Clock(source=ClockSource.AUDIOMOTH, recorded="00:00:00 15/06/2025 (UTC)"),
        media_type="audio/wav",
        sha256=digits(name, 64),
        length=1000,
        place=place,
        file=name,
        status=status or (Status.IDENTIFIED if taxa else Status.EMPTY),
        reason=reason,
        message=message,
        effort=effort,
        detections=detections,
    )
    return Arrival(outcome=outcome, position=Position(source="folder", partition=name, mark="1000-1"))


@pytest.fixture
def make() -> Make:
    """Makes arrivals; see `arrival`."""
    return arrival
