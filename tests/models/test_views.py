"""A frame in views: tiles cover it, and boxes come back to where they were in it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from katydid.models.image.tiling import corners, cut_out, reduced, starts
from katydid.models.image.views import Views
from katydid.models.manifest import CentreOutput, Detector, ImageInput, Resize, Tiles

INPUT = ImageInput(height=64, width=64)
OUTPUT = CentreOutput(size="size", offset="offset")


def everything(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.ones(len(scores), bool)


@given(length=st.integers(1, 5_000), tile=st.integers(64, 900), share=st.floats(0, 0.5))
def test_the_fewest_tiles_cover_a_side_and_share_enough(length: int, tile: int, share: float) -> None:
    overlap = int(tile * share)
    begin = starts(length, tile, overlap)
    assert begin[0] == 0
    if length <= tile:
        assert begin == (0,)
        return
    assert begin[-1] + tile == length
    assert all(after - before <= tile - overlap for before, after in itertools.pairwise(begin))
    assert (len(begin) - 1) * tile - (len(begin) - 2) * overlap < length, "one fewer would not do"


def test_a_photo_of_three_megapixels_is_six_tiles_of_800() -> None:
    image = ImageInput(height=800, width=800)
    assert corners(1536, 2048, image, 64).tolist() == [
        [0, 0], [624, 0], [1248, 0], [0, 736], [624, 736], [1248, 736],
    ]  # fmt: skip


def test_a_tile_beyond_a_small_frame_is_grey_there() -> None:
    frame = np.full((40, 100, 3), 7, np.uint8)
    tile = cut_out(frame, np.array((60, 0)), INPUT)
    assert tile.shape == (64, 64, 3)
    assert (tile[:40, :40] == 7).all()
    assert (tile[40:] == 114).all()
    assert (tile[:, 40:] == 114).all()


def test_frames_are_reduced_to_the_scale_and_never_enlarged() -> None:
    frame = np.zeros((300, 400, 3), np.uint8)
    assert reduced(frame, 150).shape == (150, 200, 3)
    assert reduced(frame, 600) is frame


def placed(views: Views, boxes: list[tuple[int, tuple[float, float, float, float]]]) -> None:
    """Answer every view; the boxes given by number of view, in pixels of the input."""
    number = 0
    for items in views.batches(3):
        said, scores = np.zeros((len(items), 4, 4), np.float32), np.zeros((len(items), 4, 1), np.float32)
        for row in range(len(items)):
            for place, (_, box) in enumerate([each for each in boxes if each[0] == number]):
                said[row, place], scores[row, place] = np.array(box) / 64, 0.9 - 0.1 * place
            number += 1
        views.keep(said, scores)


def test_boxes_in_tiles_come_back_to_their_place_in_the_full_frame() -> None:
    # 400 x 200, reduced to 200 x 100: tiles at x 0, 46, 91, 136 (rounded) and y 0, 36.
    views = Views(
        np.zeros((200, 400, 3), np.uint8), INPUT, Detector(output=OUTPUT, tiles=Tiles(short_sides=(100,), overlap=16))
    )
    placed(views, [(0, (10, 10, 20, 20)), (7, (40, 40, 60, 50))])
    boxes, scores = views.found(everything)
    expected = [(10 / 200, 10 / 100, 20 / 200, 20 / 100), ((136 + 40) / 200, 0.76, (136 + 60) / 200, 0.86)]
    np.testing.assert_allclose(boxes, expected, atol=1e-6)
    np.testing.assert_allclose(scores, [(0.9,), (0.9,)])


def test_boxes_that_are_not_enough_are_left_out() -> None:
    views = Views(np.zeros((64, 64, 3), np.uint8), INPUT, Detector(output=OUTPUT))
    placed(views, [(0, (10, 10, 20, 20)), (0, (40, 40, 60, 50))])
    boxes, scores = views.found(lambda scores: scores[:, 0] > 0.85)
    np.testing.assert_allclose(boxes, [(10 / 64, 10 / 64, 20 / 64, 20 / 64)])
    assert scores.tolist() == [[pytest.approx(0.9)]]


def test_two_scales_find_an_insect_once() -> None:
    tiles = Tiles(short_sides=(64, 128), overlap=16)
    views = Views(np.zeros((128, 128, 3), np.uint8), INPUT, Detector(output=OUTPUT, tiles=tiles))
    # At 64 pixels the frame is one tile; at 128 it is nine, the first of them at the corner.
    placed(views, [(0, (5, 5, 15, 15)), (1, (10, 10, 31, 31))])
    boxes, _ = views.found(everything)
    assert len(boxes) == 1


def test_scales_above_a_small_frame_are_one_look() -> None:
    tiles = Tiles(short_sides=(64, 500, 1000), overlap=16)
    views = Views(np.zeros((64, 64, 3), np.uint8), INPUT, Detector(output=OUTPUT, tiles=tiles))
    assert [len(items) for items in views.batches(16)] == [1]


@pytest.mark.parametrize(
    ("resize", "shape", "box", "expected"),
    [
        (Resize.STRETCH, (100, 200), (16, 32, 32, 48), (0.25, 0.5, 0.5, 0.75)),
        # 200 x 100 in 64 x 64: 64 x 32, with 16 rows of margin above and below.
        (Resize.LETTERBOX, (100, 200), (16, 16, 32, 32), (0.25, 0, 0.5, 0.5)),
        # The middle 100 x 100 of 200 x 100: x from 0.25 to 0.75.
        (Resize.CENTRE_CROP, (100, 200), (0, 32, 32, 64), (0.25, 0.5, 0.5, 1.0)),
        (Resize.CENTRE_CROP, (200, 100), (0, 0, 64, 32), (0.0, 0.25, 1.0, 0.5)),
    ],
)
def test_boxes_in_a_whole_frame_come_back_the_way_it_was_fitted(
    resize: Resize, shape: tuple[int, int], box: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    image = ImageInput(height=64, width=64, resize=resize)
    views = Views(np.zeros((*shape, 3), np.uint8), image, Detector(output=OUTPUT))
    placed(views, [(0, (box[0], box[1], box[2], box[3]))])
    boxes, _ = views.found(everything)
    np.testing.assert_allclose(boxes, [expected], atol=1e-6)


def test_what_lies_on_the_margin_of_a_letterbox_is_nothing() -> None:
    image = ImageInput(height=64, width=64, resize=Resize.LETTERBOX)
    views = Views(np.zeros((100, 200, 3), np.uint8), image, Detector(output=OUTPUT))
    placed(views, [(0, (10, 2, 30, 12))])
    assert len(views.found(everything)[0]) == 0
