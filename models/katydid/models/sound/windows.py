"""From a recording, block by block, to the windows that a model hears.

    blocks [channels, n] at the recorder's rate
      → mono: the mean of the channels
      → resampled to the bundle's rate (soxr HQ), as a stream
      → windows of `samples` every `hop` samples, the last one padded with zeros

**Channels** are averaged with equal weight, as librosa and the BirdNET tools do. What only one of two microphones
hears comes out 6 dB quieter, and what both hear in opposite phase cancels; a recorder with one dead channel is
better read from the other alone.

**Which windows exist.** Window k starts at k · hop. It exists if k = 0, or if it brings something that the windows
before it did not have: k · hop + (samples − hop) < total. A last window with fewer real samples than the bundle's
`min_samples` is left out, unless it is the only one.

**Streamed equals offline**, bit for bit, at any block size: the mean is summed channel by channel in a fixed order,
and soxr gives the same samples however its input is cut (tested).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from katydid.models.errors import ModelError
from katydid.models.manifest import SoundInput

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """Where windows lie, in samples at `rate` hertz."""

    rate: int
    samples: int
    hop: int
    min_samples: int = 1

    def start(self, k: int) -> int:
        return k * self.hop

    def count(self, total: int) -> int:
        """How many windows a recording of `total` samples has: at least one, also where a click of one sample was
        resampled to nothing."""
        fresh = total - (self.samples - self.hop)
        heard = (total - min(self.min_samples, self.samples)) // self.hop + 1
        return max(1, min(-(-fresh // self.hop), heard))


def grid_for(sound: SoundInput, overlap_s: float | None = None) -> Grid:
    """The bundle's grid; with `overlap_s`, neighbouring windows share that many seconds (at most all but one
    hundredth of a window, so that windows always advance). Raises ModelError where that is a window or more."""
    hop = round(sound.hop_s * sound.sample_rate)
    if overlap_s is not None:
        window_s = sound.samples / sound.sample_rate
        if overlap_s >= window_s:
            raise ModelError(
                f"windows of {window_s:g} s cannot share {overlap_s:g} s: say less with --overlap, or other models"
            )
        hop = sound.samples - round(overlap_s * sound.sample_rate)
    hop = min(max(hop, sound.samples // 100, 1), sound.samples)
    return Grid(rate=sound.sample_rate, samples=sound.samples, hop=hop, min_samples=sound.min_samples)


@dataclass(frozen=True)
class WindowBatch:
    """Neighbouring windows: window `first + i` of the recording is `samples[i]`, float32 [n, samples]."""

    first: int
    samples: Samples


def mono(block: Samples) -> Samples:
    """The mean of the channels of float32 [channels, n], as float32 [n]."""
    if block.shape[0] == 1:
        only: Samples = block[0]
        return only
    total: Samples = block[0].copy()
    for channel in block[1:]:
        total += channel
    total *= np.float32(1.0 / block.shape[0])
    return total


def resampled(blocks: Iterable[Samples], source_rate: int, rate: int) -> Iterator[Samples]:
    """Mono blocks at `rate` hertz from blocks [channels, n] at `source_rate` hertz."""
    if source_rate == rate:
        yield from map(mono, blocks)
        return
    stream = soxr.ResampleStream(source_rate, rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(mono(block))
    yield stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


class Windows:
    """The windows of one mono stream, at most `at_once` in a batch; after the last batch, `total` is the number of
    samples that the stream had."""

    def __init__(self, stream: Iterable[Samples], grid: Grid, at_once: int) -> None:
        self._stream = stream
        self._grid = grid
        self._at_once = at_once
        self._held = np.zeros(0, dtype=np.float32)
        """Samples from the start of window `_next` on."""
        self._next = 0
        self._rows: Samples | None = None
        self._filled = 0
        self.total = 0

    def batches(self) -> Iterator[WindowBatch]:
        """Yield the batches in order. Memory: one batch (besides those that the caller keeps), one window and one
        block."""
        for block in self._stream:
            self.total += len(block)
            self._held = np.concatenate([self._held, block]) if len(self._held) else block
            yield from self._cut(max(0, (len(self._held) - self._grid.samples) // self._grid.hop + 1))
        yield from self._cut(self._grid.count(self.total) - self._next)
        if self._filled:
            yield self._batch()

    def _cut(self, count: int) -> Iterator[WindowBatch]:
        """Take the next `count` windows, the last ones padded with zeros; yield each batch that is full."""
        hop = self._grid.hop
        for at in range(0, count * hop, hop):
            self._put(self._held[at : at + self._grid.samples])
            if self._filled == self._at_once:
                yield self._batch()
        if count > 0:
            # A copy: a view would keep the whole block alive.
            self._held = self._held[count * hop :].copy()

    def _put(self, real: Samples) -> None:
        if self._rows is None:
            self._rows = np.empty((self._at_once, self._grid.samples), dtype=np.float32)
        row = self._rows[self._filled]
        row[: len(real)] = real
        row[len(real) :] = 0.0
        self._filled += 1
        self._next += 1

    def _batch(self) -> WindowBatch:
        rows, filled = self._rows, self._filled
        if rows is None:
            raise ValueError("a batch without windows")
        self._rows, self._filled = None, 0
        return WindowBatch(first=self._next - filled, samples=rows[:filled])
