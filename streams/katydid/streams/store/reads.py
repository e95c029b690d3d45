"""The questions of the Store protocol in SQL. Each function answers (query, parameters); none touches a connection."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from katydid.streams.store.columns import DETECTION, OCCURRENCE, OUTCOME
from katydid.streams.store.protocol import By, OutcomeFilter, Window

Query = tuple[str, dict[str, object]]


def _names(schema: pa.Schema, prefix: str) -> str:
    return ", ".join(f'{prefix}."{name}"' for name in schema.names)


def outcomes_query(chosen: OutcomeFilter) -> Query:
    """OUTCOME rows; with taxa or min_confidence those that have at least one detection that matches."""
    where, parameters = _outcome_conditions(chosen, "o")
    matching = _detection_conditions(chosen, "d", parameters)
    if matching:
        where.append(
            "o.capture_id IN (SELECT d.capture_id FROM detection d WHERE " + " AND ".join(matching) + ")",
        )
    query = f"SELECT {_names(OUTCOME, 'o')} FROM outcome o{_where(where)} ORDER BY o.captured_at, o.capture_id"
    return query + _limit(chosen), parameters


def detections_query(chosen: OutcomeFilter) -> Query:
    """DETECTION rows that match; `limit` counts rows."""
    where, parameters = _outcome_conditions(chosen, "d")
    if chosen.statuses:
        where.pop()
        where.append("d.capture_id IN (SELECT capture_id FROM outcome WHERE status IN (SELECT unnest($statuses)))")
    where += _detection_conditions(chosen, "d", parameters)
    order = "d.captured_at, d.capture_id, d.ordinal"
    query = f"SELECT {_names(DETECTION, 'd')} FROM detection d{_where(where)} ORDER BY {order}"
    return query + _limit(chosen), parameters


def occurrences_query(chosen: OutcomeFilter) -> Query:
    """OCCURRENCE rows first seen in the window, by first_seen and id; statuses do not matter."""
    parameters: dict[str, object] = {}
    where = _placed(chosen, "p", "first_seen", parameters) + _detection_conditions(chosen, "p", parameters)
    query = f"SELECT {_names(OCCURRENCE, 'p')} FROM occurrence p{_where(where)} ORDER BY p.first_seen, p.occurrence_id"
    return query + _limit(chosen), parameters


def latest_query(n: int) -> Query:
    """The n newest DETECTION rows, newest first."""
    order = "d.captured_at DESC, d.capture_id DESC, d.ordinal"
    return f"SELECT {_names(DETECTION, 'd')} FROM detection d ORDER BY {order} LIMIT $n", {"n": n}


def activity_query(window: Window, by: By, taxa: Sequence[str], *, followed: bool = True) -> Query:
    """ACTIVITY rows from the roll-up. An hour counts when it overlaps the window; days and weeks are UTC's, weeks
    start on Monday. An occurrence counts once, in the hour in which it was first seen; without `followed` nothing is
    known of them."""
    parameters: dict[str, object] = {}
    hours = _hour_conditions(window, parameters)
    named = ""
    if taxa:
        parameters["taxa"] = list(taxa)
        named = " AND (taxon_id IN (SELECT unnest($taxa)) OR taxon IN (SELECT unnest($taxa)))"
    query = f"""
    WITH effort AS (
        SELECT sensor_id, date_trunc('{by.value}', hour) AS bin_start, sum(effort_s) AS effort_s,
               sum(effort_frames)::BIGINT AS effort_frames, sum(captures)::BIGINT AS captures,
               sum(refused)::BIGINT AS refused
        FROM effort_1h WHERE {hours} GROUP BY ALL
    ), heard AS (
        SELECT sensor_id, date_trunc('{by.value}', hour) AS bin_start, taxon_id, any_value(taxon) AS taxon,
               any_value(common_name) AS common_name, any_value(rank) AS rank, sum(detections)::BIGINT AS detections,
               sum(accepted)::BIGINT AS accepted, sum(sum_confidence) / sum(detections) AS mean_confidence,
               max(max_confidence) AS max_confidence
        FROM activity_1h WHERE {hours}{named} GROUP BY sensor_id, bin_start, taxon_id
    ), {_counted(by, hours, named) if followed else ""}found AS (
        {_BOTH if followed else "SELECT *, NULL::BIGINT AS occurrences FROM heard"}
    )
    SELECT effort.sensor_id, effort.bin_start, taxon_id, taxon, common_name, rank,
           coalesce(detections, 0) AS detections, coalesce(accepted, 0) AS accepted, mean_confidence, max_confidence,
           effort_s, effort_frames, captures, refused, {_KNOWN_COUNT if followed else "NULL::BIGINT"}
           AS occurrences
    FROM effort LEFT JOIN found USING (sensor_id, bin_start)
    ORDER BY effort.bin_start, effort.sensor_id, taxon NULLS FIRST, taxon_id
    """
    return query, parameters


def _counted(by: By, hours: str, named: str) -> str:
    """Occurrences by the bin of the hour in which each was first seen. A bout that begins in an hour in which no
    capture did, within a recording of hours, counts where that recording and its effort do."""
    return f"""counted AS (
        SELECT begun.sensor_id, date_trunc('{by.value}', hour) AS bin_start, taxon_id, any_value(taxon) AS taxon,
               any_value(common_name) AS common_name, any_value(rank) AS rank, sum(individual_count) AS occurrences
        FROM occurrence ASOF JOIN (SELECT DISTINCT sensor_id, hour FROM effort_1h) begun
             ON occurrence.sensor_id = begun.sensor_id AND occurrence.first_seen::TIMESTAMP >= begun.hour
        WHERE {hours}{named} GROUP BY begun.sensor_id, bin_start, taxon_id
    ), """


_BOTH = """SELECT coalesce(heard.sensor_id, counted.sensor_id) AS sensor_id,
               coalesce(heard.bin_start, counted.bin_start) AS bin_start,
               coalesce(heard.taxon_id, counted.taxon_id) AS taxon_id, coalesce(heard.taxon, counted.taxon) AS taxon,
               coalesce(heard.common_name, counted.common_name) AS common_name,
               coalesce(heard.rank, counted.rank) AS rank, detections, accepted, mean_confidence, max_confidence,
               occurrences::BIGINT AS occurrences
        FROM heard FULL JOIN counted ON heard.sensor_id = counted.sensor_id AND heard.bin_start = counted.bin_start
             AND heard.taxon_id IS NOT DISTINCT FROM counted.taxon_id"""
"""A name that was fused may be one that no detection of that hour bears."""

_KNOWN_COUNT = """coalesce(occurrences, CASE WHEN effort.sensor_id NOT IN (SELECT sensor_id FROM unfollowed)
               OR effort.sensor_id IN (SELECT sensor_id FROM occurrence) THEN 0 END)"""
"""Null for a sensor that was never followed."""

SENSORS_QUERY = """
SELECT sensor_id, sum(captures)::BIGINT AS captures, sum(identified)::BIGINT AS identified,
       sum(empty)::BIGINT AS empty, sum(refused)::BIGINT AS refused, sum(detections)::BIGINT AS detections,
       min(first_captured_at) AS first_captured_at, max(last_captured_at) AS last_captured_at,
       sum(effort_s) AS effort_s, sum(effort_frames)::BIGINT AS effort_frames
FROM effort_1h GROUP BY sensor_id ORDER BY sensor_id
"""

TABLE_QUERY = """
SELECT o.capture_id, d.detection_id, o.sensor_id, o.file, epoch_ns(o.captured_at), o.status,
       d.taxon, d.common_name, d.rank,
       d.start_s, d.end_s, d.low_hz, d.high_hz, d.box_x, d.box_y, d.box_w, d.box_h, d.score, d.probability, d.posterior,
       d.decision, coalesce(d.reason, o.reason), d.model, o.message, d.life_stage
FROM outcome o LEFT JOIN detection d USING (capture_id)
ORDER BY o.captured_at, o.capture_id, d.ordinal
"""
"""One row a detection, and one for each capture that has none: the columns of `exports/csv.py`, time as nanoseconds."""

OCCURRENCES_QUERY = """
SELECT p.occurrence_id, p.sensor_id, p.kind, p.session, epoch_ns(p.first_seen), epoch_ns(p.last_seen), p.active_s,
       p.captures, p.detections, p.taxon, p.common_name, p.rank, p.score, p.probability, p.decision, p.accepted,
       p.individual_count, p.length_px, p.body_length_mm, p.models, p.best_detection_id, d.file
FROM occurrence p LEFT JOIN detection d ON d.detection_id = p.best_detection_id
ORDER BY p.first_seen, p.occurrence_id
"""
"""One row an occurrence: the columns of `exports/occurrences.py`, times as nanoseconds."""

SELECTIONS_QUERY = """
SELECT o.capture_id, o.file, CASE WHEN d.detection_id IS NOT NULL THEN coalesce(d.start_s, 0) END AS begin_s,
       coalesce(d.end_s, o.effort_s), coalesce(d.low_hz, 0), coalesce(d.high_hz, o.sample_rate / 2),
       d.common_name, d.taxon, coalesce(d.probability, d.score), d.decision
FROM outcome o LEFT JOIN detection d USING (capture_id)
WHERE o.kind = 'clip' AND o.status <> 'refused'
ORDER BY o.captured_at, o.capture_id, begin_s, d.ordinal
"""
"""What `exports/raven.py` writes: one row a selection, and one with begin_s null for a recording without any."""

UNSETTLED_QUERY = """
SELECT count(*) FROM position_log p ANTI JOIN outcome o ON o.capture_id = p.capture_id
"""
"""Captures without an outcome: positions that were settled for a capture that has no outcome. Always 0."""


def _outcome_conditions(chosen: OutcomeFilter, table: str) -> tuple[list[str], dict[str, object]]:
    parameters: dict[str, object] = {}
    where = _placed(chosen, table, "captured_at", parameters)
    if chosen.statuses:
        where.append(f"{table}.status IN (SELECT unnest($statuses))")
        parameters["statuses"] = list(chosen.statuses)
    return where, parameters


def _placed(chosen: OutcomeFilter, table: str, time: str, parameters: dict[str, object]) -> list[str]:
    """Where and when."""
    where: list[str] = []
    if chosen.window.start is not None:
        where.append(f"{table}.{time} >= make_timestamp_ns($start::BIGINT)")
        parameters["start"] = chosen.window.start
    if chosen.window.end is not None:
        where.append(f"{table}.{time} < make_timestamp_ns($end::BIGINT)")
        parameters["end"] = chosen.window.end
    if chosen.sensors:
        where.append(f"{table}.sensor_id IN (SELECT unnest($sensors))")
        parameters["sensors"] = list(chosen.sensors)
    return where


def _detection_conditions(chosen: OutcomeFilter, table: str, parameters: dict[str, object]) -> list[str]:
    where = []
    if chosen.taxa:
        where.append(f"({table}.taxon_id IN (SELECT unnest($taxa)) OR {table}.taxon IN (SELECT unnest($taxa)))")
        parameters["taxa"] = list(chosen.taxa)
    if chosen.min_confidence > 0:
        where.append(f"coalesce({table}.probability, {table}.score) >= $min_confidence")
        parameters["min_confidence"] = chosen.min_confidence
    return where


def _hour_conditions(window: Window, parameters: dict[str, object]) -> str:
    where = ["true"]
    if window.start is not None:
        where.append("hour >= date_trunc('hour', make_timestamp_ns($start::BIGINT)::TIMESTAMP)")
        parameters["start"] = window.start
    if window.end is not None:
        where.append("hour < make_timestamp_ns($end::BIGINT)")
        parameters["end"] = window.end
    return " AND ".join(where)


def _where(conditions: Sequence[str]) -> str:
    return " WHERE " + " AND ".join(conditions) if conditions else ""


def _limit(chosen: OutcomeFilter) -> str:
    return "" if chosen.limit is None else f" LIMIT {int(chosen.limit)}"
