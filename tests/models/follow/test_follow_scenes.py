"""Counts and identities in made scenes, beside two baselines: the table in docs/follow.md.

Visitors fly from flower to flower and sit on each for some seconds; a sheet is full of insects that sit. One box in ten
is missed. IDF1 with one identity for each individual, by the best assignment (Ristani et al. 2016).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from katydid.models.follow import follow
from katydid.models.outcome import Box, Outcome
from scenes import Animal, filmed

Leg = tuple[float, float, NDArray[np.float64], NDArray[np.float64]]
"""From when to when, from where to where."""


class Figures:
    """How well some tracks tell individuals apart."""

    def __init__(self, tracks: Sequence[Sequence[str]], truth: dict[str, str]) -> None:
        names = {name: place for place, name in enumerate(sorted(set(truth.values())))}
        shared = np.zeros((len(tracks), len(names)))
        for number, track in enumerate(tracks):
            for detection in track:
                shared[number, names[truth[detection]]] += 1
        self.count = len(tracks) / len(names)
        self.idf1 = float(shared[linear_sum_assignment(-shared)].sum()) / len(truth)


def by_follow(outcomes: Sequence[Outcome]) -> list[Sequence[str]]:
    return [one.detections for one in follow(outcomes)]


def greedy(outcomes: Sequence[Outcome]) -> list[Sequence[str]]:
    """The largest overlap with the frame before, one after another."""
    before: list[tuple[Box, list[str]]] = []
    tracks: list[list[str]] = []
    for outcome in outcomes:
        pairs = [
            (_overlap(box, one.box), i, j)
            for i, (box, _) in enumerate(before)
            for j, one in enumerate(outcome.detections)
            if one.box is not None
        ]
        taken: dict[int, int] = {}
        for shared, i, j in sorted(pairs, reverse=True):
            if shared > 0.1 and j not in taken and i not in taken.values():
                taken[j] = i
        now = []
        for j, one in enumerate(outcome.detections):
            track: list[str] = before[taken[j]][1] if j in taken else []
            if j not in taken:
                tracks.append(track)
            track.append(one.detection_id)
            assert one.box is not None
            now.append((one.box, track))
        before = now
    return list(tracks)


def _overlap(a: Box, b: Box) -> float:
    across = min(a.x + a.w, b.x + b.w) - max(a.x, b.x)
    down = min(a.y + a.h, b.y + b.h) - max(a.y, b.y)
    shared = max(across, 0.0) * max(down, 0.0)
    return shared / (a.w * a.h + b.w * b.h - shared)


def visitors(seed: int, length_s: float, frames: int) -> list[Animal]:
    """One each 40 s in the mean; each sits for 4 to 15 s on some flowers and flies at 0.12 to 0.35 widths a second."""
    rng = np.random.default_rng(seed)
    flowers = rng.uniform(0.1, 0.9, (14, 2))
    arrivals = np.cumsum(rng.exponential(40.0, 200))
    return [
        _visitor(f"visitor-{n}", _legs(at, flowers, rng), rng, frames)
        for n, at in enumerate(arrivals[arrivals < length_s].tolist())
    ]


def _legs(now: float, flowers: NDArray[np.float64], rng: np.random.Generator) -> list[Leg]:
    legs: list[Leg] = []
    here = flowers[rng.integers(len(flowers))]
    for _ in range(1 + int(rng.geometric(0.35))):
        stay = float(rng.uniform(4.0, 15.0))
        legs.append((now, now + stay, here, here))
        away = np.hypot(*(flowers - here).T)
        near = np.flatnonzero((away > 0.0) & (away < 0.4))
        if not len(near):
            break
        goal = flowers[rng.choice(near)]
        flight = float(np.hypot(*(goal - here)) / rng.uniform(0.12, 0.35))
        legs.append((now + stay, now + stay + flight, here, goal))
        now, here = now + stay + flight, goal
    return legs


def _visitor(name: str, legs: Sequence[Leg], rng: np.random.Generator, frames: int) -> Animal:
    shake, side = int(rng.integers(1 << 30)), float(rng.uniform(0.03, 0.06))

    def path(at: float) -> tuple[float, float] | None:
        for begin, end, start, goal in legs:
            if begin <= at < end:
                tremble = np.random.default_rng([shake, round(at * 1000)]).normal(0.0, 0.08 * side, 2)
                x, y = (start + (goal - start) * (at - begin) / (end - begin) + tremble).tolist()
                return x, y
        return None

    missed = frozenset(np.flatnonzero(rng.random(frames) < 0.1).tolist())
    return Animal(name, path, side=side, missed=missed)


def sheet(seed: int, times: Sequence[float], *, jumps_a_minute: float = 0.0) -> list[Animal]:
    """Sixty insects that come within the time or ten minutes before, for twenty minutes in the mean; where they jump,
    then at once, by a body in the mean square of each direction."""
    rng = np.random.default_rng(seed)
    found: list[Animal] = []
    for number in range(60):
        place, side = rng.uniform(0.05, 0.95, 2), float(rng.uniform(0.03, 0.08))
        begin = float(rng.uniform(-600.0, times[-1]))
        end = begin + float(rng.exponential(1200.0))
        jumps = np.sort(rng.uniform(begin, end, rng.poisson(jumps_a_minute * (end - begin) / 60.0)))
        steps = np.vstack([place, rng.normal(0.0, side, (len(jumps), 2))]).cumsum(axis=0)
        ends = [begin, *jumps.tolist(), end]
        legs = [(ends[n], ends[n + 1], steps[n], steps[n]) for n in range(len(steps))]
        found.append(_visitor(f"insect-{number}", legs, rng, len(times)))
        found[-1].side = side
    return found


ROWS = {
    "visitors of flowers that fly on, a frame each 0.2 s": (0.2, 600.0, 4, None),
    "0.5 s": (0.5, 600.0, 4, None),
    "1 s": (1.0, 600.0, 4, None),
    "2 s": (2.0, 600.0, 4, None),
    "10 s": (10.0, 3600.0, 4, None),
    "a full sheet, sitting, 1 s": (1.0, 1800.0, 1, 0.0),
    "sitting, 10 s": (10.0, 3600.0, 3, 0.0),
    "sitting, 60 s": (60.0, 3600.0, 3, 0.0),
    "sitting, 120 s": (120.0, 3600.0, 3, 0.0),
    "each jumps by a body every five minutes, 10 s": (10.0, 3600.0, 3, 0.2),
    "the same, 60 s": (60.0, 3600.0, 3, 0.2),
}
"""Row of the page: seconds between frames, length, seeds, and for a sheet how often each insect jumps."""


def measured(every_s: float, length_s: float, seeds: int, jumps: float | None) -> list[float]:
    """Per-frame count; count and IDF1 of the greedy baseline and of follow: means over the seeds."""
    times = np.arange(0.0, length_s, every_s).tolist()
    found = []
    for seed in range(seeds):
        animals = visitors(seed, length_s, len(times)) if jumps is None else sheet(seed, times, jumps_a_minute=jumps)
        outcomes, truth = filmed(animals, times)
        theirs, ours = Figures(greedy(outcomes), truth), Figures(by_follow(outcomes), truth)
        found.append([len(truth) / len(set(truth.values())), theirs.count, theirs.idf1, ours.count, ours.idf1])
    return [float(mean) for mean in np.mean(found, axis=0)]


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_the_page_says_what_is_measured(row: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "follow.md").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {row} |")]
    told = [float(number) for number in re.findall(r"\d*\.\d+|\d+", line.removeprefix(f"| {row} |"))]
    per_frame, theirs, their_idf1, ours, our_idf1 = measured(*ROWS[row])
    assert told == pytest.approx([per_frame, theirs, their_idf1, ours, our_idf1], rel=0.02, abs=0.02)
    assert abs(ours - 1.0) < abs(theirs - 1.0) < abs(per_frame - 1.0)
    assert our_idf1 > their_idf1


@pytest.mark.slow
def test_bursts_with_second_stamps_are_counted_and_told_apart() -> None:
    """Ten frames within a second, every half minute: most fly on between two bursts."""
    times = [30.0 * burst + 0.1 * n for burst in range(40) for n in range(10)]
    counts = []
    for seed in range(4):
        outcomes, truth = filmed(visitors(seed, times[-1], len(times)), times, resolution_s=1.0)
        ours, theirs = Figures(by_follow(outcomes), truth), Figures(greedy(outcomes), truth)
        assert abs(ours.count - 1.0) < abs(theirs.count - 1.0)
        assert ours.idf1 > theirs.idf1
        counts.append(ours.count)
    assert float(np.mean(counts)) == pytest.approx(1.0, abs=0.3)


def test_twice_the_frames_change_the_count_by_less_than_a_tenth() -> None:
    for seed in range(2):
        times = np.arange(0.0, 300.0, 0.5).tolist()
        outcomes, _ = filmed(visitors(seed, 300.0, len(times)), times)
        all_frames, half = len(follow(outcomes)), len(follow(outcomes[::2]))
        assert half == pytest.approx(all_frames, rel=0.1, abs=1)
