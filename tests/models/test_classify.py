"""Frames and crops at a bundle's input."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.models.image.classify import MARGIN, at_input, crop, surroundings
from katydid.models.manifest import ImageInput, Resize
from katydid.models.outcome import Box

WIDE = np.random.default_rng(1).integers(0, 256, (120, 240, 3), dtype=np.uint8)


def test_stretching_is_opencvs_area_interpolation() -> None:
    found = at_input(WIDE, ImageInput(height=30, width=30))
    np.testing.assert_array_equal(found, cv2.resize(WIDE, (30, 30), interpolation=cv2.INTER_AREA))


def test_a_centre_crop_keeps_the_middle_undistorted() -> None:
    found = at_input(WIDE, ImageInput(height=120, width=120, resize=Resize.CENTRE_CROP))
    np.testing.assert_array_equal(found, WIDE[:, 60:180])


def test_a_letterbox_keeps_all_of_it_between_grey_margins() -> None:
    found = at_input(WIDE, ImageInput(height=120, width=120, resize=Resize.LETTERBOX))
    assert (found[:30] == MARGIN).all() and (found[90:] == MARGIN).all()
    np.testing.assert_array_equal(found[30:90], cv2.resize(WIDE, (120, 60), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize("resize", list(Resize))
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (5, 7)])
def test_a_picture_of_any_shape_comes_to_the_input(resize: Resize, shape: tuple[int, int]) -> None:
    picture = np.zeros((*shape, 3), dtype=np.uint8)
    assert at_input(picture, ImageInput(height=64, width=48, resize=resize)).shape == (64, 48, 3)


share = st.floats(0, 1)


@given(x=share, y=share, w=share, h=share, width=st.integers(1, 4000), height=st.integers(1, 4000))
def test_the_surroundings_hold_the_box_within_the_frame(
    x: float, y: float, w: float, h: float, width: int, height: int
) -> None:
    box = Box(x=x, y=y, w=w * (1 - x), h=h * (1 - y))
    around = surroundings(box, width, height)
    assert around.x >= 0 and around.y >= 0
    assert around.x + around.w <= 1 + 1e-9 and around.y + around.h <= 1 + 1e-9
    assert around.x <= box.x + 1e-9 and around.x + around.w >= box.x + box.w - 1e-9
    assert around.y <= box.y + 1e-9 and around.y + around.h >= box.y + box.h - 1e-9


def test_inside_the_frame_the_surroundings_are_a_square_a_fifth_wider() -> None:
    around = surroundings(Box(x=0.4, y=0.4, w=0.1, h=0.1), 2000, 1000)
    assert around.w * 2000 == pytest.approx(240) and around.h * 1000 == pytest.approx(240)
    assert around.x + around.w / 2 == pytest.approx(0.45)


def test_a_crop_is_what_the_box_covers() -> None:
    np.testing.assert_array_equal(crop(WIDE, Box(x=0.25, y=0.5, w=0.25, h=0.25)), WIDE[60:90, 60:120])
    assert crop(WIDE, Box(x=1.0, y=1.0, w=0.0, h=0.0)).shape == (1, 1, 3)
