"""How loud and how clipped a recording is, second by second, measured on the samples as they were recorded."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = np.float32(1.0 - 2.0**-15)
"""The largest positive sample of 16 bits; a decoder may give more."""

QUIETEST_DBFS = -200.0
"""What digital silence is written as: JSON and SQL have no minus infinity."""


class Levels:
    """Collects, for each second, the share of clipped samples and the power around the second's mean. The channels
    count alike. Three numbers a second: 170 kB for two hours."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._frames = 0
        self._samples, self._clipped, self._energy = array("d"), array("d"), array("d")
        """A value a second: samples of all channels, those at full scale, squares around the mean."""
        self._sum = self._squares = np.zeros(0)
        """Of each channel in the second that is being read."""

    @property
    def seconds(self) -> float:
        """How much was measured."""
        return self._frames / self._rate

    def through(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Pass blocks [channels, n] on, measuring them."""
        for block in blocks:
            self.add(block)
            yield block

    def add(self, block: NDArray[np.float32]) -> None:
        """Take the next block [channels, n]."""
        at = 0
        while at < block.shape[1]:
            room = self._rate - self._frames % self._rate
            self._add_part(block[:, at : at + room], new=room == self._rate)
            at += room

    def clipped_share(self, first: int, last: int) -> float:
        """Share of the samples in seconds first..last that are at full scale, 0..1."""
        samples = sum(self._samples[first : last + 1])
        return sum(self._clipped[first : last + 1]) / samples if samples else 0.0

    def rms_dbfs(self, first: int, last: int) -> float:
        """Level in seconds first..last in dB below a full-scale square wave, around the mean; at least -200."""
        samples = sum(self._samples[first : last + 1])
        power = sum(self._energy[first : last + 1]) / samples if samples else 0.0
        return max(QUIETEST_DBFS, 10.0 * math.log10(power)) if power > 0 else QUIETEST_DBFS

    def _add_part(self, part: NDArray[np.float32], *, new: bool) -> None:
        exact = part.astype(np.float64)
        if new:
            for column in (self._samples, self._clipped, self._energy):
                column.append(0.0)
            self._sum = np.zeros(len(exact))
            self._squares = np.zeros(len(exact))
        self._sum += exact.sum(axis=1)
        self._squares += [channel @ channel for channel in exact]
        self._samples[-1] += exact.size
        if part.max() >= FULL_SCALE or part.min() <= -FULL_SCALE:  # Two quick looks spare the slow one.
            self._clipped[-1] += np.count_nonzero(np.abs(part) >= FULL_SCALE)
        frames = self._samples[-1] / len(exact)
        self._energy[-1] = max(0.0, float((self._squares - self._sum**2 / frames).sum()))
        self._frames += exact.shape[1]
