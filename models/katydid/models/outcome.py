"""What leaves identify: one Outcome per capture, with its detections.

Nothing overwrites an earlier number: what the model said (`score`), what that means (`probability`, calibrated,
from the media alone) and what place and season make of it (`context`, `posterior`) stand side by side, and a stage
that did not run is None.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from katydid.sensors.capture import Capture, Clock, Fact, Kind, Place


class Status(StrEnum):
    """How a capture ended. There is no fourth way."""

    IDENTIFIED = "identified"
    EMPTY = "empty"
    """Looked, and nothing there: this is effort."""
    REFUSED = "refused"
    """Bad input, with a reason."""


class Verdict(StrEnum):
    """What was decided about a detection."""

    ACCEPTED = "accepted"
    REVIEW = "review"
    UNIDENTIFIABLE = "unidentifiable"


class Taxon(msgspec.Struct, frozen=True, kw_only=True):
    """A name at a rank. `taxon_id` is "name:" + the canonical name until a TaxonMap gives better ones."""

    taxon_id: str
    name: str
    """Scientific name, for example "Parus major"; for what is no organism the label, for example "Engine"."""
    rank: str
    """"species", "genus", "family", …, or "none" for labels that are no taxon (noise, engine, human voice)."""
    common_name: str = ""


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """A rectangle in a frame, relative to its upright width and height, 0..1, from the upper left corner."""

    x: float
    y: float
    w: float
    h: float


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a clip: seconds from its first sample, and hertz where the model has a band."""

    start_s: float
    end_s: float
    low_hz: float | None = None
    high_hz: float | None = None


class RankProbability(msgspec.Struct, frozen=True, kw_only=True):
    """The probability that the animal belongs to `name` at `rank`; from the leaf upwards it never falls."""

    rank: str
    name: str
    probability: float


class Alternative(msgspec.Struct, frozen=True, kw_only=True):
    """What else it could be, most likely first."""

    taxon: Taxon
    score: float
    probability: float | None = None


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What place and time say, added by situate; every field None where the fact was missing."""

    local_solar_hour: float | None = None
    """Apparent solar time, hours 0..24."""
    sun_elevation_deg: float | None = None
    """Geometric elevation of the sun's centre above the horizon, degrees."""
    prior: float | None = None
    """Probability, 0..1, that the taxon is there in that week, from a geo bundle."""
    prior_bundle: str = ""
    expected: bool | None = None
    """False: the prior lies under the geo bundle's own cut and no allow-list names the taxon. A flag, no filter."""
    allowed: bool = False
    """True: the user's allow-list names the taxon, so the prior is stored but not used."""


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """Why a decision may be trusted (science.md 5): filled once auto-validation exists."""

    alpha: float
    delta: float
    stratum: str
    n: int
    threshold: float
    issued: str
    bundle_digest: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    verdict: Verdict
    reason: str
    """A short sentence: "probability 0.91 at or above 0.50", "blurred: sharpness 3.1 under 8"."""
    certificate: Certificate | None = None


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One quality measure and, where a gate looks at it, the bound and what it said. `explain` prints these."""

    name: str
    """For example "sharpness", "exposure_mean", "clipped_share", "rms_dbfs", "crop_px"."""
    value: float
    bound: float | None = None
    passed: bool | None = None


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """One animal (or call) in a frame or clip, as one bundle saw it."""

    detection_id: str
    ordinal: int
    """Place in the outcome, from 0; part of the id together with the capture and the bundle digest."""
    model: str
    """The bundle's name and version, for example "birdnet-2.4"."""
    model_digest: str
    taxon: Taxon | None
    """None: something was found (a localiser's crop) and no model named it."""
    box: Box | None = None
    span: Span | None = None
    score: float
    """What the model said, 0..1."""
    probability: float | None = None
    """Calibrated, from the media alone; None where the bundle has no calibration."""
    posterior: float | None = None
    """With the prior; None where situate had none."""
    lineage: tuple[RankProbability, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    life_stage: str | None = None
    quality: tuple[Measure, ...] = ()
    context: Context | None = None
    decision: Decision

    @property
    def confidence(self) -> float:
        """The best number before context: the probability where there is one, else the score."""
        return self.score if self.probability is None else self.probability


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How much was looked at: no detection without effort is no absence."""

    seconds: float = 0.0
    """Seconds of sound; 0 for a frame."""
    frames: int = 0
    channels: int = 0
    sample_rate: int = 0
    """Hertz."""
    width: int = 0
    """Pixels, upright."""
    height: int = 0


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """What really ran on this capture: provenance, and the place where a fallback shows."""

    bundle: str
    bundle_digest: str
    engine: str
    """For example "onnx", "litert"."""
    provider: str
    """For example "CPUExecutionProvider", "XNNPACK"."""
    entry: str = "features"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The capture's facts without its bytes, and what became of it. One capture, one outcome, always."""

    capture_id: str
    sensor_id: str
    kind: Kind
    captured_at: int
    clock: Clock
    media_type: str
    sha256: str
    length: int
    sequence: int | None = None
    place: Place | None = None
    facts: tuple[Fact, ...] = ()
    file: str = ""
    status: Status
    reason: str = ""
    """For refused: the code, for example "truncated"; "" otherwise."""
    message: str = ""
    """For refused: the reason in words."""
    effort: Effort = Effort()
    quality: tuple[Measure, ...] = ()
    detections: tuple[Detection, ...] = ()
    earlier_frames: int = 0
    """How many frames before it the motion localiser compared it with; 0 where that did not run."""
    ran: tuple[Ran, ...] = ()
    settings_digest: str = ""
    katydid_version: str = ""


NO_EFFORT = Effort()
"""Nothing was looked at."""


def outcome_of(
    capture: Capture,
    status: Status,
    *,
    reason: str = "",
    message: str = "",
    effort: Effort = NO_EFFORT,
    quality: tuple[Measure, ...] = (),
    detections: tuple[Detection, ...] = (),
    earlier_frames: int = 0,
    ran: tuple[Ran, ...] = (),
    settings_digest: str = "",
    katydid_version: str = "",
) -> Outcome:
    """The capture's facts without its bytes, and what became of it."""
    return Outcome(
        capture_id=capture.capture_id,
        sensor_id=capture.sensor_id,
        kind=capture.kind,
        captured_at=capture.captured_at,
        clock=capture.clock,
        media_type=capture.media_type,
        sha256=capture.sha256,
        length=capture.length,
        sequence=capture.sequence,
        place=capture.place,
        facts=capture.facts,
        file=capture.file,
        status=status,
        reason=reason,
        message=message,
        effort=effort,
        quality=quality,
        detections=detections,
        earlier_frames=earlier_frames,
        ran=ran,
        settings_digest=settings_digest,
        katydid_version=katydid_version,
    )
