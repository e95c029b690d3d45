"""Outcomes and readings as lines."""

from __future__ import annotations

from collections.abc import Callable

from katydid.models.outcome import Detection, Outcome, Status
from katydid.sensors.capture import Health
from katydid.streams.store.influx.evidence import evidence_of
from katydid.streams.store.influx.lines import Encoder, Unwritable
from katydid.streams.store.influx.schema import CAPTURE, DETECTION, IDENTITY, SENSOR_HEALTH
from katydid.streams.store.influx.timestamps import identity_time, point_time

_capture, _identity, _detection, _health = map(Encoder, (CAPTURE, IDENTITY, DETECTION, SENSOR_HEALTH))

Sites = Callable[[str], str]
"""Sensor → the site where it stands."""


def capture_time(outcome: Outcome) -> int:
    """Where the point of a capture lies."""
    return point_time(outcome.captured_at, outcome.clock.resolution_s, outcome.capture_id)


def capture_lines(outcome: Outcome, site: Sites) -> list[bytes]:
    """The point that holds the outcome, and the one that says where it lies. Raises Unwritable."""
    try:
        evidence, at = evidence_of(outcome), capture_time(outcome)
    except OverflowError as error:
        raise Unwritable("a whole number of the outcome does not fit into 64 bits") from error
    fields = (
        outcome.capture_id,
        outcome.captured_at,
        outcome.kind.value,
        outcome.status.value,
        outcome.reason,
        outcome.effort.seconds,
        outcome.effort.frames,
        len(outcome.detections),
        int(outcome.status is Status.IDENTIFIED),
        int(outcome.status is Status.EMPTY),
        int(outcome.status is Status.REFUSED),
        len(evidence),
        evidence[0],
    )
    more = [(f"evidence_{number}", part) for number, part in enumerate(evidence[1:], start=2)]
    sensor = outcome.sensor_id
    return [
        _capture.line((sensor, site(sensor)), fields, at, more),
        _identity.line((sensor,), (outcome.capture_id, at), identity_time(outcome.capture_id)),
    ]


def detection_lines(outcome: Outcome, site: Sites) -> list[bytes]:
    """The points of an outcome's detections. Raises Unwritable."""
    at = capture_time(outcome)
    return [_detection_line(outcome, detection, at, site) for detection in outcome.detections]


def _detection_line(outcome: Outcome, detection: Detection, capture_point: int, site: Sites) -> bytes:
    taxon, sensor = detection.taxon, outcome.sensor_id
    fields = (
        detection.detection_id,
        outcome.capture_id,
        capture_point,
        outcome.captured_at,
        *(("", "", "", "") if taxon is None else (taxon.taxon_id, taxon.name, taxon.common_name, taxon.rank)),
        detection.confidence,
        detection.score,
        detection.decision.verdict.value,
        detection.life_stage or "",
    )
    at = point_time(outcome.captured_at, outcome.clock.resolution_s, detection.detection_id)
    return _detection.line((detection.model, sensor, site(sensor)), fields, at)


def health_line(health: Health, site: Sites) -> bytes | None:
    """What a sensor says of itself; None where it says nothing. Raises Unwritable."""
    readings = {name: getattr(health, name) for name in SENSOR_HEALTH.fields}
    return _health.sparse((health.sensor_id, site(health.sensor_id)), readings, health.at)
