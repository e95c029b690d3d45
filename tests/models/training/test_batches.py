from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from katydid.models.training.batches import Batches, added, padded
from katydid.models.training.features import BANDS, FLOOR, FRAMES, Heard
from katydid.models.training.taxa import NOISE


def heard(label: str, group: str, value: float, frames: int = FRAMES + 100) -> Heard:
    features = np.full((BANDS, frames), value, np.float16)
    return Heard(label=label, group=group, features=features, level=np.ones(frames, np.float32))


def test_the_same_seed_draws_the_same_batch() -> None:
    data = [heard("Gryllus campestris", "a", 1), heard(NOISE, "n", 2)]
    first, labels = Batches(data, ["Gryllus campestris", NOISE], seed=3).draw(8)
    again, labels_again = Batches(data, ["Gryllus campestris", NOISE], seed=3).draw(8)
    assert first.shape == (8, BANDS, FRAMES)
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    assert np.array_equal(labels, labels_again)


def test_a_class_comes_by_the_square_root_of_its_groups_whatever_its_recordings() -> None:
    """Nine recordings of one group against one recording in each of four groups: 1 to 2."""
    data = [heard("x y", "one", 0)] * 9 + [heard("x z", f"group {at}", 0) for at in range(4)]
    _, labels = Batches(data, ["x y", "x z"], seed=0).draw(1500)
    counts = Counter(labels.tolist())
    assert counts[1] / counts[0] == pytest.approx(2.0, rel=0.2)


def test_recordings_shorter_than_a_window_are_padded_with_silence() -> None:
    window = padded(np.ones((BANDS, 10), np.float16), 5)
    assert window[0, 4] == pytest.approx(FLOOR)
    assert window[0, 5:15].tolist() == [1.0] * 10
    assert window[0, 15] == pytest.approx(FLOOR)


def test_noise_is_added_as_power_at_the_ratio_asked_for() -> None:
    song, noise = np.zeros((BANDS, FRAMES), np.float32), np.full((BANDS, FRAMES), 7.0, np.float32)
    assert np.exp(added(song, noise, 10.0)) == pytest.approx(1.1, rel=1e-4)
    assert np.exp(added(song, noise, 0.0)) == pytest.approx(2.0, rel=1e-4)
