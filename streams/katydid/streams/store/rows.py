"""Outcome ⇄ rows: the one place that knows which field lies in which column.

An outcome is one row of `outcome` and one row of `detection` per detection. Numbers and words that people ask for
have columns of their own; lists (facts, measures, lineage, alternatives, what ran) are JSON text in the form of
their structs, so that SQL, R and Python can read them too. Nothing is lost: `rebuild` gives the equal Outcome back.

JSON knows no NaN and UTF-8 no lone surrogate. Inside JSON a number that is not finite is written as the text "nan",
"inf" or "-inf"; a lone surrogate (from an undecodable file name) is written as its escape, for example "\\udc80".
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TypeVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from katydid.models.outcome import (
    Alternative,
    Box,
    Certificate,
    Context,
    Decision,
    Detection,
    Effort,
    Measure,
    Outcome,
    Ran,
    RankProbability,
    Span,
    Status,
    Taxon,
    Verdict,
)
from katydid.sensors.capture import Clock, ClockSource, Fact, Kind, Place, ZoneSource
from katydid.streams.sink import Arrival

NS = pa.timestamp("ns")
"""Times lie in the tables as UTC without a zone; answers carry the zone (`columns.UTC_NS`)."""

_TEXT = pa.string()
_REAL = pa.float64()

T = TypeVar("T")
Row = Mapping[str, object]


class _Column(msgspec.Struct, frozen=True):
    name: str
    type: pa.DataType
    of: str
    """Which record it comes from: "outcome", "clock", …"""
    field: str
    json: bool = False
    hole: bytes = b""
    """What its JSON holds only where the encoder dropped a number that is not finite; empty: it holds no numbers."""


def _text(of: str, **fields: str) -> list[_Column]:
    return [_Column(name, pa.string(), of, field) for name, field in fields.items()]


def _real(of: str, **fields: str) -> list[_Column]:
    return [_Column(name, pa.float64(), of, field) for name, field in fields.items()]


def _whole(of: str, **fields: str) -> list[_Column]:
    return [_Column(name, pa.int32(), of, field) for name, field in fields.items()]


def _json(of: str, name: str, hole: bytes = b"") -> _Column:
    return _Column(name, pa.string(), of, name, json=True, hole=hole)


OUTCOME_COLUMNS: tuple[_Column, ...] = (
    *_text("outcome", capture_id="capture_id", sensor_id="sensor_id", kind="kind", file="file"),
    _Column("captured_at", NS, "outcome", "captured_at"),
    *_text("clock", clock_source="source", clock_recorded="recorded"),
    *_real("clock", clock_resolution_s="resolution_s", clock_uncertainty_s="uncertainty_s"),
    *_text("clock", clock_zone="zone", clock_zone_source="zone_source", clock_flags="flags"),
    *_text("outcome", media_type="media_type", sha256="sha256"),
    _Column("length", pa.int64(), "outcome", "length"),
    _Column("sequence", pa.int64(), "outcome", "sequence"),
    *_real("place", latitude="latitude", longitude="longitude"),
    *_real("place", place_uncertainty_m="uncertainty_m", elevation_m="elevation_m"),
    *_text("place", place_source="source"),
    *_text("outcome", status="status", reason="reason", message="message"),
    *_real("effort", effort_s="seconds"),
    *_whole("effort", effort_frames="frames", channels="channels", sample_rate="sample_rate"),
    *_whole("effort", width="width", height="height"),
    *_whole("outcome", n_detections="detections", earlier_frames="earlier_frames"),
    _json("outcome", "facts"),
    _json("outcome", "quality", b'"value":null'),
    _json("outcome", "ran"),
    *_text("outcome", settings_digest="settings_digest", katydid_version="katydid_version"),
)

DETECTION_COLUMNS: tuple[_Column, ...] = (
    *_text("outcome", capture_id="capture_id"),
    *_text("detection", detection_id="detection_id"),
    *_whole("detection", ordinal="ordinal"),
    *_text("outcome", sensor_id="sensor_id", kind="kind", file="file"),
    _Column("captured_at", NS, "outcome", "captured_at"),
    *_text("taxon", taxon_id="taxon_id", taxon="name", common_name="common_name", rank="rank"),
    *_real("span", start_s="start_s", end_s="end_s", low_hz="low_hz", high_hz="high_hz"),
    *_real("box", box_x="x", box_y="y", box_w="w", box_h="h"),
    *_real("detection", score="score", probability="probability", posterior="posterior"),
    *_real("context", prior="prior"),
    _Column("expected", pa.bool_(), "context", "expected"),
    *_real("context", local_solar_hour="local_solar_hour", sun_elevation_deg="sun_elevation_deg"),
    *_text("context", prior_bundle="prior_bundle"),
    _Column("allowed", pa.bool_(), "context", "allowed"),
    *_text("decision", decision="verdict", reason="reason"),
    _json("decision", "certificate", b'":null'),
    *_text("detection", model="model", model_digest="model_digest", life_stage="life_stage"),
    _json("detection", "lineage", b'"probability":null'),
    _json("detection", "alternatives", b'"score":null'),
    _json("detection", "quality", b'"value":null'),
)


def _schema(columns: Sequence[_Column]) -> pa.Schema:
    return pa.schema([(column.name, column.type) for column in columns])


POSITION_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("partition", pa.string()),
        ("offset", pa.int64()),
        ("mark", pa.string()),
        ("capture_id", pa.string()),
    ]
)
ARROW_SCHEMAS: Mapping[str, pa.Schema] = {
    "outcome": _schema(OUTCOME_COLUMNS),
    "detection": _schema(DETECTION_COLUMNS),
    "position_log": POSITION_SCHEMA,
}
"""What is appended to each table."""


class _Absent:
    """Stands for a record that is None: every field of it is None."""


_ABSENT = _Absent()
# As attributes that are there: a `__getattr__` would cost fifteen times as much for each cell.
vars(_ABSENT).update({column.field: None for column in (*OUTCOME_COLUMNS, *DETECTION_COLUMNS)})
_encoder = msgspec.json.Encoder()

Records = Mapping[str, Sequence[object]]


def _reader(field: str) -> Callable[[Sequence[object]], list[object]]:
    """Reads a field of every record. Code of its own for each column: in it Python remembers where the field lies, and
    needs a half of the time that one `attrgetter` after another does."""
    return eval(f"lambda records: [record.{field} for record in records]")  # type: ignore[no-any-return]


_READERS = {column: _reader(column.field) for column in (*OUTCOME_COLUMNS, *DETECTION_COLUMNS)}


def outcome_table(outcomes: Sequence[Outcome]) -> pa.Table:
    """The rows of table `outcome`, in the order of OUTCOME_COLUMNS."""
    records: Records = {
        "outcome": outcomes,
        "clock": [outcome.clock for outcome in outcomes],
        "effort": [outcome.effort for outcome in outcomes],
        "place": [outcome.place or _ABSENT for outcome in outcomes],
    }
    special = {
        "clock_flags": _array([",".join(flags) if flags else "" for flags in map(_FLAGS, records["clock"])], _TEXT),
        "n_detections": pa.array([len(outcome.detections) for outcome in outcomes], pa.int32()),
    }
    return _table(OUTCOME_COLUMNS, records, special)


def detection_table(outcomes: Sequence[Outcome], table: pa.Table | None = None) -> pa.Table:
    """The rows of table `detection`, in the order of DETECTION_COLUMNS.

    What a detection repeats of its outcome is copied from `table`, the outcomes' own rows, where it is given.
    """
    owners = [place for place, outcome in enumerate(outcomes) for _ in outcome.detections]
    detections = [detection for outcome in outcomes for detection in outcome.detections]
    records: Records = {
        "detection": detections,
        "taxon": [detection.taxon or _ABSENT for detection in detections],
        "span": [detection.span or _ABSENT for detection in detections],
        "box": [detection.box or _ABSENT for detection in detections],
        "context": [detection.context or _ABSENT for detection in detections],
        "decision": [detection.decision for detection in detections],
    }
    of_outcome = (
        (outcome_table(outcomes) if table is None else table).select(_REPEATED).take(pa.array(owners, pa.int32()))
    )
    repeated = dict(zip(_REPEATED, of_outcome.combine_chunks().columns, strict=True))
    return _table(DETECTION_COLUMNS, records, repeated)


PIECE = 1_000
"""Outcomes whose rows are made at a time: a processor's cache holds their columns, and not those of ten thousand."""


def batch_tables(fresh: Sequence[Outcome], arrivals: Sequence[Arrival]) -> dict[str, pa.Table]:
    """The rows of a batch by the name of their table: of the outcomes that are new, and of all positions."""
    outcomes, detections = [], []
    for start in range(0, len(fresh), PIECE):
        piece = fresh[start : start + PIECE]
        outcomes.append(outcome_table(piece))
        detections.append(detection_table(piece, outcomes[-1]))
    return {
        "outcome": pa.concat_tables(outcomes or [ARROW_SCHEMAS["outcome"].empty_table()]),
        "detection": pa.concat_tables(detections or [ARROW_SCHEMAS["detection"].empty_table()]),
        "position_log": position_table(arrivals),
    }


_FLAGS = attrgetter("flags")
_REPEATED = [column.name for column in DETECTION_COLUMNS if column.of == "outcome"]


def position_table(arrivals: Sequence[Arrival]) -> pa.Table:
    """The rows of `position_log`: of each partition's positions the last."""
    positions = [arrival.position for arrival in arrivals]
    if len({position.partition for position in positions}) < len(positions):
        latest = {(arrival.position.source, arrival.position.partition): arrival for arrival in arrivals}
        arrivals = list(latest.values())
        positions = [arrival.position for arrival in arrivals]
    ids = [arrival.outcome.capture_id for arrival in arrivals]
    columns = [list(map(attrgetter(name), positions)) for name in ("source", "partition", "offset", "mark")]
    kinds = POSITION_SCHEMA.types
    return pa.Table.from_arrays(list(map(_array, (*columns, ids), kinds)), schema=POSITION_SCHEMA)


def _table(columns: Sequence[_Column], records: Records, made: Mapping[str, pa.Array]) -> pa.Table:
    arrays = [made[column.name] if column.name in made else _cells(column, records[column.of]) for column in columns]
    return pa.Table.from_arrays(arrays, names=[column.name for column in columns])


def _cells(column: _Column, records: Sequence[object]) -> pa.Array:
    if records and records[0] is _ABSENT and records.count(_ABSENT) == len(records):
        return pa.nulls(len(records), column.type)
    # A column at a time: a tuple per row would wake the garbage collector, which costs more than all of this.
    cells = _READERS[column](records)
    return _json_array(cells, column.hole) if column.json else _array(cells, column.type)


def _array(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    if values and _all_equal(values) and not (kind == _REAL and values[0] == 0):  # 0.0 equals -0.0.
        return pa.repeat(pa.scalar(_speakable(values[0]), kind), len(values))
    try:
        return pa.array(values, pa.int64()).view(NS) if kind == NS else pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array([_speakable(value) for value in values], kind)


def _all_equal(values: Sequence[object]) -> bool:
    return values[0] == values[-1] and values.count(values[0]) == len(values)


def _json_array(values: Sequence[object], hole: bytes) -> pa.Array:
    """JSON text of each value as an Arrow array of strings, made without a Python object per row: the encoder writes
    all values into one buffer, one after another."""
    if not any(values):
        return _array([None if value is None else "[]" for value in values], _TEXT)
    if not hole and len(values) > 1 and _all_equal(values):  # Not for numbers: 0.0 equals -0.0.
        return pa.repeat(_json_array(values[:1], hole)[0], len(values))
    try:
        text, ends = _encoded(values)
    except UnicodeEncodeError:
        text, ends = _encoded([_plain(msgspec.to_builtins(value)) for value in values])
    if hole and hole in text:
        text, ends = _encoded([_plain(msgspec.to_builtins(value)) for value in values])
    texts = pa.StringArray.from_buffers(len(values), pa.py_buffer(ends), pa.py_buffer(text))
    return pc.if_else(pc.equal(texts, "null"), None, texts) if None in values else texts


def _encoded(values: Sequence[object]) -> tuple[bytearray, array[int]]:
    """The JSON of all values in one buffer, and where each begins and the last ends."""
    text, ends = bytearray(), array("i", (0,))
    write, note = _encoder.encode_into, ends.append
    for value in values:
        write(value, text, -1)
        note(len(text))
    return text, ends


def _plain(value: object) -> object:
    """The same value with what JSON or UTF-8 cannot say put as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return _speakable(value)


def _speakable(value: object) -> object:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def rebuild(outcome_row: Row, detection_rows: Iterable[Row]) -> Outcome:
    """The Outcome that was written, from its row and those of its detections in the order of their ordinals.

    Rows map a column's name to its value; `captured_at` is integer nanoseconds.
    """
    row = _Reader(outcome_row)
    return Outcome(
        capture_id=row.text("capture_id"),
        sensor_id=row.text("sensor_id"),
        kind=Kind(row.text("kind")),
        captured_at=row.get("captured_at", int),
        clock=_clock(row),
        media_type=row.text("media_type"),
        sha256=row.text("sha256"),
        length=row.get("length", int),
        sequence=row.maybe("sequence", int),
        place=_place(row),
        facts=row.listed("facts", Fact),
        file=row.text("file"),
        status=Status(row.text("status")),
        reason=row.text("reason"),
        message=row.text("message"),
        effort=_effort(row),
        quality=row.listed("quality", Measure),
        detections=tuple(_detection(_Reader(detection)) for detection in detection_rows),
        earlier_frames=row.get("earlier_frames", int),
        ran=row.listed("ran", Ran),
        settings_digest=row.text("settings_digest"),
        katydid_version=row.text("katydid_version"),
    )


class _Reader:
    """Typed access to one row."""

    def __init__(self, row: Row) -> None:
        self._row = row

    def get(self, name: str, kind: type[T]) -> T:
        return msgspec.convert(self._row[name], kind)

    def maybe(self, name: str, kind: type[T]) -> T | None:
        value = self._row[name]
        return None if value is None else msgspec.convert(value, kind)

    def text(self, name: str) -> str:
        return self.get(name, str)

    def listed(self, name: str, kind: type[T]) -> tuple[T, ...]:
        return _decoder(kind)(self.text(name))


_decoders: dict[type, Callable[[str], tuple[object, ...]]] = {}


def _decoder(kind: type[T]) -> Callable[[str], tuple[T, ...]]:
    if kind not in _decoders:
        _decoders[kind] = msgspec.json.Decoder(tuple[kind, ...], strict=False).decode  # type: ignore[valid-type]
    return _decoders[kind]  # type: ignore[return-value]


def _clock(row: _Reader) -> Clock:
    flags = row.text("clock_flags")
    return Clock(
        source=ClockSource(row.text("clock_source")),
        recorded=row.text("clock_recorded"),
        resolution_s=row.get("clock_resolution_s", float),
        uncertainty_s=row.get("clock_uncertainty_s", float),
        zone=row.text("clock_zone"),
        zone_source=ZoneSource(row.text("clock_zone_source")),
        flags=tuple(flags.split(",")) if flags else (),
    )


def _place(row: _Reader) -> Place | None:
    latitude = row.maybe("latitude", float)
    if latitude is None:
        return None
    return Place(
        latitude=latitude,
        longitude=row.get("longitude", float),
        uncertainty_m=row.maybe("place_uncertainty_m", float),
        elevation_m=row.maybe("elevation_m", float),
        source=row.text("place_source"),
    )


def _effort(row: _Reader) -> Effort:
    return Effort(
        seconds=row.get("effort_s", float),
        frames=row.get("effort_frames", int),
        channels=row.get("channels", int),
        sample_rate=row.get("sample_rate", int),
        width=row.get("width", int),
        height=row.get("height", int),
    )


def _detection(row: _Reader) -> Detection:
    return Detection(
        detection_id=row.text("detection_id"),
        ordinal=row.get("ordinal", int),
        model=row.text("model"),
        model_digest=row.text("model_digest"),
        taxon=_taxon(row),
        box=_box(row),
        span=_span(row),
        score=row.get("score", float),
        probability=row.maybe("probability", float),
        posterior=row.maybe("posterior", float),
        lineage=row.listed("lineage", RankProbability),
        alternatives=row.listed("alternatives", Alternative),
        life_stage=row.maybe("life_stage", str),
        quality=row.listed("quality", Measure),
        context=_context(row),
        decision=_decision(row),
    )


def _taxon(row: _Reader) -> Taxon | None:
    taxon_id = row.maybe("taxon_id", str)
    if taxon_id is None:
        return None
    name, rank, common = row.text("taxon"), row.text("rank"), row.text("common_name")
    return Taxon(taxon_id=taxon_id, name=name, rank=rank, common_name=common)


def _box(row: _Reader) -> Box | None:
    x = row.maybe("box_x", float)
    if x is None:
        return None
    return Box(x=x, y=row.get("box_y", float), w=row.get("box_w", float), h=row.get("box_h", float))


def _span(row: _Reader) -> Span | None:
    start = row.maybe("start_s", float)
    if start is None:
        return None
    low, high = row.maybe("low_hz", float), row.maybe("high_hz", float)
    return Span(start_s=start, end_s=row.get("end_s", float), low_hz=low, high_hz=high)


def _context(row: _Reader) -> Context | None:
    bundle = row.maybe("prior_bundle", str)
    if bundle is None:
        return None
    return Context(
        local_solar_hour=row.maybe("local_solar_hour", float),
        sun_elevation_deg=row.maybe("sun_elevation_deg", float),
        prior=row.maybe("prior", float),
        prior_bundle=bundle,
        expected=row.maybe("expected", bool),
        allowed=row.get("allowed", bool),
    )


def _decision(row: _Reader) -> Decision:
    text = row.maybe("certificate", str)
    certificate = None if text is None else msgspec.json.decode(text, type=Certificate, strict=False)
    return Decision(verdict=Verdict(row.text("decision")), reason=row.text("reason"), certificate=certificate)
