"""Distances that can be worked out by hand: unit vectors at known angles."""

from __future__ import annotations

import numpy as np
import pytest

from katydid.models.decide.novelty import Neighbours

DEGREES = np.radians([0.0, 30.0, 90.0])
CIRCLE = np.stack([np.cos(DEGREES), np.sin(DEGREES)], axis=1)
EAST = np.array([[3.0, 0.0]], np.float32)


def test_the_distance_is_one_minus_the_cosine_to_the_nearest() -> None:
    assert Neighbours(CIRCLE[1:]).distances(EAST) == pytest.approx([1 - np.cos(np.radians(30))], abs=1e-6)
    assert Neighbours(CIRCLE).distances(-EAST) == pytest.approx([1.0], abs=1e-6)


def test_it_is_averaged_over_as_many_as_asked_for_or_as_there_are() -> None:
    two = 1 - (1 + np.cos(np.radians(30))) / 2
    assert Neighbours(CIRCLE, 2).distances(EAST) == pytest.approx([two], abs=1e-6)
    three = 1 - (1 + np.cos(np.radians(30)) + 0) / 3
    assert Neighbours(CIRCLE, 9).distances(EAST) == pytest.approx([three], abs=1e-6)


def test_only_directions_count_so_bytes_will_do() -> None:
    bytes_ = np.rint(CIRCLE * np.array([[127], [60], [90]])).astype(np.int8)
    rows = np.random.default_rng(0).normal(0, 1, (5, 2)).astype(np.float32)
    assert Neighbours(bytes_).distances(rows) == pytest.approx(Neighbours(CIRCLE).distances(rows), abs=0.01)


def test_a_window_has_the_same_distance_in_any_company() -> None:
    rng = np.random.default_rng(1)
    near, rows = Neighbours(rng.normal(0, 1, (50, 16)), 4), rng.normal(0, 1, (7, 16)).astype(np.float32)
    together = near.distances(rows)
    assert together.tolist() == [near.distances(row[np.newaxis])[0] for row in rows]


def test_an_embedding_of_no_length_is_as_far_as_what_has_nothing_in_common() -> None:
    assert Neighbours(CIRCLE).distances(np.zeros((1, 2), np.float32)).tolist() == [1.0]
