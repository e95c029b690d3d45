"""HOTA, IDF1, switches and fragments: worked examples, and what TrackEval 1.3.0 says of the same frames."""

from __future__ import annotations

import math

import numpy as np
import pytest

from katydid.models.follow.scores import Frame, scores


def seen(*pairs: tuple[int, int]) -> Frame:
    """Individuals with the tracks that lie exactly on them."""
    return Frame(tuple(one for one, _ in pairs), tuple(other for _, other in pairs), np.eye(len(pairs)))


def test_one_track_for_each_individual_is_flawless() -> None:
    found = scores([seen((0, 0), (1, 1))] * 5)
    assert (found.hota, found.det_a, found.ass_a, found.idf1) == (1.0, 1.0, 1.0, 1.0)
    assert (found.switches, found.fragments) == (0, 0)


def test_a_track_that_is_cut_in_half_halves_the_association() -> None:
    """Each half holds half of the individual: its Jaccard index is 1/2, so HOTA is its root (Luiten et al. 2021)."""
    found = scores([seen((0, 0))] * 4 + [seen((0, 1))] * 4)
    assert (found.det_a, found.ass_a, found.idf1) == (1.0, 0.5, 0.5)
    assert found.hota == pytest.approx(math.sqrt(0.5))
    assert (found.switches, found.fragments) == (1, 0)


def test_frames_that_miss_half_halve_detection_and_more() -> None:
    empty = Frame((0,), (), np.zeros((1, 0)))
    found = scores([seen((0, 0)), empty] * 4)
    assert found.det_a == 0.5
    assert found.idf1 == pytest.approx(2 * 4 / (8 + 4))


def test_figures_are_those_of_trackeval() -> None:
    """As TrackEval 1.3.0 (HOTA, Identity, CLEAR) printed for these frames."""
    rng = np.random.default_rng(1)
    frames = []
    for _ in range(12):
        n, m = rng.integers(0, 5), rng.integers(0, 5)
        individuals = tuple(rng.choice(5, n, replace=False).tolist())
        tracks = tuple(rng.choice(6, m, replace=False).tolist())
        alike = rng.uniform(0, 0.4, (n, m))
        for place in range(min(n, m)):
            alike[place, place] = rng.uniform(0.3, 1)
        frames.append(Frame(individuals, tracks, alike.round(3)))
    found = scores(frames)
    assert found.hota == pytest.approx(0.23898733534575614)
    assert found.det_a == pytest.approx(0.36467854395702853)
    assert found.ass_a == pytest.approx(0.16304007617571137)
    assert found.idf1 == pytest.approx(0.24561403508771928)
    assert (found.switches, found.fragments) == (9, 6)
