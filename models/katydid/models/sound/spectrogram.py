"""The log-mel front end: float32 samples → log energies in bands, from the window and filters that a bundle carries.

    frames of `n_fft` samples every `hop` (with `centre`, n_fft // 2 zeros are added at both ends)
      × window → rfft → |·|^power → × filters → logarithm → normalised

scipy's `rfft` works in float32 where numpy's goes through float64, five times slower. The filters are narrow, so the
product runs over blocks of neighbouring bands and only the bins that they touch. Clip by clip and 64 frames at a time:
larger pieces fall out of the cache.

The window and the filters are computed once, in float64, by who makes a bundle (`filters.py`), and stored with it; a
runtime never computes them again, so two installations hear the same.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from katydid.models.errors import BundleError
from katydid.models.manifest import LogMelFrontEnd

Floats = NDArray[np.float32]

_BANDS_A_BLOCK = 16
_FRAMES_A_BLOCK = 64
"""Half a megabyte of spectrum: it stays in the cache, and the allocator keeps its pages (2.5 times faster than all
frames of 3 s at once)."""


class LogMel:
    """A front end by a bundle's specification and arrays. Safe to call from several threads."""

    def __init__(self, spec: LogMelFrontEnd, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Raises BundleError where an array is missing or has another shape than the specification says."""
        if spec.log not in ("ln", "db", "none"):
            raise BundleError(f"a log-mel front end with log {spec.log!r}: it must be ln, db or none")
        self._spec = spec
        self._window = _array(arrays, spec.window, (spec.n_fft,)).astype(np.float32)
        filters = _array(arrays, spec.filters, (None, spec.n_fft // 2 + 1))
        self.bands = filters.shape[0]
        self._blocks = _blocks(filters)

    def frames(self, samples: int) -> int:
        """How many frames `samples` samples give."""
        padded = samples + (2 * (self._spec.n_fft // 2) if self._spec.centre else 0)
        return max(0, 1 + (padded - self._spec.n_fft) // self._spec.hop)

    def __call__(self, samples: Floats) -> Floats:
        """float32 [n, samples] → float32 [n, bands, frames]."""
        return np.stack([self._one(row) for row in samples])

    def _one(self, samples: Floats) -> Floats:
        spec = self._spec
        bands = self._scaled(self._energies(samples))
        if spec.per_window_peak and bands.size:
            bands -= bands.max()
        if spec.mean != 0.0 or spec.std != 1.0:
            bands = (bands - np.float32(spec.mean)) / np.float32(spec.std)
        return np.ascontiguousarray(bands.T)

    def _energies(self, samples: Floats) -> Floats:
        """Band energies [frames, bands], before the logarithm."""
        spec = self._spec
        if spec.centre:
            samples = np.pad(samples, spec.n_fft // 2)
        frames = np.lib.stride_tricks.sliding_window_view(samples, spec.n_fft)[:: spec.hop]
        energies = np.empty((len(frames), self.bands), dtype=np.float32)
        for first in range(0, len(frames), _FRAMES_A_BLOCK):
            some = slice(first, first + _FRAMES_A_BLOCK)
            power = _powered(scipy.fft.rfft(frames[some] * self._window, axis=-1), spec.power)
            for bands, bins, weights in self._blocks:
                energies[some, bands] = power[:, bins] @ weights
        return energies

    def _scaled(self, energies: Floats) -> Floats:
        """The logarithm of the energies plus the floor."""
        if self._spec.log == "none":
            return energies
        logs: Floats = np.log(energies + np.float32(self._spec.floor))
        if self._spec.log == "db":
            logs *= np.float32(10.0 / np.log(10.0))
        return logs


def _powered(spectrum: NDArray[np.complexfloating], power: float) -> Floats:
    squares = spectrum.real**2 + spectrum.imag**2
    values: Floats = squares if power == 2.0 else squares ** np.float32(power / 2.0)
    return values


def _array(arrays: Mapping[str, NDArray[np.generic]], name: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    if name not in arrays:
        raise BundleError(f"arrays.npz has no array {name!r}, which the front end needs")
    found = arrays[name]
    if found.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, found.shape, strict=True)):
        raise BundleError(f"the array {name!r} is {found.shape}, where the front end needs {shape}")
    return found.astype(np.float64)


def _blocks(filters: NDArray[np.float64]) -> list[tuple[slice, slice, Floats]]:
    """(bands, bins, weights [bins, bands]) for neighbouring bands and the bins that they touch."""
    blocks = []
    for first in range(0, len(filters), _BANDS_A_BLOCK):
        bands = slice(first, min(first + _BANDS_A_BLOCK, len(filters)))
        touched = np.flatnonzero(filters[bands].any(axis=0))
        bins = slice(int(touched[0]), int(touched[-1]) + 1) if len(touched) else slice(0, 1)
        blocks.append((bands, bins, np.ascontiguousarray(filters[bands, bins].T, dtype=np.float32)))
    return blocks
