"""One clip of the simulated recorder: singers at stated signal-to-noise ratios over what else there is to hear.

The ratio is that of powers in the song's own band while it sounds: the band of the table for noisy songs, a fifth
below to a fifth above the carrier (0.8 to 1.25 times) for tones.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.sensors.sources.simulated.night import Night, Weather
from katydid.sensors.sources.simulated.recorders import noise
from katydid.sensors.sources.simulated.recorders.bands import band_of, band_power
from katydid.sensors.sources.simulated.recorders.noise import Samples
from katydid.sensors.sources.songs import song

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
    sound = noise.background(count, night.sample_rate, rng)
    if weather is Weather.WIND:
        sound += noise.wind(count, night.sample_rate, rng)
    if weather is Weather.RAIN:
        sound += noise.rain(count, night.sample_rate, rng)
    bird = 0.0 <= hour - night.sunrise_hour + 1.0 < 2.0 and bool(rng.random() < _BIRD_CHANCE_AT_DAWN)
    if bird:
        sound += noise.bird(count, night.sample_rate, rng)
    sung = []
    for species in night.singers:
        if rng.random() < night.singing_chance(species, hour):
            sung.append(_sing(sound, species, night, night.temperature_c(hour), rng))
    return Soundscape(samples=np.clip(sound, -1.0, 1.0), sung=tuple(sung), weather=weather, bird=bird)


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
