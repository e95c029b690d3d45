"""Events by hysteresis."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from katydid.models.sound.events import Event, Hysteresis

START, RELEASE = 0.5, 0.35


def events(values: NDArray[np.float64]) -> list[Event]:
    hysteresis = Hysteresis(values.shape[1], START, RELEASE)
    found = [event for row in values for event in hysteresis.step(row).ended]
    return found + hysteresis.finish()


def by_hand(column: list[float]) -> list[tuple[int, int, float]]:
    """One key at a time, as one would do it with pencil and paper."""
    found, first = [], None
    for second, value in enumerate([*column, -1.0]):
        if first is None and value >= START:
            first = second
        elif first is not None and value < RELEASE:
            found.append((first, second - 1, max(column[first:second])))
            first = second if value >= START else None
    return found


def test_a_song_that_wavers_is_one_event() -> None:
    (event,) = events(np.array([[0.1], [0.6], [0.4], [0.9], [0.36], [0.3], [0.4]]))
    assert event == Event(key=0, first=1, last=4, peak=0.9, peak_second=3)


def test_what_never_reaches_the_start_is_no_event() -> None:
    assert events(np.array([[0.49], [0.4], [0.45]])) == []


def test_an_event_at_the_end_of_the_recording_ends_there() -> None:
    (event,) = events(np.array([[0.0], [0.7], [0.8]]))
    assert (event.first, event.last) == (1, 2)


def test_a_release_above_the_start_is_lowered_to_it() -> None:
    hysteresis = Hysteresis(1, 0.2, 0.7)
    assert not hysteresis.step(np.array([0.3])).ended
    assert not hysteresis.step(np.array([0.25])).ended
    assert [event.last for event in hysteresis.finish()] == [1]


def test_new_peaks_are_told_so_that_their_evidence_can_be_kept() -> None:
    hysteresis = Hysteresis(2, START, RELEASE)
    peaked = [list(hysteresis.step(np.array(row)).peaked) for row in ([0.6, 0.0], [0.5, 0.9], [0.7, 0.9])]
    assert peaked == [[0], [1], [0]]


@given(
    st_numpy.arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(1, 4)), elements=st.floats(0, 1)), st.data()
)
def test_a_second_taken_again_is_one_with_the_same_values(values: NDArray[np.float64], data: st.DataObject) -> None:
    times = [data.draw(st.integers(1, 3)) for _ in values]
    hysteresis = Hysteresis(values.shape[1], START, RELEASE)
    found: list[Event] = []
    for row, repeated in zip(values, times, strict=True):
        found += hysteresis.step(row).ended
        for _ in range(repeated - 1):
            hysteresis.again()
    assert found + hysteresis.finish() == events(np.repeat(values, times, axis=0))


@given(st_numpy.arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 4)), elements=st.floats(0, 1)))
def test_all_keys_at_once_equal_each_alone(values: NDArray[np.float64]) -> None:
    found = events(values)
    for key in range(values.shape[1]):
        assert [(e.first, e.last, e.peak) for e in found if e.key == key] == by_hand(list(values[:, key]))
