"""Which species live at which station, and how many: those that like the same places are found together.

One habitat axis runs through the region (dry and open, -1 … wet and wooded, +1, a standard normal in all). A species'
`habitat` is its correlation with it; the logarithm of its abundance at a station is

    log(mean) + spread · (habitat · h + sqrt(1 - habitat²) · own) - spread² / 2

with h the station's place on the axis and `own` a standard normal of the species and station alone. So the mean over
stations is `mean`, and the correlation of two species' log abundances is the product of their `habitat`s: two dry ones
occur together, a dry and a wet one exclude each other. Stations are not correlated by distance.
"""

from __future__ import annotations

import hashlib
import math

import msgspec

from katydid.sensors.sources.simulated.cameras import chance

_AXIS = 11


class Lives(msgspec.Struct, frozen=True, kw_only=True):
    """One species in the region."""

    taxon: str
    mean: float = 1.0
    """Mean abundance over stations: of a singer, males in earshot at the peak of its season; of a visitor to a camera,
    what its scene's rate is multiplied with."""
    habitat: float = 0.0
    """-1..1."""


class Community(msgspec.Struct, frozen=True, kw_only=True):
    """The species of a region."""

    species: tuple[Lives, ...]
    spread: float = 0.8
    """Standard deviation of the logarithm of an abundance among stations; 0: every station has the mean."""
    seed: int = 1

    def habitat_of(self, station: int) -> float:
        """Where the station lies on the axis."""
        return chance.stream(self.seed, _AXIS, station).gauss(0.0, 1.0)

    def abundance(self, station: int) -> dict[str, float]:
        """Taxon → how many, for station number 0, 1, …"""
        here = self.habitat_of(station)
        return {each.taxon: self._of(each, here, station) for each in self.species}

    def _of(self, species: Lives, here: float, station: int) -> float:
        own = chance.stream(self.seed, key_of(species.taxon), station).gauss(0.0, 1.0)
        habitat = max(-1.0, min(1.0, species.habitat))
        deviate = habitat * here + math.sqrt(1.0 - habitat * habitat) * own
        return species.mean * math.exp(self.spread * deviate - self.spread**2 / 2)


def key_of(words: str) -> int:
    """A number for words, the same in every process."""
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "big")
