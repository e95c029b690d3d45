"""Quality measures, their bounds, and their words."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from katydid.models.decide import gates
from katydid.models.settings import GateSettings
from katydid.models.sound.level import Levels

BOUNDS = GateSettings()


def grey(level: int) -> NDArray[np.uint8]:
    return np.full((60, 80, 3), level, dtype=np.uint8)


@pytest.mark.parametrize(
    ("level", "words"),
    [(0, "too dark: mean grey level 0 under 8"), (128, None), (255, "overexposed: mean grey level 255 over 247")],
)
def test_exposure_fails_at_both_ends(level: int, words: str | None) -> None:
    assert gates.why_not([gates.exposure(grey(level), BOUNDS)]) == words


def test_blurring_lowers_sharpness_under_its_bound() -> None:
    random = np.random.default_rng(1)
    sharp = random.integers(0, 256, (224, 224, 3), dtype=np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 8), dtype=np.uint8)
    assert gates.sharpness(sharp, BOUNDS).passed
    soft = gates.sharpness(blurred, BOUNDS)
    assert not soft.passed
    assert gates.why_not([soft]) == f"blurred: sharpness {soft.value:.1f} under 4.0"


def test_a_small_crop_is_not_called_blurred_for_being_small() -> None:
    """A dark disc of 20 px on paper, as sharp as a disc can be."""
    paper = np.full((30, 30, 3), 210, dtype=np.uint8)
    cv2.circle(paper, (15, 15), 10, (60, 60, 60), -1)
    assert gates.sharpness(paper, BOUNDS).value > 4 * BOUNDS.min_sharpness


def test_sharpness_is_the_laplacians_standard_deviation() -> None:
    """A checkerboard of 0 and 200, whose Laplacian (4 neighbours) is +-800 inside."""
    board = (np.indices((224, 224)).sum(axis=0) % 2 * 200).astype(np.uint8)
    assert gates.sharpness(board, BOUNDS).value == pytest.approx(800, rel=0.01)


def test_the_shorter_side_of_a_crop_counts() -> None:
    assert gates.crop_size(300, 24, BOUNDS).passed
    assert gates.why_not([gates.crop_size(23, 300, BOUNDS)]) == "too small: 23 px under 24"


def test_the_first_failure_is_the_reason() -> None:
    measures = [gates.level(-20.0, BOUNDS), gates.clipping(0.5, BOUNDS), gates.level(-120.0, BOUNDS)]
    assert gates.why_not(measures) == "clipped: 50% of the samples at full scale, over 25%"


@pytest.mark.parametrize("block", [1, 77, 1000, 5000])
def test_levels_of_a_sine_and_of_a_square_wave(block: int) -> None:
    """A sine of amplitude 0.5 has 0.5 / sqrt 2: -9.03 dBFS; a full square wave 0 dBFS and is all clipped."""
    rate = 1000
    at = np.arange(rate) / rate
    sine = 0.5 * np.sin(2 * np.pi * 100 * at)
    square = np.where(at * 100 % 1 < 0.5, 1.0, -1.0)
    samples = np.concatenate([sine, square, np.zeros(500)]).astype(np.float32)[np.newaxis]
    levels = Levels(rate)
    for start in range(0, samples.shape[1], block):
        levels.add(samples[:, start : start + block])
    assert levels.seconds == 2.5
    assert levels.rms_dbfs(0, 0) == pytest.approx(-9.031, abs=0.01)
    assert levels.rms_dbfs(1, 1) == pytest.approx(0.0, abs=0.01)
    assert (levels.clipped_share(0, 0), levels.clipped_share(1, 1)) == (0.0, 1.0)
    assert levels.clipped_share(0, 5) == pytest.approx(0.4)
    assert levels.rms_dbfs(2, 2) == -200.0


def test_a_recorders_direct_current_is_not_loudness() -> None:
    levels = Levels(1000)
    levels.add(np.full((2, 1000), 0.3, dtype=np.float32))
    assert levels.rms_dbfs(0, 0) <= -100.0
