"""Occurrence → rows, and the columns from which a session is followed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import duckdb
import msgspec
import pyarrow as pa

from katydid.models.follow.looks import UNSET, Look, Seen
from katydid.models.follow.sessions import reach, session_of
from katydid.models.occurrence import Occurrence
from katydid.models.outcome import Alternative, RankProbability, Taxon, Verdict
from katydid.sensors.clock import TIMELESS
from katydid.streams.store.columns import OCCURRENCE, UTC_NS
from katydid.streams.store.rows import NS

_ROWS_AT_ONCE = 10_000
_SCHEMA = pa.schema([(one.name, NS if one.type == UTC_NS else one.type) for one in OCCURRENCE])
"""Of the table `occurrence`."""

LOOKS = """
SELECT capture_id, kind, epoch_ns(captured_at), clock_resolution_s, clock_zone, clock_flags, sequence, status,
       effort_s, effort_frames, width, height
FROM outcome
WHERE sensor_id = $sensor
  AND captured_at >= make_timestamp_ns($start::BIGINT) AND captured_at < make_timestamp_ns($end::BIGINT)
"""
SEEN = """
SELECT capture_id, detection_id, ordinal, model, taxon_id, taxon, common_name, rank, box_x, box_y, box_w, box_h,
       start_s, end_s, score, probability, lineage, alternatives, decision
FROM detection
WHERE sensor_id = $sensor
  AND captured_at >= make_timestamp_ns($start::BIGINT) AND captured_at < make_timestamp_ns($end::BIGINT)
"""


def occurrence_table(occurrences: Sequence[Occurrence]) -> pa.Table:
    """The rows of table `occurrence`."""
    return pa.Table.from_pylist([_row(one) for one in occurrences], schema=_SCHEMA)


def session_looks(cursor: duckdb.DuckDBPyConnection, sensor_id: str, session: str) -> list[Look]:
    """What is needed to follow one session, in no order."""
    start, end = reach(session)
    chosen = {"sensor": sensor_id, "start": max(start, -(2**63)), "end": min(end, 2**63 - 1)}
    looked = [row for row in _rows(cursor, LOOKS, chosen) if session_of(int(str(row[2])), str(row[4])) == session]
    within = {row[0] for row in looked}
    found: dict[object, list[Seen]] = {}
    reader = _Reader()
    for row in _rows(cursor, SEEN, chosen):
        if row[0] in within:
            found.setdefault(row[0], []).append(reader.seen(row))
    return [_look(sensor_id, row, found.get(row[0], [])) for row in looked]


def _rows(cursor: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, object]) -> Iterator[tuple[object, ...]]:
    cursor.execute(query, parameters)
    while found := cursor.fetchmany(_ROWS_AT_ONCE):
        yield from found


def _look(sensor_id: str, row: tuple[object, ...], seen: Sequence[Seen]) -> Look:
    capture_id, kind, at, resolution, zone, flags, sequence, status, seconds, frames, width, height = row
    return msgspec.convert(
        {
            "capture_id": capture_id,
            "sensor_id": sensor_id,
            "kind": kind,
            "at": at,
            "dated": TIMELESS not in str(flags).split(","),
            "unset": UNSET in str(flags).split(","),
            "resolution_s": resolution,
            "zone": zone,
            "sequence": sequence,
            "looked": status == "identified" or bool(frames) or bool(seconds),
            "seconds": seconds,
            "width": width,
            "height": height,
            "seen": tuple(seen),
        },
        Look,
    )


class _Reader:
    """Makes detections of rows; what many of them have in common is made once."""

    def __init__(self) -> None:
        self._taxa: dict[tuple[object, ...], Taxon] = {}
        self._lineage: Callable[[str], tuple[RankProbability, ...]] = msgspec.json.Decoder(
            tuple[RankProbability, ...], strict=False
        ).decode
        self._alternatives: Callable[[str], tuple[Alternative, ...]] = msgspec.json.Decoder(
            tuple[Alternative, ...], strict=False
        ).decode

    def seen(self, row: tuple[object, ...]) -> Seen:
        (
            _, detection_id, ordinal, model, *name, x, y, w, h, start, end, score, probability, lineage, alternatives,
            decision,
        ) = row  # fmt: skip
        # As the columns' types are: `convert` would check each again, at three times the time.
        return Seen(
            detection_id=detection_id,  # type: ignore[arg-type]
            ordinal=ordinal,  # type: ignore[arg-type]
            model=model,  # type: ignore[arg-type]
            taxon=None if name[0] is None else self._taxon(tuple(name)),
            box=None if x is None else (x, y, w, h),  # type: ignore[arg-type]
            span=None if start is None else (start, end),  # type: ignore[arg-type]
            score=score,  # type: ignore[arg-type]
            probability=probability,  # type: ignore[arg-type]
            lineage=() if lineage == "[]" else self._lineage(lineage),  # type: ignore[arg-type]
            alternatives=() if alternatives == "[]" else self._alternatives(alternatives),  # type: ignore[arg-type]
            verdict=Verdict(str(decision)),
        )

    def _taxon(self, name: tuple[object, ...]) -> Taxon:
        if name not in self._taxa:
            taxon_id, taxon, common_name, rank = map(str, name)
            self._taxa[name] = Taxon(taxon_id=taxon_id, name=taxon, rank=rank, common_name=common_name)
        return self._taxa[name]


def _row(one: Occurrence) -> dict[str, object]:
    taxon = one.taxon
    return {
        "occurrence_id": one.occurrence_id,
        "sensor_id": one.sensor_id,
        "kind": one.kind.value,
        "session": one.session,
        "first_seen": one.first_seen,
        "last_seen": one.last_seen,
        "active_s": one.active_s,
        "captures": one.captures,
        "detections": len(one.detections),
        "best_detection_id": one.best_detection_id,
        "taxon_id": None if taxon is None else taxon.taxon_id,
        "taxon": None if taxon is None else taxon.name,
        "common_name": None if taxon is None else taxon.common_name,
        "rank": None if taxon is None else taxon.rank,
        "score": one.score,
        "probability": one.probability,
        "decision": one.verdict.value,
        "accepted": one.accepted,
        "individual_count": one.individual_count,
        "length_px": one.length_px,
        "body_length_mm": one.body_length_mm,
        "models": ",".join(one.models),
        "lineage": msgspec.json.encode(one.lineage).decode(),
        "alternatives": msgspec.json.encode(one.alternatives).decode(),
        "settings_digest": one.settings_digest,
        "detection_ids": list(one.detections),
    }


_NAMES = ", ".join(f'"{name}"' for name in _SCHEMA.names)


def replace(
    connection: duckdb.DuckDBPyConnection, sensor_id: str, session: str, occurrences: Sequence[Occurrence]
) -> None:
    """Put a session's occurrences in place of those that it had, in the caller's transaction."""
    connection.execute("DELETE FROM occurrence WHERE sensor_id = ? AND session = ?", [sensor_id, session])
    if occurrences:
        connection.register("followed", occurrence_table(occurrences))
        try:
            connection.execute(f"INSERT INTO occurrence ({_NAMES}) SELECT {_NAMES} FROM followed")
        finally:
            connection.unregister("followed")
