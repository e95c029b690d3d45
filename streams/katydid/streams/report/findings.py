"""What a store says, folded into the numbers that the report prints.

The store is read in stretches of time, and each stretch is added to running sums,
so the memory of a report does not grow with the store. Time is kept in quarter hours of UTC: every zone's offset is a
whole number of them, so hours of the local day, days and longer bins can be made from them afterwards.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from katydid.sensors.clock import TIMELESS, UNDATED
from katydid.streams.report.text import NS
from katydid.streams.store.protocol import OutcomeFilter, Store
from katydid.streams.stretches import stretches

QUARTER_S = 900
QUARTER_NS = QUARTER_S * NS
BINS = 20
"""Bars of the confidence histogram, each 0.05 wide."""
FILES_NAMED = 40
"""Refused files of one reason that are named."""
BEST = 12
"""Detections of a species that are remembered to be shown."""

APART_S = 10.0
"""Detections of one species in one recording that begin in the same ten seconds are shown once."""
Ranked = tuple[bool, int, float, str]
"""Not accepted, how many of its capture come before it, minus its confidence, detection id: the best is the least."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Species(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the species table, over everything that the store holds."""

    taxon_id: str
    """"" for what was found and not named."""
    name: str
    common_name: str
    rank: str
    kinds: tuple[str, ...]
    models: tuple[str, ...]
    detections: int
    captures: int
    """Recordings or frames with at least one detection."""
    accepted: int
    review: int
    unidentifiable: int
    unexpected: int
    """Detections that the place-and-season prior did not expect."""
    confidence: float
    """Mean of the probability, or of the score where there is none."""
    probability: float | None
    """Mean over the detections that have one; None: none has."""
    posterior: float | None
    highest: float
    first: int | None
    """UTC, nanoseconds, of the first detection (capture's time plus seconds into it); None: no clock was right."""
    last: int | None
    histogram: tuple[int, ...]
    best: dict[str, tuple[str, ...]]
    """Kind → detection ids, accepted before others, the most confident first, different captures first."""
    quarters: dict[str, dict[int, int]]
    """Kind → quarter hour since 1970 (UTC) → detections."""

    @property
    def is_organism(self) -> bool:
        """Whether the label is a name of the living world (noise, engines and unnamed finds are not)."""
        return bool(self.taxon_id) and self.rank not in ("none", "")


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Captures refused for one reason, with the first few files."""

    reason: str
    captures: int
    message: str
    files: tuple[str, ...]


class SensorEffort(msgspec.Struct, frozen=True, kw_only=True):
    """What one sensor recorded, per quarter hour since 1970 (UTC); nothing where none of its captures has a time."""

    sensor_id: str
    identified: dict[int, int]
    empty: dict[int, int]
    refused: dict[int, int]


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the report prints about a store, but for pictures and sounds."""

    species: tuple[Species, ...]
    """Organisms first, by accepted detections, then by all."""
    captures: dict[str, int]
    """Status → captures."""
    kinds: dict[str, int]
    """Kind → captures that were looked at."""
    seconds: float
    frames: int
    first: int | None
    last: int | None
    """UTC, nanoseconds: the last capture's start."""
    timeless: int
    """Captures without a time of their own: they take no part in what is drawn over time."""
    impossible: int
    """Captures whose clock says what cannot be right: neither do they."""
    zones: dict[str, int]
    """Zone → captures, most frequent first."""
    zone_sources: dict[str, int]
    clock_sources: dict[str, int]
    clock_flags: dict[str, int]
    places: dict[tuple[float, float], int]
    """Latitude and longitude, rounded to 0.001° → captures."""
    sensors: tuple[SensorEffort, ...]
    seconds_at: dict[int, float]
    """Quarter hour → seconds of sound, all sensors together; a long recording is spread over its quarters."""
    frames_at: dict[int, int]
    refusals: tuple[Refusal, ...]
    ran: dict[str, int]
    """JSON of what ran → captures."""
    settings: dict[str, int]
    versions: dict[str, int]

    @property
    def detections(self) -> int:
        return sum(row.detections for row in self.species)

    @property
    def undated(self) -> int:
        """Captures that count, and are not drawn over time."""
        return self.timeless + self.impossible

    @property
    def total_captures(self) -> int:
        return sum(self.captures.values())


def find(store: Store) -> Findings:
    """Reads the whole store, a stretch at a time."""
    tally = _Tally()
    for window in stretches(store):
        tally.add_outcomes(store.outcomes(OutcomeFilter(window=window)))
        tally.add_detections(store.detections(OutcomeFilter(window=window)))
    return tally.findings()


def integers(table: pa.Table, name: str) -> Ints:
    """A column as int64, null as 0; times as nanoseconds."""
    column = table.column(name).combine_chunks().cast(pa.int64(), safe=False)
    values: Ints = column.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return values


def floats(table: pa.Table, name: str) -> Floats:
    """A column as float64, null as NaN."""
    column = table.column(name).combine_chunks().cast(pa.float64())
    values: Floats = column.fill_null(float("nan")).to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def words(table: pa.Table, name: str) -> list[str]:
    """A column as text, null as ""."""
    return [value or "" for value in table.column(name).to_pylist()]


def counted(values: list[str]) -> Counter[str]:
    return Counter(value for value in values if value)


def unique(table: pa.Table, name: str) -> tuple[list[str], Ints]:
    """The distinct texts of a column and, per row, which of them it holds."""
    encoded = table.column(name).combine_chunks().fill_null("").dictionary_encode()
    codes: Ints = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return encoded.dictionary.to_pylist(), codes


@dataclass
class _Sums:
    """One species while the store is being read."""

    name: str = ""
    common_name: str = ""
    rank: str = ""
    kinds: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    detections: int = 0
    captures: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    unexpected: int = 0
    confidence: float = 0.0
    probability: tuple[float, int] = (0.0, 0)
    posterior: tuple[float, int] = (0.0, 0)
    highest: float = 0.0
    first: int | None = None
    last: int | None = None
    histogram: Ints = field(default_factory=lambda: np.zeros(BINS, np.int64))
    best: dict[str, list[Ranked]] = field(default_factory=lambda: defaultdict(list))
    quarters: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))


class _Chunk:
    """The columns of one stretch of detections that the sums need."""

    def __init__(self, table: pa.Table, undated: set[str]) -> None:
        self.taxon_ids, self.taxon = unique(table, "taxon_id")
        self.names, self.name = unique(table, "taxon")
        self.common_names, self.common_name = unique(table, "common_name")
        self.ranks, self.rank = unique(table, "rank")
        self.kinds, self.kind = unique(table, "kind")
        self.models, self.model = unique(table, "model")
        self.decisions, self.decision = unique(table, "decision")
        self.capture_ids, self.capture = unique(table, "capture_id")
        self.ids = table.column("detection_id")
        self.score = floats(table, "score")
        self.probability = floats(table, "probability")
        self.posterior = floats(table, "posterior")
        self.confidence = np.where(np.isnan(self.probability), self.score, self.probability)
        into = np.nan_to_num(floats(table, "start_s"))
        self.at: Ints = integers(table, "captured_at") + np.round(into * NS).astype(np.int64)
        self.unexpected = floats(table, "expected") == 0.0
        self.dated = np.array([capture not in undated for capture in self.capture_ids])[self.capture]


class _Tally:
    """Running sums over stretches of a store."""

    def __init__(self) -> None:
        self.species: dict[str, _Sums] = defaultdict(_Sums)
        self.captures: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.seconds = 0.0
        self.frames = 0
        self.first: int | None = None
        self.last: int | None = None
        self.timeless = self.impossible = 0
        self._undated_ids: set[str] = set()
        self.words: dict[str, Counter[str]] = defaultdict(Counter)
        self.places: Counter[tuple[float, float]] = Counter()
        self.sensors: dict[str, dict[str, Counter[int]]] = defaultdict(lambda: defaultdict(Counter))
        self.seconds_at: dict[int, float] = defaultdict(float)
        self.frames_at: Counter[int] = Counter()
        self.refusals: dict[str, tuple[Counter[str], list[str]]] = defaultdict(lambda: (Counter(), []))

    # --- captures -------------------------------------------------------------------------------------------------

    def add_outcomes(self, table: pa.Table) -> None:
        if table.num_rows == 0:
            return
        flags = [frozenset(some.split(",")) for some in words(table, "clock_flags")]
        dated = np.array([UNDATED.isdisjoint(some) for some in flags])
        self._undated_ids = set(table.column("capture_id").filter(pa.array(~dated)).to_pylist())
        timeless = sum(TIMELESS in some for some in flags)
        self.timeless += timeless
        self.impossible += len(flags) - int(dated.sum()) - timeless
        self.first, self.last = _widened(self.first, self.last, integers(table, "captured_at")[dated])
        self.captures.update(counted(words(table, "status")))
        for name in ("clock_zone", "clock_zone_source", "clock_source", "ran", "settings_digest", "katydid_version"):
            self.words[name].update(counted(words(table, name)))
        self.words["clock_flags"].update(flag for some in flags for flag in some if flag)
        for sensor in unique(table, "sensor_id")[0]:
            self.sensors.setdefault(sensor, defaultdict(Counter))  # Also one without a single time.
        self._add_effort(table)
        self._add_times(table.filter(pa.array(dated)))
        self._add_places(table)
        self._add_refusals(table)

    def _add_effort(self, table: pa.Table) -> None:
        self.seconds += float(np.nan_to_num(floats(table, "effort_s")).sum())
        self.frames += int(integers(table, "effort_frames").sum())
        looked_at = table.filter(pa.compute.not_equal(table.column("status"), "refused"))
        self.kinds.update(counted(words(looked_at, "kind")))

    def _add_times(self, table: pa.Table) -> None:
        """Where in time the effort lies, of captures whose clock can be right."""
        rows = zip(
            integers(table, "captured_at").tolist(),
            np.nan_to_num(floats(table, "effort_s")).tolist(),
            integers(table, "effort_frames").tolist(),
            words(table, "status"),
            words(table, "sensor_id"),
            strict=True,
        )
        for start, seconds, frames, status, sensor in rows:
            captures = self.sensors[sensor][status]
            for quarter, part in spread(start, seconds):
                captures[quarter] += 1
                if part:
                    self.seconds_at[quarter] += part
            if frames:
                self.frames_at[start // QUARTER_NS] += frames

    def _add_places(self, table: pa.Table) -> None:
        latitude, longitude = floats(table, "latitude"), floats(table, "longitude")
        known = ~(np.isnan(latitude) | np.isnan(longitude))
        pairs = zip(latitude[known].round(3).tolist(), longitude[known].round(3).tolist(), strict=True)
        self.places.update(pairs)

    def _add_refusals(self, table: pa.Table) -> None:
        columns = [words(table, name) for name in ("status", "reason", "message", "file")]
        for status, reason, message, file in zip(*columns, strict=True):
            if status == "refused":
                messages, files = self.refusals[reason]
                messages[message] += 1
                if len(files) < FILES_NAMED:
                    files.append(file)

    # --- detections -----------------------------------------------------------------------------------------------

    def add_detections(self, table: pa.Table) -> None:
        if table.num_rows == 0:
            return
        chunk = _Chunk(table, self._undated_ids)
        order = np.argsort(chunk.taxon, kind="stable")
        cuts = np.flatnonzero(np.diff(chunk.taxon[order])) + 1
        for rows in np.split(order, cuts):
            self._add_species(self.species[chunk.taxon_ids[chunk.taxon[rows[0]]]], chunk, rows)

    def _add_species(self, sums: _Sums, chunk: _Chunk, rows: Ints) -> None:
        head = rows[0]
        sums.name, sums.rank = chunk.names[chunk.name[head]], chunk.ranks[chunk.rank[head]]
        sums.common_name = chunk.common_names[chunk.common_name[head]] or sums.common_name
        sums.kinds |= {chunk.kinds[code] for code in np.unique(chunk.kind[rows])}
        sums.models |= {chunk.models[code] for code in np.unique(chunk.model[rows])}
        sums.captures += len(np.unique(chunk.capture[rows]))
        for code, times in zip(*np.unique(chunk.decision[rows], return_counts=True), strict=True):
            sums.verdicts[chunk.decisions[code]] += int(times)
        sums.unexpected += int(chunk.unexpected[rows].sum())
        dated, confidence = rows[chunk.dated[rows]], chunk.confidence[rows]
        sums.first, sums.last = _widened(sums.first, sums.last, chunk.at[dated])
        sums.detections += len(rows)
        sums.confidence += float(confidence.sum())
        sums.highest = max(sums.highest, float(confidence.max()))
        sums.probability = _add_mean(sums.probability, chunk.probability[rows])
        sums.posterior = _add_mean(sums.posterior, chunk.posterior[rows])
        bins = np.clip((confidence * BINS).astype(np.int64), 0, BINS - 1)
        sums.histogram = sums.histogram + np.bincount(bins, minlength=BINS)
        for code in np.unique(chunk.kind[rows]):
            of_kind = rows[chunk.kind[rows] == code]
            _add_best(sums.best[chunk.kinds[code]], chunk, of_kind)
            quarters, times = np.unique(chunk.at[of_kind[chunk.dated[of_kind]]] // QUARTER_NS, return_counts=True)
            sums.quarters[chunk.kinds[code]].update(dict(zip(quarters.tolist(), times.tolist(), strict=True)))

    # --- the answer -----------------------------------------------------------------------------------------------

    def findings(self) -> Findings:
        species = [_species(taxon_id, sums) for taxon_id, sums in self.species.items()]
        species.sort(key=lambda row: (not row.is_organism, -row.accepted, -row.detections, row.name))
        refusals = [_refusal(reason, messages, files) for reason, (messages, files) in self.refusals.items()]
        return Findings(
            species=tuple(species),
            captures=dict(self.captures),
            kinds=dict(self.kinds),
            seconds=self.seconds,
            frames=self.frames,
            first=self.first,
            last=self.last,
            timeless=self.timeless,
            impossible=self.impossible,
            zones=dict(self.words["clock_zone"].most_common()),
            zone_sources=dict(self.words["clock_zone_source"].most_common()),
            clock_sources=dict(self.words["clock_source"].most_common()),
            clock_flags=dict(self.words["clock_flags"].most_common()),
            places=dict(self.places.most_common()),
            sensors=tuple(_sensor(name, parts) for name, parts in sorted(self.sensors.items())),
            seconds_at=dict(self.seconds_at),
            frames_at=dict(self.frames_at),
            refusals=tuple(sorted(refusals, key=lambda row: (-row.captures, row.reason))),
            ran=dict(self.words["ran"].most_common()),
            settings=dict(self.words["settings_digest"].most_common()),
            versions=dict(self.words["katydid_version"].most_common()),
        )


def _species(taxon_id: str, sums: _Sums) -> Species:
    return Species(
        taxon_id=taxon_id,
        name=sums.name,
        common_name=sums.common_name,
        rank=sums.rank,
        kinds=tuple(sorted(sums.kinds)),
        models=tuple(sorted(sums.models)),
        detections=sums.detections,
        captures=sums.captures,
        accepted=sums.verdicts["accepted"],
        review=sums.verdicts["review"],
        unidentifiable=sums.verdicts["unidentifiable"],
        unexpected=sums.unexpected,
        confidence=sums.confidence / sums.detections,
        probability=_mean(sums.probability),
        posterior=_mean(sums.posterior),
        highest=sums.highest,
        first=sums.first,
        last=sums.last,
        histogram=tuple(int(bar) for bar in sums.histogram),
        best={kind: tuple(one[-1] for one in ranked) for kind, ranked in sums.best.items()},
        quarters={kind: dict(counts) for kind, counts in sums.quarters.items()},
    )


def _refusal(reason: str, messages: Counter[str], files: list[str]) -> Refusal:
    message = messages.most_common(1)[0][0]
    return Refusal(reason=reason, captures=messages.total(), message=message, files=tuple(files))


def _sensor(name: str, parts: dict[str, Counter[int]]) -> SensorEffort:
    return SensorEffort(
        sensor_id=name,
        identified=dict(parts.get("identified", {})),
        empty=dict(parts.get("empty", {})),
        refused=dict(parts.get("refused", {})),
    )


def _add_best(best: list[Ranked], chunk: _Chunk, rows: Ints) -> None:
    """Keeps the BEST of what was there and of `rows`.

    Of detections in one capture that begin within APART_S of each other only the most confident counts; and the
    first of every capture comes before the second of any, so that a reader sees different nights and places.
    """
    accepted = np.array([word == "accepted" for word in chunk.decisions])[chunk.decision[rows]]
    ranked = rows[np.lexsort((chunk.at[rows], -chunk.confidence[rows], ~accepted))]
    pairs = np.stack([chunk.capture[ranked], chunk.at[ranked] // round(APART_S * NS)], axis=1)
    _, firsts = np.unique(pairs, axis=0, return_index=True)
    seen: Counter[int] = Counter()
    for row in ranked[np.sort(firsts)]:
        capture = int(chunk.capture[row])
        if seen[capture] < BEST:
            good = chunk.decisions[chunk.decision[row]] == "accepted"
            best.append((not good, seen[capture], -float(chunk.confidence[row]), chunk.ids[int(row)].as_py()))
            seen[capture] += 1
    best.sort()
    del best[BEST:]


def _widened(first: int | None, last: int | None, at: Ints) -> tuple[int | None, int | None]:
    """First and last of what was there and of the times `at`."""
    if not len(at):
        return first, last
    low, high = int(at.min()), int(at.max())
    return (low if first is None else min(first, low)), (high if last is None else max(last, high))


def _add_mean(so_far: tuple[float, int], values: Floats) -> tuple[float, int]:
    known = values[~np.isnan(values)]
    return so_far[0] + float(known.sum()), so_far[1] + len(known)


def _mean(sums: tuple[float, int]) -> float | None:
    return sums[0] / sums[1] if sums[1] else None


def spread(start: int, seconds: float) -> Iterator[tuple[int, float]]:
    """The quarter hours (since 1970) that a recording from `start` (UTC, ns) touches, with its seconds in each."""
    end = start + round(seconds * NS)
    quarter = start // QUARTER_NS
    while True:
        upto = min(end, (quarter + 1) * QUARTER_NS)
        yield quarter, (upto - max(start, quarter * QUARTER_NS)) / NS
        quarter += 1
        if quarter * QUARTER_NS >= end:
            return
