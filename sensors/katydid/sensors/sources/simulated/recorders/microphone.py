"""What a recorder makes of the sound that reaches it: response, ears apart, full scale, samples that are lost."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.sensors.sources.simulated.recorders.noise import Samples

SPEED_OF_SOUND_M_S = 343.0
"""Dry air at 20 °C."""


class Microphone(msgspec.Struct, frozen=True, kw_only=True):
    """A small MEMS microphone behind a membrane, as the cheap recorders have it; the numbers are assumed."""

    full_scale_db: float = 98.0
    """Sound pressure level (dB re 20 µPa, root of the mean square) that gives a digital root mean square of 1: the
    background at -58 dB of full scale is then a quiet meadow of 40 dB."""
    low_cut_hz: float = 60.0
    """First-order high-pass: 3 dB down here."""
    resonance_hz: float = 18_000.0
    resonance_db: float = 5.0
    """The port's resonance, a bell half an octave wide."""
    high_cut_hz: float = 30_000.0
    """First-order low-pass."""
    gain_db: float = 0.0
    """A gain set too high clips what is loud."""

    def response(self, hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        """What amplitudes at each frequency are multiplied with; 1 at 1 kHz, `gain_db` included."""
        wanted = self._shape(np.asarray(hertz, np.float64)) / self._shape(np.asarray([1000.0]))
        return np.asarray(wanted * 10.0 ** (self.gain_db / 20.0), np.float64)

    def _shape(self, hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        low = np.maximum(hertz, 1e-3)
        bell = self.resonance_db * np.exp(-0.5 * (np.log2(low / self.resonance_hz) / 0.5) ** 2)
        cut = 1.0 / np.sqrt(1.0 + (self.low_cut_hz / low) ** 2) / np.sqrt(1.0 + (hertz / self.high_cut_hz) ** 2)
        return np.asarray(cut * 10.0 ** (bell / 20.0), np.float64)


class Ears(msgspec.Struct, frozen=True, kw_only=True):
    """Two microphones on the sides of one case, west (channel 0) and east (channel 1)."""

    apart_m: float = 0.2
    shadow_db: float = 8.0
    """How much quieter the case makes high tones on the far side at most; half of it at `shadow_hz`."""
    shadow_hz: float = 3_000.0

    def reach(self, hertz: NDArray[np.float64], east_m: float, north_m: float) -> NDArray[np.complex128]:
        """[2, hertz]: delay and shadow at each ear for a source there, against the middle of the case.

        The delay is that of plane waves, apart/2 · sin(bearing) / c; the spreading over the width of the case is left
        out, which matters under a metre only.
        """
        east = east_m / max(float(np.hypot(east_m, north_m)), 1e-9)
        delay_s = self.apart_m / 2.0 * east / SPEED_OF_SOUND_M_S
        shadow = 10.0 ** (-self.shadow_db * abs(east) * hertz / (hertz + self.shadow_hz) / 20.0)
        early = np.exp(2.0j * np.pi * hertz * delay_s)  # At the east ear, for a source in the east.
        west_ear, east_ear = np.conj(early), early
        return np.stack([west_ear * shadow, east_ear] if east > 0 else [west_ear, east_ear * shadow])


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """Buffers that a slow card lost: (first sample, samples), in order."""

    gaps: tuple[tuple[int, int], ...]

    def cut(self, samples: Samples) -> Samples:
        """What is left, [channels, fewer]: what comes behind a gap moves up, and nothing in the file says so."""
        keep = np.ones(samples.shape[1], bool)
        for first, length in self.gaps:
            keep[first : first + length] = False
        return np.ascontiguousarray(samples[:, keep])

    def moved(self, sample: int) -> int:
        """Where a sample lies afterwards; those that are lost, at the gap."""
        return sample - sum(min(max(sample - first, 0), length) for first, length in self.gaps)


def lost_buffers(count: int, rate: int, rng: np.random.Generator) -> Lost:
    """One to four gaps of 10 to 200 ms in `count` samples, none over another."""
    number = int(rng.integers(1, 5))
    places = np.sort(rng.choice(max(count // rate, number), number, replace=False))
    gaps = [(int(place) * rate + int(rng.integers(rate // 2)), int(rng.uniform(0.01, 0.2) * rate)) for place in places]
    return Lost(gaps=tuple((first, length) for first, length in gaps if first + length < count))
