"""Which boxes stay: against torchvision's suppression and a plain loop, and for insects that a tile's edge cuts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from katydid.models.image.suppression import cut, joined, overlaps, suppressed

Boxes = NDArray[np.float32]


def boxes_of(*rows: tuple[float, float, float, float]) -> Boxes:
    return np.array(rows, np.float32).reshape(-1, 4)


def scattered(seed: int, count: int) -> tuple[Boxes, NDArray[np.float32]]:
    """Boxes that overlap a good deal, each with a score of its own."""
    rng = np.random.default_rng(seed)
    corner, sides = rng.uniform(0, 60, (count, 2)), rng.uniform(5, 40, (count, 2))
    scores = rng.permutation(count) / count + 0.001
    return np.concatenate((corner, corner + sides), axis=1).astype(np.float32), scores.astype(np.float32)


@given(seed=st.integers(0, 10_000), count=st.integers(1, 60), most=st.sampled_from((0.2, 0.45, 0.5, 0.7)))
def test_the_same_boxes_stay_as_by_comparing_each_with_all_that_stay(seed: int, count: int, most: float) -> None:
    boxes, scores = scattered(seed, count)
    kept: list[int] = []
    for index in sorted(range(count), key=lambda index: -scores[index]):
        a = boxes[index].astype(float)
        for other in kept:
            b = boxes[other].astype(float)
            both = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
            if both > most * ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both):
                break
        else:
            kept.append(index)
    assert suppressed(boxes, scores, most).tolist() == kept


def test_the_same_boxes_stay_as_with_torchvision() -> None:
    torch = pytest.importorskip("torch", reason="a peer")
    torchvision = pytest.importorskip("torchvision", reason="a peer")
    for seed in range(20):
        boxes, scores = scattered(seed, 200)
        expected = torchvision.ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.5)
        assert suppressed(boxes, scores, 0.5).tolist() == expected.tolist()


def test_of_equal_scores_the_first_stays() -> None:
    boxes = boxes_of((0, 0, 10, 10), (1, 0, 11, 10), (50, 50, 60, 60))
    assert suppressed(boxes, np.array([0.5, 0.5, 0.9], np.float32), 0.5).tolist() == [2, 0]


def test_no_boxes_are_none() -> None:
    assert suppressed(boxes_of(), np.empty(0, np.float32), 0.5).tolist() == []
    found, names = joined(boxes_of(), np.empty(0, np.float32), np.empty(0, np.intp), boxes_of((0, 0, 9, 9)), 0.5)
    assert found.shape == (0, 4)
    assert names.tolist() == []


def test_overlap_is_shared_area_over_all_area() -> None:
    others = boxes_of((0, 0, 10, 10), (5, 0, 15, 10), (10, 0, 20, 10), (0, 0, 20, 20))
    np.testing.assert_allclose(overlaps(np.array((0, 0, 10, 10), np.float32), others), [1, 50 / 150, 0, 100 / 400])


class TestTiles:
    """Two tiles of 100 pixels that share the columns 80 to 100."""

    TILES = boxes_of((0, 0, 100, 100), (80, 0, 180, 100))

    def together(self, *rows: tuple[int, tuple[float, float, float, float], float]) -> tuple[Boxes, list[int]]:
        owners = np.array([owner for owner, _, _ in rows], np.intp)
        scores = np.array([score for _, _, score in rows], np.float32)
        boxes, names = joined(boxes_of(*(box for _, box, _ in rows)), scores, owners, self.TILES, 0.5)
        return boxes, names.tolist()

    def test_the_two_halves_of_an_insect_longer_than_the_overlap_become_one(self) -> None:
        boxes, names = self.together((0, (60, 40, 100, 60), 0.6), (1, (80, 41, 130, 60), 0.8))
        np.testing.assert_array_equal(boxes, boxes_of((60, 40, 130, 60)))
        assert names == [1]

    def test_a_whole_insect_takes_up_the_part_that_the_other_tile_saw(self) -> None:
        # The part is a third of the whole: suppression alone would keep both.
        boxes, names = self.together((0, (65, 40, 95, 60), 0.7), (1, (81, 40, 95, 60), 0.9))
        np.testing.assert_array_equal(boxes, boxes_of((65, 40, 95, 60)))
        assert names == [1]

    def test_one_seen_whole_by_both_is_one(self) -> None:
        boxes, names = self.together((0, (84, 40, 96, 52), 0.7), (1, (84, 41, 96, 52), 0.6))
        np.testing.assert_array_equal(boxes, boxes_of((84, 40, 96, 52)))
        assert names == [0]

    def test_neighbours_at_the_edge_stay_two(self) -> None:
        above, below = (70.0, 20.0, 100.0, 40.0), (80.0, 45.0, 120.0, 70.0)
        boxes, names = self.together((0, above, 0.6), (1, below, 0.8))
        np.testing.assert_array_equal(boxes, boxes_of(below, above))
        assert names == [1, 0]

    def test_a_small_one_beside_a_cut_one_stays(self) -> None:
        cut_one, small = (60.0, 30.0, 100.0, 70.0), (84.0, 60.0, 94.0, 68.0)
        boxes, _ = self.together((0, cut_one, 0.9), (1, small, 0.5))
        np.testing.assert_array_equal(boxes, boxes_of(cut_one, small))

    def test_what_ends_at_the_frame_is_not_cut(self) -> None:
        boxes = boxes_of((0, 40, 20, 60), (85, 40, 100, 60), (150, 40, 180, 60), (30, 0, 50, 20))
        assert cut(boxes, np.array([0, 0, 1, 0]), self.TILES).tolist() == [False, True, False, False]

    def test_one_over_four_tiles_is_one(self) -> None:
        tiles = boxes_of((0, 0, 100, 100), (80, 0, 180, 100), (0, 80, 100, 180), (80, 80, 180, 180))
        whole = np.array((60, 60, 125, 120), np.float32)
        pieces = np.concatenate((np.maximum(whole[:2], tiles[:, :2]), np.minimum(whole[2:], tiles[:, 2:])), axis=1)
        boxes, names = joined(pieces, np.array([0.5, 0.6, 0.9, 0.7], np.float32), np.arange(4), tiles, 0.5)
        np.testing.assert_array_equal(boxes, whole[np.newaxis])
        assert names.tolist() == [2]
