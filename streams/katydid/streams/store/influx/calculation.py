"""The five reads, answered exactly as the DuckDB store answers them: by the same SQL, over rows fetched for it.

InfluxDB gives the outcomes, or the sums of the hours, that a question may need; a DuckDB in memory, which lives for
the one question, chooses, orders and joins. So the two stores cannot come to mean different things.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from katydid.models.outcome import Outcome
from katydid.streams.store import reads, rows
from katydid.streams.store.hashing import content_hash
from katydid.streams.store.influx.connection import Row
from katydid.streams.store.influx.plain import original_tag, original_text
from katydid.streams.store.opening import CONFIG

Tables = Mapping[str, pa.Table]

_US, _NS = pa.timestamp("us"), pa.timestamp("ns")
ACTIVITY_ROWS = pa.schema(
    [
        ("sensor_id", pa.string()),
        ("hour", _US),
        ("taxon_id", pa.string()),
        ("taxon", pa.string()),
        ("common_name", pa.string()),
        ("rank", pa.string()),
        ("detections", pa.int64()),
        ("accepted", pa.int64()),
        ("sum_confidence", pa.float64()),
        ("max_confidence", pa.float64()),
    ]
)
EFFORT_ROWS = pa.schema(
    [
        ("sensor_id", pa.string()),
        ("hour", _US),
        ("captures", pa.int64()),
        ("identified", pa.int64()),
        ("empty", pa.int64()),
        ("refused", pa.int64()),
        ("effort_s", pa.float64()),
        ("effort_frames", pa.int64()),
        ("detections", pa.int64()),
        ("first_captured_at", _NS),
        ("last_captured_at", _NS),
    ]
)

COUNTED_ROWS = pa.schema(
    [
        ("sensor_id", pa.string()),
        ("first_seen", _NS),
        ("taxon_id", pa.string()),
        ("taxon", pa.string()),
        ("common_name", pa.string()),
        ("rank", pa.string()),
        ("individual_count", pa.int64()),
    ]
)


class Gathered:
    """Outcomes as tables, made piece by piece, so that no more than one piece lives as records."""

    def __init__(self) -> None:
        self._outcomes: list[pa.Table] = []
        self._detections: list[pa.Table] = []

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Add some."""
        self._outcomes.append(rows.outcome_table(outcomes))
        self._detections.append(rows.detection_table(outcomes, self._outcomes[-1]))

    def tables(self) -> Tables:
        """Tables `outcome` and `detection`, as the DuckDB store has them."""
        if not self._outcomes:
            self.take([])
        made = {"outcome": self._outcomes, "detection": self._detections}
        return {
            name: pa.concat_tables(piece.cast(rows.ARROW_SCHEMAS[name]) for piece in pieces)
            for name, pieces in made.items()
        }


def answer(query: reads.Query, schema: pa.Schema, tables: Tables) -> pa.Table:
    """A query of `store/reads.py` over tables."""
    text, parameters = query
    with _calculator(tables) as connection:
        table = connection.sql(text, params=parameters or None).to_arrow_table()
    return table.select(schema.names).cast(schema)


def hash_of(tables: Tables) -> str:
    """The content hash of the DuckDB store that would hold the same."""
    with _calculator(tables) as connection:
        return content_hash(connection)


@contextmanager
def _calculator(tables: Tables) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:", config=CONFIG) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        yield connection


def activity_rows(found: Sequence[Row]) -> pa.Table:
    """Rows of the measurement `activity_1h` as the table of that name."""
    columns = _hours(found)
    tags = [row["taxon"] for row in found]
    columns["taxon_id"] = [None if taxon is None else original_tag(str(taxon)) for taxon in tags]
    for column, field in (("taxon", "name"), ("common_name", "common_name"), ("rank", "rank")):
        columns[column] = [
            None if taxon is None else original_text(str(row[field])) for row, taxon in zip(found, tags, strict=True)
        ]
    return _table(ACTIVITY_ROWS, columns, found)


def effort_rows(found: Sequence[Row]) -> pa.Table:
    """Rows of the measurement `effort_1h` as the table of that name."""
    return _table(EFFORT_ROWS, _hours(found), found)


def counted_rows(found: Sequence[Row]) -> pa.Table:
    """Rows of the measurement `occurrence` as the table of that name, as far as it is counted."""
    columns: dict[str, list[object]] = {
        "sensor_id": [original_tag(str(row["sensor"])) for row in found],
        "individual_count": [row["count"] for row in found],
    }
    for name in ("taxon_id", "taxon", "common_name", "rank"):
        columns[name] = [original_text(str(row[name])) if row["taxon_id"] else None for row in found]
    return _table(COUNTED_ROWS, columns, found)


def _hours(found: Sequence[Row]) -> dict[str, list[object]]:
    return {
        "sensor_id": [original_tag(str(row["sensor"])) for row in found],
        "hour": [int(str(row["time"])) // 1_000 for row in found],
    }


def _table(schema: pa.Schema, made: Mapping[str, list[object]], found: Sequence[Row]) -> pa.Table:
    """Numbers come as the server says them: a float that is whole comes without its point."""
    arrays = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        cells = made[name] if name in made else [row[name] for row in found]
        if pa.types.is_timestamp(kind):
            arrays.append(pa.array(cells, pa.int64()).view(kind))
        elif kind == pa.float64():
            arrays.append(pa.array([float(str(cell)) for cell in cells], kind))
        else:
            arrays.append(pa.array(cells, kind))
    return pa.Table.from_arrays(arrays, schema=schema)
