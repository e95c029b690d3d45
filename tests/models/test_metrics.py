"""Expected values are counted by hand; the bootstrap is compared with a known spread."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.models.metrics import auroc, by_group, macro_recall, top1


def test_top1_is_the_share_that_is_right() -> None:
    assert top1(["a", "a", "b", "c"], ["a", "b", "b", "a"]) == 0.5


def test_macro_recall_weighs_each_species_alike() -> None:
    # a: 1 of 3, b: 1 of 1, c: 0 of 1
    assert macro_recall(["a", "a", "a", "b", "c"], ["a", "b", "c", "b", "a"]) == pytest.approx((1 / 3 + 1 + 0) / 3)


def test_an_answer_that_is_no_species_of_the_truth_is_just_wrong() -> None:
    assert macro_recall(["a", "b"], ["a", "z"]) == 0.5


def test_auroc_counts_pairs_and_halves_ties() -> None:
    # pairs (3,2) (3,1) (1,2) (1,1): right, right, wrong, tie
    assert auroc([3.0, 1.0], [2.0, 1.0]) == pytest.approx(2.5 / 4)


def test_auroc_of_separated_scores_is_one_and_of_swapped_ones_zero() -> None:
    assert auroc([5.0, 4.0], [1.0]) == 1.0
    assert auroc([1.0], [5.0, 4.0]) == 0.0


@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=12),
    st.lists(st.integers(-5, 5), min_size=1, max_size=12),
)
def test_auroc_is_the_probability_over_all_pairs(high: list[int], low: list[int]) -> None:
    pairs = [(h > w) + 0.5 * (h == w) for h in high for w in low]
    assert auroc(high, low) == pytest.approx(sum(pairs) / len(pairs))


def test_nothing_to_count_is_not_a_number() -> None:
    assert math.isnan(top1([], []))
    assert math.isnan(macro_recall([], []))
    assert math.isnan(auroc([], [1.0]))


def test_the_interval_is_as_wide_as_the_number_of_groups_says() -> None:
    """100 groups of one coin each: the standard error is 0.05, so 95 % lie within 0.098 of the mean."""
    right = np.arange(100) % 2
    interval = by_group([str(at) for at in range(100)], lambda rows: float(right[rows].mean()))
    assert interval.value == 0.5
    assert interval.low == pytest.approx(0.402, abs=0.015)
    assert interval.high == pytest.approx(0.598, abs=0.015)


def test_recordings_of_one_group_count_as_one() -> None:
    """Four groups of 25 equal coins are four coins, not a hundred: the interval reaches from 0 to 1."""
    right = np.repeat([0, 1, 0, 1], 25)
    interval = by_group([str(at // 25) for at in range(100)], lambda rows: float(right[rows].mean()))
    assert (interval.low, interval.high) == (0.0, 1.0)


def test_an_interval_of_nothing_is_not_a_number() -> None:
    interval = by_group([], lambda rows: float("nan"))
    assert math.isnan(interval.value)


def test_draws_without_a_value_are_left_out() -> None:
    """AUROC is not defined in a draw that has only one side."""
    known = np.array([True, True, False])
    interval = by_group(["a", "b", "c"], lambda rows: auroc(known[rows][known[rows]], known[rows][~known[rows]]))
    assert (interval.value, interval.low, interval.high) == (1.0, 1.0, 1.0)
