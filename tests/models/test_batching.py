"""The micro-batcher: what it promises, under any order of arrivals, failures and expiries."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.models.batching import Batch, Batcher, Lane, profiled_cap

SLOTS, CAP, MAX_ITEMS, MAX_BYTES = 2, 4, 16, 100


def batcher(**changes: int) -> Batcher[int]:
    bounds = {"slots": SLOTS, "cap": CAP, "max_items": MAX_ITEMS, "max_bytes": MAX_BYTES} | changes
    return Batcher(**bounds)


def run_all(work: Batcher[int], poison: frozenset[int] = frozenset()) -> tuple[list[int], list[int], list[int]]:
    """Run until nothing waits: (out, failed for good, sizes of the runs)."""
    out: list[int] = []
    failed: list[int] = []
    sizes: list[int] = []
    while (batch := work.take()) is not None:
        sizes.append(len(batch))
        if poison & set(batch.items):
            failed += work.failed(batch)
        else:
            work.succeeded(batch)
            out += batch.items
    return out, failed, sizes


ACTIONS = st.one_of(
    st.tuples(st.just("submit"), st.sampled_from(Lane), st.integers(0, 130)),
    st.tuples(st.just("take"), st.just(Lane.LIVE), st.just(0)),
    st.tuples(st.just("finish"), st.just(Lane.LIVE), st.integers(0, 9)),
    st.tuples(st.just("expire"), st.just(Lane.LIVE), st.integers(2, 9)),
)


@given(actions=st.lists(ACTIONS, max_size=120), poison_every=st.integers(2, 12))
def test_every_item_leaves_exactly_once_whatever_happens(
    actions: list[tuple[str, Lane, int]], poison_every: int
) -> None:
    work = batcher()
    entered: list[int] = []
    left: list[int] = []
    wrong: list[int] = []
    running: list[Batch[int]] = []
    sizes: dict[int, int] = {}

    def poisoned(item: int) -> bool:
        return item % poison_every == 0

    def late(every: int, item: int) -> bool:
        return item % every == 1

    def finish(batch: Batch[int]) -> None:
        if any(map(poisoned, batch.items)):
            gone = work.failed(batch)
            left.extend(gone)
            wrong.extend(gone)
        else:
            work.succeeded(batch)
            left.extend(batch.items)

    for name, lane, number in actions:
        if name == "submit":
            item = len(sizes)
            sizes[item] = number
            if work.submit(item, nbytes=number, lane=lane):
                entered.append(item)
        elif name == "take" and (batch := work.take()) is not None:
            running.append(batch)
        elif name == "finish" and running:
            finish(running.pop(number % len(running)))
        elif name == "expire":
            left.extend(work.expire(partial(late, number)))
        counts = work.counts()
        assert len(running) <= SLOTS
        assert all(1 <= len(batch) <= CAP for batch in running)
        assert counts.running == sum(map(len, running))
        inside = [item for item in entered if item not in left]
        assert counts.nbytes == sum(sizes[item] for item in inside)
        assert len(inside) <= MAX_ITEMS
        assert counts.nbytes <= MAX_BYTES or len(inside) == 1
        assert counts.entered == counts.out + counts.failed + counts.expired + counts.waiting + counts.running

    for batch in running:
        finish(batch)
    while (batch := work.take()) is not None:
        finish(batch)
    assert sorted(left) == entered
    assert all(map(poisoned, wrong))
    counts = work.counts()
    assert (counts.waiting, counts.running, counts.nbytes) == (0, 0, 0)
    assert counts.entered == len(entered) == counts.out + counts.failed + counts.expired


def test_one_poisoned_item_of_32_fails_alone_and_costs_ten_more_runs() -> None:
    for bad in range(32):
        work = batcher(slots=1, cap=32, max_items=32)
        for item in range(32):
            work.submit(item)
        out, failed, sizes = run_all(work, frozenset({bad}))
        assert failed == [bad]
        assert sorted(out) == [item for item in range(32) if item != bad]
        assert len(sizes) == 11


@given(poison=st.frozensets(st.integers(0, 31), max_size=32), cap=st.integers(1, 32))
def test_the_poisoned_fail_and_only_they(poison: frozenset[int], cap: int) -> None:
    work = batcher(slots=1, cap=cap, max_items=32)
    for item in range(32):
        work.submit(item)
    out, failed, _ = run_all(work, poison)
    assert set(failed) == poison
    assert sorted(out + failed) == list(range(32))


def test_halves_of_a_failed_batch_run_before_anything_new_and_are_not_mixed_with_it() -> None:
    work = batcher(slots=1)
    for item in range(6):
        work.submit(item)
    first = work.take()
    assert first is not None and first.items == [0, 1, 2, 3]
    assert work.failed(first) == []
    assert [batch.items for batch in iter(lambda: succeed(work), None)] == [[0, 1], [2, 3], [4, 5]]


def succeed(work: Batcher[int]) -> Batch[int] | None:
    batch = work.take()
    if batch is not None:
        work.succeeded(batch)
    return batch


def test_a_lone_item_leaves_at_once() -> None:
    work = batcher()
    work.submit(7)
    batch = work.take()
    assert batch is not None and batch.items == [7]


def test_items_gather_while_the_slots_are_busy() -> None:
    work = batcher(slots=1)
    work.submit(0)
    busy = work.take()
    assert busy is not None
    for item in (1, 2, 3):
        work.submit(item)
    assert work.take() is None
    work.succeeded(busy)
    following = work.take()
    assert following is not None and following.items == [1, 2, 3]


def test_live_goes_before_backfill_and_the_rest_of_a_batch_is_filled_from_it() -> None:
    work = batcher()
    for item in (10, 11, 12):
        work.submit(item, lane=Lane.BACKFILL)
    work.submit(1, lane=Lane.LIVE)
    work.submit(2, lane=Lane.LIVE)
    batch = work.take()
    assert batch is not None and batch.items == [1, 2, 10, 11]


def test_backfill_is_served_after_its_patience_however_much_live_arrives() -> None:
    work = batcher(slots=1, patience=3, max_items=100)
    work.submit(-1, lane=Lane.BACKFILL)
    served = []
    for round_ in range(4):
        for item in range(CAP):
            work.submit(10 * round_ + item)
        batch = succeed(work)
        assert batch is not None
        served.append(-1 in batch.items)
    assert served == [False, False, False, True]


@given(st.lists(st.sampled_from(Lane), min_size=1, max_size=60))
def test_within_a_lane_first_in_is_first_out(lanes: list[Lane]) -> None:
    work = batcher(slots=1, max_items=100)
    for item, lane in enumerate(lanes):
        work.submit(item, lane=lane)
    out, _, _ = run_all(work)
    for lane in Lane:
        mine = [item for item in out if lanes[item] is lane]
        assert mine == sorted(mine)


def test_it_is_full_by_items_and_takes_again_when_one_left() -> None:
    work = batcher(max_items=2)
    assert work.submit(0) and work.submit(1)
    assert not work.submit(2)
    assert work.counts().entered == 2
    succeed(work)
    assert work.submit(2)


def test_it_is_full_by_bytes_running_ones_among_them() -> None:
    work = batcher(max_bytes=100)
    assert work.submit(0, nbytes=80)
    batch = work.take()
    assert batch is not None
    assert not work.submit(1, nbytes=30)
    assert work.submit(1, nbytes=20)


def test_an_item_larger_than_the_bound_is_let_in_alone() -> None:
    work = batcher(max_bytes=100)
    assert work.submit(0, nbytes=500)
    assert not work.submit(1, nbytes=0)
    assert succeed(work) is not None
    assert work.submit(1, nbytes=1)


def test_expired_items_never_run() -> None:
    work = batcher(slots=1)
    for item in range(6):
        work.submit(item, nbytes=1)
    running = work.take()
    assert running is not None
    assert work.expire(lambda item: item >= 3) == [4, 5]
    assert work.failed(running) == []
    assert work.expire(lambda item: item == 0) == [0]
    out, failed, _ = run_all(work)
    assert (sorted(out), failed, work.counts().expired) == ([1, 2, 3], [], 3)


def test_a_batch_is_handed_back_once() -> None:
    work = batcher()
    work.submit(0)
    batch = work.take()
    assert batch is not None
    work.succeeded(batch)
    for again in (work.succeeded, work.failed):
        with pytest.raises(KeyError):
            again(batch)


@pytest.mark.parametrize("bound", ["slots", "cap", "max_items", "max_bytes", "patience"])
def test_bounds_of_zero_are_refused(bound: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        batcher(**{bound: 0})


def test_the_cap_is_the_smallest_size_within_the_budget_that_is_nearly_the_fastest() -> None:
    steady = {size: 1.8e-3 + 0.12e-3 * size for size in (1, 2, 4, 8, 16, 32, 64)}
    assert profiled_cap(steady, budget_s=5e-3) == 16
    assert profiled_cap(steady, budget_s=1.0) == 64
    assert profiled_cap(steady, budget_s=1e-3) == 1
    flat_from_four = {1: 0.02, 2: 0.036, 4: 0.064, 8: 0.128, 16: 0.256}
    assert profiled_cap(flat_from_four, budget_s=1.0) == 4
    cliff = {128: 0.1, 192: 0.14, 256: 0.84}
    assert profiled_cap(cliff, budget_s=1.0) == 192
    with pytest.raises(ValueError, match="no batch"):
        profiled_cap({}, budget_s=1.0)


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    """benchmarks/batcher.py, which is a script."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "batcher.py"
    spec = importlib.util.spec_from_file_location("batcher_benchmark", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def six_microseconds(call: Callable[[], object]) -> float:
    """A cost for every call to the batcher that is six times what it takes on a laptop."""
    call()
    return 6e-6


def test_a_saturated_fake_device_is_kept_at_least_92_percent_busy(simulation: ModuleType) -> None:
    result = simulation.greedy(simulation.saturated(20_000), cost=six_microseconds)
    assert result.items == 20_000
    assert result.share >= 0.92


@pytest.mark.parametrize("load", [0.05, 0.30, 0.60, 0.90])
@pytest.mark.parametrize("arrivals", ["poisson", "bursty"])
def test_waiting_for_nothing_beats_waiting_20_ms_at_every_load(
    simulation: ModuleType, arrivals: str, load: float
) -> None:
    moments = getattr(simulation, arrivals)(load, 20_000)
    ours, other = simulation.greedy(moments, cost=simulation.free), simulation.fixed_wait(moments)
    assert ours.items == other.items == 20_000
    assert ours.waits.mean() < other.waits.mean()
