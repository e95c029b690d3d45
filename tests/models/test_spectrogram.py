"""The front end against librosa (another implementation of the same definitions) on real recordings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from katydid.models.errors import BundleError
from katydid.models.manifest import LogMelFrontEnd
from katydid.models.sound.filters import hann_window, linear_filters, mel_filters
from katydid.models.sound.spectrogram import LogMel
from katydid.sensors import audio
from katydid.sensors.limits import Limits

N_FFT, HOP, BANDS = 2048, 512, 128
SECONDS = 3


def log_mel(sample_rate: int, **changes: object) -> LogMel:
    spec = LogMelFrontEnd(n_fft=N_FFT, hop=HOP, **changes)  # type: ignore[arg-type]
    arrays: dict[str, NDArray[np.generic]] = {
        "window": hann_window(N_FFT),
        "filters": mel_filters(sample_rate, N_FFT, BANDS),
    }
    return LogMel(spec, arrays)


def clips(shared_data: Path) -> Iterator[tuple[str, int, NDArray[np.float32]]]:
    """The first three seconds of real recordings of many recorders and rates."""
    folders = ("sound_clips/insectset32", "soundscapes/scikit_maad_24h", "sound_clips/frogs", "soundscapes")
    for folder in folders:
        pattern = "*/*.wav" if folder == "soundscapes" else "**/*.*"
        files = sorted(f for f in (shared_data / folder).glob(pattern) if f.suffix in (".flac", ".wav", ".ogg", ".mp3"))
        for file in files[:: max(1, len(files) // 12)]:
            with audio.open_sound(file, Limits()) as reader:
                rate = reader.header.sample_rate
                block = next(reader.blocks(SECONDS * rate))
            if block.shape[1] >= N_FFT and np.any(block):
                yield file.name, rate, np.ascontiguousarray(block[0])


@pytest.mark.filterwarnings("ignore:Empty filters:UserWarning")  # librosa, at the rates of bat recorders
def test_it_is_librosas_log_mel_on_real_recordings(shared_data: Path) -> None:
    """Within 0.01 dB where a bin lies within 80 dB of the clip's loudest bin; elsewhere within 1e-5 of full scale,
    which is that loudest bin (power)."""
    librosa = pytest.importorskip("librosa")
    seen, worst_db, worst_share = 0, 0.0, 0.0
    for name, rate, samples in clips(shared_data):
        power = log_mel(rate, log="none")(samples[np.newaxis])[0].astype(np.float64)
        wanted = librosa.feature.melspectrogram(
            y=samples.astype(np.float64), sr=rate, n_fft=N_FFT, hop_length=HOP, n_mels=BANDS, pad_mode="constant",
            htk=False, norm="slaney", power=2.0, dtype=np.float64,
        )  # fmt: skip
        assert power.shape == wanted.shape, name
        loud = wanted >= wanted.max() * 1e-8
        worst_db = max(worst_db, float(np.abs(10 * np.log10(power[loud] / wanted[loud])).max()))
        if not loud.all():
            worst_share = max(worst_share, float(np.abs(power[~loud] - wanted[~loud]).max() / wanted.max()))
        seen += 1
    assert seen >= 30
    assert worst_db <= 0.01
    assert worst_share <= 1e-5


@pytest.mark.parametrize(("scale", "htk", "norm"), [("slaney", False, "slaney"), ("htk", True, None)])
def test_mel_filters_are_librosas(scale: str, htk: bool, norm: str | None) -> None:
    librosa = pytest.importorskip("librosa")
    wanted = librosa.filters.mel(
        sr=44100, n_fft=N_FFT, n_mels=96, fmin=150.0, fmax=15000.0, htk=htk, norm=norm, dtype=np.float64
    )
    found = mel_filters(44100, N_FFT, 96, 150.0, 15000.0, scale=scale)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


def test_the_window_is_scipys_periodic_hann() -> None:
    scipy_signal = pytest.importorskip("scipy.signal")
    np.testing.assert_allclose(hann_window(512), scipy_signal.get_window("hann", 512), atol=1e-15)


def test_a_tone_lies_in_the_linear_band_of_its_frequency() -> None:
    rate, tone = 96000, 31000.0
    samples = np.sin(2 * np.pi * tone * np.arange(rate) / rate).astype(np.float32)
    filters = linear_filters(rate, 1024, 64)
    spec = LogMelFrontEnd(n_fft=1024, hop=288, log="db")
    bands = LogMel(spec, {"window": hann_window(1024), "filters": filters})(samples[np.newaxis])[0]
    assert set(bands[:, 5:-5].argmax(axis=0)) == {int(tone / (rate / 2 / 64))}


def test_linear_bands_share_every_bin_among_them() -> None:
    """A flat spectrum stays flat: each band is a mean; weighted by width they use each inner bin once."""
    filters = linear_filters(44100, 1024, 50)
    np.testing.assert_allclose(filters.sum(axis=1), 1.0)
    width = (44100 / 2 / 50) / (44100 / 1024)
    np.testing.assert_allclose((filters * width).sum(axis=0)[1:-1], 1.0)


def test_a_clip_gives_the_same_in_any_company() -> None:
    random = np.random.default_rng(3)
    samples = random.standard_normal((8, 24000)).astype(np.float32)
    front_end = log_mel(24000, log="db", per_window_peak=True)
    together = front_end(samples)
    for row, alone in zip(together, samples, strict=True):
        np.testing.assert_array_equal(front_end(alone[np.newaxis])[0], row)
    assert together.shape == (8, BANDS, front_end.frames(24000))


def test_each_window_is_measured_from_its_own_peak() -> None:
    """A recorder's gain falls out."""
    samples = np.random.default_rng(4).standard_normal((1, 24000)).astype(np.float32)
    front_end = log_mel(24000, log="db", per_window_peak=True)
    loud, quiet = front_end(samples), front_end(samples * np.float32(0.1))
    assert loud.max() == 0.0
    np.testing.assert_allclose(loud, quiet, atol=1e-3)


def test_mean_and_standard_deviation_are_taken_out_after_the_logarithm() -> None:
    samples = np.random.default_rng(5).standard_normal((1, 24000)).astype(np.float32)
    plain = log_mel(24000, log="ln")(samples)
    normal = log_mel(24000, log="ln", mean=-3.0, std=2.0)(samples)
    np.testing.assert_allclose(normal, (plain + 3.0) / 2.0, rtol=1e-6, atol=1e-6)


def test_silence_is_the_floor() -> None:
    bands = log_mel(24000, log="db", floor=1e-10)(np.zeros((1, 24000), dtype=np.float32))
    np.testing.assert_allclose(bands, -100.0, atol=1e-4)


@pytest.mark.parametrize("centre", [True, False])
def test_frames_are_counted_as_they_come(centre: bool) -> None:
    front_end = log_mel(24000, centre=centre)
    for samples in (2048, 2049, 5000, 24000):
        assert front_end(np.zeros((1, samples), dtype=np.float32)).shape[2] == front_end.frames(samples)


def test_missing_or_misshapen_arrays_are_refused() -> None:
    spec = LogMelFrontEnd(n_fft=N_FFT, hop=HOP)
    with pytest.raises(BundleError, match="filters"):
        LogMel(spec, {"window": hann_window(N_FFT)})
    with pytest.raises(BundleError, match="1024"):
        LogMel(spec, {"window": hann_window(1024), "filters": mel_filters(44100, N_FFT, 8)})


@pytest.mark.parametrize("edges", [(-1.0, 100.0), (200.0, 100.0), (0.0, 30000.0)])
def test_filters_outside_the_spectrum_are_refused(edges: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="Hz"):
        mel_filters(44100, N_FFT, 16, *edges)
