"""Average precision against figures worked out by hand, and against those of COCO's own tool."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from katydid.models.box_metrics import Judged, average_precision, matched, recall, threshold_at


def photo(truth: list[tuple[float, ...]], *found: tuple[tuple[float, ...], float]) -> Judged:
    return Judged(
        truth=np.array(truth, np.float32).reshape(-1, 4),
        found=np.array([box for box, _ in found], np.float32).reshape(-1, 4),
        scores=np.array([score for _, score in found], np.float32),
    )


A, B, ELSEWHERE = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 40.0, 20.0), (60.0, 60.0, 70.0, 70.0)
HALF_OF_A = (0.0, 0.0, 10.0, 5.0)


def test_a_right_a_wrong_and_a_right_box() -> None:
    judged = matched([photo([A, B], (A, 0.9), (ELSEWHERE, 0.8), (B, 0.7))], 0.5)
    # Precision 1 up to a recall of .5 (51 of 101 recalls), 2/3 beyond.
    assert average_precision(judged) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert judged.right.tolist() == [True, False, True]


def test_a_truth_is_found_once() -> None:
    judged = matched([photo([A], (A, 0.9), (A, 0.8))], 0.5)
    assert judged.right.tolist() == [True, False]


def test_half_a_box_is_enough_at_an_overlap_of_a_half_and_not_above() -> None:
    assert matched([photo([A], (HALF_OF_A, 0.9))], 0.5).right.all()
    assert not matched([photo([A], (HALF_OF_A, 0.9))], 0.51).right.any()


def test_recall_at_so_many_false_boxes_a_photo_and_by_size() -> None:
    photos = [photo([A, B], (A, 0.9), (ELSEWHERE, 0.8)), photo([A, B], (ELSEWHERE, 0.7), (B, 0.6), (ELSEWHERE, 0.5))]
    judged = matched(photos, 0.5)
    threshold = threshold_at(judged, 1.0)
    assert threshold == pytest.approx(0.6), "two false boxes on two photos, and the right one under them"
    assert recall(judged, threshold) == 0.5
    assert recall(judged, threshold, (0, 15)) == 0.5
    assert recall(judged, threshold, (15, 30)) == 0.5
    assert np.isnan(recall(judged, threshold, (30, 60)))
    assert threshold_at(judged, 0.0) == pytest.approx(0.9)


def test_boxes_of_one_score_stand_or_fall_together() -> None:
    judged = matched([photo([A, B], (A, 0.5), (ELSEWHERE, 0.5), (B, 0.5), ((80.0, 0.0, 90.0, 9.0), 0.4))], 0.5)
    assert threshold_at(judged, 0.0) == float("inf")
    assert threshold_at(judged, 1.0) == pytest.approx(0.5)


def test_nothing_found_is_a_precision_of_zero() -> None:
    judged = matched([photo([A])], 0.5)
    assert average_precision(judged) == 0
    assert recall(judged, threshold_at(judged, 1.0)) == 0


def crowd(rng: np.random.Generator) -> Judged:
    """Some 40 insects, most of them found more or less well, and as many false boxes."""
    corner, sides = rng.uniform(0, 400, (40, 2)), rng.uniform(8, 60, (40, 2))
    truth: NDArray[np.float32] = np.concatenate((corner, corner + sides), axis=1).astype(np.float32)
    near = truth + rng.normal(0, 4, truth.shape).astype(np.float32)
    wild = np.concatenate((corner[::-1] + 5, corner[::-1] + 5 + sides), axis=1)
    found = np.concatenate((near, wild)).astype(np.float32)
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
    return Judged(truth, found, (rng.permutation(len(found)) / np.float32(100)).astype(np.float32))


@pytest.mark.parametrize(
    ("overlap", "expected"), [(0.3, 0.5649142146663287), (0.5, 0.34926016851458974), (0.75, 0.05790384115571188)]
)
def test_the_figure_is_that_of_cocos_own_tool(overlap: float, expected: float) -> None:
    """Expected: what pycocotools 2.0 says of the same boxes, with maxDets 1000."""
    rng = np.random.default_rng(5)
    judged = matched([crowd(rng) for _ in range(6)], overlap)
    assert average_precision(judged) == pytest.approx(expected, abs=1e-6)
