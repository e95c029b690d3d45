"""A refusal gives way to a later outcome of the same capture that is none; nothing else is ever written again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest

from katydid.models.outcome import Status
from katydid.streams.sink import Arrival
from katydid.streams.store import By, DuckDBStore, OutcomeFilter, Window, open_store

Make = Callable[..., Arrival]


@pytest.fixture
def store() -> Iterator[DuckDBStore]:
    with open_store(None) as opened:
        yield opened


def statuses(store: DuckDBStore) -> list[str]:
    return list(store.outcomes(OutcomeFilter()).column("status").to_pylist())


def counts(store: DuckDBStore) -> dict[str, int]:
    (row,) = store.sensors().to_pylist()
    return {name: row[name] for name in ("captures", "identified", "refused", "detections")}


def test_a_capture_that_was_refused_and_is_identified_later_has_one_outcome(store: DuckDBStore, make: Make) -> None:
    refused = make(1, status=Status.REFUSED, reason="missing")
    mended = make(1, taxa=("Parus major",))
    store.write([refused, make(2, taxa=("Apis mellifera",))])
    assert counts(store) == {"captures": 2, "identified": 1, "refused": 1, "detections": 1}
    for _ in range(3):
        store.write([mended, refused])
    assert statuses(store) == ["identified", "identified"]
    assert store.outcome(mended.outcome.capture_id) == mended.outcome
    assert counts(store) == {"captures": 2, "identified": 2, "refused": 0, "detections": 2}
    store.compact()
    assert counts(store) == {"captures": 2, "identified": 2, "refused": 0, "detections": 2}


def test_the_store_is_the_same_as_if_it_had_never_been_refused(store: DuckDBStore, make: Make) -> None:
    mended = make(1, taxa=("Parus major",))
    store.write([make(1, status=Status.REFUSED, reason="missing")])
    store.write([mended])
    with open_store(None) as never:
        never.write([mended])
        assert store.content_hash() == never.content_hash()
        hours = [each.activity(Window(), By.HOUR).to_pylist() for each in (store, never)]
    assert hours[0] == hours[1]


def test_a_refusal_and_an_identification_are_not_written_again(store: DuckDBStore, make: Make) -> None:
    first = make(1, taxa=("Parus major",))
    store.write([first])
    store.write([make(1, status=Status.REFUSED, reason="missing")])
    store.write([Arrival(outcome=msgspec.structs.replace(first.outcome, detections=()), position=first.position)])
    assert store.outcome(first.outcome.capture_id) == first.outcome
