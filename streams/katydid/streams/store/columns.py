"""The columns of what a store answers, one Arrow schema per question.

Exports, questions and the report stand on these.
"""

from __future__ import annotations

import pyarrow as pa

UTC_NS = pa.timestamp("ns", tz="UTC")

OUTCOME = pa.schema(
    [
        ("capture_id", pa.string()),
        ("sensor_id", pa.string()),
        ("kind", pa.string()),
        ("file", pa.string()),
        ("captured_at", UTC_NS),
        ("clock_source", pa.string()),
        ("clock_recorded", pa.string()),
        ("clock_uncertainty_s", pa.float64()),
        ("clock_zone", pa.string()),
        ("clock_zone_source", pa.string()),
        ("clock_flags", pa.string()),  # comma-separated
        ("media_type", pa.string()),
        ("sha256", pa.string()),
        ("length", pa.int64()),
        ("sequence", pa.int64()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("effort_s", pa.float64()),
        ("effort_frames", pa.int32()),
        ("channels", pa.int32()),
        ("sample_rate", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("n_detections", pa.int32()),
        ("facts", pa.string()),  # JSON list of Fact
        ("quality", pa.string()),  # JSON list of Measure
        ("ran", pa.string()),  # JSON list of Ran
        ("settings_digest", pa.string()),
        ("katydid_version", pa.string()),
    ]
)

DETECTION = pa.schema(
    [
        ("capture_id", pa.string()),
        ("detection_id", pa.string()),
        ("ordinal", pa.int32()),
        ("sensor_id", pa.string()),
        ("kind", pa.string()),
        ("file", pa.string()),
        ("captured_at", UTC_NS),
        ("taxon_id", pa.string()),
        ("taxon", pa.string()),
        ("common_name", pa.string()),
        ("rank", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("low_hz", pa.float64()),
        ("high_hz", pa.float64()),
        ("box_x", pa.float64()),
        ("box_y", pa.float64()),
        ("box_w", pa.float64()),
        ("box_h", pa.float64()),
        ("score", pa.float64()),
        ("probability", pa.float64()),
        ("posterior", pa.float64()),
        ("prior", pa.float64()),
        ("expected", pa.bool_()),
        ("local_solar_hour", pa.float64()),
        ("sun_elevation_deg", pa.float64()),
        ("decision", pa.string()),
        ("reason", pa.string()),
        ("model", pa.string()),
        ("model_digest", pa.string()),
        ("life_stage", pa.string()),
        ("lineage", pa.string()),  # JSON list of RankProbability
        ("alternatives", pa.string()),  # JSON list of Alternative
        ("quality", pa.string()),  # JSON list of Measure
    ]
)

ACTIVITY = pa.schema(
    [
        ("sensor_id", pa.string()),
        ("bin_start", UTC_NS),
        ("taxon_id", pa.string()),
        ("taxon", pa.string()),
        ("common_name", pa.string()),
        ("rank", pa.string()),
        ("detections", pa.int64()),
        ("accepted", pa.int64()),
        ("mean_confidence", pa.float64()),
        ("max_confidence", pa.float64()),
        ("effort_s", pa.float64()),
        ("effort_frames", pa.int64()),
        ("captures", pa.int64()),
        ("refused", pa.int64()),
        ("occurrences", pa.int64()),  # first seen in the bin; null where the store follows nothing
    ]
)

OCCURRENCE = pa.schema(
    [
        ("occurrence_id", pa.string()),
        ("sensor_id", pa.string()),
        ("kind", pa.string()),
        ("session", pa.string()),  # local date on whose noon it began
        ("first_seen", UTC_NS),
        ("last_seen", UTC_NS),
        ("active_s", pa.float64()),
        ("captures", pa.int32()),
        ("detections", pa.int32()),
        ("best_detection_id", pa.string()),
        ("taxon_id", pa.string()),
        ("taxon", pa.string()),
        ("common_name", pa.string()),
        ("rank", pa.string()),
        ("score", pa.float64()),
        ("probability", pa.float64()),
        ("decision", pa.string()),
        ("accepted", pa.int32()),
        ("individual_count", pa.int32()),
        ("length_px", pa.float64()),
        ("body_length_mm", pa.float64()),
        ("models", pa.string()),  # comma-separated
        ("lineage", pa.string()),  # JSON list of RankProbability
        ("alternatives", pa.string()),  # JSON list of Alternative
        ("settings_digest", pa.string()),
        ("detection_ids", pa.list_(pa.string())),
    ]
)

SENSOR = pa.schema(
    [
        ("sensor_id", pa.string()),
        ("captures", pa.int64()),
        ("identified", pa.int64()),
        ("empty", pa.int64()),
        ("refused", pa.int64()),
        ("detections", pa.int64()),
        ("first_captured_at", UTC_NS),
        ("last_captured_at", UTC_NS),
        ("effort_s", pa.float64()),
        ("effort_frames", pa.int64()),
    ]
)
