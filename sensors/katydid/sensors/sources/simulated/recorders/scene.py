"""A soundscape with stated onsets and signal-to-noise ratios: what evaluations of events and bouts are made with.

    scene = soundscape_with([Sings(species="Gryllus campestris", onset_s=3.0, end_s=9.0, snr_db=12.0)], seconds=20.0)
    scene.samples   float32 [channels, n]
    scene.songs     what sounds, with the moment at which it really begins and ends

**The ratio** is that of mean powers in the song's own band (`bands.band_of`) from its onset to its end, pauses between
echemes included, over everything that is no song: `snr_db` is met to the sample. What other singers add is in
`over_everything_db`. **The onset** is met too: the song is cut where its first syllable has begun; its end is that of
the last syllable that begins before the end asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec
import numpy as np
import scipy.fft

from katydid.sensors.sources.simulated.recorders import noise
from katydid.sensors.sources.simulated.recorders.bands import band_of, band_power
from katydid.sensors.sources.simulated.recorders.noise import Samples
from katydid.sensors.sources.songs import SONGS, song

_AUDIBLE = 0.1
"""Share of a song's peak (-20 dB) over which it counts as sounding: a crescendo begins where it can be heard."""
_ATTACK_S = 0.004
"""Songs are cut with ramps of this length, so that no click gives their ends away."""


class Noise(StrEnum):
    """What sounds beside the singers; a meadow's background is always there."""

    WIND = "wind"
    RAIN = "rain"
    TRAFFIC = "traffic"
    BIRD = "bird"


_NOISES: dict[Noise, Callable[[int, int, np.random.Generator], Samples]] = {
    Noise.WIND: noise.wind,
    Noise.RAIN: noise.rain,
    Noise.TRAFFIC: noise.traffic,
    Noise.BIRD: noise.bird,
}


class Sings(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of singing that is asked for."""

    species: str
    onset_s: float
    end_s: float
    snr_db: float
    individual: str = ""
    """The same name sings with the same voice: carrier and rates are drawn from it. "": a voice of its own."""


class HeardSong(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of singing as it really is in the samples."""

    species: str
    individual: str
    onset_s: float
    """First sample of the first syllable, seconds from the start of the samples."""
    end_s: float
    """Last sample of the last syllable."""
    snr_db: float
    """Over all that is no song, in the song's own band."""
    over_everything_db: float
    """The same over all that is not this song: other singers too."""
    low_hz: float
    high_hz: float
    """The song's own band."""
    channel: int = 0
    """Where it is loudest."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Samples and what is in them."""

    samples: Samples
    """float32 [channels, n], -1..1."""
    sample_rate: int
    songs: tuple[HeardSong, ...]
    """By onset."""
    gain: float = 1.0
    """What all was multiplied with, so that nothing passes full scale."""
    notes: tuple[str, ...] = ()
    """What else there is to say: "rain", "clipped", "dropped"."""


def soundscape_with(
    songs: Sequence[Sings],
    *,
    seconds: float,
    sample_rate: int = 44_100,
    seed: int = 1,
    temperature_c: float = 22.0,
    noises: Sequence[Noise] = (),
) -> Scene:
    """One channel of `seconds` with the songs asked for, each at its ratio; the same arguments, the same samples.

    Where the sum would pass full scale all of it is made quieter, which leaves every ratio as it is. Raises KeyError
    for a species without a song, and ValueError for one that the rate cannot hold or that lies outside the samples.
    """
    rest = ambience(round(seconds * sample_rate), sample_rate, noises, np.random.default_rng([seed, 0]))
    sound = rest.copy()
    placed: list[tuple[Sings, int, Samples]] = []
    for number, each in enumerate(songs):
        if not 0.0 <= each.onset_s < each.end_s <= seconds:
            raise ValueError(f"{each.species} from {each.onset_s} to {each.end_s} s is not within {seconds} s")
        voice = np.random.default_rng([seed, 1, *each.individual.encode()]) if each.individual else None
        rng = np.random.default_rng([seed, 2, number])
        alone = sung_from(each.species, each.end_s - each.onset_s, sample_rate, temperature_c, rng, voice)
        first = round(each.onset_s * sample_rate)
        under = rest[first : first + len(alone)]
        alone *= _gain(alone, under, band_of(each.species, temperature_c, sample_rate), sample_rate, each.snr_db)
        sound[first : first + len(alone)] += alone
        placed.append((each, first, alone))
    heard = [_heard(each, first, alone, sound, sample_rate, temperature_c) for each, first, alone in placed]
    gain = 1.0 / max(float(np.abs(sound).max()), 1.0)
    return Scene(
        samples=(sound * np.float32(gain))[np.newaxis],
        gain=gain,
        sample_rate=sample_rate,
        songs=tuple(sorted(heard, key=lambda one: one.onset_s)),
    )


def _gain(alone: Samples, under: Samples, band: tuple[float, float], rate: int, snr_db: float) -> np.float32:
    """What brings a song to its ratio over what lies under it."""
    wanted = band_power(under, rate, band) * 10 ** (snr_db / 10)
    return np.float32(np.sqrt(wanted / max(band_power(alone, rate, band), 1e-20)))


def ambience(count: int, sample_rate: int, noises: Sequence[Noise], rng: np.random.Generator) -> Samples:
    """The background with what else is asked for, float32 [count]."""
    sound = noise.background(count, sample_rate, rng)
    for each in noises:
        sound += _NOISES[each](count, sample_rate, rng)
    return sound


def sung_from(
    species: str,
    seconds: float,
    sample_rate: int,
    temperature_c: float,
    rng: np.random.Generator,
    voice: np.random.Generator | None = None,
) -> Samples:
    """A song whose first sample sounds and whose last one does, float32 [≤ seconds · sample_rate], peak 0.5.

    `songs.song` may begin in a pause: what comes before the first sound is cut. It may be in the midst of an echeme.
    """
    score = SONGS[species]
    pause = 1.3 / (score.echemes_per_s * score.rate_factor(temperature_c))
    count = scipy.fft.next_fast_len(
        math.ceil((seconds + pause) * sample_rate), real=True
    )  # Else transforms take a second.
    sound = song(species, count / sample_rate, sample_rate, temperature_c, rng, voice)
    sound = sound[_sounding(sound)][: round(seconds * sample_rate)]
    sound = sound[_sounding(sound)]
    ramp = min(round(_ATTACK_S * sample_rate), len(sound) // 2)
    rise = (0.5 - 0.5 * np.cos(np.pi * (np.arange(ramp) + 0.5) / max(ramp, 1))).astype(np.float32)
    sound[:ramp] *= rise
    sound[len(sound) - ramp :] *= rise[::-1]
    return sound


def _sounding(sound: Samples) -> slice:
    """From the first to the last sample that is audible beside the loudest."""
    loud = np.flatnonzero(np.abs(sound) >= _AUDIBLE * float(np.abs(sound).max()))
    return slice(int(loud[0]), int(loud[-1]) + 1)


def _heard(asked: Sings, first: int, alone: Samples, mixed: Samples, rate: int, temperature_c: float) -> HeardSong:
    band = band_of(asked.species, temperature_c, rate)
    others = band_power(mixed[first : first + len(alone)] - alone, rate, band)
    return HeardSong(
        species=asked.species,
        individual=asked.individual,
        onset_s=first / rate,
        end_s=(first + len(alone)) / rate,
        snr_db=asked.snr_db,
        over_everything_db=float(10 * np.log10(band_power(alone, rate, band) / max(others, 1e-20))),
        low_hz=band[0],
        high_hz=band[1],
    )
