"""A clip at low fidelity: cut from songs and noise that were made once and are kept, so that a clip costs a sum.

Kept are a quarter of a minute of each noise, and eight seconds of three voices of each species at every third degree,
100 MB at most. A male has one of
them, starts at a place of his own in each clip, and is made louder or quieter as distance and the air's absorption at
his carrier say: the far ones are not duller than the near ones. The ratio in the truth is that of mean powers of what
was kept, right to about a decibel for the clip itself. Two channels differ by level, not by delay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import scipy.signal

from katydid.sensors.sources.simulated.cameras import chance
from katydid.sensors.sources.simulated.community import key_of
from katydid.sensors.sources.simulated.recorders import absorption
from katydid.sensors.sources.simulated.recorders.bands import band_of, band_power
from katydid.sensors.sources.simulated.recorders.hearing import finished, shaped
from katydid.sensors.sources.simulated.recorders.microphone import Microphone
from katydid.sensors.sources.simulated.recorders.noise import Samples
from katydid.sensors.sources.simulated.recorders.scene import HeardSong, Noise, Scene, ambience, sung_from
from katydid.sensors.sources.simulated.recorders.singers import SOURCE_DB, Bout, Male
from katydid.sensors.sources.songs import SONGS

if TYPE_CHECKING:
    from katydid.sensors.sources.simulated.recorders.recorder import RecorderScene

VOICES = 3
_STEP_C = 3.0
_NOISE_S = 15.0
_SONG_S = 8.0
_SEED = 20_260_724
_SHORTEST_S = 0.05


class _Kept(msgspec.Struct, frozen=True):
    """A prepared song of unit power in its band, float32 [n]."""

    samples: Samples
    band: tuple[float, float]


class _Part(msgspec.Struct, frozen=True):
    """One bout's part of a clip."""

    bout: Bout
    first: int
    last: int
    levels: tuple[float, ...]
    """Root mean square in its band at each channel."""
    band: tuple[float, float]


def hear_prepared(
    scene: RecorderScene,
    at: float,
    singing: Sequence[Bout],
    temperature_c: float,
    noises: Sequence[Noise],
    key: int,
) -> Scene:
    """As `hearing.hear`, from what is kept."""
    rate, draw = scene.low_sample_rate, chance.stream(key)
    count, among = round(scene.clip_s * rate), tuple(sorted(noises))
    rest = _noise(among, scene.sample_rate, rate, scene.microphone)
    mixed = np.stack([_cut(rest, draw.random(), count) for _ in range(scene.channels)])
    warmth, parts = round(temperature_c / _STEP_C), []
    for bout in singing:
        first, last = round(max(bout.onset - at, 0.0) * rate), min(round((bout.end - at) * rate), count)
        if last - first < _SHORTEST_S * rate:
            continue
        kept = _song(bout.male.species, bout.male.key % VOICES, warmth, rate)
        part = _Part(bout, first, last, _levels(scene, bout.male, temperature_c), kept.band)
        cut = _cut(kept.samples, draw.random(), last - first)
        for channel, level in enumerate(part.levels):
            mixed[channel, first:last] += cut * np.float32(level)
        parts.append(part)
    quiet = [_noise_power(among, scene.sample_rate, rate, scene.microphone, part.band) for part in parts]
    songs = [_heard(part, parts, noise, rate) for part, noise in zip(parts, quiet, strict=True)]
    return finished(mixed, rate, songs, noises)


def _heard(part: _Part, everyone: Sequence[_Part], noise: float, rate: int) -> HeardSong:
    loudest = int(np.argmax(part.levels))
    power = part.levels[loudest] ** 2
    others = noise
    for other in everyone:
        if other is not part and other.band == part.band:
            together = min(part.last, other.last) - max(part.first, other.first)
            others += other.levels[loudest] ** 2 * max(together, 0) / (part.last - part.first)
    return HeardSong(
        species=part.bout.male.species,
        individual=part.bout.male.individual,
        onset_s=part.first / rate,
        end_s=part.last / rate,
        snr_db=10.0 * math.log10(power / noise),
        over_everything_db=10.0 * math.log10(power / others),
        low_hz=part.band[0],
        high_hz=part.band[1],
        channel=loudest,
    )


def _levels(scene: RecorderScene, male: Male, temperature_c: float) -> tuple[float, ...]:
    """What a song's root mean square is at each channel, from its level at 1 m and the way at its carrier."""
    carrier = np.asarray([SONGS[male.species].carrier(temperature_c)])
    gain = absorption.gain_at(carrier, male.distance_m, temperature_c) * scene.microphone.response(carrier)
    level = 10.0 ** ((SOURCE_DB[male.species] - scene.microphone.full_scale_db) / 20.0) * float(gain[0])
    if scene.channels == 1:
        return (level,)
    ears = np.abs(scene.ears.reach(carrier, male.east_m, male.north_m))[:, 0]
    return tuple(level * float(ear) for ear in ears)


def _cut(loop: Samples, where: float, count: int) -> Samples:
    """`count` samples of a loop from a share of its length on; a view where it is within, else a copy."""
    start = int(where * len(loop))
    if start + count <= len(loop):
        return loop[start : start + count]
    turns = 1 + (start + count) // len(loop)
    return np.concatenate([loop[start:], *[loop] * turns])[:count]


@lru_cache(maxsize=128)
def _song(species: str, voice: int, warmth: int, rate: int) -> _Kept:
    keys = (_SEED, key_of(species), voice, warmth)
    rng, own = np.random.default_rng(keys), np.random.default_rng([*keys, 1])
    samples = sung_from(species, _SONG_S, rate, warmth * _STEP_C, rng, own)
    band = band_of(species, warmth * _STEP_C, rate)
    level = np.sqrt(max(band_power(samples, rate, band), 1e-20))
    return _Kept(np.asarray(samples / level, np.float32), band)


@lru_cache(maxsize=32)
def _noise(noises: tuple[Noise, ...], full_rate: int, rate: int, microphone: Microphone) -> Samples:
    """Made at the rate of full fidelity and resampled, so that its density is the same at both."""
    heard = ambience(round(_NOISE_S * full_rate), full_rate, noises, np.random.default_rng([_SEED, 0]))
    through = shaped(heard[np.newaxis], full_rate, microphone)[0]
    return np.asarray(scipy.signal.resample(through, round(_NOISE_S * rate)), np.float32)


@lru_cache(maxsize=512)
def _noise_power(
    noises: tuple[Noise, ...], full_rate: int, rate: int, microphone: Microphone, band: tuple[float, float]
) -> float:
    return band_power(_noise(noises, full_rate, rate, microphone), rate, band)
