"""Who sings around a recorder, from where, and in which bouts, as functions of time and a seed.

A male holds his place: he is an individual from his first day to his last, at one distance and bearing. Time is cut
into slots of eight minutes, for each male at a phase of his own; in each he sings one bout or none, by chance, which
sun, temperature and rain of that moment set. Nothing is kept between two questions, so any stretch of any year can be
asked for, in any order, and a bout that runs on from one clip into the next is one bout.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence

import msgspec

from katydid.sensors.capture import Place
from katydid.sensors.sources.simulated.cameras import chance, sun
from katydid.sensors.sources.simulated.climate import Climate
from katydid.sensors.sources.simulated.community import key_of
from katydid.sensors.sources.songs import SONGS, SingsBy

SLOT_S = 480.0
PAUSE_S = 60.0
"""The least silence between two bouts of one male."""
_BOUT_S, _BOUT_SPREAD = 110.0, 0.7
"""Median and spread (standard deviation of the logarithm) of a bout's length; assumed."""
_LIVES_DAYS = 25.0
"""Mean life of a singing adult; assumed."""
_AT_BEST = 0.75
"""Share of slots with a bout, at the best time of day and weather; assumed."""
_WARM_C = {SingsBy.DAY: 14.0, SingsBy.NIGHT: 8.0, SingsBy.BOTH: 10.0}
"""Under this nobody sings (Ragge & Reynolds 1998 give about 10 °C for most; from memory)."""
_NIGHT_BELOW, _DAY_ABOVE = -3.0, 5.0
"""Elevations of the sun, degrees."""

SEASONS: dict[str, tuple[float, float]] = {
    "Gryllus campestris": (150, 18),
    "Gryllus bimaculatus": (190, 40),
    "Nemobius sylvestris": (235, 25),
    "Oecanthus pellucens": (225, 20),
    "Oecanthus fultoni": (235, 22),
    "Tettigonia viridissima": (210, 20),
    "Roeseliana roeselii": (205, 20),
    "Pholidoptera griseoaptera": (230, 25),
    "Chorthippus biguttulus": (220, 25),
    "Chorthippus brunneus": (220, 28),
    "Pseudochorthippus parallelus": (205, 25),
    "Cicada orni": (200, 20),
    "Magicicada septendecim": (158, 9),
    "Platypleura plumosa": (20, 35),
}
"""Day of the year of the peak and standard deviation in days; from memory of field guides, rounded."""
SOURCE_DB: dict[str, float] = {
    "Gryllus campestris": 84,
    "Gryllus bimaculatus": 84,
    "Nemobius sylvestris": 62,
    "Oecanthus pellucens": 76,
    "Oecanthus fultoni": 76,
    "Tettigonia viridissima": 88,
    "Roeseliana roeselii": 74,
    "Pholidoptera griseoaptera": 68,
    "Chorthippus biguttulus": 62,
    "Chorthippus brunneus": 62,
    "Pseudochorthippus parallelus": 58,
    "Cicada orni": 88,
    "Magicicada septendecim": 90,
    "Platypleura plumosa": 88,
}
"""Sound pressure level at 1 m, dB re 20 µPa, in the song's own band, mean over a song with its pauses. Rounded from
memory; published levels are peaks or fast maxima under many conditions and scatter by 10 dB."""


class Choir(msgspec.Struct, frozen=True, kw_only=True):
    """The males of one species around one recorder."""

    species: str
    males: float = 3.0
    """Expected number alive at the season's peak within `radius_m`; 0 for none."""
    radius_m: float = 35.0
    """They sit evenly over this circle, no nearer than 1 m."""


class Male(msgspec.Struct, frozen=True):
    """One singer."""

    species: str
    individual: str
    key: int
    """All his chances follow from it."""
    east_m: float
    north_m: float
    first: float
    last: float
    """Seconds since 1970 between which he sings."""

    @property
    def distance_m(self) -> float:
        return math.hypot(self.east_m, self.north_m)


class Bout(msgspec.Struct, frozen=True):
    """A stretch in which one male sings, seconds since 1970."""

    male: Male
    onset: float
    end: float


def males_of(choirs: Sequence[Choir], year: int, new_year: float, sensor: str, seed: int) -> list[Male]:
    """Everyone who sings there in a year that begins at `new_year` (seconds since 1970)."""
    found = []
    for choir in choirs:
        key = chance.mixed(seed, key_of(sensor), key_of(choir.species), year)
        draw = chance.stream(key)
        peak, width = SEASONS[choir.species]
        for number in range(_poisson(draw, choir.males * _hatched_per_alive(width))):
            first = new_year + draw.gauss(peak - _LIVES_DAYS / 2, width) * sun.DAY_S
            away = max(1.0, choir.radius_m * math.sqrt(draw.random()))
            bearing = draw.uniform(0.0, 2.0 * math.pi)
            found.append(
                Male(
                    choir.species,
                    f"{sensor}:{choir.species}:{year}-{number + 1:03d}",
                    chance.mixed(key, number, 1),
                    away * math.sin(bearing),
                    away * math.cos(bearing),
                    first,
                    first + draw.expovariate(1.0 / _LIVES_DAYS) * sun.DAY_S,
                )
            )
    return found


def bouts(male: Male, start: float, end: float, inclined: Callable[[str, float], float]) -> Iterator[Bout]:
    """His bouts that reach into `start` to `end`; `inclined(species, at)` is the chance of one, 0..1."""
    phase = SLOT_S * chance.uniform(male.key, 0)
    for slot in range(math.floor((start - phase) / SLOT_S), math.floor((end - phase) / SLOT_S) + 1):
        opens = phase + slot * SLOT_S
        if not male.first <= opens < male.last or chance.uniform(male.key, 1, slot) >= inclined(male.species, opens):
            continue
        draw = chance.stream(male.key, 2, slot)
        length = min(draw.lognormvariate(math.log(_BOUT_S), _BOUT_SPREAD), SLOT_S - PAUSE_S)
        onset = opens + draw.uniform(0.0, SLOT_S - PAUSE_S - length)
        if onset < end and onset + length > start:
            yield Bout(male, onset, onset + length)


class Conditions:
    """How inclined each species is to sing at a place, by sun and weather; the latest answers are kept."""

    def __init__(self, climate: Climate, place: Place, station: int) -> None:
        self.climate = climate
        self.place = place
        self.station = station
        self._known: dict[tuple[SingsBy, int], float] = {}

    def temperature_c(self, at: float) -> float:
        return self.climate.temperature_c(at, self.place, self.station)

    def inclined(self, species: str, at: float) -> float:
        """Chance of a bout, 0..1, to the minute."""
        key = (SONGS[species].sings_by, round(at / 60.0))
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= 64:
                self._known.clear()
            found = self._known[key] = self._inclined(key[0], key[1] * 60.0)
        return found

    def _inclined(self, sings_by: SingsBy, at: float) -> float:
        if self.climate.rains(at):
            return 0.0
        height = sun.elevation(at, self.place)
        if sings_by is SingsBy.DAY:
            light = min(max((height - _DAY_ABOVE) / 10.0, 0.0), 1.0)
        elif sings_by is SingsBy.NIGHT:
            light = min(max((_NIGHT_BELOW - height) / 6.0, 0.0), 1.0)
        else:
            light = 0.7
        warm = (self.temperature_c(at) - _WARM_C[sings_by]) / 4.0
        return _AT_BEST * light * min(max(warm, 0.0), 1.0)


def _hatched_per_alive(width_days: float) -> float:
    """How many must come in a season for one to be alive at its peak, if days of coming are normal and lives
    exponential: 1 / ∫ N(e; -L/2, width) · exp(e / L) de over e < 0, summed by the day."""
    alive = 0.0
    for day in range(-200, 0):
        coming = math.exp(-0.5 * ((day + _LIVES_DAYS / 2) / width_days) ** 2) / (width_days * math.sqrt(2.0 * math.pi))
        alive += coming * math.exp(day / _LIVES_DAYS)
    return 1.0 / alive


def _poisson(draw: random.Random, mean: float) -> int:
    """A Poisson number, by Knuth's product for small means and in pieces for large ones."""
    count = 0
    while mean > 0.0:
        piece = min(mean, 30.0)
        mean -= piece
        product, limit = draw.random(), math.exp(-piece)
        while product > limit:
            count += 1
            product *= draw.random()
    return count
