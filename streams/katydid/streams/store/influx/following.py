"""Animals and bouts of song in InfluxDB: made from the captures of one night of one sensor, and kept as points.

A night that is followed again writes its occurrences over those that it had, since an id says where a point lies, and
those that are none any more with a count of nought: a bucket is never deleted from. There are no transactions: a
reader may see the old and the new side by side for a moment. The night counts as followed once all is durable, so a
kill in between leaves it waiting, and it comes to the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pyarrow as pa

from katydid.models.follow import FollowSettings, follow_looks
from katydid.models.follow.looks import Look, look_of
from katydid.models.follow.sessions import reach, session_of
from katydid.models.occurrence import Occurrence
from katydid.models.outcome import Outcome
from katydid.streams.errors import Unkeepable
from katydid.streams.store import reads
from katydid.streams.store.columns import OCCURRENCE
from katydid.streams.store.following import Session
from katydid.streams.store.influx import captures
from katydid.streams.store.influx.calculation import answer
from katydid.streams.store.influx.cells import whole
from katydid.streams.store.influx.connection import Connection, Row
from katydid.streams.store.influx.evidence import evidence_of, occurrence_of_evidence
from katydid.streams.store.influx.influxql import Stretch, around, of_sensors, select, tag, text
from katydid.streams.store.influx.lines import Encoder, Unwritable
from katydid.streams.store.influx.plain import original_tag, original_text
from katydid.streams.store.influx.points import Sites
from katydid.streams.store.influx.schema import OCCURRENCE as OCCURRENCES
from katydid.streams.store.influx.timestamps import point_time
from katydid.streams.store.influx.writer import Writer
from katydid.streams.store.occurrences import occurrence_table
from katydid.streams.store.protocol import OutcomeFilter, Window

_occurrence = Encoder(OCCURRENCES)


async def follow_session(
    connection: Connection, writer: Writer, sites: Sites, session: Session, settings: FollowSettings
) -> int:
    """Replace the occurrences of one session by those that its captures give now; how many there are. Raises Refusal,
    NoAnswer, StoreUnusable, StoreUnreachable, and Unkeepable where one of them will never be taken."""
    looks = await _looks(connection, session)
    found = await asyncio.to_thread(follow_looks, looks, settings)
    try:
        lines = [_line(one, sites) for one in found]
    except (Unwritable, OverflowError) as error:
        raise Unkeepable(f"an occurrence of {session[0]} cannot be kept: {error}") from error
    stay = {(one.occurrence_id, sites(one.sensor_id)) for one in found}
    lines += _gone(await _kept(connection, session), stay)
    for refused in await writer.write(lines):
        raise Unkeepable(f"an occurrence of {session[0]} is refused: {refused.reason}")
    return len(found)


async def occurrences(connection: Connection, chosen: OutcomeFilter) -> pa.Table:
    """OCCURRENCE rows first seen in the window."""
    where = [*of_sensors(chosen.sensors), '"count" > 0']
    rows = await connection.ask(_question(around(chosen.window), where))
    found = occurrence_table([await _whole_occurrence(connection, row) for row in rows])
    return answer(reads.occurrences_query(chosen), OCCURRENCE, {"occurrence": found})


def _question(stretch: Stretch, where: Sequence[str]) -> str:
    columns = ("occurrence_id", "parts", "evidence", "sensor", "session", "site", "first_seen")
    return select(OCCURRENCES, columns, stretch, where=where)


async def _looks(connection: Connection, session: Session) -> list[Look]:
    """What follow needs to know of the session's captures, made piece by piece."""
    sensor, night = session
    looks: list[Look] = []

    def take(outcomes: list[Outcome]) -> None:
        looks.extend(look_of(one) for one in outcomes if session_of(one.captured_at, one.clock.zone) == night)

    start, end = reach(night)
    await captures.during(connection, around(Window(start=start, end=end)), of_sensors([sensor]), take)
    return looks


async def _kept(connection: Connection, session: Session) -> list[Row]:
    """The occurrences that the session has now."""
    sensor, night = session
    start, end = reach(night)
    # A song may begin hours into a recording.
    stretch = around(Window(start=start, end=end + (end - start)))
    return await connection.ask(
        _question(stretch, [*of_sensors([sensor]), f'"session" = {text(night)}', '"count" > 0'])
    )


def _line(one: Occurrence, sites: Sites) -> bytes:
    taxon, evidence = one.taxon, evidence_of(one)
    fields = (
        one.occurrence_id,
        one.session,
        one.kind.value,
        one.first_seen,
        one.last_seen,
        *(("", "", "", "") if taxon is None else (taxon.taxon_id, taxon.name, taxon.common_name, taxon.rank)),
        one.confidence,
        one.verdict.value,
        one.captures,
        len(one.detections),
        one.individual_count,
        len(evidence),
        evidence[0],
    )
    more = [(f"evidence_{number}", part) for number, part in enumerate(evidence[1:], start=2)]
    return _occurrence.line((one.sensor_id, sites(one.sensor_id)), fields, _time(one), more)


def _time(one: Occurrence) -> int:
    return point_time(one.first_seen, _RESOLUTION_S, one.occurrence_id)


_RESOLUTION_S = 1.0
"""Points lie within the second in which an occurrence was first seen, whatever the clock's resolution."""


def _gone(kept: Sequence[Row], stay: set[tuple[str, str]]) -> list[bytes]:
    """Those that are none any more, or stand under another site now, with a count of nought."""
    lines = []
    for row in kept:
        sensor, site = original_tag(str(row["sensor"])), original_tag(str(row["site"]))
        if (str(row["occurrence_id"]), site) not in stay:
            lines.append(_occurrence.sparse((sensor, site), {"count": 0, "detections": 0}, whole(row["time"])))
    return [line for line in lines if line is not None]


async def _whole_occurrence(connection: Connection, row: Row) -> Occurrence:
    """From its evidence, of which all parts but the first are fetched for the few that have more."""
    parts = [original_text(str(row["evidence"]))]
    if whole(row["parts"]) > 1:
        at, names = whole(row["time"]), [f"evidence_{number}" for number in range(2, whole(row["parts"]) + 1)]
        # After a change of sites it may have stood under another one, at the same time.
        sensor, site = (original_tag(str(row[name])) for name in ("sensor", "site"))
        where = [*of_sensors([sensor]), f'"site" = {tag(site)}']
        found = await connection.ask(select(OCCURRENCES, (*names, "occurrence_id"), Stretch(at, at + 1), where=where))
        (more,) = (one for one in found if one["occurrence_id"] == row["occurrence_id"])
        parts += [original_text(str(more[name])) for name in names]
    return occurrence_of_evidence(parts)
