"""Noises have the spectra and rhythms that they are said to have; voices stay those of their males."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from katydid.sensors.sources.simulated.cameras import Fidelity
from katydid.sensors.sources.simulated.climate import Climate
from katydid.sensors.sources.simulated.recorders import Bout, Choir, Male, Recorder, RecorderScene, noise
from katydid.sensors.sources.simulated.recorders.hearing import hear
from katydid.sensors.sources.simulated.recorders.noise import Samples
from katydid.sensors.sources.simulated.recorders.prepared import hear_prepared

RATE = 44_100
Made = Callable[[int, int, np.random.Generator], Samples]


def density(made: Made, low: float, high: float) -> float:
    """Mean power density of 20 s between two frequencies, in dB, by Welch's method."""
    hertz, power = scipy.signal.welch(made(20 * RATE, RATE, np.random.default_rng(1)), RATE, nperseg=4096)
    return float(10.0 * np.log10(np.mean(power[(hertz >= low) & (hertz < high)])))


def test_the_background_falls_three_decibels_an_octave_and_is_white_above_a_kilohertz() -> None:
    assert density(noise.background, 90, 110) - density(noise.background, 800, 1000) == pytest.approx(9.5, abs=1.5)
    assert density(noise.background, 2000, 3000) == pytest.approx(density(noise.background, 15_000, 20_000), abs=0.3)


def test_the_background_is_58_decibels_under_full_scale() -> None:
    made = noise.background(20 * RATE, RATE, np.random.default_rng(1))
    assert 10.0 * np.log10(np.mean(made.astype(np.float64) ** 2)) == pytest.approx(-58.0, abs=0.1)


@pytest.mark.parametrize(
    ("made", "loud", "quiet"),
    [
        (noise.wind, (30, 150), (1500, 3000)),
        (noise.rain, (2500, 7500), (9000, 20_000)),
        (noise.traffic, (700, 1300), (6000, 10_000)),
    ],
)
def test_each_noise_is_loud_where_it_should_be(made: Made, loud: tuple[int, int], quiet: tuple[int, int]) -> None:
    assert density(made, *loud) > density(made, *quiet) + 9.0
    assert density(made, *loud) > density(noise.background, *loud) + 8.0


def test_vehicles_pass_they_do_not_stay() -> None:
    made = noise.traffic(60 * RATE, RATE, np.random.default_rng(2)).astype(np.float64)
    seconds = 10.0 * np.log10(np.mean(made.reshape(60, RATE) ** 2, axis=1))
    assert np.ptp(seconds) > 6.0


def carrier(samples: NDArray[np.floating]) -> float:
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64), 1 << 20))
    return float(np.argmax(spectrum[: 1 << 18]) * RATE / (1 << 20))


def test_a_male_has_one_voice_in_all_his_clips_and_his_neighbour_another() -> None:
    """Rhythm and phase are others each time: only the carrier is his own, to the width of a wandering tone."""
    scene = RecorderScene(clip_s=6.0)

    def sung(key: int, clip: int) -> float:
        bout = Bout(Male("Oecanthus pellucens", str(key), key, 1.0, 0.0, 0.0, 1e9), 0.0, 6.0)
        return carrier(hear(scene, 0.0, [bout], 22.0, (), clip).samples[0])

    first, again, neighbour = sung(5, 1), sung(5, 2), sung(6, 1)
    assert first == pytest.approx(again, abs=6.0)
    assert abs(first - neighbour) > 20.0


def test_at_low_fidelity_a_song_is_as_loud_over_the_rest_as_its_truth_says() -> None:
    scene = RecorderScene(clip_s=8.0, low_sample_rate=24_000)
    bout = Bout(Male("Oecanthus pellucens", "he", 9, 6.0, 0.0, 0.0, 1e9), 1.0, 7.0)
    heard, silent = (hear_prepared(scene, 0.0, bouts, 22.0, (), 4) for bouts in ([bout], []))
    (song,) = heard.songs
    part = slice(round(song.onset_s * 24_000), round(song.end_s * 24_000))
    sos = scipy.signal.butter(8, (song.low_hz, song.high_hz), "bandpass", fs=24_000, output="sos")
    alone, rest = (
        float(np.mean(scipy.signal.sosfiltfilt(sos, each.astype(np.float64)) ** 2))
        for each in (heard.samples[0, part] - silent.samples[0, part], silent.samples[0, part])
    )
    assert 10.0 * np.log10(alone / rest) == pytest.approx(song.snr_db, abs=1.0)


@pytest.mark.parametrize("fidelity", Fidelity)
def test_two_channels_are_two_at_both_fidelities(fidelity: Fidelity) -> None:
    scene = RecorderScene(
        choirs=(Choir(species="Nemobius sylvestris", males=5),), channels=2, clip_s=4.0, climate=Climate(mean_c=14)
    )
    noon = datetime(2025, 8, 20, 11, tzinfo=UTC)
    clips = [clip.scene(fidelity) for clip in Recorder(scene, 3, "R").clips(noon, noon + timedelta(hours=1))]
    assert {clip.samples.shape[0] for clip in clips} == {2}
    assert {song.channel for clip in clips for song in clip.songs} == {0, 1}
