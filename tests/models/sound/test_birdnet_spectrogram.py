"""The folded matrix product against the transform that it replaces, with made-up mel matrices: no weights needed."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from katydid.models.errors import BundleError
from katydid.models.sound.birdnet import BANDS, SAMPLES, BirdNetSpectrogram

LENGTHS = {"low": (2048, 278, 0.23, 128), "high": (1024, 280, 0.19, 320)}
"""Branch → frame length, hop, exponent, highest bin: BirdNET 2.4's, rounded."""


def triangles(bins: int, highest: int) -> NDArray[np.float32]:
    """Overlapping triangles over the bins, float32 [96, bins]."""
    centres = np.linspace(2, highest, BANDS)
    width = 2.5 * (centres[1] - centres[0])
    heights = np.maximum(0, 1 - np.abs(np.arange(bins) - centres[:, np.newaxis]) / width)
    return np.asarray(heights, np.float32)


@pytest.fixture(scope="module")
def arrays() -> dict[str, NDArray[np.generic]]:
    made: dict[str, NDArray[np.generic]] = {}
    for name, (length, hop, exponent, highest) in LENGTHS.items():
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        made[f"{name}_window"] = window.astype(np.float32)
        made[f"{name}_mel"] = triangles(length // 2 + 1, highest)
        made[f"{name}_hop"] = np.asarray(hop)
        made[f"{name}_exponent"] = np.asarray(exponent, np.float32)
    return made


def by_transform(arrays: dict[str, NDArray[np.generic]], samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """The same picture by numpy's real transform in float64, step by step as the graph does it."""
    shifted = samples - samples.min()
    scaled = (shifted / (shifted.max() + np.float32(1e-6)) - np.float32(0.5)) * np.float32(2)
    pictures = []
    for name, (length, hop, _, _) in LENGTHS.items():
        frames = np.lib.stride_tricks.sliding_window_view(scaled, length)[::hop]
        spectra = np.fft.rfft((frames * arrays[f"{name}_window"]).astype(np.float64)).real
        bands = spectra @ arrays[f"{name}_mel"].astype(np.float64).T
        pictures.append(((bands**2) ** float(arrays[f"{name}_exponent"])).T[::-1])
    return np.stack(pictures)


def windows(count: int, seed: int = 1) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    tones = np.sin(np.outer(np.arange(1, count + 1) * 700.0, np.arange(SAMPLES)) * 2 * np.pi / 48000)
    return (0.3 * tones + 0.05 * random.standard_normal((count, SAMPLES))).astype(np.float32)


def test_the_exact_product_equals_the_transform_to_seven_digits(arrays: dict[str, NDArray[np.generic]]) -> None:
    heard = windows(2)
    pictures = BirdNetSpectrogram(arrays)(heard)
    assert pictures.shape == (2, 2, 96, 511)
    assert pictures.dtype == np.float32
    for picture, samples in zip(pictures, heard, strict=True):
        expected = by_transform(arrays, samples)
        np.testing.assert_allclose(picture, expected, rtol=2e-6, atol=2e-6)


def test_the_fast_product_stays_close_to_the_transform(arrays: dict[str, NDArray[np.generic]]) -> None:
    heard = windows(1)
    expected = by_transform(arrays, heard[0])
    difference = np.abs(BirdNetSpectrogram(arrays, "fast")(heard)[0] - expected)
    assert difference.max() < 5e-3
    assert difference.mean() < 2e-5


def test_fast_keeps_the_offset_of_a_lopsided_window(arrays: dict[str, NDArray[np.generic]]) -> None:
    """A click pushes everything else to one end of -1..1: the mean is what the lowest bands then see."""
    clicked = windows(1)
    clicked[0] *= 1e-3
    clicked[0, 100_000] = 1.0
    expected = by_transform(arrays, clicked[0])
    difference = np.abs(BirdNetSpectrogram(arrays, "fast")(clicked)[0] - expected)
    assert np.quantile(difference, 0.99) < 2e-3


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_a_window_does_not_depend_on_its_batch_mates(arrays: dict[str, NDArray[np.generic]], precision: str) -> None:
    heard = windows(3)
    front_end = BirdNetSpectrogram(arrays, precision)
    alone = np.concatenate([front_end(heard[k : k + 1]) for k in (2, 0, 1)])[[1, 2, 0]]
    np.testing.assert_array_equal(front_end(heard), alone)


def test_threads_do_not_share_their_scratch(arrays: dict[str, NDArray[np.generic]]) -> None:
    heard = windows(4)
    front_end = BirdNetSpectrogram(arrays)
    expected = front_end(heard)
    found: dict[int, NDArray[np.float32]] = {}
    start = threading.Barrier(4)

    def hear(k: int) -> None:
        start.wait(timeout=60)
        found[k] = front_end(heard[k : k + 1])[0]

    threads = [threading.Thread(target=hear, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    for k in range(4):
        np.testing.assert_array_equal(found[k], expected[k])


@pytest.mark.parametrize("gain", [0.125, 0.5, 4.0])
def test_gain_does_not_matter(arrays: dict[str, NDArray[np.generic]], gain: float) -> None:
    """Every window is scaled by its own extremes; only the guard against silence (1e-6) sees the gain."""
    heard = windows(1)
    front_end = BirdNetSpectrogram(arrays)
    difference = np.abs(front_end(heard * np.float32(gain)) - front_end(heard))
    assert np.quantile(difference, 0.999) < 1e-2


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_a_silent_window_gives_numbers(arrays: dict[str, NDArray[np.generic]], precision: str) -> None:
    silence = np.zeros((1, SAMPLES), np.float32)
    pictures = BirdNetSpectrogram(arrays, precision)(silence)
    assert np.isfinite(pictures).all()
    np.testing.assert_allclose(pictures[0], by_transform(arrays, silence[0]), atol=3e-2)


def test_the_input_is_left_as_it_was(arrays: dict[str, NDArray[np.generic]]) -> None:
    heard = windows(1)
    before = heard.copy()
    BirdNetSpectrogram(arrays, "fast")(heard)
    np.testing.assert_array_equal(heard, before)


def test_a_missing_array_is_named(arrays: dict[str, NDArray[np.generic]]) -> None:
    without = {name: array for name, array in arrays.items() if name != "high_mel"}
    with pytest.raises(BundleError, match="high_mel"):
        BirdNetSpectrogram(without)


def test_a_matrix_of_another_model_is_refused(arrays: dict[str, NDArray[np.generic]]) -> None:
    with pytest.raises(BundleError, match="low_mel"):
        BirdNetSpectrogram({**arrays, "low_mel": np.ones((64, 1025), np.float32)})


def test_a_window_that_cannot_be_folded_is_refused(arrays: dict[str, NDArray[np.generic]]) -> None:
    with pytest.raises(BundleError, match="folded"):
        BirdNetSpectrogram({**arrays, "low_window": np.ones(2048, np.float32)})


def test_an_unknown_precision_is_refused(arrays: dict[str, NDArray[np.generic]]) -> None:
    with pytest.raises(BundleError, match="'half'"):
        BirdNetSpectrogram(arrays, "half")


def test_windows_of_another_length_are_refused(arrays: dict[str, NDArray[np.generic]]) -> None:
    with pytest.raises(ValueError, match="144000"):
        BirdNetSpectrogram(arrays)(np.zeros((1, 48000), np.float32))
