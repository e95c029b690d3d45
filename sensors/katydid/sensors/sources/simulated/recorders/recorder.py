"""One recorder for as long as one likes: when it records, and what each of its clips holds, drawn when asked.

Full fidelity sings every bout anew and sends it through air, ears and microphone, one transform a song; low fidelity
cuts prepared songs and noise (`prepared.py`). Both take the same bouts of the same males.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from math import ceil, log10

import msgspec
import numpy as np

from katydid.sensors.capture import Place
from katydid.sensors.sources.simulated.cameras import chance
from katydid.sensors.sources.simulated.cameras.camera import Fidelity
from katydid.sensors.sources.simulated.climate import Climate
from katydid.sensors.sources.simulated.recorders import absorption
from katydid.sensors.sources.simulated.recorders.hearing import hear, is_dawn
from katydid.sensors.sources.simulated.recorders.microphone import Ears, Microphone
from katydid.sensors.sources.simulated.recorders.prepared import hear_prepared
from katydid.sensors.sources.simulated.recorders.scene import Noise, Scene
from katydid.sensors.sources.simulated.recorders.singers import (
    SOURCE_DB,
    Bout,
    Choir,
    Conditions,
    Male,
    bouts,
    males_of,
)
from katydid.sensors.sources.songs import SONGS

FAINTEST_DB = -6.0
"""Songs that would reach the recorder more than this under a quiet meadow in their band are left out, of sound and
truth: a chorus's far members are part of no one's count."""
_MEADOW_DB = 28.0
"""What a quiet meadow's 40 dB leave in a song's band of some kHz, roughly, dB re 20 µPa."""
_TRAFFIC, _BIRD, _CLIP = 1, 2, 3


class RecorderScene(msgspec.Struct, frozen=True, kw_only=True):
    """One recorder: where, when it listens, what it is made of and who sings around it."""

    choirs: tuple[Choir, ...] = ()
    place: Place = Place(latitude=52.16, longitude=4.49, source="simulated")
    climate: Climate = Climate()
    station: int = 0
    """Its number: stations have slightly other temperatures."""
    every_s: float = 600.0
    clip_s: float = 20.0
    """It records this long, every so often, on multiples since 1970."""
    sample_rate: int = 44_100
    low_sample_rate: int = 24_000
    """That of low fidelity: species whose carrier it cannot hold are not simulated there."""
    channels: int = 1
    """1, or 2 with `ears` apart."""
    ears: Ears = Ears()
    microphone: Microphone = Microphone()
    traffic: float = 0.0
    """Share of clips in which vehicles pass."""
    birds: float = 0.15
    """Share of clips in the two hours around sunrise in which a bird sings that no model knows."""


class Clip(msgspec.Struct, frozen=True):
    """A clip that is due: drawn when it is asked for."""

    recorder: Recorder
    at: float
    """Seconds since 1970 of its first sample."""

    def scene(self, fidelity: Fidelity = Fidelity.HIGH) -> Scene:
        """The samples and what is really in them; the same whenever and however often it is asked."""
        return self.recorder.heard(self.at, fidelity)


class Recorder:
    """A scene and a seed; `sensor` names the device, and its singers after it."""

    def __init__(self, scene: RecorderScene, seed: int, sensor: str = "REC") -> None:
        self.scene = scene
        self.seed = seed
        self.sensor = sensor
        self.conditions = Conditions(scene.climate, scene.place, scene.station)
        self._key = chance.mixed(seed, scene.station, _CLIP)
        self._males: dict[int, list[Male]] = {}

    def clips(self, start: datetime, end: datetime) -> Iterator[Clip]:
        """Every clip that begins from `start` to before `end`, in order; nothing is drawn yet."""
        tick = ceil(start.timestamp() / self.scene.every_s)
        while tick * self.scene.every_s < end.timestamp():
            yield Clip(self, tick * self.scene.every_s)
            tick += 1

    def bouts(self, start: float, end: float) -> list[Bout]:
        """Every bout that reaches into a stretch of time, by onset, whether the recorder listens or not."""
        year = datetime.fromtimestamp(start, UTC).year
        near = [male for male in self._alive(year) if male.first - 600.0 <= end and male.last > start - 600.0]
        found = [bout for male in near for bout in bouts(male, start, end, self.conditions.inclined)]
        return sorted(found, key=lambda bout: (bout.onset, bout.male.individual))

    def heard(self, at: float, fidelity: Fidelity) -> Scene:
        """The clip that begins at `at`."""
        temperature = self.conditions.temperature_c(at)
        rate = self.scene.sample_rate if fidelity is Fidelity.HIGH else self.scene.low_sample_rate
        singing = [
            bout
            for bout in self.bouts(at, at + self.scene.clip_s)
            if self._reaches(bout.male, temperature) and SONGS[bout.male.species].carrier(temperature) < 0.45 * rate
        ]
        key = chance.mixed(self._key, round(at * 1000.0))
        draw = hear if fidelity is Fidelity.HIGH else hear_prepared
        return draw(self.scene, at, singing, temperature, self._noises(at), key)

    def _alive(self, year: int) -> list[Male]:
        if year not in self._males:
            new_year = datetime(year, 1, 1, tzinfo=UTC).timestamp()
            self._males = {year: males_of(self.scene.choirs, year, new_year, self.sensor, self.seed)}
        return self._males[year]

    def _reaches(self, male: Male, temperature_c: float) -> bool:
        return level_db(male, temperature_c) >= _MEADOW_DB + FAINTEST_DB

    def _noises(self, at: float) -> tuple[Noise, ...]:
        scene, found = self.scene, []
        if scene.climate.blows(at):
            found.append(Noise.WIND)
        if scene.climate.rains(at):
            found.append(Noise.RAIN)
        if chance.uniform(self._key, _TRAFFIC, round(at)) < scene.traffic:
            found.append(Noise.TRAFFIC)
        if is_dawn(at, scene.place) and chance.uniform(self._key, _BIRD, round(at)) < scene.birds:
            found.append(Noise.BIRD)
        return tuple(found)


def level_db(male: Male, temperature_c: float) -> float:
    """What reaches the recorder of a song at its carrier, dB re 20 µPa."""
    gain = absorption.gain_at(np.asarray(SONGS[male.species].carrier(temperature_c)), male.distance_m, temperature_c)
    return SOURCE_DB[male.species] + 20.0 * log10(max(float(gain), 1e-12))
