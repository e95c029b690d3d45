"""How many individuals and bouts there were of each taxon, and which picture stands for each individual.

Read from the store's occurrences, a stretch of time at a time; a store that follows nothing has none, and then the
report shows detections alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa

from katydid.models.outcome import Verdict
from katydid.streams.store.protocol import Followed, OutcomeFilter, Store
from katydid.streams.stretches import stretches

REMEMBERED = 60
"""Individuals of a taxon that may be shown, each by one picture."""

NO_ORGANISM = "none"
"""The rank of labels that are no name of the living world."""

_COLUMNS = (
    "kind", "taxon_id", "rank", "first_seen", "last_seen", "captures", "best_detection_id", "decision", "score",
    "probability",
)  # fmt: skip

Row = tuple[str, str | None, str | None, int, int, int, str, str, float, float | None]


class Individual(msgspec.Struct, frozen=True, kw_only=True):
    """One animal in view."""

    best_detection_id: str
    """The detection that is surest of its name."""
    first_seen: int
    """UTC, nanoseconds."""
    last_seen: int
    captures: int
    """Frames that show it."""


class Followings(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one taxon's detections."""

    individuals: int = 0
    """Animals in view."""
    bouts: int = 0
    """Of song."""
    shown: tuple[Individual, ...] = ()
    """Of the individuals, those to be shown: accepted before others, the most confident first; REMEMBERED at most."""


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """Occurrences of all organisms in a store, and of what no model named; labels such as noise are no animals."""

    by_taxon: dict[str, Followings]
    """Taxon id ("" for what no model named) → what there was of it."""
    waiting: int
    """Sensor nights whose detections were not followed yet: their animals are missing here."""

    def of(self, taxon_id: str) -> Followings | None:
        """What is known of one taxon; None: nothing of it was followed, and something still waits to be."""
        return self.by_taxon.get(taxon_id, None if self.waiting else Followings())

    @property
    def individuals(self) -> int:
        return sum(one.individuals for one in self.by_taxon.values())

    @property
    def bouts(self) -> int:
        return sum(one.bouts for one in self.by_taxon.values())


def census(store: Store) -> Census | None:
    """Counts a store's occurrences; None where it follows nothing."""
    if not isinstance(store, Followed):
        return None
    sums: dict[str, _Sums] = {}
    for window in stretches(store):
        for row in _rows(store.occurrences(OutcomeFilter(window=window))):
            if row[2] != NO_ORGANISM:
                sums.setdefault(row[1] or "", _Sums()).add(row)
    return Census(by_taxon={taxon_id: one.followings() for taxon_id, one in sums.items()}, waiting=store.unfollowed())


def _rows(table: pa.Table) -> Iterator[Row]:
    columns = [table.column(name) for name in _COLUMNS]
    plain = (one.cast(pa.int64()) if pa.types.is_timestamp(one.type) else one for one in columns)
    yield from zip(*(one.to_pylist() for one in plain), strict=True)


@dataclass
class _Sums:
    """One taxon while the store is being read."""

    individuals: int = 0
    bouts: int = 0
    best: list[tuple[bool, float, str, Individual]] = field(default_factory=list)
    """A heap of the REMEMBERED best, the least of them on top."""

    def add(self, row: Row) -> None:
        kind, _, _, first, last, captures, best, decision, score, probability = row
        if kind == "clip":
            self.bouts += 1
            return
        self.individuals += 1
        one = Individual(best_detection_id=best, first_seen=first, last_seen=last, captures=captures)
        ranked = (decision == Verdict.ACCEPTED, score if probability is None else probability, best, one)
        if len(self.best) < REMEMBERED:
            heapq.heappush(self.best, ranked)
        else:
            heapq.heappushpop(self.best, ranked)

    def followings(self) -> Followings:
        shown = tuple(ranked[-1] for ranked in sorted(self.best, key=lambda one: one[:3], reverse=True))
        return Followings(individuals=self.individuals, bouts=self.bouts, shown=shown)
