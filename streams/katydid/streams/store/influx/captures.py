"""Stored outcomes, found by id, by time or by what they hold.

What is read from the server may be more than what was asked for: `calculation.py` chooses exactly.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from katydid.models.outcome import Outcome
from katydid.streams.store.influx.cells import whole
from katydid.streams.store.influx.connection import Connection, Row
from katydid.streams.store.influx.evidence import outcome_of_evidence
from katydid.streams.store.influx.influxql import EVER, Stretch, of_sensors, select, text
from katydid.streams.store.influx.plain import original_text
from katydid.streams.store.influx.schema import CAPTURE, DETECTION, IDENTITY
from katydid.streams.store.influx.timestamps import MILLISECOND, SECOND, identity_time, recorded_ns
from katydid.streams.store.spans import runs

GAP = 600 * SECOND
"""Points that lie further apart are asked for in separate questions."""
MOST_QUESTIONS = 64

Take = Callable[[list[Outcome]], None]


async def located(connection: Connection, capture_ids: Iterable[str]) -> dict[str, int]:
    """Capture id → time of its point, of those ids that were ever written."""
    times = {identity_time(capture_id): capture_id for capture_id in capture_ids}
    asked = set(times.values())
    found = {}
    for first, last in runs(times, gap=GAP):
        query = select(IDENTITY, ("capture_id", "lies_at"), Stretch(first, last + 1))
        for row in await connection.ask(query):
            if row["capture_id"] in asked:
                found[str(row["capture_id"])] = whole(row["lies_at"])
    return found


async def at_points(connection: Connection, points: Iterable[int], sensors: Iterable[str] = ()) -> list[Outcome]:
    """The outcomes whose points lie at these times, and perhaps some of the same time or in between."""
    found: list[Outcome] = []
    where = of_sensors(sensors)
    for first, last in runs(points, gap=GAP, most=MOST_QUESTIONS):
        await each(connection, Stretch(first, last + 1), where, found.extend)
    return found


async def known(connection: Connection, capture_ids: Iterable[str]) -> dict[str, Outcome]:
    """Capture id → the outcome that is kept of it."""
    points = await located(connection, capture_ids)
    found = await at_points(connection, points.values())
    return {outcome.capture_id: outcome for outcome in found if outcome.capture_id in points}


async def of_detection(connection: Connection, detection_id: str) -> Outcome | None:
    """The outcome that holds a detection. Its id begins with the time that its capture's id begins with, so only
    what was recorded in that moment is looked at; ids without a time cost a look at all detections."""
    start = recorded_ns(detection_id)
    if start:
        query = select(IDENTITY, ("lies_at", "sensor"), Stretch(start, start + SECOND + MILLISECOND))
        points = [whole(row["lies_at"]) for row in await connection.ask(query)]
    else:
        query = select(DETECTION, ("capture_point",), EVER, where=[f'"detection_id" = {text(detection_id)}'])
        points = [whole(row["capture_point"]) for row in await connection.ask(query)]
    for outcome in await at_points(connection, points):
        if any(detection.detection_id == detection_id for detection in outcome.detections):
            return outcome
    return None


async def each(connection: Connection, stretch: Stretch, where: Sequence[str], take: Take) -> None:
    """All outcomes of a stretch that fulfil the conditions, some thousand at a time."""
    longer: list[Row] = []

    def decode(rows: list[Row]) -> None:
        longer.extend(row for row in rows if row["parts"] != 1)
        take([outcome_of_evidence([original_text(str(row["evidence"]))]) for row in rows if row["parts"] == 1])

    query = select(CAPTURE, ("capture_id", "parts", "evidence", "sensor"), stretch, where=where)
    await connection.ask_in_pieces(query, decode)
    for row in longer:
        take([await _long_outcome(connection.ask, row)])


async def _long_outcome(ask: Callable[[str], Awaitable[list[Row]]], row: Row) -> Outcome:
    """An outcome whose evidence fills several fields."""
    at = whole(row["time"])
    names = ["evidence", *(f"evidence_{number}" for number in range(2, whole(row["parts"]) + 1))]
    where = [f'"capture_id" = {text(str(row["capture_id"]))}']
    found = await ask(select(CAPTURE, names, Stretch(at, at + 1), where=where))
    return outcome_of_evidence([original_text(str(found[0][name])) for name in names])
