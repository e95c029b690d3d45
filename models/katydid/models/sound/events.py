"""When something is heard: per key, from the second it reaches `start` until it falls below `release`.

Hysteresis keeps a song that wavers around the threshold in one piece. Streaming and vectorised over the keys; the
memory is a few numbers a key, however long the recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Event:
    """Seconds first..last (inclusive) in which `key` was heard, and the second where it was surest."""

    key: int
    first: int
    last: int
    peak: float
    peak_second: int


@dataclass(frozen=True)
class Step:
    """What one second changed: the keys whose peak it is so far, and the events that ended before it."""

    peaked: NDArray[np.intp]
    ended: list[Event]


class Hysteresis:
    """Takes one row of values [keys] a second, in order, from second 0. 0 < release <= start is not required of
    the caller: a release above start is lowered to it."""

    def __init__(self, keys: int, start: float, release: float) -> None:
        self._start = start
        self._release = min(release, start)
        self._next = 0
        self._active = np.zeros(keys, dtype=bool)
        self._first = np.zeros(keys, dtype=np.int64)
        self._peak = np.zeros(keys)
        self._peak_second = np.zeros(keys, dtype=np.int64)

    def step(self, values: NDArray[np.floating]) -> Step:
        """Take the values of the next second."""
        second = self._next
        self._next += 1
        goes_on = self._active & (values >= self._release)
        ended = self._events(np.flatnonzero(self._active & ~goes_on), last=second - 1)
        begins = ~goes_on & (values >= self._start)
        self._active = goes_on | begins
        self._first[begins] = second
        peaked = np.flatnonzero(begins | (goes_on & (values > self._peak)))
        self._peak[peaked] = values[peaked]
        self._peak_second[peaked] = second
        return Step(peaked=peaked, ended=ended)

    def again(self) -> None:
        """Take the next second with the values of the last one: nothing begins, ends or rises."""
        self._next += 1

    def finish(self) -> list[Event]:
        """End what still goes on, at the last second taken."""
        ended = self._events(np.flatnonzero(self._active), last=self._next - 1)
        self._active[:] = False
        return ended

    def _events(self, keys: NDArray[np.intp], last: int) -> list[Event]:
        return [
            Event(
                key=int(key),
                first=int(self._first[key]),
                last=last,
                peak=float(self._peak[key]),
                peak_second=int(self._peak_second[key]),
            )
            for key in keys
        ]
