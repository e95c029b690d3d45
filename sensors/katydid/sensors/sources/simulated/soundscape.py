"""One clip of the simulated recorder: singers at stated signal-to-noise ratios over what else there is to hear.

The ratio is that of powers in the song's own band while it sounds: the band of the table for noisy songs, a fifth
below to a fifth above the carrier (0.8 to 1.25 times) for tones.
"""

from __future__ import annotations

import msgspec
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from katydid.sensors.sources.simulated.night import Night, Weather
from katydid.sensors.sources.songs import SONGS, song

Samples = NDArray[np.float32]

BACKGROUND_RMS = 10 ** (-58 / 20)
"""A quiet meadow through a recorder's own noise, of full scale."""
SNR_DB = (6.0, 24.0)
"""Songs are drawn evenly between these."""
SHORTEST_SONG_S = 4.0
_FADE_S = 0.2
_BIRD_CHANCE_AT_DAWN = 0.5


class Sung(msgspec.Struct, frozen=True, kw_only=True):
    """One song in a clip."""

    species: str
    start_s: float
    end_s: float
    snr_db: float


class Soundscape(msgspec.Struct, frozen=True, kw_only=True):
    """A clip's samples, float32 [n] in -1..1, and what sounds in it."""

    samples: Samples
    sung: tuple[Sung, ...]
    weather: Weather
    bird: bool


def soundscape(night: Night, hour: float, rng: np.random.Generator) -> Soundscape:
    """What the recorder hears from `hour` (local, may pass 24) on, for `night.clip_s` seconds."""
    count = round(night.clip_s * night.sample_rate)
    weather = night.weather(hour)
    sound = _background(count, night.sample_rate, rng)
    if weather is Weather.WIND:
        sound += _wind(count, night.sample_rate, rng)
    if weather is Weather.RAIN:
        sound += _rain(count, night.sample_rate, rng)
    bird = 0.0 <= hour - night.sunrise_hour + 1.0 < 2.0 and bool(rng.random() < _BIRD_CHANCE_AT_DAWN)
    if bird:
        sound += _bird(count, night.sample_rate, rng)
    sung = []
    for species in night.singers:
        if rng.random() < night.singing_chance(species, hour):
            sung.append(_sing(sound, species, night, night.temperature_c(hour), rng))
    return Soundscape(samples=np.clip(sound, -1.0, 1.0), sung=tuple(sung), weather=weather, bird=bird)


def band_of(species: str, temperature_c: float, sample_rate: int) -> tuple[float, float]:
    """The band in which a song's signal-to-noise ratio is stated, Hz."""
    score = SONGS[species]
    if score.band_hz is not None:
        return score.band_hz[0], min(score.band_hz[1], sample_rate / 2)
    carrier = score.carrier(temperature_c)
    return 0.8 * carrier, 1.25 * carrier


def band_power(samples: NDArray[np.floating], sample_rate: int, band: tuple[float, float]) -> float:
    """Mean square of what lies in the band, by Parseval's theorem (zero-padded to a length that transforms fast)."""
    length = scipy.fft.next_fast_len(len(samples), real=True)
    spectrum = scipy.fft.rfft(np.asarray(samples, np.float32), length)
    hertz = np.fft.rfftfreq(length, 1.0 / sample_rate)
    inside = (hertz >= band[0]) & (hertz < band[1])
    return float(2.0 * np.sum(np.abs(spectrum[inside]) ** 2, dtype=np.float64) / (length * len(samples)))


def _sing(sound: Samples, species: str, night: Night, temperature_c: float, rng: np.random.Generator) -> Sung:
    """Add one song to `sound` at a ratio to what is there, before any later singer."""
    rate = night.sample_rate
    seconds = float(rng.uniform(min(SHORTEST_SONG_S, night.clip_s), night.clip_s))
    start = float(rng.uniform(0.0, night.clip_s - seconds))
    snr_db = float(rng.uniform(*SNR_DB))
    heard = song(species, seconds, rate, temperature_c, rng)
    band = band_of(species, temperature_c, rate)
    first = round(start * rate)
    under = sound[first : first + len(heard)]
    heard = heard[: len(under)]
    wanted = band_power(under, rate, band) * 10 ** (snr_db / 10)
    gain = np.sqrt(wanted / max(band_power(heard, rate, band), 1e-20))
    under += (heard * _faded(len(heard), rate) * gain).astype(np.float32)
    return Sung(species=species, start_s=start, end_s=start + len(heard) / rate, snr_db=snr_db)


def _faded(count: int, rate: int) -> NDArray[np.float64]:
    """A gain of 1 with short raised-cosine ends."""
    length = min(round(_FADE_S * rate), count // 2)
    gain = np.ones(count)
    if length:
        ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(length) / length)
        gain[:length], gain[count - length :] = ramp, ramp[::-1]
    return gain


def _coloured(count: int, weight: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of unit power whose spectrum has the shape `weight`, [_hertz(count, rate)]."""
    length = scipy.fft.next_fast_len(count, real=True)
    spectrum = scipy.fft.rfft(rng.standard_normal(length)) * weight
    noise = scipy.fft.irfft(spectrum, length)[:count]
    return np.asarray(noise / max(float(np.sqrt(np.mean(noise**2))), 1e-12))


def _hertz(count: int, rate: int) -> NDArray[np.float64]:
    return np.asarray(np.fft.rfftfreq(scipy.fft.next_fast_len(count, real=True), 1.0 / rate), np.float64)


def _background(count: int, rate: int, rng: np.random.Generator) -> Samples:
    """Pink below 1 kHz, white above: distant traffic and leaves over the microphone's own noise."""
    weight = np.sqrt(np.maximum(1000.0 / np.maximum(_hertz(count, rate), 20.0), 1.0))
    return (_coloured(count, weight, rng) * BACKGROUND_RMS).astype(np.float32)


def _wind(count: int, rate: int, rng: np.random.Generator) -> Samples:
    """Rumble under 200 Hz in gusts of some seconds, up to 30 dB above the background."""
    rumble = _coloured(count, 1.0 / (1.0 + (_hertz(count, rate) / 150.0) ** 2), rng)
    slow = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, 8), rng.uniform(0.1, 1.0, 8))
    return (rumble * slow * BACKGROUND_RMS * 30).astype(np.float32)


def _rain(count: int, rate: int, rng: np.random.Generator) -> Samples:
    """A flat hiss between 2 and 8 kHz, and drops on the casing: clicks of a few milliseconds."""
    hertz = _hertz(count, rate)
    hiss = _coloured(count, ((hertz > 2000) & (hertz < 8000)).astype(np.float64), rng) * BACKGROUND_RMS * 8
    length = round(0.004 * rate)
    drop = np.exp(-np.arange(length) / (0.001 * rate))
    for start in rng.integers(0, count - length, round(25 * count / rate)):
        hiss[start : start + length] += drop * rng.normal(0, 1, length) * rng.uniform(0.01, 0.08)
    return hiss.astype(np.float32)


def _bird(count: int, rate: int, rng: np.random.Generator) -> Samples:
    """A thrush-like voice, a species that no bundle in the box knows: whistles that glide between 2 and 5 kHz."""
    sound = np.zeros(count)
    at = 0.3
    while at < count / rate - 1.0:
        seconds = float(rng.uniform(0.15, 0.5))
        length = round(seconds * rate)
        glide = np.linspace(rng.uniform(2000, 5000), rng.uniform(2000, 5000), length)
        whistle = np.sin(2 * np.pi * np.cumsum(glide) / rate) * np.hanning(length)
        first = round(at * rate)
        sound[first : first + length] += whistle * BACKGROUND_RMS * rng.uniform(5, 20)
        at += seconds + float(rng.uniform(0.1, 1.2))
    return sound.astype(np.float32)
