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

The low branch hears nothing above 3 kHz, so its cosines vary slowly along n: any 128 neighbouring samples of them are
combinations of about 32 fixed curves (their singular vectors). Its frames are first written in those curves, then K in
them is applied: half of the multiplications again. 128 frames at a time stay near the processor.

Frames stand to the left in every product, [frames, n] × [n, bands]: a quarter quicker in float32 than the transpose.

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
from katydid.models.sound.blas import keep_blas_to_one_thread

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
BLOCK = 128
"""Frames that are folded and multiplied together: 1 MB in float64."""
STRETCH = 128
"""Neighbouring samples of a folded frame that are written in common curves."""
CURVES_TO = {"exact": 2e-9, "fast": 3e-8}
"""Curves are kept down to this part of the strongest. Rounding frame · window to float32 leaves 3e-8, so that what is
dropped lies below it; in FAST the window, stored in float32, stands in K itself and has no finer curves than that."""
WORTHWHILE = 0.75
"""Curves are used where they need at most this part of the plain product's multiplications."""

Single = NDArray[np.float32]
Double = NDArray[np.float64]
Real = NDArray[np.floating]


@dataclass(frozen=True)
class Branch:
    """One branch, ready to multiply; matrices in float64 for EXACT, in float32 and with the window in them for FAST."""

    length: int
    """Samples of a frame, N."""
    hop: int
    frames: int
    window: Single
    """[N]."""
    curves: Real | None
    """[STRETCH, r], or None where curves would not pay."""
    kernel: Real
    """[N/2, bands], highest band first; with curves [N/2 / STRETCH · r, bands]."""
    constant: Double
    """[bands]: what a signal that is 1 everywhere gives in FAST."""
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
    """BirdNET 2.4's front end from a bundle's arrays. May be called from many threads; each keeps 6 MB of its own.

    `arrays` hold for "low" and "high": `<branch>_window` float [N], `<branch>_mel` float [96, N/2 + 1], and the
    scalars `<branch>_hop` and `<branch>_exponent`. Making one keeps BLAS to one thread a call (`blas.py`): the callers'
    threads are what fills the cores.

    Raises BundleError where an array is missing or ill-shaped, or the precision is neither "exact" nor "fast".
    """

    def __init__(self, arrays: Mapping[str, NDArray[np.generic]], precision: str = "exact") -> None:
        if precision not in ("exact", "fast"):
            raise BundleError(f"BirdNET's front end is 'exact' or 'fast', not {precision!r}")
        keep_blas_to_one_thread()
        self.precision = precision
        self._branches = tuple(_branch(arrays, name, exact=precision == "exact") for name in BRANCHES)
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
            half = branch.length // 2
            ahead, behind = branch.views(scratch.signal, scratch.reversed)
            first, second = branch.window[1 : half + 1], branch.window[: half - 1 : -1]
            for block in _blocks(branch.frames):
                folded, rounded, mirrored = scratch.folds(block, half)
                np.multiply(ahead[block], first, out=rounded)
                np.multiply(behind[block], second, out=mirrored)
                np.add(rounded, mirrored, out=folded, dtype=np.float64)
                scratch.multiply(branch, folded, block)
            _compress(scratch.finish(branch), branch.power, picture)

    def _fast(self, scratch: Scratch, pictures: Single) -> None:
        mean = np.float32(scratch.signal.mean(dtype=np.float64))
        scratch.signal -= mean
        scratch.reverse()
        for branch, picture in zip(self._branches, pictures, strict=True):
            ahead, behind = branch.views(scratch.signal, scratch.reversed)
            for block in _blocks(branch.frames):
                folded, *_ = scratch.folds(block, branch.length // 2)
                np.add(ahead[block], behind[block], out=folded)
                scratch.multiply(branch, folded, block)
            product = scratch.finish(branch)
            product += float(mean) * branch.constant
            _compress(product, branch.power, picture)

    def _own_scratch(self) -> Scratch:
        scratch: Scratch | None = getattr(self._scratch, "arrays", None)
        if scratch is None:
            scratch = Scratch(self._branches)
            self._scratch.arrays = scratch
        return scratch


class Scratch:
    """Memory that one thread works in, so that a window allocates nothing but its outcome."""

    def __init__(self, branches: tuple[Branch, ...]) -> None:
        frames, dtype = branches[0].frames, branches[0].kernel.dtype
        halves = max(branch.length // 2 for branch in branches)
        inner = max((len(branch.kernel) for branch in branches if branch.curves is not None), default=0)
        self.signal: Single = np.empty(SAMPLES, np.float32)
        self.reversed: Single = np.empty(SAMPLES, np.float32)
        self._product: Real = np.empty((frames, BANDS), dtype)
        self._in_curves: Real = np.empty(frames * inner, dtype)
        self._folded: Real = np.empty(BLOCK * halves, dtype)
        self._rounded: Single = np.empty((2, BLOCK * halves), np.float32)

    def scale(self, window: Single) -> None:
        """`signal` from −1 to 1 by the window's own extremes, in the graph's order of operations."""
        np.subtract(window, window.min(), out=self.signal)
        self.signal /= self.signal.max() + TINY
        self.signal -= np.float32(0.5)
        self.signal *= np.float32(2)

    def reverse(self) -> None:
        self.reversed[:] = self.signal[::-1]

    def folds(self, block: slice, half: int) -> tuple[Real, Single, Single]:
        """Room for the folded frames of a block, [frames of the block, half], and for two float32 arrays like it."""
        shape = (block.stop - block.start, half)
        size = shape[0] * half
        rounded, mirrored = self._rounded[:, :size]
        return self._folded[:size].reshape(shape), rounded.reshape(shape), mirrored.reshape(shape)

    def multiply(self, branch: Branch, folded: Real, block: slice) -> None:
        """Multiply the folded frames of a block as far as it goes block by block."""
        if branch.curves is None:
            np.matmul(folded, branch.kernel, out=self._product[block])
        else:
            stretches = folded.reshape(-1, STRETCH)
            into = self._frames_in_curves(branch)[block].reshape(len(stretches), -1)
            np.matmul(stretches, branch.curves, out=into)

    def finish(self, branch: Branch) -> Real:
        """y of the branch, [frames, bands], once every block was multiplied."""
        if branch.curves is not None:
            np.matmul(self._frames_in_curves(branch), branch.kernel, out=self._product)
        return self._product

    def _frames_in_curves(self, branch: Branch) -> Real:
        inner = len(branch.kernel)
        return self._in_curves[: branch.frames * inner].reshape(branch.frames, inner)


def _blocks(frames: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, frames)) for start in range(0, frames, BLOCK)]


def _compress(product: Real, power: np.float32, picture: Single) -> None:
    """|y| ^ power in float32, as the graph does, [frames, bands] → [bands, frames]; 0 stays 0 (its logarithm is −∞)."""
    np.abs(product.T, out=picture, casting="same_kind")
    with np.errstate(divide="ignore"):
        np.log(picture, out=picture)
    picture *= power
    np.exp(picture, out=picture)


def _branch(arrays: Mapping[str, NDArray[np.generic]], name: str, *, exact: bool) -> Branch:
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
    if not exact:
        kernel *= window[1 : length // 2 + 1]
    curves, inner = _in_curves(kernel, CURVES_TO["exact" if exact else "fast"])
    dtype = np.float64 if exact else np.float32
    return Branch(
        length=length,
        hop=hop,
        frames=(SAMPLES - length) // hop + 1,
        window=window,
        curves=None if curves is None else curves.astype(dtype),
        kernel=np.ascontiguousarray(inner.T, dtype),
        constant=2 * kernel.sum(axis=1),
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


def _in_curves(kernel: Double, down_to: float) -> tuple[Double | None, Double]:
    """(curves [STRETCH, r], the kernel in them [bands, stretches · r]), or (None, the kernel) where they do not pay."""
    bands, half = kernel.shape
    if half % STRETCH:
        return None, kernel
    stretches = kernel.reshape(bands, half // STRETCH, STRETCH)
    _, strength, curves = np.linalg.svd(stretches.reshape(-1, STRETCH), full_matrices=False)
    kept = int((strength > down_to * strength[0]).sum())
    if kept * (STRETCH + bands) > WORTHWHILE * bands * STRETCH:
        return None, kernel
    basis = np.ascontiguousarray(curves[:kept].T)
    return basis, np.ascontiguousarray((stretches @ basis).reshape(bands, -1))
