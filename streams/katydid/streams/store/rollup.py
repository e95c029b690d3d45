"""The hourly roll-up: recomputed, from the rows themselves, for the hours that a batch touched.

Recomputing (instead of adding) makes it idempotent and lets it heal. The work is bounded by what lies in the touched
hours of the touched sensors; old and live hours of one batch are looked at apart, so that DuckDB reads only
the row groups around them.

`activity_1h` has one row per sensor, hour, taxon and bin of confidence (twenty of width 0.05); `effort_1h` one per
sensor and hour with the captures and effort behind it.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import pyarrow as pa

from katydid.models.outcome import Outcome
from katydid.streams.store.spans import runs

HOUR_NS = 3_600_000_000_000
DAY_HOURS = 24


def recompute(connection: duckdb.DuckDBPyConnection, outcomes: Iterable[Outcome]) -> None:
    """Recompute both tables for the hours of `outcomes`, which are rows already, in the caller's transaction."""
    touched = {(outcome.sensor_id, outcome.captured_at // HOUR_NS) for outcome in outcomes}
    for first, last in runs((hour for _, hour in touched), gap=DAY_HOURS):
        pairs = [(sensor, hour) for sensor, hour in touched if first <= hour <= last]
        _recompute_run(connection, pairs, first * HOUR_NS, (last + 1) * HOUR_NS)


def _recompute_run(connection: duckdb.DuckDBPyConnection, pairs: list[tuple[str, int]], start: int, end: int) -> None:
    hours = pa.array([hour * (HOUR_NS // 1000) for _, hour in pairs], pa.timestamp("us"))
    touched = pa.table({"sensor_id": pa.array([sensor for sensor, _ in pairs], pa.string()), "hour": hours})
    connection.register("touched", touched)
    try:
        for table, insert in (("activity_1h", ACTIVITY_OF_HOURS), ("effort_1h", EFFORT_OF_HOURS)):
            connection.execute(
                f"DELETE FROM {table} USING touched WHERE {table}.hour >= make_timestamp_ns($start::BIGINT)::TIMESTAMP "
                f"AND {table}.hour < make_timestamp_ns($end::BIGINT)::TIMESTAMP "
                f"AND {table}.sensor_id = touched.sensor_id AND {table}.hour = touched.hour",
                {"start": start, "end": end},
            )
            connection.execute(insert.format(rows=_ROWS_OF_THE_HOURS), {"start": start, "end": end})
    finally:
        connection.unregister("touched")


_ROWS_OF_THE_HOURS = """
    captured_at >= make_timestamp_ns($start::BIGINT) AND captured_at < make_timestamp_ns($end::BIGINT)
    AND (sensor_id, date_trunc('hour', captured_at)) IN (SELECT (sensor_id, hour) FROM touched)
"""

ACTIVITY_OF_HOURS = """
INSERT INTO activity_1h
SELECT sensor_id, date_trunc('hour', captured_at), taxon_id, any_value(taxon), any_value(common_name),
       any_value(rank), greatest(0, least(19, floor(coalesce(probability, score) * 20)))::INTEGER AS bin, count(*),
       count(*) FILTER (decision = 'accepted'), sum(coalesce(probability, score)), max(coalesce(probability, score))
FROM detection WHERE {rows}
GROUP BY sensor_id, date_trunc('hour', captured_at), taxon_id, bin
"""

EFFORT_OF_HOURS = """
INSERT INTO effort_1h
SELECT sensor_id, date_trunc('hour', captured_at), count(*), count(*) FILTER (status = 'identified'),
       count(*) FILTER (status = 'empty'), count(*) FILTER (status = 'refused'),
       sum(effort_s), sum(effort_frames), sum(n_detections), min(captured_at), max(captured_at)
FROM outcome WHERE {rows}
GROUP BY sensor_id, date_trunc('hour', captured_at)
"""
