"""Sound thins out with distance as ISO 9613 says."""

from __future__ import annotations

import numpy as np
import pytest

from katydid.sensors.sources.simulated.recorders.absorption import absorption_db_per_m, gain_at, spreading_db

TABLE = {
    (10, 70): (0.1, 0.4, 1.0, 1.9, 3.7, 9.7, 32.8, 117),
    (20, 70): (0.1, 0.3, 1.1, 2.8, 5.0, 9.0, 22.9, 76.6),
    (30, 70): (0.1, 0.3, 1.0, 3.1, 7.4, 12.7, 23.1, 59.3),
    (15, 20): (0.3, 0.6, 1.2, 2.7, 8.2, 28.2, 88.8, 202),
    (15, 50): (0.1, 0.5, 1.2, 2.2, 4.2, 10.8, 36.2, 129),
    (15, 80): (0.1, 0.3, 1.1, 2.4, 4.1, 8.3, 23.7, 82.8),
}
"""ISO 9613-2:1996, table 2, which was made with part 1: (°C, %) → dB/km at the octaves' nominal midband frequencies,
for exact ones (3 981 and 7 943 Hz for 4 and 8 kHz). Written from memory."""


@pytest.mark.parametrize("air", TABLE)
def test_the_air_absorbs_what_the_standards_table_says(air: tuple[int, int]) -> None:
    exact = np.array([1000.0 * 10.0 ** (0.3 * octave) for octave in range(-4, 4)])
    found = absorption_db_per_m(exact, temperature_c=air[0], humidity_percent=air[1]) * 1000.0
    assert found == pytest.approx(TABLE[air], rel=0.01, abs=0.06)


def test_a_doubled_distance_is_six_decibels_where_the_air_takes_nothing() -> None:
    assert spreading_db(2.0) - spreading_db(1.0) == pytest.approx(6.02, abs=0.01)
    assert spreading_db(0.1) == 0.0


def test_far_songs_are_duller_than_near_ones() -> None:
    """At 20 °C and 70 % the air takes 22.9 dB/km at 4 kHz and 76.6 at 8 kHz: 5.3 dB apart over 99 m."""
    low, high = 20.0 * np.log10(gain_at(np.array([4000.0, 8000.0]), 100.0, 20.0, 70.0))
    assert low == pytest.approx(-40.0 - 0.0229 * 99, abs=0.1)
    assert low - high == pytest.approx((0.0766 - 0.0229) * 99, abs=0.1)
