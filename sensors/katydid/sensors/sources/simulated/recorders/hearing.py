"""A clip at full fidelity: every bout sung anew, through air, ears and microphone, over ambience.

For each song one transform: amplitudes at 1 m set by the species' level, thinned by distance and the air's absorption
(`absorption.py`), delayed and shadowed at each ear, shaped by the microphone. Ambience passes the microphone too, and
is independent at the two ears above 1 kHz and common below. The ratio in the truth is measured on what is mixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft

from katydid.sensors.capture import Place
from katydid.sensors.sources.simulated.cameras import sun
from katydid.sensors.sources.simulated.recorders import absorption
from katydid.sensors.sources.simulated.recorders.bands import band_of, band_power
from katydid.sensors.sources.simulated.recorders.microphone import Microphone
from katydid.sensors.sources.simulated.recorders.noise import Samples
from katydid.sensors.sources.simulated.recorders.scene import HeardSong, Noise, Scene, ambience, sung_from
from katydid.sensors.sources.simulated.recorders.singers import SOURCE_DB, Bout, Male

if TYPE_CHECKING:
    from katydid.sensors.sources.simulated.recorders.recorder import RecorderScene

_SHORTEST_S = 0.05
"""Of a bout that reaches into a clip less than this, nothing is there."""
_COMMON_BELOW_HZ = 1000.0


def hear(
    scene: RecorderScene,
    at: float,
    singing: Sequence[Bout],
    temperature_c: float,
    noises: Sequence[Noise],
    key: int,
) -> Scene:
    """The clip that begins at `at`, with the parts of `singing` that reach into it."""
    rate = scene.sample_rate
    rest = around(scene, round(scene.clip_s * rate), noises, np.random.default_rng([key, 0]))
    mixed, parts = rest.copy(), []
    for number, bout in enumerate(singing):
        onset = max(bout.onset - at, 0.0)
        seconds = min(bout.end - at, scene.clip_s) - onset
        if seconds < _SHORTEST_S:
            continue
        rng = np.random.default_rng([key, 1, number])
        voice = np.random.default_rng([bout.male.key, 3])
        alone = sung_from(bout.male.species, seconds, rate, temperature_c, rng, voice)
        first = round(onset * rate)
        reached = reaching(scene, bout.male, alone, temperature_c)[:, : mixed.shape[1] - first]
        mixed[:, first : first + reached.shape[1]] += reached
        parts.append((bout, first, reached))
    songs = tuple(_heard(bout, first, part, rest, mixed, rate, temperature_c) for bout, first, part in parts)
    return finished(mixed, rate, songs, noises)


def finished(mixed: Samples, rate: int, songs: Sequence[HeardSong], noises: Sequence[Noise]) -> Scene:
    """Clipped at full scale (in place), with notes."""
    clipped = bool(max(float(mixed.max()), -float(mixed.min())) > 1.0)
    if clipped:
        np.clip(mixed, -1.0, 1.0, out=mixed)
    return Scene(
        samples=mixed,
        sample_rate=rate,
        songs=tuple(sorted(songs, key=lambda each: (each.onset_s, each.individual))),
        notes=(*(each.value for each in noises), *(("clipped",) if clipped else ())),
    )


def around(scene: RecorderScene, count: int, noises: Sequence[Noise], rng: np.random.Generator) -> Samples:
    """All that is no song, as the microphone gives it, float32 [channels, count]."""
    heard = [ambience(count, scene.sample_rate, noises, rng) for _ in range(scene.channels)]
    return shaped(np.stack(heard), scene.sample_rate, scene.microphone)


def shaped(heard: Samples, rate: int, microphone: Microphone) -> Samples:
    """Ambience, [channels, count], by the microphone's response; what is low is made the same on all channels."""
    length = scipy.fft.next_fast_len(heard.shape[1], real=True)
    hertz = np.asarray(np.fft.rfftfreq(length, 1.0 / rate), np.float64)
    spectra = scipy.fft.rfft(heard, length, axis=1)
    spectra[1:, hertz < _COMMON_BELOW_HZ] = spectra[0, hertz < _COMMON_BELOW_HZ]
    spectra *= microphone.response(hertz)
    return np.asarray(scipy.fft.irfft(spectra, length, axis=1)[:, : heard.shape[1]], np.float32)


def reaching(scene: RecorderScene, male: Male, alone: Samples, temperature_c: float) -> Samples:
    """A song as it arrives, float32 [channels, its length]: from its level at 1 m to what the microphones give."""
    rate = scene.sample_rate
    band = band_of(male.species, temperature_c, rate)
    wanted = 10.0 ** ((SOURCE_DB[male.species] - scene.microphone.full_scale_db) / 20.0)
    level = wanted / np.sqrt(max(band_power(alone, rate, band), 1e-20))
    length = scipy.fft.next_fast_len(len(alone) + 256, real=True)  # Room for the later ear, so that nothing wraps.
    hertz = np.asarray(np.fft.rfftfreq(length, 1.0 / rate), np.float64)
    weight = level * absorption.gain_at(hertz, male.distance_m, temperature_c) * scene.microphone.response(hertz)
    spectrum = scipy.fft.rfft(alone, length) * weight
    if scene.channels == 1:
        return np.asarray(scipy.fft.irfft(spectrum, length)[np.newaxis, : len(alone)], np.float32)
    both = spectrum * scene.ears.reach(hertz, male.east_m, male.north_m)
    return np.asarray(scipy.fft.irfft(both, length, axis=1)[:, : len(alone)], np.float32)


def is_dawn(at: float, place: Place) -> bool:
    """Within about two hours around sunrise."""
    return abs(sun.elevation(at, place)) < 9.0 and sun.solar_hour(at, place) < 12.0


def _heard(
    bout: Bout, first: int, part: Samples, rest: Samples, mixed: Samples, rate: int, temperature_c: float
) -> HeardSong:
    """The truth of one song, on the channel where it is loudest."""
    band = band_of(bout.male.species, temperature_c, rate)
    powers = [band_power(channel, rate, band) for channel in part]
    loudest = int(np.argmax(powers))
    under = slice(first, first + part.shape[1])
    others = mixed[loudest, under] - part[loudest]
    return HeardSong(
        species=bout.male.species,
        individual=bout.male.individual,
        onset_s=first / rate,
        end_s=(first + part.shape[1]) / rate,
        snr_db=_decibel(powers[loudest], band_power(rest[loudest, under], rate, band)),
        over_everything_db=_decibel(powers[loudest], band_power(others, rate, band)),
        low_hz=band[0],
        high_hz=band[1],
        channel=loudest,
    )


def _decibel(one: float, other: float) -> float:
    return float(10.0 * np.log10(max(one, 1e-20) / max(other, 1e-20)))
