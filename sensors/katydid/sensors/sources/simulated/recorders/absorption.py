"""How sound thins out with distance: spherical spreading and the air's absorption (ISO 9613-1:1993).

The formulas are those of the standard's clause 6.2 (equations 3 to 5) with its annex B for the vapour pressure; they
were written from memory of it and hold against values of its table 1 (see the test).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_REFERENCE_KPA = 101.325
_REFERENCE_K = 293.15
_TRIPLE_POINT_K = 273.16
NEAREST_M = 1.0
"""Levels are stated at this distance; nothing comes nearer."""


def absorption_db_per_m(
    hertz: NDArray[np.float64] | float,
    *,
    temperature_c: float = 20.0,
    humidity_percent: float = 70.0,
    pressure_kpa: float = _REFERENCE_KPA,
) -> NDArray[np.float64]:
    """The air's pure-tone attenuation coefficient, dB/m, for each frequency (0 at 0 Hz).

    Stated for 50 Hz to 10 kHz, -20 to 50 °C, 10 to 100 % relative humidity, under 200 kPa, to within 10 %; above
    10 kHz the same formulas are used, as is usual for bats.
    """
    kelvin = temperature_c + 273.15
    warmth, pressure = kelvin / _REFERENCE_K, pressure_kpa / _REFERENCE_KPA
    saturation = 10.0 ** (-6.8346 * (_TRIPLE_POINT_K / kelvin) ** 1.261 + 4.6151)
    vapour = humidity_percent * saturation / pressure  # Molar concentration of water vapour, percent.
    oxygen = pressure * (24.0 + 4.04e4 * vapour * (0.02 + vapour) / (0.391 + vapour))
    nitrogen = pressure * warmth**-0.5 * (9.0 + 280.0 * vapour * np.exp(-4.170 * (warmth ** (-1.0 / 3.0) - 1.0)))
    squared = np.asarray(hertz, np.float64) ** 2
    classical = 1.84e-11 / pressure * warmth**0.5
    relaxing = 0.01275 * np.exp(-2239.1 / kelvin) / (oxygen + squared / oxygen)
    relaxing = relaxing + 0.1068 * np.exp(-3352.0 / kelvin) / (nitrogen + squared / nitrogen)
    return np.asarray(8.686 * squared * (classical + warmth**-2.5 * relaxing), np.float64)


def spreading_db(distance_m: float) -> float:
    """How much quieter than at 1 m a point source is: 6 dB a doubling."""
    return float(20.0 * np.log10(max(distance_m, NEAREST_M) / NEAREST_M))


def gain_at(
    hertz: NDArray[np.float64], distance_m: float, temperature_c: float, humidity_percent: float = 70.0
) -> NDArray[np.float64]:
    """What amplitudes at each frequency are multiplied with between 1 m and `distance_m`, over open ground.

    Ground effect, vegetation, wind and temperature gradients are not in it.
    """
    lost = absorption_db_per_m(hertz, temperature_c=temperature_c, humidity_percent=humidity_percent)
    lost = lost * (max(distance_m, NEAREST_M) - NEAREST_M) + spreading_db(distance_m)
    return np.asarray(10.0 ** (-lost / 20.0), np.float64)
