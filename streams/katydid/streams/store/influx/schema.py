"""The measurements: which tags, which fields, of which type. Everything that is written goes through these.

    measurement     one point is                  why
    capture         one outcome, whole            effort, and the truth: its JSON `evidence` holds the outcome exactly
    identity        where a capture lies          found by the recorded time in the id, whatever zone was declared since
    detection       one detection                 what dashboards count, and what finds captures by taxon
    activity_1h     sensor, hour, taxon, model    counts, recomputed for the hours that a batch touched
    effort_1h       sensor, hour                  the effort behind them
    sensor_health   what a sensor says of itself
    session         one sensor's night            whether its animals and bouts are to be followed again
    occurrence      one animal or bout            what follow made of a session; its JSON `evidence` holds it exactly

The taxon is a field of `detection`, not a tag: as a tag it costs three times the CPU and five times the disk.

InfluxDB checks the type of a field in each shard only, and a field with two types hides rows without a word. So types
are fixed here, the encoder knows no others, and `checks.py` compares them with the server's at start.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class FieldType(StrEnum):
    """The types of fields, in the words of `SHOW FIELD KEYS`."""

    TEXT = "string"
    REAL = "float"
    WHOLE = "integer"


class Measurement(msgspec.Struct, frozen=True):
    """One measurement. A point is its measurement, tags and time; writing it again replaces field by field."""

    name: str
    tags: tuple[str, ...]
    """In alphabetical order, as the server keeps them."""
    fields: Mapping[str, FieldType]


_TEXT, _REAL, _WHOLE = FieldType.TEXT, FieldType.REAL, FieldType.WHOLE

CAPTURE = Measurement(
    "capture",
    ("sensor", "site"),
    {
        "capture_id": _TEXT,
        "captured_at": _WHOLE,  # the exact recorded time, UTC, nanoseconds
        "kind": _TEXT,
        "status": _TEXT,
        "reason": _TEXT,
        "effort_s": _REAL,
        "effort_frames": _WHOLE,
        "detections": _WHOLE,
        "identified": _WHOLE,  # 0 or 1 each, so that a dashboard can sum them
        "empty": _WHOLE,
        "refused": _WHOLE,
        "parts": _WHOLE,  # how many fields the evidence fills: evidence, evidence_2, …
        "evidence": _TEXT,
    },
)

IDENTITY = Measurement("identity", ("sensor",), {"capture_id": _TEXT, "lies_at": _WHOLE})

DETECTION = Measurement(
    "detection",
    ("model", "sensor", "site"),
    {
        "detection_id": _TEXT,
        "capture_id": _TEXT,
        "capture_point": _WHOLE,  # time of the point of its capture
        "captured_at": _WHOLE,
        "taxon_id": _TEXT,  # "" for a crop that no model named
        "taxon": _TEXT,
        "common_name": _TEXT,
        "rank": _TEXT,
        "confidence": _REAL,  # calibrated probability where there is one, else score
        "score": _REAL,
        "decision": _TEXT,
        "life_stage": _TEXT,
    },
)

ACTIVITY_1H = Measurement(
    "activity_1h",
    ("model", "sensor", "site", "taxon"),  # taxon: its id; no tag where no model named it
    {
        "name": _TEXT,
        "common_name": _TEXT,
        "rank": _TEXT,
        "detections": _WHOLE,
        "accepted": _WHOLE,
        "sum_confidence": _REAL,
        "max_confidence": _REAL,
    },
)

EFFORT_1H = Measurement(
    "effort_1h",
    ("sensor", "site"),
    {
        "captures": _WHOLE,
        "identified": _WHOLE,
        "empty": _WHOLE,
        "refused": _WHOLE,
        "effort_s": _REAL,
        "effort_frames": _WHOLE,
        "detections": _WHOLE,
        "first_captured_at": _WHOLE,
        "last_captured_at": _WHOLE,
    },
)

SENSOR_HEALTH = Measurement(
    "sensor_health",
    ("sensor", "site"),
    {
        "battery_v": _REAL,
        "temperature_c": _REAL,
        "storage_free_bytes": _WHOLE,
        "uptime_s": _REAL,
        "last_capture_id": _TEXT,
        "pushed_bytes": _WHOLE,
        "backlog": _WHOLE,
        "oldest_waiting_s": _REAL,
        "clock_offset_s": _REAL,
        "captured": _WHOLE,
        "lost": _WHOLE,
        "reconnects": _WHOLE,
        "blind_s": _REAL,
        "version": _TEXT,
    },
)

SESSION = Measurement(
    "session",
    ("sensor",),
    {
        "session": _TEXT,  # the evening's date; as a tag each night would be a series of its own
        "touched": _WHOLE,  # when something was last added to it, by the writer's clock, UTC nanoseconds
        "followed": _WHOLE,  # the `touched` that its occurrences were made from
        "settings": _TEXT,  # digest of the settings that they were made with
    },
)
"""Two writers: a batch writes `session` and `touched`, whoever follows `session` and the other two."""

OCCURRENCE = Measurement(
    "occurrence",
    ("sensor", "site"),
    {
        "occurrence_id": _TEXT,
        "session": _TEXT,
        "kind": _TEXT,
        "first_seen": _WHOLE,  # exact, UTC, nanoseconds
        "last_seen": _WHOLE,
        "taxon_id": _TEXT,  # "" for what no model named
        "taxon": _TEXT,
        "common_name": _TEXT,
        "rank": _TEXT,
        "confidence": _REAL,
        "decision": _TEXT,
        "captures": _WHOLE,
        "detections": _WHOLE,
        "count": _WHOLE,  # individuals; 0 for one that is none any more, since the session was followed again
        "parts": _WHOLE,
        "evidence": _TEXT,
    },
)

MEASUREMENTS: tuple[Measurement, ...] = (
    CAPTURE, IDENTITY, DETECTION, ACTIVITY_1H, EFFORT_1H, SENSOR_HEALTH, SESSION, OCCURRENCE,
)  # fmt: skip
