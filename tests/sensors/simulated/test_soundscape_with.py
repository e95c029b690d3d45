"""Soundscapes with stated onsets and ratios, measured without the code that made them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from katydid.sensors.sources.simulated.recorders import Noise, Sings, soundscape_with

RATE = 44_100


def power_in(samples: np.ndarray, low: float, high: float) -> float:
    """Mean square behind a Butterworth filter, whose edges are another thing than the simulator's bins."""
    sos = scipy.signal.butter(10, (low, min(high, RATE / 2 * 0.999)), "bandpass", fs=RATE, output="sos")
    return float(np.mean(scipy.signal.sosfiltfilt(sos, samples.astype(np.float64)) ** 2))


@pytest.mark.parametrize("species", ["Chorthippus brunneus", "Oecanthus pellucens"])
@pytest.mark.parametrize("snr_db", [0.0, 20.0])
@pytest.mark.parametrize("noises", [(), (Noise.RAIN,)])
def test_a_song_stands_over_what_is_no_song_by_its_ratio(
    species: str, snr_db: float, noises: tuple[Noise, ...]
) -> None:
    asked = Sings(species=species, onset_s=1.0, end_s=5.0, snr_db=snr_db)
    scene = soundscape_with([asked], seconds=6.0, noises=noises)
    silent = soundscape_with([], seconds=6.0, noises=noises)
    (heard,) = scene.songs
    part = slice(round(heard.onset_s * RATE), round(heard.end_s * RATE))
    song = scene.samples[0, part] / scene.gain - silent.samples[0, part]
    ratio = power_in(song, heard.low_hz, heard.high_hz) / power_in(silent.samples[0, part], heard.low_hz, heard.high_hz)
    assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=0.5)
    assert heard.snr_db == snr_db
    assert heard.over_everything_db == pytest.approx(snr_db, abs=0.1)


@pytest.mark.parametrize("species", ["Gryllus campestris", "Roeseliana roeselii", "Chorthippus biguttulus"])
def test_songs_begin_at_their_onset_and_end_with_a_syllable(species: str) -> None:
    scene = soundscape_with([Sings(species=species, onset_s=2.0, end_s=9.5, snr_db=30.0)], seconds=10.0)
    (heard,) = scene.songs
    song = (scene.samples / scene.gain - soundscape_with([], seconds=10.0).samples)[0]
    sounding = np.flatnonzero(np.abs(song) > 0.11 * np.abs(song).max())
    assert heard.onset_s == 2.0
    assert sounding[0] / RATE == pytest.approx(2.0, abs=0.02)
    assert heard.end_s <= 9.5
    assert sounding[-1] / RATE == pytest.approx(heard.end_s, abs=0.02)


def test_two_that_overlap_are_each_at_their_ratio_and_less_over_everything() -> None:
    songs = [
        Sings(species="Gryllus campestris", onset_s=1.0, end_s=7.0, snr_db=12.0, individual="a"),
        Sings(species="Gryllus campestris", onset_s=3.0, end_s=8.0, snr_db=12.0, individual="b"),
    ]
    heard = soundscape_with(songs, seconds=10.0).songs
    assert [each.individual for each in heard] == ["a", "b"]
    assert all(each.over_everything_db < 8.0 for each in heard)


def test_an_individual_keeps_its_voice_and_another_has_its_own() -> None:
    def carrier(individual: str, onset_s: float) -> float:
        song = Sings(
            species="Oecanthus pellucens", onset_s=onset_s, end_s=onset_s + 4.0, snr_db=40.0, individual=individual
        )
        samples = soundscape_with([song], seconds=10.0).samples[0]
        spectrum = np.abs(np.fft.rfft(samples))
        return float(np.argmax(spectrum) * RATE / len(samples))

    assert carrier("male 1", 0.0) == pytest.approx(carrier("male 1", 5.0), rel=0.002)
    assert carrier("male 1", 0.0) != pytest.approx(carrier("male 2", 0.0), rel=0.002)


def test_the_same_arguments_give_the_same_samples_and_another_seed_others() -> None:
    songs = [Sings(species="Gryllus campestris", onset_s=0.5, end_s=1.5, snr_db=6.0)]
    first, again, other = (soundscape_with(songs, seconds=2.0, seed=seed).samples for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_song_that_leaves_the_samples_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"Gryllus campestris from 1\.0 to 9\.0 s is not within 5\.0 s"):
        soundscape_with([Sings(species="Gryllus campestris", onset_s=1.0, end_s=9.0, snr_db=6.0)], seconds=5.0)
