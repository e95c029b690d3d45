"""What one bundle hears in one recording: window scores → seconds → events, each with its answer.

Streaming: batches of windows come in, in order; what is held is the seconds that are still open, a few numbers a
class, and one answer for each event that goes on.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from katydid.models.decide.decision import NO_CLAIM, Answer, Judge
from katydid.models.manifest import Role
from katydid.models.sound.events import Event, Hysteresis
from katydid.models.sound.pooling import Seconds
from katydid.models.sound.windows import Grid


@dataclass(frozen=True)
class Heard:
    """One event, seconds first..last inclusive, with what the second of its peak says."""

    first: int
    last: int
    answer: Answer


class Listening:
    """Follows one recording for one bundle."""

    def __init__(self, judge: Judge, grid: Grid, classes: int) -> None:
        self._judge = judge
        self._classes = classes
        # Scores are pooled as what they are; the distance, a column more, by its mean.
        self._seconds = Seconds(grid, classes + 1, odds=0 if judge.exclusive else classes)
        self._events = Hysteresis(judge.keys, judge.report, judge.release)
        self._answers: dict[int, Answer] = {}
        self._heard: list[Heard] = []
        self._last: NDArray[np.float64] | None = None
        self._won = Role.TAXON
        self.silent: Counter[Role] = Counter()
        """Exclusive classes: seconds that noise, background or unknown won."""

    def hear(self, first: int, scores: NDArray[np.float32], distances: NDArray[np.float64] | None) -> None:
        """Take windows first, first + 1, …: scores [n, classes], distance to the nearest neighbour [n] or None."""
        rows = np.empty((len(scores), self._classes + 1))
        rows[:, :-1] = scores
        rows[:, -1] = 0.0 if distances is None else distances
        for _, values in self._seconds.add(first, rows):
            self._second(values, far=distances is not None)

    def finish(self, total: int, *, far: bool) -> list[Heard]:
        """The recording had `total` samples at the grid's rate. The events, by start, the surest first."""
        for _, values in self._seconds.finish(total):
            self._second(values, far=far)
        self._end(self._events.finish())
        return sorted(self._heard, key=lambda heard: (heard.first, -heard.answer.confidence))

    def _second(self, values: NDArray[np.float64] | None, *, far: bool) -> None:
        if values is None:  # no window was there to claim anything
            self._end(self._events.step(np.full(self._judge.keys, NO_CLAIM)).ended)
        elif values is self._last:  # the same window's next second
            self._events.again()
        else:
            self._weigh(values, far=far)
        self._last = values
        if self._judge.exclusive and values is not None:
            self.silent[self._won] += self._won is not Role.TAXON

    def _weigh(self, values: NDArray[np.float64], *, far: bool) -> None:
        scores, distance = values[: self._classes], float(values[self._classes]) if far else None
        probabilities = self._judge.probabilities(scores)
        step = self._events.step(self._judge.claims(scores, probabilities))
        self._end(step.ended)
        for key in map(int, step.peaked):
            self._answers[key] = self._judge.answer(key, scores, probabilities, distance)
        if self._judge.exclusive:
            _, self._won = self._judge.winner(scores, probabilities)

    def _end(self, events: list[Event]) -> None:
        for event in events:
            self._heard.append(Heard(first=event.first, last=event.last, answer=self._answers.pop(event.key)))
