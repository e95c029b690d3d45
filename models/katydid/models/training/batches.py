"""What the network is taught with: windows cut from recordings, noise added to some, simulated songs among them.

A batch is drawn class by class: a class with the probability of the square root of its number of groups, then one of
its groups, then one of its recordings, then a window that is more likely loud than silent. So a specimen that was
recorded nine times counts once, and rare species are heard more often than in nature.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from katydid.models.training.features import BANDS, FLOOR, FRAMES, SAMPLE_RATE, WINDOW_SAMPLES, Heard, Listener
from katydid.models.training.taxa import NOISE
from katydid.sensors.sources.songs import SONGS, song

SIMULATED_SHARE = 0.1
"""Share of a batch that is simulated, of species that have real recordings too."""
NOISY_SHARE = 0.2
"""Share of the real insect windows that get another recording's noise added, 5 to 30 dB below."""
MASKED_SHARE = 0.3
"""Share of the windows in which a few neighbouring bands are hidden."""
CUT_SHARE = 0.08
"""Share of the windows that break off, as a recording's last window does."""
CANDIDATES = 3
"""Windows that are drawn, of which the loudest is taken in LOUDEST of the cases."""
LOUDEST = 0.7
LOWEST_BAND = 3
"""Bands below 1 kHz do not count as loud: that is wind and handling."""
DECIBEL = float(np.log(10.0) / 10.0)
"""One dB in natural logarithms of power."""

Windows = NDArray[np.float32]


class Batches:
    """Draws windows [n, BANDS, FRAMES] with class indices [n]; the same seed gives the same batches."""

    def __init__(self, heard: Sequence[Heard], classes: Sequence[str], seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._classes = list(classes)
        self._recordings: dict[str, dict[str, list[Heard]]] = defaultdict(lambda: defaultdict(list))
        for each in heard:
            self._recordings[each.label][each.group].append(each)
        share = np.array([len(self._recordings[name]) for name in self._classes], dtype=np.float64) ** 0.5
        self._share = share / share.sum()
        self._noise = [each for each in heard if each.label == NOISE]
        self._singers = [name for name in self._classes if name in SONGS]
        self._listener = Listener()

    def draw(self, size: int) -> tuple[Windows, NDArray[np.int64]]:
        """One batch."""
        pairs = [self._one() for _ in range(size)]
        return np.stack([window for window, _ in pairs]), np.array([label for _, label in pairs], np.int64)

    def _one(self) -> tuple[Windows, int]:
        rng = self._rng
        if self._singers and rng.random() < SIMULATED_SHARE:
            name = self._singers[rng.integers(len(self._singers))]
            return self._simulated(name), self._classes.index(name)
        label = int(rng.choice(len(self._classes), p=self._share))
        window = self._window(self._recording(self._classes[label]))
        if self._noise and self._classes[label] != NOISE and rng.random() < NOISY_SHARE:
            window = added(window, self._window(self._pick(self._noise)), rng.uniform(5.0, 30.0))
        if rng.random() < MASKED_SHARE:
            first = rng.integers(0, BANDS - 6)
            window[first : first + rng.integers(2, 7)] = window.mean()
        return window, label

    def _recording(self, name: str) -> Heard:
        groups = list(self._recordings[name].values())
        return self._pick(groups[self._rng.integers(len(groups))])

    def _pick(self, among: Sequence[Heard]) -> Heard:
        return among[int(self._rng.integers(len(among)))]

    def _window(self, heard: Heard) -> Windows:
        """A window of a recording; shorter recordings are padded with silence on one side or both."""
        rng, features = self._rng, heard.features
        frames = features.shape[1]
        if frames <= FRAMES:
            room = FRAMES - frames
            return padded(features, int(rng.integers(0, room + 1)) if rng.random() < 0.5 else 0)
        starts = rng.integers(0, frames - FRAMES + 1, CANDIDATES)
        power = [np.exp(features[LOWEST_BAND:, at : at + FRAMES], dtype=np.float32).sum() for at in starts]
        at = starts[int(np.argmax(power))] if rng.random() < LOUDEST else starts[0]
        window = features[:, at : at + FRAMES].astype(np.float32)
        if rng.random() < CUT_SHARE:
            window[:, rng.integers(FRAMES // 2, FRAMES) :] = FLOOR
        return window

    def _simulated(self, name: str) -> Windows:
        """A simulated male at some temperature and distance, over a recorded or a made background."""
        rng = self._rng
        sound = song(name, WINDOW_SAMPLES / SAMPLE_RATE, SAMPLE_RATE, rng.uniform(14.0, 30.0), rng)
        features, _ = self._listener.listen(sound * np.float32(10.0 ** rng.uniform(-2.0, 0.0)))
        window = padded(features, 0)
        if self._noise and rng.random() < 0.5:
            return added(window, self._window(self._pick(self._noise)), rng.uniform(5.0, 40.0))
        hiss = rng.uniform(-14.0, -6.0) + rng.normal(0.0, 1.0, window.shape)
        return np.asarray(np.logaddexp(window, hiss), np.float32)


def padded(features: NDArray[np.floating], at: int) -> Windows:
    """float32 [BANDS, FRAMES] of silence with `features` from frame `at` on."""
    window = np.full((BANDS, FRAMES), FLOOR, np.float32)
    end = min(at + features.shape[1], FRAMES)
    window[:, at:end] = features[:, : end - at]
    return window


def added(song_: Windows, noise: Windows, ratio_db: float) -> Windows:
    """The sum of two sounds, as powers, the second one scaled to lie `ratio_db` below the first."""
    gap = np.log(np.exp(song_).mean()) - np.log(np.exp(noise).mean()) - ratio_db * DECIBEL
    return np.asarray(np.logaddexp(song_, noise + np.float32(gap)), np.float32)
