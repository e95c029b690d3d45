"""What else there is to hear: a quiet meadow, wind, rain, traffic, a bird that no bundle knows.

All are float32 [count] in parts of full scale, drawn from the generator given. None is a recording: each is noise or
a tone with the spectrum and the rhythm that its docstring states.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Samples = NDArray[np.float32]

BACKGROUND_RMS = 10 ** (-58 / 20)
"""A quiet meadow through a recorder's own noise, of full scale."""


def background(count: int, rate: int, rng: np.random.Generator) -> Samples:
    """Pink below 1 kHz, white above: distant traffic and leaves over the microphone's own noise."""
    weight = np.sqrt(np.maximum(1000.0 / np.maximum(_hertz(count, rate), 20.0), 1.0))
    return (_coloured(count, weight, rng) * BACKGROUND_RMS).astype(np.float32)


def wind(count: int, rate: int, rng: np.random.Generator) -> Samples:
    """Rumble under 200 Hz in gusts of some seconds, up to 30 dB above the background."""
    rumble = _coloured(count, 1.0 / (1.0 + (_hertz(count, rate) / 150.0) ** 2), rng)
    slow = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, 8), rng.uniform(0.1, 1.0, 8))
    return (rumble * slow * BACKGROUND_RMS * 30).astype(np.float32)


def rain(count: int, rate: int, rng: np.random.Generator) -> Samples:
    """A flat hiss between 2 and 8 kHz, and drops on the casing: clicks of a few milliseconds."""
    hertz = _hertz(count, rate)
    hiss = _coloured(count, ((hertz > 2000) & (hertz < 8000)).astype(np.float64), rng) * BACKGROUND_RMS * 8
    length = round(0.004 * rate)
    drop = np.exp(-np.arange(length) / (0.001 * rate))
    for start in rng.integers(0, count - length, round(25 * count / rate)):
        hiss[start : start + length] += drop * rng.normal(0, 1, length) * rng.uniform(0.01, 0.08)
    return hiss.astype(np.float32)


def traffic(count: int, rate: int, rng: np.random.Generator) -> Samples:
    """Vehicles that pass on a road nearby: tyre noise around 1 kHz that swells and fades over some seconds.

    The hump of tyre noise at 0.8-1.2 kHz is the one constant of road traffic (U. Sandberg 2003, "The multi-coincidence
    peak around 1000 Hz in tyre/road noise spectra"); each passage is the inverse square of a line driven past.
    """
    hertz = _hertz(count, rate)
    hump = np.exp(-0.5 * (np.log2(np.maximum(hertz, 1.0) / 1000.0) / 0.8) ** 2) + 0.3 / (1.0 + (hertz / 100.0) ** 2)
    seconds = np.arange(count) / rate
    loud = np.full(count, 0.1)
    for _ in range(1 + int(rng.poisson(count / rate / 20.0))):
        nearest, width = rng.uniform(0.0, count / rate), rng.uniform(0.8, 2.5)
        loud += rng.uniform(0.3, 1.0) / (1.0 + ((seconds - nearest) / width) ** 2)
    return np.asarray(_coloured(count, hump, rng) * np.sqrt(loud) * BACKGROUND_RMS * 12, np.float32)


def bird(count: int, rate: int, rng: np.random.Generator) -> Samples:
    """A thrush-like voice, a species that no bundle in the box knows: whistles that glide between 2 and 5 kHz."""
    sound = np.zeros(count)
    at = 0.3
    while at < count / rate - 1.0:
        seconds = float(rng.uniform(0.15, 0.5))
        length = round(seconds * rate)
        glide = np.linspace(rng.uniform(2000, 5000), rng.uniform(2000, 5000), length)
        whistle = np.sin(2 * np.pi * np.cumsum(glide) / rate) * np.hanning(length)
        first = round(at * rate)
        sound[first : first + length] += whistle * BACKGROUND_RMS * rng.uniform(5, 20)
        at += seconds + float(rng.uniform(0.1, 1.2))
    return sound.astype(np.float32)


def _coloured(count: int, weight: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of unit power whose spectrum has the shape `weight`, [_hertz(count, rate)]."""
    length = scipy.fft.next_fast_len(count, real=True)
    spectrum = scipy.fft.rfft(rng.standard_normal(length)) * weight
    noise = scipy.fft.irfft(spectrum, length)[:count]
    return np.asarray(noise / max(float(np.sqrt(np.mean(noise**2))), 1e-12))


def _hertz(count: int, rate: int) -> NDArray[np.float64]:
    return np.asarray(np.fft.rfftfreq(scipy.fft.next_fast_len(count, real=True), 1.0 / rate), np.float64)
