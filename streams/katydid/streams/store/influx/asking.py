"""The five reads: what each fetches from the server, and which query of `store/reads.py` then answers it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa

from katydid.models.follow.sessions import WIDEST
from katydid.models.outcome import Outcome
from katydid.streams.store import reads
from katydid.streams.store.columns import ACTIVITY, DETECTION, OUTCOME, SENSOR
from katydid.streams.store.influx import captures
from katydid.streams.store.influx.calculation import (
    Gathered,
    Tables,
    activity_rows,
    answer,
    counted_rows,
    effort_rows,
    hash_of,
)
from katydid.streams.store.influx.cells import whole
from katydid.streams.store.influx.connection import Connection
from katydid.streams.store.influx.influxql import EVER, around, chosen_by, matching, select, sums
from katydid.streams.store.influx.schema import ACTIVITY_1H, CAPTURE, EFFORT_1H, Measurement
from katydid.streams.store.influx.schema import DETECTION as DETECTIONS
from katydid.streams.store.influx.schema import OCCURRENCE as OCCURRENCES
from katydid.streams.store.influx.sessions import nights
from katydid.streams.store.influx.timestamps import HOUR
from katydid.streams.store.protocol import By, OutcomeFilter, Window

_ACTIVITY = (
    "sensor",
    "taxon",
    "name",
    "common_name",
    "rank",
    "detections",
    "accepted",
    "sum_confidence",
    "max_confidence",
)
_COUNTED = ("sensor", "first_seen", "taxon_id", "taxon", "common_name", "rank", "count")
_EFFORT = ("sensor", *EFFORT_1H.fields)
_TOTALS = (
    *(("SUM", name, name) for name in EFFORT_1H.fields if not name.endswith("captured_at")),
    ("MIN", "first_captured_at", "first_captured_at"),
    ("MAX", "last_captured_at", "last_captured_at"),
)


async def activity(connection: Connection, window: Window, by: By, taxa: Sequence[str]) -> pa.Table:
    """ACTIVITY from the hourly sums and the occurrences. A bout may begin hours into a recording, and counts where that
    does: so a day more is looked at than was asked for."""
    start = None if window.start is None else window.start - window.start % HOUR
    wider = Window(start=start, end=None if window.end is None else window.end + WIDEST)
    stretch = around(wider)
    effort = effort_rows(await connection.ask(select(EFFORT_1H, _EFFORT, stretch)))
    tables = {
        "activity_1h": activity_rows(await connection.ask(select(ACTIVITY_1H, _ACTIVITY, stretch))),
        "effort_1h": effort,
        "occurrence": counted_rows(await connection.ask(select(OCCURRENCES, _COUNTED, stretch, where=['"count" > 0']))),
        "unfollowed": await _unfollowed(connection, effort),
    }
    return answer(reads.activity_query(window, by, taxa), ACTIVITY, tables)


async def _unfollowed(connection: Connection, effort: pa.Table) -> pa.Table:
    """The sensors of which something was never followed; also those that no batch has marked."""
    known = await nights(connection)
    waiting = {night.session[0] for night in known if night.touched != night.followed}
    strange = set(effort.column("sensor_id").to_pylist()) - {night.session[0] for night in known}
    return pa.table({"sensor_id": pa.array(sorted(waiting | strange), pa.string())})


async def sensors(connection: Connection) -> pa.Table:
    """SENSOR from the hourly sums, which the server sums."""
    found = await connection.ask(sums(EFFORT_1H, _TOTALS, ("sensor",), EVER))
    rows = [{**row, "time": 0} for row in found]
    return answer((reads.SENSORS_QUERY, {}), SENSOR, {"effort_1h": effort_rows(rows)})


async def outcomes(connection: Connection, chosen: OutcomeFilter) -> pa.Table:
    """OUTCOME from the evidence of the captures."""
    return answer(reads.outcomes_query(chosen), OUTCOME, await _chosen(connection, chosen, CAPTURE))


async def detections(connection: Connection, chosen: OutcomeFilter) -> pa.Table:
    """DETECTION from the evidence of the captures."""
    return answer(reads.detections_query(chosen), DETECTION, await _chosen(connection, chosen, DETECTIONS))


async def latest(connection: Connection, n: int) -> pa.Table:
    """DETECTION: whatever was recorded since the n-th newest, and of it the n newest."""
    gathered = Gathered()
    if n > 0:
        newest = await connection.ask(select(DETECTIONS, ("captured_at",), EVER, newest_first=True, limit=n))
        if newest:
            since = Window(start=min(whole(row["captured_at"]) for row in newest))
            await captures.during(connection, around(since), ['"detections" > 0'], gathered.take)
    return answer(reads.latest_query(n), DETECTION, gathered.tables())


async def every_outcome(connection: Connection) -> str:
    """The content hash."""
    gathered = Gathered()
    await captures.during(connection, EVER, [], gathered.take)
    return hash_of(gathered.tables())


async def outcome(connection: Connection, capture_id: str) -> Outcome | None:
    """The whole outcome of a capture."""
    return (await captures.known(connection, [capture_id])).get(capture_id)


async def _chosen(connection: Connection, chosen: OutcomeFilter, of: Measurement) -> Tables:
    """All outcomes that a filter may need, for rows of captures or of detections."""
    gathered = Gathered()
    chosen = await _narrowed(connection, chosen, of)
    where, among = chosen_by(chosen), matching(chosen)
    if among:
        where = [*chosen_by(chosen, statuses=False), *among]
        found = await connection.ask(
            select(DETECTIONS, ("capture_point", "sensor"), around(chosen.window), where=where)
        )
        places = {captures.place(row, "capture_point") for row in found}
        await captures.at_places(connection, places, gathered.take)
    else:
        if of is DETECTIONS:
            where.append('"detections" > 0')
        await captures.during(connection, around(chosen.window), where, gathered.take)
    return gathered.tables()


async def _narrowed(connection: Connection, chosen: OutcomeFilter, of: Measurement) -> OutcomeFilter:
    """The filter with a window that ends where its limit is surely reached."""
    among = matching(chosen)
    countable = not among if of is CAPTURE else not chosen.statuses
    if not chosen.limit or not countable:
        return chosen
    where = [*chosen_by(chosen, statuses=of is CAPTURE), *among]
    first = await connection.ask(select(of, ("captured_at",), around(chosen.window), where=where, limit=chosen.limit))
    if len(first) < chosen.limit:
        return chosen
    end = max(whole(row["captured_at"]) for row in first) + 1
    return msgspec.structs.replace(chosen, window=Window(start=chosen.window.start, end=end))
