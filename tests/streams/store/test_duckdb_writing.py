"""How batches come into the DuckDB store: known ones left out, made in pieces, all or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from katydid.streams.sink import Arrival
from katydid.streams.store import By, OutcomeFilter, Window, open_store, rows
from katydid.streams.store.duckdb import DuckDBStore

Make = Callable[..., Arrival]
EVERYTHING = OutcomeFilter()


def ids(store: DuckDBStore) -> list[str]:
    return list(store.outcomes(EVERYTHING)["capture_id"].to_pylist())


@given(
    st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8), min_size=1, max_size=8), st.sets(st.integers(0, 7))
)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_capture_is_one_row_whatever_comes_again_and_wherever_the_store_was_closed(
    tmp_path_factory: pytest.TempPathFactory, make: Make, batches: list[list[int]], closed_before: set[int]
) -> None:
    path = tmp_path_factory.mktemp("store") / "detections.duckdb"
    store = open_store(path)
    for number, batch in enumerate(batches):
        if number in closed_before:
            store.close()
            store = open_store(path)
        store.write([make(n, taxa=("Parus major",), at_s=n) for n in batch])
    expected = sorted({n for batch in batches for n in batch})
    assert ids(store) == [make(n, at_s=n).outcome.capture_id for n in expected]
    assert sum(store.activity(Window(), By.DAY)["detections"].to_pylist()) == len(expected)
    store.close()


def test_an_older_capture_after_newer_ones_is_taken_once(make: Make) -> None:
    with open_store(None) as store:
        for n in (5, 9, 3, 9, 3, 5):
            store.write([make(n, at_s=n)])
        assert ids(store) == [make(n, at_s=n).outcome.capture_id for n in (3, 5, 9)]


def test_a_batch_that_cannot_be_kept_fails_with_its_own_error_and_leaves_nothing(make: Make, tmp_path: Path) -> None:
    good = make(2, taxa=("Parus major",), at_s=2)
    too_wide = msgspec.structs.replace(good.outcome.effort, width=2**40)
    bad = Arrival(outcome=msgspec.structs.replace(good.outcome, effort=too_wide), position=good.position)
    with open_store(tmp_path / "detections.duckdb") as store:
        store.write([make(1, at_s=1)])
        with pytest.raises((OverflowError, pa.ArrowInvalid)):
            store.write([bad])
        assert ids(store) == [make(1, at_s=1).outcome.capture_id]
        assert store.settled("folder").keys() == {make(1, at_s=1).position.partition}
        store.write([good])
        store.write([good])
        assert len(ids(store)) == 2


def test_a_batch_of_many_pieces_is_kept_whole(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PIECE", 3)
    batch = [make(n, taxa=("Parus major", "Erithacus rubecula")[: n % 3], at_s=n) for n in range(20)]
    with open_store(None) as store:
        store.write(batch)
        assert [store.outcome(arrival.outcome.capture_id) for arrival in batch] == [a.outcome for a in batch]
        assert sum(store.activity(Window(), By.DAY)["detections"].to_pylist()) == sum(n % 3 for n in range(20))


def test_merged_hours_lie_in_the_order_of_time(make: Make, tmp_path: Path) -> None:
    hour = 3_600
    with open_store(tmp_path / "detections.duckdb") as store:
        for n in (7, 2, 5, 2, 7, 1):
            store.write([make(n, taxa=("Parus major",), at_s=n * hour + k) for k in range(3)])
        store.compact()
        found = next(store.tuples("SELECT hour(hour) FROM activity_1h ORDER BY rowid"))
    assert found == [(1,), (2,), (5,), (7,)]
