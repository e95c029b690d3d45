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


class Drawn(Batches):
    """What one kind of window looks like."""

    def made_noise(self) -> np.ndarray:
        return self._hiss()

    def recorded(self, each: Heard) -> np.ndarray:
        return self._window(each)


def test_made_noise_has_no_rhythm_and_the_grain_of_hiss() -> None:
    """The log of a mean of about six independent squares scatters by some 0.65, where it lies above the floor."""
    drawn = Drawn([heard(NOISE, "n", 0)], [NOISE], seed=0)
    windows = [drawn.made_noise() for _ in range(20)]
    audible = [band for window in windows for band in window[4:] if band.mean() > FLOOR + 6.0]
    assert len(audible) > 300
    assert np.std(audible, axis=1) == pytest.approx(0.68, abs=0.15)


@pytest.mark.parametrize("species", ["Pholidoptera griseoaptera", "Chorthippus biguttulus", "Roeseliana roeselii"])
def test_a_simulated_window_holds_song_and_not_hiss_alone(species: str) -> None:
    """Verses of these come with pauses longer than a window; in each window some band must stand out in time."""
    drawn = Drawn([heard(species, "a", 0)], [species], seed=1)
    windows = [drawn.simulated(species) for _ in range(30)]
    assert sum(window[4:].std(axis=1).max() > 0.85 for window in windows) >= 26


def test_of_a_singers_recording_only_windows_that_sound_are_drawn() -> None:
    """A song of two windows among twenty of a pause 40 dB down."""
    features = np.full((BANDS, 20 * FRAMES), -9.0, np.float16)
    level = np.full(20 * FRAMES, 1e-4, np.float32)
    features[:, 8 * FRAMES : 10 * FRAMES], level[8 * FRAMES : 10 * FRAMES] = 0.0, 1.0
    song = Heard(label="x y", group="a", features=features, level=level)
    noise = Heard(label=NOISE, group="n", features=features, level=level)
    share = {}
    for each in (song, noise):
        drawn = Drawn([each], [each.label], seed=0)
        share[each.label] = np.mean([drawn.recorded(each).max() > -1.0 for _ in range(400)])
    assert share["x y"] > share[NOISE] + 0.02
