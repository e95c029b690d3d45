"""The verdict: a store read back, against what the same captures give in a run in which nothing went wrong.

missing     acknowledged by the broker, and no outcome in the store
spurious    an outcome that nobody sent, or a detection of no outcome
corrupted   an outcome or a detection with another content than without faults
doubled     more than one outcome of a capture, or more than one row of a detection
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec
import pyarrow as pa

from katydid.streams.store.protocol import OutcomeFilter, Store

Row = tuple[object, ...]
Rows = Mapping[str, list[Row]]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Four numbers that must be 0, and how many outcomes and detections they speak of."""

    outcomes: int
    detections: int
    missing: tuple[str, ...]
    spurious: tuple[str, ...]
    corrupted: tuple[str, ...]
    doubled: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing twice, nothing changed, nothing made up."""
        return not (self.missing or self.spurious or self.corrupted or self.doubled)

    def words(self) -> str:
        """One line."""
        return (
            f"{self.outcomes} outcomes and {self.detections} detections: missing = {len(self.missing)}, "
            f"spurious = {len(self.spurious)}, corrupted = {len(self.corrupted)}, doubled = {len(self.doubled)}"
        )


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What a store holds, by id."""

    outcomes: Rows
    detections: Rows

    @classmethod
    def by(cls, store: Store) -> Held:
        """Everything in `store`."""
        everything = OutcomeFilter()
        return cls(
            outcomes=_by_id(store.outcomes(everything), "capture_id"),
            detections=_by_id(store.detections(everything), "detection_id"),
        )


def judge(held: Held, expected: Held, acknowledged: Iterable[str], sent: Iterable[str]) -> Verdict:
    """Compare. What was sent and not acknowledged may be there or not; it is compared where it is there."""
    acknowledged, known = set(acknowledged), set(sent)
    outcomes, detections = held.outcomes, held.detections
    missing = acknowledged - outcomes.keys()
    missing |= {one for one, rows in expected.detections.items() if _owner(rows) in outcomes and one not in detections}
    spurious = (outcomes.keys() - known) | (detections.keys() - expected.detections.keys())
    spurious |= {one for one, rows in detections.items() if _owner(rows) not in outcomes}
    return Verdict(
        outcomes=len(outcomes),
        detections=len(detections),
        missing=tuple(sorted(missing)),
        spurious=tuple(sorted(spurious)),
        corrupted=tuple(sorted({*_changed(outcomes, expected.outcomes), *_changed(detections, expected.detections)})),
        doubled=tuple(sorted({*_doubled(outcomes), *_doubled(detections)})),
    )


def _owner(rows: list[Row]) -> object:
    """The capture of a detection: the first column of its row."""
    return rows[0][0]


def _by_id(table: pa.Table, column: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    names = table.column_names
    place = names.index(column)
    for batch in table.to_batches():
        for row in zip(*(part.to_pylist() for part in batch.columns), strict=True):
            found.setdefault(str(row[place]), []).append(row)
    return found


def _changed(held: Rows, expected: Rows) -> Iterator[str]:
    for one, rows in held.items():
        wanted = expected.get(one)
        if wanted is not None and any(row != wanted[0] for row in rows):
            yield one


def _doubled(held: Rows) -> Iterator[str]:
    counts = Counter({one: len(rows) for one, rows in held.items()})
    yield from (one for one, count in counts.items() if count > 1)
