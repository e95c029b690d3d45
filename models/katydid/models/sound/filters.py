"""Windows and filter banks, in float64, for who makes a bundle. Runtimes read them from the bundle.

All filters are [bands, n_fft // 2 + 1], one row a band, to be multiplied with a power spectrum.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_SLANEY_BREAK_HZ = 1000.0
_SLANEY_HZ_A_MEL = 200.0 / 3.0
_SLANEY_LOG_STEP = math.log(6.4) / 27.0


def hann_window(n_fft: int) -> Matrix:
    """The periodic Hann window, float64 [n_fft]: w[0] = 0, as for spectra that are taken hop by hop."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)


def mel_filters(
    sample_rate: int, n_fft: int, bands: int, low_hz: float = 0.0, high_hz: float | None = None, scale: str = "slaney"
) -> Matrix:
    """Triangles on a mel scale.

    `scale` "slaney": linear to 1 kHz, then logarithmic (Slaney's Auditory Toolbox, 1998), each triangle of area one:
    librosa's default. "htk": 2595 log10(1 + f / 700) (the HTK Book), each triangle of height one. Raises ValueError
    for another scale or edges that are not 0 <= low < high <= Nyquist.
    """
    edges = _edges(sample_rate, low_hz, high_hz)
    if scale == "slaney":
        corners = _slaney_hz(np.linspace(_slaney_mel(edges[0]), _slaney_mel(edges[1]), bands + 2))
        slaney: Matrix = _triangles(sample_rate, n_fft, corners) * (2.0 / (corners[2:] - corners[:-2]))[:, np.newaxis]
        return slaney
    if scale == "htk":
        mels = np.linspace(_htk_mel(edges[0]), _htk_mel(edges[1]), bands + 2)
        return _triangles(sample_rate, n_fft, 700.0 * (10.0 ** (mels / 2595.0) - 1.0))
    raise ValueError(f"a mel scale {scale!r}: it must be slaney or htk")


def linear_filters(
    sample_rate: int, n_fft: int, bands: int, low_hz: float = 0.0, high_hz: float | None = None
) -> Matrix:
    """Bands of equal width, each the mean of the bins in it (a bin on an edge counts by the share that lies inside).
    Insects sing up to the Nyquist limit, where mel bands are too wide to tell them apart."""
    low, high = _edges(sample_rate, low_hz, high_hz)
    step = sample_rate / n_fft
    bins = np.arange(n_fft // 2 + 1) * step
    corners = np.linspace(low, high, bands + 1)
    inside = np.minimum(bins + step / 2, corners[1:, np.newaxis]) - np.maximum(
        bins - step / 2, corners[:-1, np.newaxis]
    )
    shares: Matrix = np.maximum(inside, 0.0)
    means: Matrix = shares / shares.sum(axis=1, keepdims=True)
    return means


def _edges(sample_rate: int, low_hz: float, high_hz: float | None) -> tuple[float, float]:
    high = sample_rate / 2 if high_hz is None else high_hz
    if not 0.0 <= low_hz < high <= sample_rate / 2:
        raise ValueError(f"a band of {low_hz:g}..{high:g} Hz at {sample_rate} Hz")
    return low_hz, high


def _triangles(sample_rate: int, n_fft: int, corners: Matrix) -> Matrix:
    """Rising from corners[i] to 1 at corners[i + 1], falling to corners[i + 2]."""
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    widths = np.diff(corners)
    rising = (bins - corners[:-2, np.newaxis]) / widths[:-1, np.newaxis]
    falling = (corners[2:, np.newaxis] - bins) / widths[1:, np.newaxis]
    triangles: Matrix = np.maximum(0.0, np.minimum(rising, falling))
    return triangles


def _slaney_mel(hz: float) -> float:
    if hz < _SLANEY_BREAK_HZ:
        return hz / _SLANEY_HZ_A_MEL
    return _SLANEY_BREAK_HZ / _SLANEY_HZ_A_MEL + math.log(hz / _SLANEY_BREAK_HZ) / _SLANEY_LOG_STEP


def _slaney_hz(mels: Matrix) -> Matrix:
    break_mel = _SLANEY_BREAK_HZ / _SLANEY_HZ_A_MEL
    linear = mels * _SLANEY_HZ_A_MEL
    curved = _SLANEY_BREAK_HZ * np.exp(_SLANEY_LOG_STEP * (mels - break_mel))
    corners: Matrix = np.where(mels < break_mel, linear, curved)
    return corners


def _htk_mel(hz: float) -> float:
    return 2595.0 * math.log10(1.0 + hz / 700.0)
