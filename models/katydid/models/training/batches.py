"""What the network is taught with: windows cut from recordings, noise added to some, simulated songs among them.

A batch is drawn class by class: a class with the probability of the square root of its number of groups, then one of
its groups, then one of its recordings, then a window that is more likely loud than silent. So a specimen that was
recorded nine times counts once, and rare species are heard more often than in nature.

A window in which nobody sings must never carry a species' name, or plain hiss is taught as that species. So of a
singer's recordings only windows count that would count in an evaluation, simulated songs are cut where they sound, and
some windows of the noise class are made: hiss of any slope, as microphones and far traffic give it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from katydid.models.evaluation import QUIET_DB
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
HISS_SHARE = 0.4
"""Share of the noise windows that are made, and of the noises added to real songs."""
SONG_OVER_NOISE_DB = (4.0, 40.0)
"""Of a simulated song, in its loudest band: from hardly heard to close by."""
TEMPERATURE_C = (10.0, 30.0)
"""Of simulated males; under 10 °C hardly anyone sings (Ragge & Reynolds 1998)."""
SIMULATED_WINDOWS = 4
"""A simulated male sings this many windows, of which the loudest is taken: slow songs have pauses longer than one."""
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
        self.singers = [name for name in self._classes if name in SONGS]
        """Classes whose songs can be simulated."""
        self._listener = Listener()

    def draw(self, size: int) -> tuple[Windows, NDArray[np.int64]]:
        """One batch."""
        pairs = [self._one() for _ in range(size)]
        return np.stack([window for window, _ in pairs]), np.array([label for _, label in pairs], np.int64)

    def _one(self) -> tuple[Windows, int]:
        rng = self._rng
        if self.singers and rng.random() < SIMULATED_SHARE:
            name = self.singers[rng.integers(len(self.singers))]
            return self.simulated(name), self._classes.index(name)
        label = int(rng.choice(len(self._classes), p=self._share))
        if self._classes[label] == NOISE:
            window = self._some_noise()
        else:
            window = self._window(self._recording(self._classes[label]))
            if self._noise and rng.random() < NOISY_SHARE:
                window = added(window, self._some_noise(), rng.uniform(5.0, 30.0))
        if rng.random() < MASKED_SHARE:
            first = rng.integers(0, BANDS - 6)
            window[first : first + rng.integers(2, 7)] = window.mean()
        return window, label

    def _recording(self, name: str) -> Heard:
        groups = list(self._recordings[name].values())
        return self._pick(groups[self._rng.integers(len(groups))])

    def _pick(self, among: Sequence[Heard]) -> Heard:
        return among[int(self._rng.integers(len(among)))]

    def _some_noise(self) -> Windows:
        """A recorded noise, or a made one."""
        if not self._noise or self._rng.random() < HISS_SHARE:
            return self._hiss()
        return self._window(self._recording(NOISE))

    def _hiss(self) -> Windows:
        return padded(self._listener.listen(hiss(self._rng))[0], 0)

    def _window(self, heard: Heard) -> Windows:
        """A window of a recording; shorter recordings are padded with silence on one side or both."""
        rng, features = self._rng, heard.features
        frames = features.shape[1]
        if frames <= FRAMES:
            room = FRAMES - frames
            return padded(features, int(rng.integers(0, room + 1)) if rng.random() < 0.5 else 0)
        starts = rng.integers(0, frames - FRAMES + 1, CANDIDATES)
        power = [np.exp(features[LOWEST_BAND:, at : at + FRAMES], dtype=np.float32).sum() for at in starts]
        loudest = int(np.argmax(power))
        chosen = loudest if rng.random() < LOUDEST or self._pauses(heard, starts[0]) else 0
        at = int(starts[chosen])
        window = features[:, at : at + FRAMES].astype(np.float32)
        if rng.random() < CUT_SHARE:
            window[:, rng.integers(FRAMES // 2, FRAMES) :] = FLOOR
        return window

    @staticmethod
    def _pauses(heard: Heard, at: int) -> bool:
        """Whether a singer is silent from frame `at` on, by the rule of an evaluation."""
        if heard.label == NOISE:
            return False
        frames = heard.level[: len(heard.level) // FRAMES * FRAMES]
        loudest = frames.reshape(-1, FRAMES).mean(axis=1).max()
        return bool(heard.level[at : at + FRAMES].mean() < loudest * 10.0 ** (-QUIET_DB / 10.0))

    def simulated(self, name: str) -> Windows:
        """A simulated male at some temperature and distance, over a recorded or a made background."""
        rng = self._rng
        seconds = SIMULATED_WINDOWS * WINDOW_SAMPLES / SAMPLE_RATE
        sound = song(name, seconds, SAMPLE_RATE, rng.uniform(*TEMPERATURE_C), rng)
        at = WINDOW_SAMPLES * np.arange(SIMULATED_WINDOWS)
        power = [float(np.square(sound[start : start + WINDOW_SAMPLES]).sum()) for start in at]
        first = int(at[int(np.argmax(power))])
        window = padded(self._listener.listen(sound[first : first + WINDOW_SAMPLES])[0], 0)
        noise = self._some_noise() if rng.random() < 0.5 else self._hiss()
        return added(window, noise, rng.uniform(*SONG_OVER_NOISE_DB), band=int(np.exp(window).mean(axis=1).argmax()))


def hiss(rng: np.random.Generator) -> NDArray[np.float32]:
    """WINDOW_SAMPLES samples of noise without rhythm: its spectrum falls by 0 to 12 dB an octave throughout, or up to
    some kilohertz and is flat above, with a bend of a few dB that each microphone has."""
    kilohertz = np.fft.rfftfreq(WINDOW_SAMPLES, 1.0 / SAMPLE_RATE) / 1000.0
    octaves = np.log2(np.maximum(kilohertz, 0.05) / rng.uniform(0.5, 4.0))
    fall = np.minimum(octaves, 0.0) if rng.random() < 0.5 else octaves
    bend = np.interp(kilohertz, np.linspace(0.0, SAMPLE_RATE / 2000.0, 5), rng.normal(0.0, 2.0, 5))
    gain = 10.0 ** ((bend - rng.uniform(0.0, 12.0) * fall) / 20.0)
    sound = np.fft.irfft(np.fft.rfft(rng.standard_normal(WINDOW_SAMPLES)) * gain, WINDOW_SAMPLES)
    return np.asarray(sound * (10.0 ** rng.uniform(-3.5, -1.0) / sound.std()), np.float32)


def padded(features: NDArray[np.floating], at: int) -> Windows:
    """float32 [BANDS, FRAMES] of silence with `features` from frame `at` on."""
    window = np.full((BANDS, FRAMES), FLOOR, np.float32)
    end = min(at + features.shape[1], FRAMES)
    window[:, at:end] = features[:, : end - at]
    return window


def added(song_: Windows, noise: Windows, ratio_db: float, band: int | None = None) -> Windows:
    """The sum of two sounds, as powers, the second one scaled to lie `ratio_db` below the first, over all bands or in
    one."""
    where = slice(None) if band is None else band
    gap = np.log(np.exp(song_[where]).mean()) - np.log(np.exp(noise[where]).mean()) - ratio_db * DECIBEL
    return np.asarray(np.logaddexp(song_, noise + np.float32(gap)), np.float32)
