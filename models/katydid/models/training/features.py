"""From recordings to features, once: what the runtime's own front end makes of them, kept in a cache by content.

The front end is `katydid.models.sound.spectrogram.LogMel` with the window and the filters that go into the bundle, so
training hears exactly what a runtime hears. Frames are not centred: frame t holds samples t · hop .. t · hop + n_fft,
so a crop of a recording's features equals the features of that crop, and one pass over each recording is enough.

A cached file is named by the digest of the recording's bytes and of the front end; change either, and it is made anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import platformdirs
import soxr
from numpy.typing import NDArray

from katydid.models.evaluation import loudness
from katydid.models.labelled import Labelled
from katydid.models.manifest import LogMelFrontEnd
from katydid.models.sound.spectrogram import LogMel
from katydid.models.sound.windows import mono
from katydid.sensors import audio
from katydid.sensors.limits import Limits

SAMPLE_RATE = 44_100
"""InsectSet32's own rate: no resampling, bands up to its Nyquist limit."""
N_FFT = 512
HOP = 132
"""3 ms: two syllables of a grasshopper at 80/s stay apart."""
BANDS = 64
"""Linear, 345 Hz each: insects differ up to 22 kHz, where mel bands are 1 kHz wide."""
WINDOW_SAMPLES = 66_150
"""1.5 s."""

FRONT_END = LogMelFrontEnd(n_fft=N_FFT, hop=HOP, centre=False, power=2.0, log="ln", floor=1e-10)
FRAMES = 1 + (WINDOW_SAMPLES - N_FFT) // HOP
"""498 frames a window."""
FLOOR = float(np.log(FRONT_END.floor))
"""What digital silence comes to."""

Features = NDArray[np.float16]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Heard:
    """One recording as the network is taught it."""

    label: str
    """Species name, or taxa.NOISE."""
    group: str
    features: Features
    """[BANDS, frames], natural logarithm of the power in each band."""
    level: NDArray[np.float32]
    """[frames], loudness of each hop (`evaluation.loudness`), for telling song from silence."""


def front_end_arrays() -> dict[str, NDArray[np.float64]]:
    """The window, a periodic Hann, float64 [N_FFT]; the filters, each the sum of four bins, float64 [BANDS, 257]."""
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(N_FFT) / N_FFT)
    width = N_FFT // 2 // BANDS
    filters = np.zeros((BANDS, N_FFT // 2 + 1))
    for band in range(BANDS):
        filters[band, 1 + band * width : 1 + (band + 1) * width] = 1.0
    return {FRONT_END.window: window, FRONT_END.filters: filters}


class Listener:
    """Samples → features and level."""

    def __init__(self) -> None:
        arrays = front_end_arrays()
        self._log_mel = LogMel(FRONT_END, arrays)
        content = msgspec.json.encode(FRONT_END) + b"".join(arrays[name].tobytes() for name in sorted(arrays))
        self.digest = hashlib.blake2b(content, digest_size=8).hexdigest()

    def listen(self, samples: NDArray[np.float32]) -> tuple[Features, NDArray[np.float32]]:
        """float32 [n] at SAMPLE_RATE → features [BANDS, frames] and level [frames]; n under N_FFT is padded."""
        padded = np.pad(samples, (0, max(N_FFT - len(samples), 0)))
        features = self._log_mel(padded[np.newaxis])[0].astype(np.float16)
        hops = padded[: features.shape[1] * HOP].reshape(-1, HOP)
        return features, loudness(hops)


def hear_all(rows: Sequence[Labelled], cache: Path | None = None, say: Progress = lambda _: None) -> list[Heard]:
    """The features of every recording, from the cache where it has them."""
    folder = cache or platformdirs.user_cache_path("katydid", appauthor=False) / "features"
    folder.mkdir(parents=True, exist_ok=True)
    listener = Listener()
    heard = []
    for number, row in enumerate(rows, start=1):
        features, level = _cached(row.path, folder, listener)
        heard.append(Heard(label=row.label, group=row.group, features=features, level=level))
        if number % 50 == 0 or number == len(rows):
            say(f"features of {number} of {len(rows)} recordings")
    return heard


def samples_of(path: Path) -> NDArray[np.float32]:
    """Mono float32 [n] at SAMPLE_RATE. Raises RefusedMedia."""
    with audio.open_sound(path, Limits()) as reader:
        rate = reader.header.sample_rate
        whole = np.concatenate([mono(block) for block in reader.blocks(1 << 20)])
    if rate == SAMPLE_RATE:
        return whole
    return np.asarray(soxr.resample(whole, rate, SAMPLE_RATE, quality="HQ"), np.float32)


def _cached(path: Path, folder: Path, listener: Listener) -> tuple[Features, NDArray[np.float32]]:
    content = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    file = folder / f"{content}-{listener.digest}.npz"
    if file.exists():
        with np.load(file, allow_pickle=False) as kept:
            return kept["features"], kept["level"]
    features, level = listener.listen(samples_of(path))
    draft = file.with_suffix(".part")
    with draft.open("wb") as out:
        np.savez(out, features=features, level=level)
    draft.replace(file)
    return features, level
