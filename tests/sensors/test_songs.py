"""The songs are measured back by spectrum and envelope, and compared with what the sources state."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from katydid.sensors.sources.songs import PEAK, SONGS, song

RATE = 44_100


def spectrum_peak(sound: NDArray[np.float32], rate: int = RATE) -> float:
    """Frequency of the largest spectral density, Hz, smoothed over 200 Hz so that noise has a peak too."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    width = max(round(200 * len(sound) / rate), 1)
    return float(np.fft.rfftfreq(len(sound), 1 / rate)[np.convolve(power, np.ones(width), "same").argmax()])


def envelope_rate(sound: NDArray[np.float32], low: float, high: float, rate: int = RATE) -> float:
    """Strongest rate of the envelope between low and high, Hz."""
    step = rate // 450
    envelope = np.abs(sound[: len(sound) // step * step]).reshape(-1, step).mean(axis=1)
    strength = np.abs(np.fft.rfft((envelope - envelope.mean()) * np.hanning(len(envelope))))
    hertz = np.fft.rfftfreq(len(envelope), step / rate)
    inside = (hertz >= low) & (hertz <= high)
    return float(hertz[inside][strength[inside].argmax()])


def repetition_rate(sound: NDArray[np.float32], low: float, high: float) -> float:
    """Rate at which the envelope is most like itself, between low and high, Hz: robust where echemes have parts."""
    step = 49
    envelope = np.abs(sound[: len(sound) // step * step]).reshape(-1, step).mean(axis=1)
    spectrum = np.abs(np.fft.rfft(envelope - envelope.mean(), 2 * len(envelope))) ** 2
    likeness = np.fft.irfft(spectrum)[: len(envelope)]
    first, last = round(RATE / step / high), round(RATE / step / low)
    return RATE / step / float(first + likeness[first : last + 1].argmax())


def syllable_rate(sound: NDArray[np.float32]) -> float:
    """One over the median time between a syllable's start and the next one's within a chirp, Hz."""
    loud = np.convolve(np.abs(sound), np.ones(132) / 132, "same") > 0.05
    starts = np.flatnonzero(loud[1:] & ~loud[:-1]) / RATE
    gaps = np.diff(starts)
    return 1.0 / float(np.median(gaps[gaps < 0.06]))


def sung(species: str, temperature_c: float, seed: int = 3, seconds: float = 12.0) -> NDArray[np.float32]:
    return song(species, seconds, RATE, temperature_c, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("species", "low", "high"),
    [
        ("Gryllus campestris", 4_400, 5_200),
        ("Gryllus bimaculatus", 4_500, 5_300),
        ("Nemobius sylvestris", 3_800, 4_800),
        ("Oecanthus pellucens", 2_800, 4_000),
        ("Magicicada septendecim", 1_150, 1_450),
        ("Cicada orni", 4_000, 5_500),
        ("Tettigonia viridissima", 8_000, 12_000),
        ("Pholidoptera griseoaptera", 11_000, 15_000),
    ],
)
def test_the_carrier_lies_where_the_sources_state_it(species: str, low: float, high: float) -> None:
    assert low <= spectrum_peak(sung(species, 24.0)) <= high


@pytest.mark.parametrize("celsius", [15.0, 20.0, 25.0, 30.0])
def test_the_snowy_tree_cricket_chirps_by_dolbears_law(celsius: float) -> None:
    fahrenheit = celsius * 9 / 5 + 32
    chirps_a_minute = (fahrenheit - 50) * 4 + 40
    measured = np.mean(
        [envelope_rate(sung("Oecanthus fultoni", celsius, seed, 20.0), 0.8, 5.0) * 60 for seed in range(8)]
    )
    assert measured == pytest.approx(chirps_a_minute, rel=0.06)


@pytest.mark.parametrize(("celsius", "low", "high"), [(10.0, 3.5, 6.0), (20.0, 10.0, 15.0), (30.0, 15.5, 21.0)])
def test_the_great_green_bush_cricket_keeps_the_published_rates(celsius: float, low: float, high: float) -> None:
    assert low <= repetition_rate(sung("Tettigonia viridissima", celsius), 3.0, 22.0) <= high


def test_a_field_cricket_chirps_two_to_four_times_a_second_in_warmth_and_under_one_in_cold() -> None:
    assert 2.0 <= envelope_rate(sung("Gryllus campestris", 24.0), 0.5, 10.0) <= 4.0
    assert envelope_rate(sung("Gryllus campestris", 9.0), 0.3, 2.0) < 1.0


def test_field_cricket_syllables_come_at_25_to_35_a_second_in_warmth() -> None:
    assert 25.0 <= syllable_rate(sung("Gryllus campestris", 25.0)) <= 35.0


def test_a_tree_cricket_sings_higher_when_it_is_warmer() -> None:
    assert spectrum_peak(sung("Oecanthus pellucens", 28.0)) > spectrum_peak(sung("Oecanthus pellucens", 18.0)) + 500


def test_a_cicada_keeps_its_rhythm_whatever_the_temperature() -> None:
    cool, warm = (envelope_rate(sung("Cicada orni", celsius), 3.0, 12.0) for celsius in (15.0, 32.0))
    assert cool == pytest.approx(warm, abs=0.3)


@pytest.mark.parametrize("species", sorted(SONGS))
def test_every_song_is_reproducible_bounded_and_of_the_length_asked_for(species: str) -> None:
    first, again = (song(species, 1.3, 48_000, 22.0, np.random.default_rng(5)) for _ in range(2))
    assert first.dtype == np.float32
    assert first.shape == (round(1.3 * 48_000),)
    assert float(np.abs(first).max()) == pytest.approx(PEAK)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, song(species, 1.3, 48_000, 22.0, np.random.default_rng(6)))


@pytest.mark.parametrize("species", sorted(SONGS))
def test_every_song_names_its_source(species: str) -> None:
    from katydid.sensors.sources import songs

    for name in SONGS[species].source.split(" (")[0].split(", "):
        assert f"    {name} " in str(songs.__doc__)


def test_an_unknown_species_is_named_with_what_there_is() -> None:
    with pytest.raises(KeyError, match=r"Apis mellifera.*Gryllus campestris"):
        song("Apis mellifera", 1.0, RATE, 20.0, np.random.default_rng(0))


def test_a_rate_too_low_for_the_carrier_is_refused() -> None:
    with pytest.raises(ValueError, match="above what 16000 Hz can hold"):
        song("Pholidoptera griseoaptera", 1.0, 16_000, 20.0, np.random.default_rng(0))


def test_no_samples_are_no_song() -> None:
    with pytest.raises(ValueError, match="no sample"):
        song("Gryllus campestris", 0.0, RATE, 20.0, np.random.default_rng(0))
