"""What ecologists ask, as pure functions over what any store reads: Arrow tables in, Arrow tables out.

The inputs are the answers of the Store protocol: ACTIVITY (per sensor, time bin and taxon, with effort), DETECTION,
OUTCOME and SENSOR of `store/columns.py`. Every count comes with the effort behind it, because no detection without
effort is no absence: `effort_s` seconds of sound, `effort_frames` frames, `captures` looked at or refused.

Counts are of detections, not of animals: an animal that sits through ten frames is ten detections.
"""

from __future__ import annotations

from enum import StrEnum

import duckdb
import msgspec
import pyarrow as pa

from katydid.streams.store.columns import UTC_NS

HOURS_A_DAY = 24
CONFIDENCE_BINS = 20


def species(detections: pa.Table, sensors: pa.Table) -> pa.Table:
    """One row a taxon, the most accepted first, then the most detected.

    `detections` DETECTION, `sensors` SENSOR of the same sensors. Columns: taxon_id, taxon, common_name, rank,
    detections, accepted, mean_probability (null where no model is calibrated), mean_confidence, max_confidence
    (calibrated probability where there is one, else score; 0..1), first_seen, last_seen (UTC), days (UTC days with a
    detection), sensors, effort_s, effort_frames (of all sensors given).
    """
    return _ask(
        """
        SELECT taxon_id, any_value(taxon) AS taxon, any_value(common_name) AS common_name, any_value(rank) AS rank,
               count(*) AS detections, count(*) FILTER (decision = 'accepted') AS accepted,
               avg(probability) AS mean_probability, avg(coalesce(probability, score)) AS mean_confidence,
               max(coalesce(probability, score)) AS max_confidence,
               min(captured_at) AS first_seen, max(captured_at) AS last_seen,
               count(DISTINCT date_trunc('day', captured_at)) AS days, count(DISTINCT sensor_id) AS sensors,
               (SELECT coalesce(sum(effort_s), 0) FROM sensors) AS effort_s,
               (SELECT coalesce(sum(effort_frames), 0)::BIGINT FROM sensors) AS effort_frames
        FROM detections WHERE taxon_id IS NOT NULL
        GROUP BY taxon_id ORDER BY accepted DESC, detections DESC, taxon, taxon_id
        """,
        detections=detections,
        sensors=sensors,
    )


def top_taxa(detections: pa.Table, sensors: pa.Table, n: int) -> pa.Table:
    """The first `n` rows of `species`."""
    return species(detections, sensors).slice(0, n)


def over_sensors(activity: pa.Table) -> pa.Table:
    """ACTIVITY summed over its sensors: per bin_start and taxon, with the effort of every sensor in that bin.

    Columns: bin_start, taxon_id, taxon, common_name, rank, detections, accepted, sensors (that detected it),
    effort_s, effort_frames, captures, refused. A bin with effort and no taxon has one row with taxon_id null.
    """
    return _ask(
        f"""
        WITH effort AS (SELECT bin_start, {_SUMMED_EFFORT} FROM {_EFFORT} GROUP BY bin_start),
        found AS (
            SELECT bin_start, taxon_id, {_NAMES}, {_COUNTS}, count(DISTINCT sensor_id) AS sensors
            FROM activity WHERE detections > 0 GROUP BY bin_start, taxon_id
        )
        SELECT effort.bin_start, taxon_id, taxon, common_name, rank, coalesce(detections, 0) AS detections,
               coalesce(accepted, 0) AS accepted, coalesce(sensors, 0) AS sensors,
               effort_s, effort_frames, captures, refused
        FROM effort LEFT JOIN found USING (bin_start) ORDER BY bin_start, taxon NULLS FIRST, taxon_id
        """,
        activity=activity,
    )


def diel_by_clock(hourly: pa.Table, zone: str = "UTC") -> pa.Table:
    """When in the day: per taxon and hour of the clock in `zone` (IANA name), all 24 hours of every taxon.

    `hourly` ACTIVITY by hour. Columns: taxon_id, taxon, hour (0..23), detections, accepted, effort_s, effort_frames,
    captures (all that was looked at in that hour of the day). Hours with no effort have zeros there: they are no
    absences. Zones off by half an hour put an hour of UTC where it begins.
    """
    return _ask(
        f"""
        WITH placed AS (SELECT *, hour(timezone($zone, timezone('UTC', bin_start))) AS hour FROM activity),
        effort AS (
            SELECT hour, {_SUMMED_EFFORT}
            FROM (SELECT DISTINCT sensor_id, bin_start, hour, effort_s, effort_frames, captures, refused FROM placed)
            GROUP BY hour
        ),
        {_EVERY_TAXON_AND_HOUR}
        """,
        {"zone": zone},
        activity=hourly,
    )


def diel_by_sun(detections: pa.Table, outcomes: pa.Table) -> pa.Table:
    """When in the solar day: as `diel_by_clock`, with hours of solar time (12 is noon) from each capture's longitude.

    Both the detections and the effort are placed by local mean solar time, UTC + longitude / 15°, which differs from
    apparent solar time by the equation of time, at most 17 minutes. Captures without a place take no part on either
    side. `detections` DETECTION, `outcomes` OUTCOME.
    """
    return _ask(
        f"""
        WITH looked AS (
            SELECT *, ((hour(captured_at) * 60 + minute(captured_at)
                        + longitude * 4 + 1440)::INTEGER % 1440) // 60 AS hour
            FROM outcomes WHERE longitude IS NOT NULL
        ),
        placed AS (
            SELECT d.taxon_id, d.taxon, hour, 1 AS detections, (d.decision = 'accepted')::INTEGER AS accepted
            FROM detections d JOIN looked USING (capture_id)
        ),
        effort AS (
            SELECT hour, sum(effort_s) AS effort_s, sum(effort_frames)::BIGINT AS effort_frames, count(*) AS captures,
                   count(*) FILTER (status = 'refused') AS refused
            FROM looked GROUP BY hour
        ),
        {_EVERY_TAXON_AND_HOUR}
        """,
        detections=detections,
        outcomes=outcomes,
    )


def phenology(daily: pa.Table) -> pa.Table:
    """When in the year: per taxon, year and ISO week with effort, from ACTIVITY by day.

    Columns: taxon_id, taxon, year (ISO), week (1..53), detections, accepted, days (with a detection), days_looked
    (with effort), effort_s, effort_frames, captures, refused. Weeks that were looked at without finding the taxon
    have zeros.
    """
    return _ask(
        f"""
        WITH dated AS (
            SELECT *, isoyear(bin_start) AS year, weekofyear(bin_start) AS week
            FROM activity
        ),
        effort AS (
            SELECT year, week, {_SUMMED_EFFORT}, count(DISTINCT bin_start) AS days_looked
            FROM (
                SELECT DISTINCT sensor_id, bin_start, year, week, effort_s, effort_frames, captures, refused FROM dated
            ) GROUP BY year, week
        ),
        found AS (
            SELECT taxon_id, year, week, {_COUNTS}, count(DISTINCT bin_start) AS days
            FROM dated WHERE detections > 0 GROUP BY taxon_id, year, week
        ),
        taxa AS (SELECT taxon_id, any_value(taxon) AS taxon FROM dated WHERE taxon_id IS NOT NULL GROUP BY taxon_id)
        SELECT taxon_id, taxon, year, week, coalesce(detections, 0) AS detections, coalesce(accepted, 0) AS accepted,
               coalesce(days, 0) AS days, days_looked, effort_s, effort_frames, captures, refused
        FROM taxa CROSS JOIN effort LEFT JOIN found USING (taxon_id, year, week)
        ORDER BY taxon, taxon_id, year, week
        """,
        activity=daily,
    )


def accumulation(daily: pa.Table, *, accepted_only: bool = True) -> pa.Table:
    """How many taxa after how much effort: one row a day with effort, in order, from ACTIVITY by day.

    Columns: day, new_taxa, taxa (so far), effort_s, effort_frames, captures (all so far). With `accepted_only` a
    taxon counts from its first accepted detection.
    """
    counted = "accepted" if accepted_only else "detections"
    return _ask(
        f"""
        WITH effort AS (SELECT bin_start, {_SUMMED_EFFORT} FROM {_EFFORT} GROUP BY bin_start),
        first AS (
            SELECT bin_start, count(*) AS new_taxa FROM (
                SELECT taxon_id, min(bin_start) AS bin_start FROM activity
                WHERE taxon_id IS NOT NULL AND rank <> 'none' AND {counted} > 0 GROUP BY taxon_id
            ) GROUP BY bin_start
        )
        SELECT bin_start AS day, coalesce(new_taxa, 0) AS new_taxa,
               (sum(coalesce(new_taxa, 0)) OVER so_far)::BIGINT AS taxa, sum(effort_s) OVER so_far AS effort_s,
               (sum(effort_frames) OVER so_far)::BIGINT AS effort_frames,
               (sum(captures) OVER so_far)::BIGINT AS captures
        FROM effort LEFT JOIN first USING (bin_start)
        WINDOW so_far AS (ORDER BY bin_start) ORDER BY bin_start
        """,
        activity=daily,
    )


class Hour(StrEnum):
    """What an hour of a sensor was."""

    RECORDED = "recorded"
    """Something was detected."""
    EMPTY = "empty"
    """Looked, and nothing there."""
    REFUSED = "refused"
    """Every capture was refused: no effort."""
    MISSING = "missing"
    """No capture, between the sensor's first and last."""


def effort_strip(hourly: pa.Table) -> pa.Table:
    """Every hour of every sensor from its first to its last capture: sensor_id, hour, state (a value of `Hour`),
    captures, refused, detections, effort_s, effort_frames. From ACTIVITY by hour, asked for all taxa."""
    return _ask(
        """
        WITH looked AS (
            SELECT sensor_id, bin_start, any_value(captures) AS captures, any_value(refused) AS refused,
                   sum(detections)::BIGINT AS detections, any_value(effort_s) AS effort_s,
                   any_value(effort_frames) AS effort_frames
            FROM activity GROUP BY sensor_id, bin_start
        ),
        hours AS (
            SELECT sensor_id, unnest(range(min(bin_start), max(bin_start) + INTERVAL 1 HOUR, INTERVAL 1 HOUR))
                   AS bin_start
            FROM looked GROUP BY sensor_id
        )
        SELECT sensor_id, bin_start AS hour,
               CASE WHEN captures IS NULL THEN 'missing' WHEN refused = captures THEN 'refused'
                    WHEN detections > 0 THEN 'recorded' ELSE 'empty' END AS state,
               coalesce(captures, 0) AS captures, coalesce(refused, 0) AS refused,
               coalesce(detections, 0) AS detections, coalesce(effort_s, 0) AS effort_s,
               coalesce(effort_frames, 0) AS effort_frames
        FROM hours LEFT JOIN looked USING (sensor_id, bin_start) ORDER BY sensor_id, hour
        """,
        activity=hourly,
    )


def silence(hourly: pa.Table) -> pa.Table:
    """How long each sensor was silent: from ACTIVITY by hour, per sensor: hours (first to last), hours_with_captures,
    hours_missing, longest_gap_hours, silent_since (end of its last hour with a capture), behind_hours (that against
    the newest hour of all sensors), effort_s, effort_frames. The most silent first."""
    return _ask(
        """
        WITH hours AS (
            SELECT sensor_id, bin_start, any_value(effort_s) AS effort_s, any_value(effort_frames) AS effort_frames
            FROM activity GROUP BY sensor_id, bin_start
        ),
        steps AS (
            SELECT *, date_diff('hour', lag(bin_start) OVER (PARTITION BY sensor_id ORDER BY bin_start), bin_start) - 1
                      AS gap
            FROM hours
        )
        SELECT sensor_id, date_diff('hour', min(bin_start), max(bin_start)) + 1 AS hours,
               count(*) AS hours_with_captures, coalesce(sum(gap), 0)::BIGINT AS hours_missing,
               coalesce(max(gap), 0) AS longest_gap_hours, max(bin_start) + INTERVAL 1 HOUR AS silent_since,
               date_diff('hour', max(bin_start), (SELECT max(bin_start) FROM hours)) AS behind_hours,
               sum(effort_s) AS effort_s, sum(effort_frames)::BIGINT AS effort_frames
        FROM steps GROUP BY sensor_id ORDER BY behind_hours DESC, hours_missing DESC, sensor_id
        """,
        activity=hourly,
    )


def refusals(outcomes: pa.Table) -> pa.Table:
    """What was refused and why, from OUTCOME: reason, captures, share (of all captures given), example_file,
    example_message (of the first). The commonest first."""
    return _ask(
        """
        SELECT reason, count(*) AS captures, count(*) / (SELECT count(*) FROM outcomes) AS share,
               arg_min(file, captured_at) AS example_file, arg_min(message, captured_at) AS example_message
        FROM outcomes WHERE status = 'refused' GROUP BY reason ORDER BY captures DESC, reason
        """,
        outcomes=outcomes,
    )


def confidence_histogram(detections: pa.Table) -> pa.Table:
    """How sure, per taxon: taxon_id, taxon, low, high (edges of twenty bins of width 0.05), detections, accepted.
    Bins without a detection are left out; 1.0 lies in the last."""
    return _ask(
        """
        SELECT taxon_id, any_value(taxon) AS taxon, bin / $bins AS low, (bin + 1) / $bins AS high,
               count(*) AS detections, count(*) FILTER (decision = 'accepted') AS accepted
        FROM (
            SELECT *, greatest(0, least($bins - 1, floor(coalesce(probability, score) * $bins)))::INTEGER AS bin
            FROM detections
        )
        WHERE taxon_id IS NOT NULL GROUP BY taxon_id, bin ORDER BY taxon, taxon_id, low
        """,
        {"bins": CONFIDENCE_BINS},
        detections=detections,
    )


class DetectionHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Site × occasion, the input of occupancy models (unmarked, spOccupancy)."""

    taxon: str
    sites: tuple[str, ...]
    starts: tuple[int, ...]
    """Start of each occasion, UTC nanoseconds."""
    detected: tuple[tuple[int | None, ...], ...]
    """[site][occasion]: 1 detected, 0 looked and not detected, None not looked."""
    effort_s: tuple[tuple[float, ...], ...]
    effort_frames: tuple[tuple[int, ...], ...]


def detection_history(
    daily: pa.Table, taxon: str, *, occasion_days: int = 1, accepted_only: bool = True
) -> DetectionHistory:
    """Where and when one taxon (id or scientific name) was found out of where and when one looked.

    `daily` ACTIVITY by day, asked for all taxa; sites are its sensors. Occasions follow one another from the first
    day with effort. Captures that were all refused are no effort.
    """
    if occasion_days < 1:
        raise ValueError(f"occasion_days must be at least 1, not {occasion_days}")
    counted = "accepted" if accepted_only else "detections"
    cells = _ask(
        f"""
        WITH numbered AS (
            SELECT *, date_diff('day', (SELECT min(bin_start) FROM activity), bin_start) // $days AS occasion
            FROM activity
        ),
        effort AS (
            SELECT sensor_id, occasion, {_SUMMED_EFFORT} FROM (
                SELECT DISTINCT sensor_id, bin_start, occasion, effort_s, effort_frames, captures, refused
                FROM numbered
            ) GROUP BY sensor_id, occasion
        ),
        found AS (
            SELECT sensor_id, occasion, sum({counted}) > 0 AS detected FROM numbered
            WHERE taxon_id = $taxon OR taxon = $taxon GROUP BY sensor_id, occasion
        )
        SELECT sensor_id, occasion, effort_s, effort_frames,
               CASE WHEN captures > refused THEN coalesce(detected, false)::INTEGER END AS detected
        FROM effort LEFT JOIN found USING (sensor_id, occasion) ORDER BY sensor_id, occasion
        """,
        {"days": occasion_days, "taxon": taxon},
        activity=daily,
    ).to_pylist()
    first = min((at for at in daily["bin_start"].cast(pa.int64()).to_pylist()), default=0)
    return _history(taxon, cells, first, occasion_days * HOURS_A_DAY * 3_600_000_000_000)


def _history(taxon: str, cells: list[dict[str, object]], first: int, width: int) -> DetectionHistory:
    by_place = {(cell["sensor_id"], cell["occasion"]): cell for cell in cells}
    sites = sorted({str(cell["sensor_id"]) for cell in cells})
    occasions = range(max((int(str(cell["occasion"])) for cell in cells), default=-1) + 1)
    nothing: dict[str, object] = {"detected": None, "effort_s": 0.0, "effort_frames": 0}
    grid = [[by_place.get((site, occasion), nothing) for occasion in occasions] for site in sites]
    return msgspec.convert(
        {
            "taxon": taxon,
            "sites": sites,
            "starts": [first + occasion * width for occasion in occasions],
            **{name: [[cell[name] for cell in row] for row in grid] for name in nothing},
        },
        DetectionHistory,
    )


_EFFORT = "(SELECT DISTINCT sensor_id, bin_start, effort_s, effort_frames, captures, refused FROM activity)"
"""ACTIVITY repeats the effort of a bin in the row of each taxon: once is enough."""

_SUMMED_EFFORT = (
    "sum(effort_s) AS effort_s, sum(effort_frames)::BIGINT AS effort_frames, sum(captures)::BIGINT AS captures, "
    "sum(refused)::BIGINT AS refused"
)
_COUNTS = "sum(detections)::BIGINT AS detections, sum(accepted)::BIGINT AS accepted"
_NAMES = "any_value(taxon) AS taxon, any_value(common_name) AS common_name, any_value(rank) AS rank"
_EVERY_TAXON_AND_HOUR = f"""
        found AS (
            SELECT taxon_id, hour, {_COUNTS} FROM placed WHERE detections > 0 GROUP BY taxon_id, hour
        ),
        taxa AS (SELECT taxon_id, any_value(taxon) AS taxon FROM placed WHERE taxon_id IS NOT NULL GROUP BY taxon_id),
        clock AS (SELECT unnest(range(24)) AS hour)
        SELECT taxon_id, taxon, clock.hour, coalesce(detections, 0) AS detections, coalesce(accepted, 0) AS accepted,
               coalesce(effort_s, 0) AS effort_s, coalesce(effort_frames, 0) AS effort_frames,
               coalesce(captures, 0) AS captures
        FROM taxa CROSS JOIN clock LEFT JOIN effort USING (hour) LEFT JOIN found USING (taxon_id, hour)
        ORDER BY taxon, taxon_id, clock.hour
"""


def _ask(query: str, parameters: dict[str, object] | None = None, **tables: pa.Table) -> pa.Table:
    """One SQL question over Arrow tables, in a database of its own that holds nothing else.

    Inside, times are UTC without a zone, to the microsecond; the answer has them as `columns.UTC_NS` again.
    """
    with duckdb.connect(":memory:", config={"autoload_known_extensions": False}) as connection:
        for name, table in tables.items():
            connection.register(name, _with_times(table, pa.timestamp("us")))
        return _with_times(connection.sql(query, params=parameters or None).to_arrow_table(), UTC_NS)


def _with_times(table: pa.Table, kind: pa.DataType) -> pa.Table:
    fields = [field.with_type(kind) if pa.types.is_timestamp(field.type) else field for field in table.schema]
    return table.cast(pa.schema(fields), safe=False)
