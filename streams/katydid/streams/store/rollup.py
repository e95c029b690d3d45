"""The hourly roll-up: what each batch adds to the hours it touched, in the batch's own transaction.

`activity_1h` counts detections per sensor, hour, taxon and bin of confidence (twenty of width 0.05); `effort_1h` the
captures and effort per sensor and hour. A batch appends its own sums, so that the work depends on the batch alone and
not on how full its hours are already; every reader sums. Only outcomes that are new to the store are added, so a
replay adds nothing. `merge` folds the rows of an hour into one when there have come to be many.

Appending was chosen over recomputing the touched hours: at 10 million rows and batches of a thousand it halves the
time spent here, and an hour that fills up by a hundred batches is not read a hundred times.
"""

from __future__ import annotations

import duckdb

ACTIVITY_OF_HOURS = """
INSERT INTO activity_1h
SELECT sensor_id, date_trunc('hour', captured_at), taxon_id, any_value(taxon), any_value(common_name),
       any_value(rank), greatest(0, least(19, floor(coalesce(probability, score) * 20)))::INTEGER AS bin, count(*),
       count(*) FILTER (decision = 'accepted'), sum(coalesce(probability, score)), max(coalesce(probability, score))
FROM {rows}
GROUP BY sensor_id, date_trunc('hour', captured_at), taxon_id, bin
"""

EFFORT_OF_HOURS = """
INSERT INTO effort_1h
SELECT sensor_id, date_trunc('hour', captured_at), count(*), count(*) FILTER (status = 'identified'),
       count(*) FILTER (status = 'empty'), count(*) FILTER (status = 'refused'),
       sum(effort_s), sum(effort_frames), sum(n_detections), min(captured_at), max(captured_at)
FROM {rows}
GROUP BY sensor_id, date_trunc('hour', captured_at)
"""

UNDONE_EFFORT_OF_HOURS = """
INSERT INTO effort_1h
SELECT sensor_id, date_trunc('hour', captured_at), -count(*), -count(*) FILTER (status = 'identified'),
       -count(*) FILTER (status = 'empty'), -count(*) FILTER (status = 'refused'),
       -sum(effort_s), -sum(effort_frames), -sum(n_detections), min(captured_at), max(captured_at)
FROM outcome WHERE {which}
GROUP BY sensor_id, date_trunc('hour', captured_at)
"""


def merge(connection: duckdb.DuckDBPyConnection) -> None:
    """One row for each key in both tables, ordered by hour; in the caller's transaction."""
    for table, query in (("activity_1h", _MERGED_ACTIVITY), ("effort_1h", _MERGED_EFFORT)):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE merged AS {query}")
        connection.execute(f"DELETE FROM {table}")
        connection.execute(f"INSERT INTO {table} FROM merged")
        connection.execute("DROP TABLE merged")


_MERGED_ACTIVITY = """
SELECT sensor_id, hour, taxon_id, any_value(taxon), any_value(common_name), any_value(rank), probability_bin,
       sum(detections)::BIGINT, sum(accepted)::BIGINT, sum(sum_confidence), max(max_confidence)
FROM activity_1h GROUP BY sensor_id, hour, taxon_id, probability_bin ORDER BY hour, sensor_id
"""

_MERGED_EFFORT = """
SELECT sensor_id, hour, sum(captures)::BIGINT, sum(identified)::BIGINT, sum(empty)::BIGINT, sum(refused)::BIGINT,
       sum(effort_s), sum(effort_frames)::BIGINT, sum(detections)::BIGINT, min(first_captured_at),
       max(last_captured_at)
FROM effort_1h GROUP BY sensor_id, hour ORDER BY hour, sensor_id
"""
