"""Stored outcomes, found by id, by time or by what they hold.

What is read from the server may be more than what was asked for: `calculation.py` chooses exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from katydid.models.outcome import Outcome
from katydid.streams.store.influx.cells import whole
from katydid.streams.store.influx.connection import Connection, Row
from katydid.streams.store.influx.evidence import outcome_of_evidence
from katydid.streams.store.influx.influxql import EVER, Stretch, of_sensors, select, text
from katydid.streams.store.influx.plain import original_tag, original_text
from katydid.streams.store.influx.schema import CAPTURE, DETECTION, IDENTITY
from katydid.streams.store.influx.timestamps import MILLISECOND, SECOND, identity_time, recorded_ns
from katydid.streams.store.spans import runs

NEAR, APART = 60 * SECOND, 600 * SECOND
"""Captures of one sensor, and identities of all, that lie further apart are asked for in questions of their own."""
MOST_QUESTIONS, QUESTIONS_AT_ONCE = 2_000, 100

Take = Callable[[list[Outcome]], None]
Place = tuple[str, int]
"""A sensor and the time of a point."""


def place(row: Row, field: str) -> Place:
    """Where the capture lies that a row speaks of."""
    return original_tag(str(row["sensor"])), whole(row[field])


async def located(connection: Connection, capture_ids: Collection[str]) -> dict[str, Place]:
    """Capture id → where its point lies, of those ids that were ever written."""
    asked, found = set(capture_ids), {}
    for first, last in runs(map(identity_time, asked), gap=APART):
        query = select(IDENTITY, ("capture_id", "lies_at", "sensor"), Stretch(first, last + 1))
        for row in await connection.ask(query):
            if row["capture_id"] in asked:
                found[str(row["capture_id"])] = place(row, "lies_at")
    return found


async def known(connection: Connection, capture_ids: Collection[str]) -> dict[str, Outcome]:
    """Capture id → the outcome that is kept of it."""
    places = await located(connection, capture_ids)
    found: list[Outcome] = []
    await at_places(connection, places.values(), found.extend)
    return {outcome.capture_id: outcome for outcome in found if outcome.capture_id in places}


async def of_detection(connection: Connection, detection_id: str) -> Outcome | None:
    """The outcome that holds a detection. Its id begins with the time that its capture's id begins with, so only
    what was recorded in that moment is looked at; ids without a time cost a look at all detections."""
    start = recorded_ns(detection_id)
    if start:
        query = select(IDENTITY, ("lies_at", "sensor"), Stretch(start, start + SECOND + MILLISECOND))
        places = [place(row, "lies_at") for row in await connection.ask(query)]
    else:
        where = [f'"detection_id" = {text(detection_id)}']
        query = select(DETECTION, ("capture_point", "sensor"), EVER, where=where)
        places = [place(row, "capture_point") for row in await connection.ask(query)]
    found: list[Outcome] = []
    await at_places(connection, places, found.extend)
    for outcome in found:
        if any(detection.detection_id == detection_id for detection in outcome.detections):
            return outcome
    return None


async def at_places(connection: Connection, places: Iterable[Place], take: Take) -> None:
    """The outcomes at these places, and perhaps some that lie between them."""
    times: dict[str, list[int]] = {}
    for sensor, at in places:
        times.setdefault(sensor, []).append(at)
    most = max(1, MOST_QUESTIONS // max(1, len(times)))
    questions = [
        _question(Stretch(first, last + 1), of_sensors([sensor]))
        for sensor, found in times.items()
        for first, last in runs(found, gap=NEAR, most=most)
    ]
    for start in range(0, len(questions), QUESTIONS_AT_ONCE):
        await _each(connection, ";".join(questions[start : start + QUESTIONS_AT_ONCE]), take)


async def during(connection: Connection, stretch: Stretch, where: Sequence[str], take: Take) -> None:
    """All outcomes of a stretch that fulfil the conditions, some thousand at a time."""
    await _each(connection, _question(stretch, where), take)


def _question(stretch: Stretch, where: Sequence[str]) -> str:
    return select(CAPTURE, ("capture_id", "parts", "evidence", "sensor"), stretch, where=where)


async def _each(connection: Connection, query: str, take: Take) -> None:
    longer: list[Row] = []

    def decode(rows: list[Row]) -> None:
        longer.extend(row for row in rows if row["parts"] != 1)
        take([outcome_of_evidence([original_text(str(row["evidence"]))]) for row in rows if row["parts"] == 1])

    await connection.ask_in_pieces(query, decode)
    for row in longer:
        take([await _long_outcome(connection, row)])


async def _long_outcome(connection: Connection, row: Row) -> Outcome:
    """An outcome whose evidence fills several fields."""
    at = whole(row["time"])
    names = ["evidence", *(f"evidence_{number}" for number in range(2, whole(row["parts"]) + 1))]
    where = [f'"capture_id" = {text(str(row["capture_id"]))}']
    found = await connection.ask(select(CAPTURE, names, Stretch(at, at + 1), where=where))
    return outcome_of_evidence([original_text(str(found[0][name])) for name in names])
