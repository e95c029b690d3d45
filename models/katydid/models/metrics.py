"""Figures on labelled recordings, and how sure they are: plain numpy, each with its definition.

Recordings of one group (one specimen, one day) resemble each other, so groups are what a bootstrap draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A figure with its bootstrap interval (95 %, by group)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def top1(truth: Sequence[str], answer: Sequence[str]) -> float:
    """Share of the recordings that are named right; nan for none."""
    return float(np.mean([t == a for t, a in zip(truth, answer, strict=True)])) if len(truth) else float("nan")


def macro_recall(truth: Sequence[str], answer: Sequence[str]) -> float:
    """The share named right, taken species by species and averaged over the species that occur; nan for none."""
    right: dict[str, list[bool]] = {}
    for t, a in zip(truth, answer, strict=True):
        right.setdefault(t, []).append(t == a)
    return float(np.mean([np.mean(each) for each in right.values()])) if right else float("nan")


def auroc(high: Sequence[float], low: Sequence[float]) -> float:
    """The probability that one of `high` scores above one of `low`, ties counted half; nan if either is empty."""
    if not len(high) or not len(low):
        return float("nan")
    above, below = np.asarray(high, np.float64), np.sort(np.asarray(low, np.float64))
    wins = np.searchsorted(below, above, "left")
    ties = np.searchsorted(below, above, "right") - wins
    return float((wins + 0.5 * ties).sum() / (len(above) * len(below)))


def by_group(
    groups: Sequence[str], statistic: Callable[[NDArray[np.intp]], float], *, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """A statistic of row indices, with the interval over groups drawn with replacement.

    Draws in which the statistic is not defined (nan) are left out. The same seed gives the same interval.
    """
    members: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    blocks = [np.array(rows, dtype=np.intp) for rows in members.values()]
    whole = np.arange(len(groups), dtype=np.intp)
    value = statistic(whole) if blocks else float("nan")
    if not blocks:
        return Interval(value, value, value)
    rng = np.random.default_rng(seed)
    drawn = [
        statistic(np.concatenate([blocks[at] for at in rng.integers(0, len(blocks), len(blocks))]))
        for _ in range(draws)
    ]
    defined = np.array([each for each in drawn if np.isfinite(each)])
    if not len(defined):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))
