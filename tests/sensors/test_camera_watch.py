"""When a frame is due, what counts as motion, and what a frozen or black picture is: arithmetic, without a camera."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from katydid.sensors.sources.camera_watch import Motion, MotionSettings, Schedule, Stillness

Grey = NDArray[np.uint8]


def wall(level: int = 100) -> Grey:
    return np.full((180, 320), level, np.uint8)


def with_square(side: int, level: int = 150) -> Grey:
    picture = wall()
    picture[50 : 50 + side, 60 : 60 + side] = level
    return picture


@given(
    every=st.floats(0.1, 100),
    gaps=st.lists(st.floats(0.001, 0.1), min_size=1, max_size=200),
)
def test_a_time_lapse_never_drifts_however_late_its_frames_come(every: float, gaps: list[float]) -> None:
    schedule = Schedule(every)
    t, taken = 5.0, []
    for gap in gaps:
        if schedule.due(t):
            taken.append(t)
        t += gap
    # Frames come at most 0.1 s apart, so each tick has its frame within that, however many were late before.
    for k, at in enumerate(taken):
        assert -1e-6 <= at - (5.0 + k * every) <= 0.1 + 1e-6
    assert schedule.missed == 0


def test_frames_that_are_not_due_are_left() -> None:
    schedule = Schedule(10)
    assert [t for t in range(60) if schedule.due(float(t))] == [0, 10, 20, 30, 40, 50]


def test_ticks_without_a_frame_are_missed_and_not_made_up_for() -> None:
    schedule = Schedule(10)
    assert schedule.due(100.0)
    assert schedule.due(147.0)  # 110, 120 and 130 had none; this one is late for 140.
    assert schedule.missed == 3
    assert not schedule.due(149.0)
    assert schedule.due(150.0)


def test_a_still_picture_with_noise_is_no_motion() -> None:
    motion = Motion(MotionSettings())
    chance = np.random.default_rng(3)
    for k in range(50):
        noise = chance.integers(-5, 6, (180, 320))
        assert not motion.moved((wall() + noise).astype(np.uint8), k * 0.1)


def test_the_changed_share_of_a_square_is_its_area() -> None:
    motion = Motion(MotionSettings())
    motion.moved(wall(), 0.0)
    assert motion.moved(with_square(10), 0.1)
    assert motion.share == pytest.approx(100 / (180 * 320))


def test_less_than_the_wanted_share_does_not_fire() -> None:
    motion = Motion(MotionSettings(share=0.0003))  # 17.28 of 57,600 pixels
    motion.moved(wall(), 0.0)
    assert not motion.moved(with_square(4), 0.1)  # 16
    assert motion.moved(with_square(5), 0.2)  # 25


def test_a_change_within_the_levels_does_not_fire() -> None:
    motion = Motion(MotionSettings(levels=16))
    motion.moved(wall(100), 0.0)
    assert not motion.moved(with_square(40, 116), 0.1)
    assert motion.moved(with_square(40, 118), 0.2)


def test_light_that_changes_everywhere_is_no_motion_and_becomes_the_background() -> None:
    motion = Motion(MotionSettings())
    motion.moved(wall(100), 0.0)
    assert not motion.moved(wall(160), 0.1)
    assert motion.upheavals == 1
    assert not motion.moved(wall(160), 0.2)
    assert motion.share == 0


def test_what_sits_still_becomes_background() -> None:
    motion = Motion(MotionSettings(settle_s=10.0, rest_s=1.0))
    motion.moved(wall(), 0.0)
    fired = [t for t in range(1, 60) if motion.moved(with_square(10), float(t))]
    # The background nears 150 as 150 - 50 e^(-t/10): less than 16 away after 10 ln(50/16) = 11.4 s.
    assert fired == list(range(1, fired[-1] + 1))
    assert 11 <= fired[-1] <= 13


def test_two_frames_of_motion_have_a_rest_between_them() -> None:
    motion = Motion(MotionSettings(rest_s=1.0, settle_s=1e9))
    motion.moved(wall(), 0.0)
    fired = [k for k in range(1, 41) if motion.moved(with_square(10), k * 0.125)]
    assert fired == [1, 9, 17, 25, 33]


def test_a_picture_that_stays_the_same_bit_by_bit_is_frozen_and_its_seconds_are_counted() -> None:
    still = Stillness(frozen_s=10.0)
    seen = []
    for t in range(31):
        still.look(b"same", wall(), float(t))
        seen.append(still.frozen)
    assert seen == [False] * 10 + [True] * 21
    still.look(b"other", wall(), 31.0)
    assert not still.frozen
    assert still.frozen_total_s == 21.0


def test_pictures_that_differ_are_not_frozen_however_alike() -> None:
    still = Stillness(frozen_s=1.0)
    for t in range(20):
        still.look(f"{t}".encode(), wall(), float(t))
        assert not still.frozen


def test_a_stream_that_broke_off_is_not_compared_with_what_came_before() -> None:
    still = Stillness(frozen_s=10.0)
    still.look(b"same", wall(), 0.0)
    still.lost()
    still.look(b"same", wall(), 100.0)
    assert not still.frozen


def test_a_frozen_stream_that_is_opened_anew_and_gives_the_same_picture_is_frozen_still() -> None:
    still = Stillness(frozen_s=10.0)
    still.look(b"same", wall(), 0.0)
    still.look(b"same", wall(), 10.0)
    still.lost()
    seen = [still.frozen]
    for picture, t in ((b"same", 12.0), (b"other", 13.0), (b"same", 14.0)):
        still.look(picture, wall(), t)
        seen.append(still.frozen)
    assert seen == [False, True, False, False]
    assert still.frozen_total_s == 1.0, "the two seconds without a stream are none of a frozen one"


@pytest.mark.parametrize(("level", "black"), [(0, True), (7, True), (8, False), (100, False)])
def test_black_is_next_to_no_light(level: int, black: bool) -> None:
    still = Stillness()
    still.look(b"a", wall(level), 0.0)
    assert still.black is black


def test_a_dark_picture_with_something_bright_in_it_is_not_black() -> None:
    still = Stillness()
    moth_at_light = wall(0)
    moth_at_light[80:100, 100:120] = 200
    still.look(b"a", moth_at_light, 0.0)
    assert not still.black  # mean 1.4, spread 16


def test_black_seconds_are_counted() -> None:
    still = Stillness()
    for t in range(6):
        still.look(f"{t}".encode(), wall(2), float(t))
    assert still.black_total_s == 5.0
