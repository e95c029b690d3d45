"""Numbers gathered into runs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from katydid.streams.store.spans import runs


def test_neighbours_stay_together_and_far_ones_are_apart() -> None:
    assert runs([5, 1, 2, 100, 101, 500], gap=10) == [(1, 5), (100, 101), (500, 500)]


def test_a_gap_of_exactly_the_width_does_not_split() -> None:
    assert runs([0, 10], gap=10) == [(0, 10)]
    assert runs([0, 11], gap=10) == [(0, 0), (11, 11)]


def test_with_too_many_runs_only_the_widest_gaps_split() -> None:
    assert runs([0, 20, 1000, 1050], gap=10, most=2) == [(0, 20), (1000, 1050)]


def test_nothing_gives_no_run() -> None:
    assert runs([], gap=1) == []


@given(numbers=st.lists(st.integers(0, 10_000)), gap=st.integers(1, 100), most=st.integers(1, 8))
def test_every_number_lies_in_exactly_one_run(numbers: list[int], gap: int, most: int) -> None:
    found = runs(numbers, gap=gap, most=most)
    assert len(found) <= most
    for number in numbers:
        assert sum(first <= number <= last for first, last in found) == 1
