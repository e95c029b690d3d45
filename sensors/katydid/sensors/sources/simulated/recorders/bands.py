"""In which band a song's signal-to-noise ratio is stated, and the power that lies in a band."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from katydid.sensors.sources.songs import SONGS


def band_of(species: str, temperature_c: float, sample_rate: int) -> tuple[float, float]:
    """The band in which a song's signal-to-noise ratio is stated, Hz.

    The table's for noisy songs (up to the Nyquist limit), a fifth below to a quarter above the carrier for tones.
    """
    score = SONGS[species]
    if score.band_hz is not None:
        return score.band_hz[0], min(score.band_hz[1], sample_rate / 2)
    carrier = score.carrier(temperature_c)
    return 0.8 * carrier, 1.25 * carrier


def band_power(samples: NDArray[np.floating], sample_rate: int, band: tuple[float, float]) -> float:
    """Mean square of what lies in the band, by Parseval's theorem (zero-padded to a length that transforms fast)."""
    length = scipy.fft.next_fast_len(len(samples), real=True)
    spectrum = scipy.fft.rfft(np.asarray(samples, np.float32), length)
    hertz = np.fft.rfftfreq(length, 1.0 / sample_rate)
    inside = (hertz >= band[0]) & (hertz < band[1])
    return float(2.0 * np.sum(np.abs(spectrum[inside]) ** 2, dtype=np.float64) / (length * len(samples)))
