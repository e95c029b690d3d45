"""Insect songs made from published numbers: carrier frequency, rhythm and what temperature does to both.

A song is built as the animal builds it. One stroke of the wings (or one buckling of the tymbals) is a *syllable*; a
group of syllables is an *echeme* (a chirp, a trill); echemes repeat. A cricket's syllable is nearly a pure tone, since
a resonant harp radiates it; a grasshopper's or bush-cricket's is a burst of noise in a broad band. (The words are those
of Ragge & Reynolds.)

**Temperature.** Muscles set the rhythm, and within the range in which insects sing their rate rises in a straight line
with temperature. Dolbear (1897) found it for the snowy tree cricket: T[°F] = 50 + (N − 40) / 4 for N chirps a minute,
which is N = 7.2 · (T[°C] − 4.44). The same line through zero at 4.44 °C (40 °F) meets what Ragge & Reynolds state for
other species: *Tettigonia viridissima* 5 echemes/s on cool nights, 10-15 commonly, 20 in heat; *Gryllus campestris*
2-4 chirps/s of syllables at 25-35/s in warm sunshine, under 1/s and under 10/s when it is cool. So every species here
has its rates at 25 °C and shares that line; cicadas, which warm themselves, have none. Resonant carriers of crickets
of the genus *Gryllus* hardly change; those of tree crickets rise with the rhythm.

Sources:

    DOLBEAR     A. E. Dolbear 1897, The cricket as a thermometer, American Naturalist 31: 970-971.
    RAGGE       D. R. Ragge & W. J. Reynolds 1998, The Songs of the Grasshoppers and Crickets of Western Europe.
    WALKER      T. J. Walker 1962, Factors responsible for intraspecific variation in the calling songs of crickets,
                Evolution 16: 407-428 (tree crickets' carrier against temperature).
    DOHERTY     J. A. Doherty 1985, Trade-off phenomena in calling song recognition and phonotaxis in the cricket
                Gryllus bimaculatus, J. Comp. Physiol. A 156: 787-801.
    METRANI     S. Metrani & R. Balakrishnan 2005, The utility of song and morphological characters in delineating
                species boundaries among sympatric tree crickets of the genus Oecanthus, J. Orthoptera Res. 14: 1-16.
    FONSECA     P. J. Fonseca 1991, Characteristics of the acoustic signals in nine species of cicadas,
                Bioacoustics 3: 173-192.
    MUEHLEISEN  R. T. Muehleisen 2007, Sound recordings from the 2007 emergence of Brood XIII cicada (1.3 kHz, Q 25).
    INSECTSET   InsectSet32 (Zenodo 7072196; B. Odé, E. Baker): where the books give a range, the value within it was
                set to what those recordings show, measured as the peak of the spectrum and of the envelope's spectrum.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

SILENT_BELOW_C = 4.44
"""Where Dolbear's line crosses zero, °C."""
REFERENCE_C = 25.0
"""The temperature at which the rates of the table hold, °C."""
PEAK = 0.5
"""Largest absolute sample of a song, of full scale."""

_ATTACK = 0.35
"""Share of a syllable in which it rises; it falls in the rest (closing strokes start sharply)."""


class SingsBy(StrEnum):
    """When the species sings; for simulators."""

    DAY = "day"
    NIGHT = "night"
    BOTH = "both"


class Song(msgspec.Struct, frozen=True, kw_only=True):
    """One species' calling song. Rates hold at 25 °C and follow Dolbear's line, unless `endothermic`."""

    species: str
    common_name: str
    carrier_hz: float
    """Peak of the spectrum at 25 °C."""
    carrier_hz_per_c: float = 0.0
    """Rise of the carrier with temperature, Hz/°C."""
    band_hz: tuple[float, float] | None = None
    """For a burst of noise: where the spectrum has fallen from its peak to nothing on either side; what lies above the
    Nyquist limit is left out. None: a tone."""
    harmonics: tuple[float, ...] = (1.0,)
    """For a tone: amplitudes of the fundamental, of twice it, of thrice it."""
    echemes_per_s: float
    syllables: tuple[int, int]
    """Fewest and most syllables of an echeme; an echeme ends before the next begins."""
    syllables_per_s: float
    """Within an echeme."""
    duty: float = 0.6
    """Share of a syllable's period in which it sounds."""
    crescendo: float = 0.0
    """0: all syllables equally loud; 1: the first is silent and they grow over the first half of the echeme."""
    endothermic: bool = False
    """True: temperature does not change the rates."""
    sings_by: SingsBy
    source: str
    """Names of the module's list of sources."""

    def rate_factor(self, temperature_c: float) -> float:
        """What the rates are multiplied with at this temperature: Dolbear's line, 1 at 25 °C, never under 0.1."""
        if self.endothermic:
            return 1.0
        return max((temperature_c - SILENT_BELOW_C) / (REFERENCE_C - SILENT_BELOW_C), 0.1)

    def carrier(self, temperature_c: float) -> float:
        """Peak of the spectrum at this temperature, Hz."""
        return self.carrier_hz + self.carrier_hz_per_c * (temperature_c - REFERENCE_C)


# fmt: off
_TABLE = (
    # Crickets: tones. Chirps of Gryllus: 3-5 syllables, 2-4 chirps/s in warmth (RAGGE).
    Song(species="Gryllus campestris", common_name="Field Cricket", carrier_hz=4_800, harmonics=(1.0, 0.05, 0.12),
         echemes_per_s=3.5, syllables=(3, 4), syllables_per_s=30, duty=0.6, crescendo=0.4, sings_by=SingsBy.BOTH,
         source="RAGGE, INSECTSET"),
    Song(species="Gryllus bimaculatus", common_name="Two-spotted Cricket", carrier_hz=4_900, harmonics=(1.0, 0.06, 0.1),
         echemes_per_s=3.0, syllables=(4, 5), syllables_per_s=25, duty=0.5, crescendo=0.3, sings_by=SingsBy.NIGHT,
         source="DOHERTY"),
    Song(species="Nemobius sylvestris", common_name="Wood Cricket", carrier_hz=4_300, harmonics=(1.0, 0.2, 0.1),
         echemes_per_s=2.0, syllables=(6, 14), syllables_per_s=37, duty=0.5, crescendo=0.5, sings_by=SingsBy.BOTH,
         source="RAGGE, INSECTSET"),
    Song(species="Oecanthus pellucens", common_name="Italian Tree Cricket", carrier_hz=3_500, carrier_hz_per_c=90,
         harmonics=(1.0, 0.02), echemes_per_s=1.3, syllables=(18, 26), syllables_per_s=40, duty=0.65, crescendo=0.3,
         sings_by=SingsBy.NIGHT, source="RAGGE, METRANI (slope of the carrier), INSECTSET"),
    Song(species="Oecanthus fultoni", common_name="Snowy Tree Cricket", carrier_hz=2_950, carrier_hz_per_c=70,
         echemes_per_s=2.467, syllables=(8, 8), syllables_per_s=50, duty=0.6, crescendo=0.2, sings_by=SingsBy.NIGHT,
         source="DOLBEAR, WALKER"),
    # Bush-crickets: broad bands that go on above 22 kHz.
    Song(species="Tettigonia viridissima", common_name="Great Green Bush-cricket", carrier_hz=10_000,
         band_hz=(6_000, 24_000), echemes_per_s=15, syllables=(2, 2), syllables_per_s=36, duty=0.7,
         sings_by=SingsBy.NIGHT, source="RAGGE"),
    Song(species="Roeseliana roeselii", common_name="Roesel's Bush-cricket", carrier_hz=19_000,
         band_hz=(9_000, 30_000), echemes_per_s=0.2, syllables=(360, 380), syllables_per_s=80, duty=0.7,
         sings_by=SingsBy.DAY, source="RAGGE"),
    Song(species="Pholidoptera griseoaptera", common_name="Dark Bush-cricket", carrier_hz=12_500,
         band_hz=(9_500, 28_000), echemes_per_s=1.0, syllables=(3, 3), syllables_per_s=22, duty=0.75, crescendo=0.4,
         sings_by=SingsBy.BOTH, source="RAGGE, INSECTSET"),
    # Grasshoppers: bands from 5 kHz, in warm sunshine.
    Song(species="Chorthippus biguttulus", common_name="Bow-winged Grasshopper", carrier_hz=7_500,
         band_hz=(4_500, 24_000), echemes_per_s=0.3, syllables=(22, 40), syllables_per_s=14, duty=0.85, crescendo=0.9,
         sings_by=SingsBy.DAY, source="RAGGE, INSECTSET"),
    Song(species="Chorthippus brunneus", common_name="Common Field Grasshopper", carrier_hz=8_500,
         band_hz=(5_000, 24_000), echemes_per_s=0.9, syllables=(9, 14), syllables_per_s=60, duty=0.8, crescendo=0.5,
         sings_by=SingsBy.DAY, source="RAGGE, INSECTSET"),
    Song(species="Pseudochorthippus parallelus", common_name="Meadow Grasshopper", carrier_hz=9_000,
         band_hz=(5_500, 24_000), echemes_per_s=0.35, syllables=(9, 13), syllables_per_s=7.5, duty=0.6, crescendo=0.8,
         sings_by=SingsBy.DAY, source="RAGGE, INSECTSET"),
    # Cicadas: warm-blooded singers, so no slope with temperature.
    Song(species="Cicada orni", common_name="Grey Cicada", carrier_hz=4_800, band_hz=(3_000, 9_000),
         echemes_per_s=6.0, syllables=(12, 14), syllables_per_s=190, duty=0.8, endothermic=True, sings_by=SingsBy.DAY,
         source="FONSECA"),
    Song(species="Magicicada septendecim", common_name="Linnaeus's 17-year Cicada", carrier_hz=1_300,
         echemes_per_s=0.3, syllables=(360, 400), syllables_per_s=150, duty=1.0, endothermic=True,
         sings_by=SingsBy.DAY, source="MUEHLEISEN"),
    Song(species="Platypleura plumosa", common_name="", carrier_hz=7_300, band_hz=(5_800, 9_000), echemes_per_s=0.2,
         syllables=(230, 236), syllables_per_s=48, duty=0.9, endothermic=True, sings_by=SingsBy.DAY,
         source="INSECTSET"),
)
# fmt: on

SONGS: dict[str, Song] = {each.species: each for each in _TABLE}
"""Species → its song."""


def song(
    species: str,
    seconds: float,
    sample_rate: int,
    temperature_c: float,
    rng: np.random.Generator,
    voice: np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """One male singing throughout: float32 [round(seconds · sample_rate)], peak 0.5 of full scale.

    Each call is another male: carrier within ± 2 %, rates within ± 4 % (one standard deviation) of the table. They are
    drawn from `voice` where it is given, so that one male can sing twice; all else from `rng`.
    Raises KeyError for a species that is not in SONGS, and ValueError where the carrier lies above the Nyquist limit
    or nothing is asked for.
    """
    if species not in SONGS:
        raise KeyError(f"no song of {species!r} is known; there are: {', '.join(sorted(SONGS))}")
    score = SONGS[species]
    samples = round(seconds * sample_rate)
    if samples < 1:
        raise ValueError(f"a song of {seconds} s at {sample_rate} Hz has no sample")
    voice = voice or rng
    carrier = score.carrier(temperature_c) * voice.normal(1.0, 0.02)
    if carrier >= sample_rate / 2:
        raise ValueError(f"{species} sings at {carrier:.0f} Hz, above what {sample_rate} Hz can hold")
    rate = score.rate_factor(temperature_c) * voice.normal(1.0, 0.04)
    sound = _rhythm(score, samples, sample_rate, rate, rng) * _voice(score, samples, sample_rate, carrier, rng)
    return np.asarray(sound * (PEAK / max(float(np.abs(sound).max()), 1e-12)), np.float32)


def _rhythm(score: Song, samples: int, sample_rate: int, rate: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """The envelope, [samples], 0..1: echemes from a random phase on, each made of syllables."""
    envelope = np.zeros(samples)
    period = sample_rate / (score.syllables_per_s * rate)
    shape = _syllable(max(round(period * score.duty), 2))
    at = -rng.uniform(0.0, 1.0) * sample_rate / (score.echemes_per_s * rate)
    while at < samples:
        count = int(rng.integers(score.syllables[0], score.syllables[1] + 1))
        for number, loudness in enumerate(_loudness(count, score.crescendo)):
            _add(envelope, shape * loudness * rng.uniform(0.9, 1.0), round(at + number * period))
        spacing = sample_rate / (score.echemes_per_s * rate) * rng.normal(1.0, 0.05)
        at += max(spacing, count * period)
    return envelope


def _syllable(samples: int) -> NDArray[np.float64]:
    """One syllable's envelope: a raised cosine that rises faster than it falls."""
    rise = max(round(samples * _ATTACK), 1)
    up = 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)
    fall = samples - rise
    down = 0.5 + 0.5 * np.cos(np.pi * np.arange(fall) / max(fall, 1))
    return np.concatenate([up, down])


def _loudness(count: int, crescendo: float) -> NDArray[np.float64]:
    """How loud each syllable of an echeme is, 0..1."""
    grown = np.minimum(np.arange(1, count + 1) / max(count / 2, 1), 1.0)
    return (1.0 - crescendo) + crescendo * grown


def _add(envelope: NDArray[np.float64], shape: NDArray[np.float64], start: int) -> None:
    """Add `shape` at `start`, clipped to the envelope."""
    first, last = max(start, 0), min(start + len(shape), len(envelope))
    if first < last:
        envelope[first:last] += shape[first - start : last - start]


def _voice(
    score: Song, samples: int, sample_rate: int, carrier: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """What the envelope shapes, [samples]: a tone with harmonics, or noise in the species' band."""
    if score.band_hz is None:
        drift = np.cumsum(rng.normal(0.0, 0.004, samples))  # the tone's phase wanders a little, as a living singer's
        phase = 2.0 * np.pi * carrier * np.arange(samples) / sample_rate + drift
        heard = [(n + 1, a) for n, a in enumerate(score.harmonics) if carrier * (n + 1) < sample_rate / 2]
        return np.asarray(sum(a * np.sin(n * phase) for n, a in heard))
    hertz = np.fft.rfftfreq(samples, 1.0 / sample_rate)
    ratio = carrier / score.carrier(REFERENCE_C)
    low, high = (edge * ratio for edge in score.band_hz)
    weight = np.interp(hertz, [low, carrier, high], [0.0, 1.0, 0.0], left=0.0, right=0.0)
    spectrum = np.fft.rfft(rng.standard_normal(samples)) * weight
    return np.asarray(np.fft.irfft(spectrum, samples))
