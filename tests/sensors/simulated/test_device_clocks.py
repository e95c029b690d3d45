"""What a device's clock shows: drift, lost power, steps."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.sensors.sources.simulated.clocks import ClockTrouble, DeviceClock, PowerLoss, SetRight, Step

DAY = 86_400.0
START = 1_751_364_000.0


def test_twenty_parts_in_a_million_are_52_seconds_in_thirty_days() -> None:
    clock = DeviceClock(set_at=START, drift_ppm=20.0)
    assert clock.reading(START + 30 * DAY) - (START + 30 * DAY) == pytest.approx(51.84)
    assert DeviceClock(set_at=START, drift_ppm=-20.0).reading(START + DAY) - START - DAY == pytest.approx(-1.728)


def test_after_a_loss_of_power_it_begins_in_1970_and_drifts_on() -> None:
    clock = DeviceClock(set_at=START, drift_ppm=100.0, events=(PowerLoss(at=START + DAY, off_s=600.0),))
    assert clock.is_on(START + DAY - 1)
    assert not clock.is_on(START + DAY)
    assert not clock.is_on(START + DAY + 599)
    assert clock.is_on(START + DAY + 600)
    assert clock.reading(START + DAY + 600) == 0.0
    assert clock.reading(START + 2 * DAY + 600) == pytest.approx(DAY * 1.0001)


def test_a_step_moves_it_and_setting_it_right_ends_all_that_was_wrong() -> None:
    events = (Step(at=START + DAY, seconds=-3600.0), SetRight(at=START + 2 * DAY))
    clock = DeviceClock(set_at=START, offset_s=7.0, drift_ppm=10.0, events=events)
    assert clock.reading(START + DAY - 1) - (START + DAY - 1) == pytest.approx(7.0 + 0.864, abs=1e-3)
    assert clock.reading(START + DAY) - (START + DAY) == pytest.approx(7.0 + 0.864 - 3600.0, abs=1e-3)
    assert clock.reading(START + 2 * DAY) == pytest.approx(START + 2 * DAY)
    assert [clock.run_of(START + day * DAY) for day in (0.5, 1.5, 2.5)] == [0, 1, 2]


@given(
    drift=st.floats(-1000, 1000),
    at=st.lists(st.floats(0, 30 * DAY), min_size=2, max_size=20),
    events=st.lists(st.tuples(st.floats(1, 30 * DAY), st.floats(-9000, 9000)), max_size=4),
)
def test_within_one_run_a_clock_never_goes_back(
    drift: float, at: list[float], events: list[tuple[float, float]]
) -> None:
    steps = tuple(Step(at=START + moment, seconds=seconds) for moment, seconds in sorted(events))
    clock = DeviceClock(set_at=START, drift_ppm=drift, events=steps)
    moments = [START + each for each in sorted(at)]
    for earlier, later in itertools.pairwise(moments):
        if clock.run_of(earlier) == clock.run_of(later):
            assert clock.reading(later) >= clock.reading(earlier)


def test_drifts_of_many_devices_spread_as_stated() -> None:
    clocks = [ClockTrouble(drift_ppm=15.0).clock(START, 30, 1, number) for number in range(2000)]
    drifts = [clock.drift_ppm for clock in clocks]
    mean = sum(drifts) / len(drifts)
    spread = (sum((each - mean) ** 2 for each in drifts) / len(drifts)) ** 0.5
    assert abs(mean) < 1.5
    assert spread == pytest.approx(15.0, rel=0.06)


def test_power_is_lost_as_often_as_asked() -> None:
    clocks = [ClockTrouble(losses_per_month=2.0).clock(START, 60, 2, number) for number in range(500)]
    losses = [event for clock in clocks for event in clock.events if isinstance(event, PowerLoss)]
    assert len(losses) / 500 == pytest.approx(4.0, rel=0.08)
    assert all(START <= event.at < START + 60 * DAY for event in losses)
