"""The numbers that a bundle decides by, fitted on recordings that were held out. Every recording weighs the same.

A recording counts by its surest window, as a runtime answers for an event by its best second: that at which the summed
probability of the winning genus is highest, among the windows that an insect wins. A recording that noise wins
throughout names nothing.

In this order, since each depends on those before:

1. the temperature;
2. the genera whose species cannot be told apart: no threshold makes their names right in PRECISION of the recordings;
3. the threshold at which the species of the other genera are right that often;
4. the threshold at which the genus is, where no species is named;
5. the distance beyond which nothing is named.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize

from katydid.models.training.held_out import HeldOut, Said, softmax
from katydid.models.training.taxa import NOISE, genus_of, is_provisional

PRECISION = 0.90
"""What is named is right this often, at species rank and at genus rank each."""
LEAST = 5
"""A threshold must rest on this many recordings; a genus with fewer is not judged."""
KNOWN_REJECTED = 0.05
"""Share of known recordings that the distance may turn away."""
NEVER = 1.0
"""The threshold where none gives PRECISION."""


@dataclass(frozen=True)
class Choices:
    """What goes into the bundle."""

    temperature: float
    coarse: frozenset[str]
    """Genera whose species are answered at the genus."""
    accept: float
    """Smallest calibrated probability from which on species are named with PRECISION."""
    accept_genus: float
    """The same for the genus, where no species is named."""
    reject_above: float
    """Cosine distance."""


@dataclass(frozen=True)
class Surest:
    """A held-out recording at its surest window."""

    label: str
    window: int
    genus: str
    genus_probability: float
    """Summed over its species."""
    species: str
    """The best of that genus."""
    probability: float
    distance: float


def choose(folds: Sequence[HeldOut]) -> Choices:
    """Fit all five."""
    temperature = fit_temperature(folds)
    named = [best for held, said in _each(folds) if (best := surest(held.classes, said, temperature)) is not None]
    coarse = coarse_genera(named, sorted({name for held in folds for name in held.classes}))
    accept = accept_threshold(named, coarse)
    return Choices(temperature, coarse, accept, genus_threshold(named, coarse, accept), distance_bound(folds, named))


def crossed(folds: Sequence[HeldOut]) -> list[Choices]:
    """For each fold, what the other folds alone would choose: figures with these are of recordings that nothing was
    fitted on. A single fold has to do with its own."""
    if len(folds) < 2:
        return [choose(folds) for _ in folds]
    return [choose([*folds[:at], *folds[at + 1 :]]) for at in range(len(folds))]


def fit_temperature(folds: Sequence[HeldOut]) -> float:
    """The temperature with the least negative log-likelihood over held-out windows (Guo et al. 2017)."""
    rows = [(said.logits, held.classes.index(said.label)) for held, said in _each(folds) if said.label in held.classes]

    def loss(log_temperature: float) -> float:
        shares = [softmax(logits / np.exp(log_temperature))[:, label] for logits, label in rows]
        return float(np.mean([-np.log(np.maximum(share, 1e-12)).mean() for share in shares]))

    best = scipy.optimize.minimize_scalar(loss, bounds=(np.log(0.2), np.log(5.0)), method="bounded")
    return float(np.exp(best.x))


def surest(classes: Sequence[str], said: Said, temperature: float) -> Surest | None:
    """The window that speaks for a recording; None where noise wins all of them."""
    probability = softmax(said.logits / temperature)
    genera = sorted({genus_of(name) for name in classes})
    members = np.array([[genus_of(name) == genus for genus in genera] for name in classes], np.float64)
    summed = probability @ members
    winner = summed.argmax(axis=1)
    claims = np.where(np.array([genera[at] != NOISE for at in winner]), summed.max(axis=1), -1.0)
    window = int(claims.argmax())
    if claims[window] < 0.0:
        return None
    inside = np.where(members[:, winner[window]] > 0, probability[window], -1.0)
    return Surest(
        label=said.label,
        window=window,
        genus=genera[winner[window]],
        genus_probability=float(claims[window]),
        species=classes[int(inside.argmax())],
        probability=float(inside.max()),
        distance=float(said.distance[window]),
    )


def coarse_genera(named: Sequence[Surest], classes: Sequence[str]) -> frozenset[str]:
    """Genera for whose species no threshold gives PRECISION, though at least LEAST recordings were called one. A genus
    with one species among the classes is none: its answer would be as wrong."""
    species = Counter(genus_of(name) for name in classes)
    answers: dict[str, list[Surest]] = defaultdict(list)
    for each in named:
        if not is_provisional(each.species):
            answers[each.genus].append(each)
    return frozenset(
        genus
        for genus, some in answers.items()
        if species[genus] > 1 and len(some) >= LEAST and _species_threshold(some) == NEVER
    )


def accept_threshold(named: Sequence[Surest], coarse: frozenset[str]) -> float:
    """The least threshold at and above which species are right in PRECISION of the recordings, where they are named."""
    return _species_threshold([each for each in named if names_a_species(each.species, coarse)])


def genus_threshold(named: Sequence[Surest], coarse: frozenset[str], accept: float) -> float:
    """The same for the genus, over the recordings in which no species reaches its threshold or may be named."""
    rest = [each for each in named if not names_a_species(each.species, coarse) or each.probability < accept]
    right = [each.genus == genus_of(each.label) for each in rest]
    return _threshold([each.genus_probability for each in rest], right)


def distance_bound(folds: Sequence[HeldOut], named: Sequence[Surest]) -> float:
    """The distance that KNOWN_REJECTED of the known recordings exceed at their surest window."""
    known = {name for held in folds for name in held.classes} - {NOISE}
    distances = [each.distance for each in named if each.label in known]
    return float(np.quantile(distances, 1.0 - KNOWN_REJECTED)) if distances else 2.0


def names_a_species(name: str, coarse: frozenset[str]) -> bool:
    """False for what is answered at its genus."""
    return not is_provisional(name) and genus_of(name) not in coarse


def _species_threshold(named: Sequence[Surest]) -> float:
    return _threshold([each.probability for each in named], [each.species == each.label for each in named])


def _threshold(confidence: Sequence[float], right: Sequence[bool]) -> float:
    """The lowest confidence at and above which PRECISION of at least LEAST are right; NEVER where there is none."""
    order = np.argsort(-np.array(confidence), kind="stable")
    counts = np.arange(1, len(order) + 1)
    precision = np.cumsum(np.array(right, np.float64)[order]) / counts
    enough = np.flatnonzero((precision >= PRECISION) & (counts >= LEAST))
    if not len(enough):
        return NEVER
    lowest = float(confidence[order[enough[-1]]])
    # Rounded down, so that the recording at the threshold stays above it.
    return float(np.floor(lowest * 1000) / 1000)


def _each(folds: Sequence[HeldOut]) -> Iterator[tuple[HeldOut, Said]]:
    for held in folds:
        for said in held.said:
            yield held, said
