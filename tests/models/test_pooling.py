"""Windows pooled per second."""

from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from katydid.models.sound.pooling import Seconds
from katydid.models.sound.windows import Grid


def pooled(grid: Grid, rows: NDArray[np.float64], total: int, *, odds: int, batch: int = 3) -> NDArray[np.float64]:
    seconds = Seconds(grid, rows.shape[1], odds)
    values = []
    for first in range(0, len(rows), batch):
        values += list(seconds.add(first, rows[first : first + batch]))
    values += list(seconds.finish(total))
    assert [second for second, _ in values] == list(range(len(values)))
    nobody = np.full(rows.shape[1], np.nan)
    return np.stack([nobody if value is None else value for _, value in values])


def test_windows_that_do_not_overlap_keep_their_scores_exactly() -> None:
    """Three seconds a window: each of its seconds has its score, and the recording ends where it ends."""
    rows = np.array([[0.8144], [0.2]])
    found = pooled(Grid(rate=10, samples=30, hop=30), rows, total=45, odds=1)
    np.testing.assert_array_equal(found[:, 0], [0.8144, 0.8144, 0.8144, 0.2, 0.2])


def test_the_seconds_of_one_window_are_told_apart_from_seconds_that_happen_to_be_equal() -> None:
    seconds = Seconds(Grid(rate=10, samples=20, hop=20), 1, odds=1)
    rows = np.array([[0.5], [0.5]])
    values = [value for _, value in (*seconds.add(0, rows), *seconds.finish(40))]
    assert values[0] is values[1] and values[2] is values[3] and values[1] is not values[2]


def test_labels_are_pooled_by_the_mean_of_their_odds() -> None:
    """0.9 and 0.5 are odds of 9 and 1: their mean, 5, is 5/6. The logarithm of that mean is the log-mean-exp of the
    logits."""
    rows = np.array([[0.9], [0.5]])
    found = pooled(Grid(rate=10, samples=20, hop=10), rows, total=30, odds=1)
    np.testing.assert_allclose(found[:, 0], [0.9, 5 / 6, 0.5])
    logits = np.log(rows[:, 0] / (1 - rows[:, 0]))
    assert np.isclose(np.log(found[1, 0] / (1 - found[1, 0])), np.log(np.mean(np.exp(logits))))


def test_exclusive_classes_are_pooled_by_the_mean_and_still_sum_to_one() -> None:
    rows = np.array([[0.7, 0.3], [0.1, 0.9]])
    found = pooled(Grid(rate=10, samples=20, hop=10), rows, total=30, odds=0)
    np.testing.assert_allclose(found[1], [0.4, 0.6])


def test_a_window_covers_a_second_that_it_shares_half_of() -> None:
    """1.5 s windows side by side share the second second."""
    rows = np.array([[0.2], [0.6]])
    found = pooled(Grid(rate=10, samples=15, hop=15), rows, total=30, odds=0)
    np.testing.assert_allclose(found[:, 0], [0.2, 0.4, 0.6])


def test_a_second_that_no_window_covers_has_no_values() -> None:
    """Windows of 1.5 s end at 3.0 s; of the fourth second there is too little to look at."""
    found = pooled(Grid(rate=10, samples=15, hop=15), np.array([[0.2], [0.6]]), total=31, odds=0)
    np.testing.assert_allclose(found[:, 0], [0.2, 0.4, 0.6, np.nan])


def test_certain_scores_stay_numbers() -> None:
    found = pooled(Grid(rate=10, samples=20, hop=10), np.array([[1.0], [1.0]]), total=30, odds=1)
    assert np.all(found > 0.999) and np.all(found <= 1.0)


@given(
    rate=st.integers(1, 20),
    window=st.integers(1, 90),
    total=st.integers(1, 400),
    batch=st.integers(1, 5),
    data=st.data(),
)
def test_every_second_of_the_recording_comes_once_in_any_batching(
    rate: int, window: int, total: int, batch: int, data: st.DataObject
) -> None:
    grid = Grid(rate=rate, samples=window, hop=data.draw(st.integers(1, window)))
    rows = np.random.default_rng(total).uniform(size=(grid.count(total), 3))
    found = pooled(grid, rows, total, odds=2, batch=batch)
    assert len(found) == -(-total // rate)
    np.testing.assert_array_equal(found, pooled(grid, rows, total, odds=2, batch=1000))
    listened = found[~np.isnan(found[:, 0])]
    assert np.all((listened >= 0.0) & (listened <= 1.0))


def test_two_hours_of_many_classes_cost_no_more_memory_than_a_minute() -> None:
    grid, classes = Grid(rate=100, samples=300, hop=100), 6522
    row = np.full((1, classes), 0.1, dtype=np.float32)

    def peak(seconds: int) -> int:
        pool = Seconds(grid, classes, classes)
        tracemalloc.start()
        for k in range(seconds):
            for _ in pool.add(k, row):
                pass
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(7200) <= 1.2 * peak(60)
