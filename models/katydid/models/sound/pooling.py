"""Overlapping windows become one value per second and class.

Second s of a recording is [s, s + 1). A window **covers** it if they share at least half a second, or half the window
where a window is shorter than a second. The values of the windows that cover a second are pooled by log-mean-exp of
what the model says in logarithms:

- exclusive classes (softmax): of the log-probabilities, which is the mean of the probabilities: they still sum to 1;
- independent labels (sigmoid): of the log-odds, which is the mean of the odds p / (1 − p): a call that one of three
  windows hears clearly stays clear, where a plain mean would bury it.

A second that one window covers has that window's values exactly, so with windows that do not overlap nothing is
changed. A second that no window covers (a tail too short to look at) has no values: nobody listened.

Streaming: only the seconds that a later window may still cover are held, so two hours of 6,522 classes cost no more
memory than one minute.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from katydid.models.sound.windows import Grid

Values = NDArray[np.float64]

_CLOSEST_TO_ONE = 1.0 - 1e-7
"""Odds are taken of at most this: float32 scores reach 1."""

_NOTHING: Values = np.zeros(0)


class Seconds:
    """Pools rows of window values into rows of second values.

    `width` values a row. `odds`: how many of them, from the left, are independent labels in 0..1 and are pooled by
    their odds; the others are pooled by their mean.
    """

    def __init__(self, grid: Grid, width: int, odds: int = 0) -> None:
        self._grid = grid
        self._width = width
        self._odds = odds
        self._first = 0
        self._rows: list[Values] = []
        """Of each open second: the values of its window, or where there are several the sum of their linear ones."""
        self._counts: list[int] = []

    def add(self, first: int, rows: NDArray[np.floating]) -> Iterator[tuple[int, Values | None]]:
        """Take windows first, first + 1, … in order (`rows` [n, width]); yield each second that no later window
        covers, as (second, values [width]); None where no window covered it at all. Seconds that one window alone
        covers get one and the same array."""
        for k, row in enumerate(rows.astype(np.float64, copy=False), start=first):
            yield from self._closed_before(self._covered(k)[0])
            self._put(k, row)

    def finish(self, total: int) -> Iterator[tuple[int, Values | None]]:
        """Yield the seconds that remain of a recording of `total` samples (a begun second counts)."""
        seconds = max(1, -(-total // self._grid.rate))
        yield from self._closed_before(seconds)

    def _covered(self, k: int) -> tuple[int, int]:
        """Half-open range of the seconds that window k covers."""
        rate, start, length = self._grid.rate, self._grid.start(k), self._grid.samples
        need = (min(rate, length) + 1) // 2
        first = start // rate if (start // rate + 1) * rate - start >= need else start // rate + 1
        end = start + length
        return first, max(end // rate + (end % rate >= need), first + 1)

    def _put(self, k: int, row: Values) -> None:
        first, end = self._covered(k)
        linear = None
        for second in range(first, end):
            at = second - self._first
            self._grow(at)
            self._counts[at] += 1
            if self._counts[at] == 1:  # Its odds are taken where a second window comes.
                self._rows[at] = row
                continue
            if self._counts[at] == 2:
                self._rows[at] = self._linear(self._rows[at])
            linear = self._linear(row) if linear is None else linear
            self._rows[at] += linear

    def _linear(self, row: Values) -> Values:
        """What may be added up: odds of the independent labels, the others as they are."""
        linear = row.copy()
        odds = np.minimum(linear[: self._odds], _CLOSEST_TO_ONE)
        linear[: self._odds] = odds / (1.0 - odds)
        return linear

    def _grow(self, at: int) -> None:
        while len(self._rows) <= at:
            self._rows.append(_NOTHING)
            self._counts.append(0)

    def _closed_before(self, second: int) -> Iterator[tuple[int, Values | None]]:
        while self._first < second:
            self._grow(0)
            row, count = self._rows.pop(0), self._counts.pop(0)
            closed = self._first
            self._first += 1
            if count == 0:
                yield closed, None
            else:
                yield closed, row if count == 1 else self._mean(row, count)

    def _mean(self, total: Values, count: int) -> Values:
        mean = total / count
        odds = mean[: self._odds]
        mean[: self._odds] = odds / (1.0 + odds)
        return mean
