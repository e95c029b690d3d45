"""BirdNET 2.4's spectrogram, as one matrix product a branch: samples in, what its convolutions want out.

The TFLite file spends two thirds of its time here. What it does, window by window (s = 144,000 samples at 48 kHz):

    x = 2 ((s − min s) / (max(s − min s) + 1e-6) − 0.5)
    low branch    511 frames of 2048 samples every 278, 96 mel bands up to 3 kHz
    high branch   511 frames of 1024 samples every 280, 96 mel bands from 0.5 to 15 kHz
    frame t from t · hop, no padding; F = rfft(frame · window); a cast to float then keeps the *real part only*
    y = Re F · melᵀ;  z = (y²) ^ exponent;  highest band first;  the two branches are two channels

From frame · window to y everything is linear, and Re F sees only cosines, so with n = 1 … N/2

    y = K · (p[n] + p[N − n]),   p = frame · window,   K[m, n] = Σ_k mel[m, k] cos(2π k n / N)

(the window is 0 at n = 0; n = N/2 stands in the sum twice, so its column of K is halved). Half of the multiplications
of a plain product, and a quarter of the time of the graph's own transform.

Two precisions:

**EXACT** follows the graph's rounding: p is rounded to float32 as there, everything behind it is float64 (the graph's
transform is float64 inside too), y is cast to float32. Without that first rounding the answer is truer and *further*
from the graph: where little happens in a window, its rounding noise is what the graph mostly sees.

**FAST** puts the window into K and multiplies in float32. The mean is taken off first and its part of y added
afterwards, because x hangs around an offset that float32 would spend its digits on.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from katydid.models.errors import BundleError

SAMPLE_RATE = 48_000
"""Hertz."""
SAMPLES = 144_000
"""Samples of a window: three seconds."""
BANDS = 96
"""Mel bands of each branch."""
BRANCHES = ("low", "high")
"""Channels of the spectrogram, in order; prefixes of the names in arrays.npz."""

TINY = np.float32(1e-6)
"""The graph's guard against a window without sound."""

Single = NDArray[np.float32]
Double = NDArray[np.float64]


@dataclass(frozen=True)
class Branch:
    """One branch, ready to multiply."""

    length: int
    """Samples of a frame, N."""
    hop: int
    frames: int
    window: Single
    """[N]."""
    kernel: Double
    """K in float64, [bands, N/2], highest band first."""
    fast_kernel: Single
    """K with the window in it."""
    constant: Double
    """[bands, 1]: what a signal that is 1 everywhere gives in FAST."""
    power: np.float32
    """Twice the exponent: y² ^ e = exp(2 e · log |y|)."""

    def views(self, samples: Single, reversed_samples: Single) -> tuple[Single, Single]:
        """(x[n], x[N − n]) for n = 1 … N/2 of every frame, [frames, N/2], without copying; both run forward in memory
        because the second looks into the reversed signal."""
        shape, step = (self.frames, self.length // 2), samples.itemsize
        ahead = as_strided(samples[1:], shape, (self.hop * step, step), writeable=False)
        behind = as_strided(
            reversed_samples[len(samples) - self.length :], shape, (-self.hop * step, step), writeable=False
        )
        return ahead, behind


class BirdNetSpectrogram:
    """BirdNET 2.4's front end from a bundle's arrays. May be called from many threads; each keeps its own 11 MB.

    `arrays` hold for "low" and "high": `<branch>_window` float [N], `<branch>_mel` float [96, N/2 + 1], and the
    scalars `<branch>_hop` and `<branch>_exponent`. BLAS should run single-threaded (OPENBLAS_NUM_THREADS=1 before
    numpy is imported): the callers' threads are what fills the cores.

    Raises BundleError where an array is missing or ill-shaped, or the precision is neither "exact" nor "fast".
    """

    def __init__(self, arrays: Mapping[str, NDArray[np.generic]], precision: str = "exact") -> None:
        if precision not in ("exact", "fast"):
            raise BundleError(f"BirdNET's front end is 'exact' or 'fast', not {precision!r}")
        self.precision = precision
        self._branches = tuple(_branch(arrays, name) for name in BRANCHES)
        if len({branch.frames for branch in self._branches}) != 1:
            raise BundleError("BirdNET's front end: the two branches have different numbers of frames")
        self._scratch = threading.local()

    def __call__(self, samples: Single) -> Single:
        """float32 [n, 144000], any gain → float32 [n, 2, 96, 511]."""
        if samples.ndim != 2 or samples.shape[1] != SAMPLES:
            raise ValueError(f"BirdNET hears windows of {SAMPLES} samples; this is {samples.shape}")
        scratch = self._own_scratch()
        out = np.empty((len(samples), len(self._branches), BANDS, self._branches[0].frames), np.float32)
        fill = self._exact if self.precision == "exact" else self._fast
        for window, pictures in zip(samples, out, strict=True):
            scratch.scale(window)
            fill(scratch, pictures)
        return out

    def _exact(self, scratch: Scratch, pictures: Single) -> None:
        scratch.reverse()
        for branch, picture in zip(self._branches, pictures, strict=True):
            ahead, behind = branch.views(scratch.signal, scratch.reversed)
            half = branch.length // 2
            first, second = scratch.rounded(half)
            np.multiply(ahead, branch.window[1 : half + 1], out=first)
            np.multiply(behind, branch.window[: half - 1 : -1], out=second)
            folded = scratch.folded(half)
            np.add(first, second, out=folded, dtype=np.float64)
            np.matmul(branch.kernel, folded.T, out=scratch.product)
            _compress(scratch.product, branch.power, picture)

    def _fast(self, scratch: Scratch, pictures: Single) -> None:
        mean = np.float32(scratch.signal.mean(dtype=np.float64))
        scratch.signal -= mean
        scratch.reverse()
        for branch, picture in zip(self._branches, pictures, strict=True):
            folded, _ = scratch.rounded(branch.length // 2)
            np.add(*branch.views(scratch.signal, scratch.reversed), out=folded)
            np.matmul(branch.fast_kernel, folded.T, out=picture)
            picture += (float(mean) * branch.constant).astype(np.float32)
            _compress(picture, branch.power, picture)

    def _own_scratch(self) -> Scratch:
        scratch: Scratch | None = getattr(self._scratch, "arrays", None)
        if scratch is None:
            scratch = Scratch(self._branches, exact=self.precision == "exact")
            self._scratch.arrays = scratch
        return scratch


class Scratch:
    """Memory that one thread works in, so that a window allocates nothing but its outcome."""

    def __init__(self, branches: tuple[Branch, ...], *, exact: bool) -> None:
        self._frames = branches[0].frames
        largest = self._frames * max(branch.length // 2 for branch in branches)
        self.signal: Single = np.empty(SAMPLES, np.float32)
        self.reversed: Single = np.empty(SAMPLES, np.float32)
        self.product: Double = np.empty((BANDS, self._frames), np.float64)
        self._singles: Single = np.empty((2, largest), np.float32)
        self._doubles: Double = np.empty(largest if exact else 0, np.float64)

    def scale(self, window: Single) -> None:
        """`signal` from −1 to 1 by the window's own extremes, in the graph's order of operations."""
        np.subtract(window, window.min(), out=self.signal)
        self.signal /= self.signal.max() + TINY
        self.signal -= np.float32(0.5)
        self.signal *= np.float32(2)

    def reverse(self) -> None:
        self.reversed[:] = self.signal[::-1]

    def rounded(self, half: int) -> tuple[Single, Single]:
        """Two float32 arrays [frames, half]."""
        shape = (self._frames, half)
        first, second = self._singles[:, : self._frames * half]
        return first.reshape(shape), second.reshape(shape)

    def folded(self, half: int) -> Double:
        """A float64 array [frames, half]."""
        return self._doubles[: self._frames * half].reshape(self._frames, half)


def _compress(product: NDArray[np.floating], power: np.float32, picture: Single) -> None:
    """|y| ^ power in float32, as the graph does; 0 stays 0 (its logarithm is −∞)."""
    np.abs(product, out=picture, casting="same_kind")
    with np.errstate(divide="ignore"):
        np.log(picture, out=picture)
    picture *= power
    np.exp(picture, out=picture)


def _branch(arrays: Mapping[str, NDArray[np.generic]], name: str) -> Branch:
    missing = [key for key in ("window", "mel", "hop", "exponent") if f"{name}_{key}" not in arrays]
    if missing:
        raise BundleError(f"arrays.npz lacks {name}_{missing[0]}, which BirdNET's front end needs: add the model again")
    window = np.asarray(arrays[f"{name}_window"], np.float32)
    mel = np.asarray(arrays[f"{name}_mel"], np.float64)
    hop, exponent = int(arrays[f"{name}_hop"]), float(arrays[f"{name}_exponent"])
    length = len(window)
    if window.ndim != 1 or mel.shape != (BANDS, length // 2 + 1) or length % 2 or hop < 1 or length > SAMPLES:
        raise BundleError(f"BirdNET's front end: {name}_window {window.shape} and {name}_mel {mel.shape} do not fit")
    if window[0] != 0:
        raise BundleError(f"BirdNET's front end: {name}_window does not begin with 0, so its frames cannot be folded")
    kernel = _kernel(mel, length)
    windowed = kernel * window[1 : length // 2 + 1].astype(np.float64)
    return Branch(
        length=length,
        hop=hop,
        frames=(SAMPLES - length) // hop + 1,
        window=window,
        kernel=kernel,
        fast_kernel=windowed.astype(np.float32),
        constant=2 * windowed.sum(axis=1, keepdims=True),
        power=np.float32(2 * exponent),
    )


def _kernel(mel: Double, length: int) -> Double:
    """K[m, n − 1] for n = 1 … N/2, float64 [bands, N/2], highest band first."""
    bins = np.flatnonzero(mel.any(axis=0))
    n = np.arange(1, length // 2 + 1)
    # k · n is reduced modulo N as a whole number, so that the cosine's argument stays small and exact.
    cosines = np.cos(2 * np.pi / length * (bins[:, np.newaxis] * n % length))
    kernel: Double = mel[:, bins] @ cosines
    kernel[:, -1] *= 0.5
    return np.ascontiguousarray(kernel[::-1])
