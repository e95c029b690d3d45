"""What the detector is taught with: patches, and what they should be answered with."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from katydid.models.errors import LabelledDataError
from katydid.models.training.image_patches import SIDE, STRIDE, Patches, recoloured, targets, turned
from katydid.models.training.image_photos import Photo, dealt, read_photos

CELLS = SIDE // STRIDE


def boxes_of(*rows: tuple[float, float, float, float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(-1, 4)


def photo_of(tmp_path: Path, *rows: tuple[int, int, int, int], sized: bool = True) -> Photo:
    """Black squares on white where the boxes are."""
    pixels = np.full((600, 500, 3), 255, np.uint8)
    for left, top, right, bottom in rows:
        pixels[top:bottom, left:right] = 0
    cv2.imwrite(str(tmp_path / "p.png"), pixels)
    return Photo(tmp_path / "p.png", boxes_of(*rows), sized=sized)


def test_the_heat_is_one_in_the_cell_of_the_middle_and_less_around_it() -> None:
    heat, counts, boxes, weight = targets(boxes_of((40, 80, 64, 112)), SIDE, sized=True)
    assert np.argwhere(heat[0] == 1).tolist() == [[96 // STRIDE, 52 // STRIDE]]
    assert 0 < heat[0, 24, 14] < 1
    assert counts.all()
    assert weight.sum() == pytest.approx(1)
    assert boxes[:, 24, 13].tolist() == [40, 80, 64, 112]


def test_where_insects_overlap_a_cell_belongs_to_the_smaller_one() -> None:
    _, _, boxes, _ = targets(boxes_of((100, 100, 116, 116), (60, 60, 156, 156)), SIDE, sized=True)
    assert boxes[:, 27, 27].tolist() == [100, 100, 116, 116]


def test_an_insect_that_is_cut_counts_while_half_of_it_shows() -> None:
    heat, counts, boxes, _ = targets(boxes_of((-10, 40, 30, 80)), SIDE, sized=True)
    assert np.argwhere(heat[0] == 1).tolist() == [[15, 3]], "the middle of what shows"
    assert boxes[:, 15, 3].tolist() == [0, 40, 30, 80]
    heat, counts, _, weight = targets(boxes_of((-30, 40, 10, 80)), SIDE, sized=True)
    assert not heat.any()
    assert not weight.any()
    assert not counts[0, 10:20, :3].any(), "nothing is asked there"
    assert counts[0, :, 4:].all()


def test_points_have_heat_and_no_box() -> None:
    heat, _, _, weight = targets(boxes_of((50, 60, 50, 60)), SIDE, sized=False)
    assert np.argwhere(heat[0] == 1).tolist() == [[15, 12]]
    assert not weight.any()


@pytest.mark.parametrize("way", range(8))
def test_boxes_turn_with_the_picture(way: int) -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[5:12, 20:38] = 255
    moved, boxes = turned(pixels, boxes_of((20, 5, 38, 12)), way)
    left, top, right, bottom = boxes[0].astype(int)
    expected = np.zeros((40, 40), bool)
    expected[top:bottom, left:right] = True
    assert np.array_equal(moved[:, :, 0] > 0, expected)


def test_the_eight_ways_differ() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert len({turned(pixels, boxes_of(), way)[0].tobytes() for way in range(8)}) == 8


def test_the_same_seed_draws_the_same_batch_and_insects_are_where_they_are_said_to_be(tmp_path: Path) -> None:
    photo = photo_of(tmp_path, (100, 100, 140, 140), (300, 400, 340, 440))
    batch, again = Patches([photo], seed=3).draw(24), Patches([photo], seed=3).draw(24)
    assert np.array_equal(batch.pixels, again.pixels)
    assert batch.pixels.shape == (24, 3, SIDE, SIDE)
    assert batch.heat.shape == (24, 1, CELLS, CELLS)
    seen = 0
    for pixels, heat in zip(batch.pixels, batch.heat[:, 0], strict=True):
        for row, column in np.argwhere(heat == 1):
            spot = pixels[:, row * STRIDE : row * STRIDE + STRIDE, column * STRIDE : column * STRIDE + STRIDE]
            # A black square has its middle there; the ground is white in any light.
            assert spot.mean() < pixels.max() - 0.3
            seen += 1
    assert seen >= 12, "most patches are cut around an insect"


def test_recoloured_pixels_stay_in_range() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for _ in range(20):
        values = recoloured(pixels, rng)
        assert values.dtype == np.float32
        assert values.min() > -0.7
        assert values.max() < 0.7


def test_photos_are_dealt_evenly_by_photo_and_those_with_points_apart() -> None:
    photos = [Photo(Path(str(index)), boxes_of(), sized=index % 10 != 0) for index in range(50)]
    fold = dealt(photos, 5, seed=1)
    assert [fold.count(part) for part in range(5)] == [10] * 5
    points = [part for part, photo in zip(fold, photos, strict=True) if not photo.sized]
    assert sorted(points) == [0, 1, 2, 3, 4]
    assert dealt(photos, 5, seed=1) == fold
    assert dealt(photos, 5, seed=2) != fold


def test_boxes_and_points_are_read(tmp_path: Path) -> None:
    (tmp_path / "spohf_sticky_traps").mkdir()
    (tmp_path / "bnn_hive_entrance").mkdir()
    coco = {
        "images": [{"id": 7, "file_name": "b.jpg", "width": 9}, {"id": 3, "file_name": "a.jpg"}],
        "annotations": [{"id": 0, "image_id": 7, "category_id": 1, "bbox": [10, 20.5, 30, 40]}],
    }
    (tmp_path / "spohf_sticky_traps/_annotations.coco.json").write_text(json.dumps(coco))
    (tmp_path / "bnn_hive_entrance/bee_points.csv").write_text("file,x,y\nc.jpg,5,6\nc.jpg,7,8\n")
    photos = read_photos(tmp_path)
    assert [(photo.path.name, photo.sized, photo.boxes.tolist()) for photo in photos] == [
        ("a.jpg", True, []),
        ("b.jpg", True, [[10, 20.5, 40, 60.5]]),
        ("c.jpg", False, [[5, 6, 5, 6], [7, 8, 7, 8]]),
    ]
    with pytest.raises(LabelledDataError, match="no photo that can be decoded"):
        _ = photos[0].pixels


def test_without_boxes_there_is_nothing_to_learn(tmp_path: Path) -> None:
    with pytest.raises(LabelledDataError, match="boxes in COCO's format are needed"):
        read_photos(tmp_path)
