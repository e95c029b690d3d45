"""The numbers that a bundle decides by, fitted on recordings that were held out. Every recording weighs the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from katydid.models.training.held_out import HeldOut, Said, softmax
from katydid.models.training.taxa import NOISE, class_label

PRECISION = 0.90
"""A species is named where such answers are right this often; below that the genus is."""
KNOWN_REJECTED = 0.05
"""Share of known recordings that the distance may turn away."""


@dataclass(frozen=True)
class Choices:
    """What goes into the manifest."""

    temperature: float
    accept: float
    """Smallest calibrated probability from which on species are named with PRECISION."""
    reject_above: float
    """Cosine distance."""


def choose(folds: Sequence[HeldOut]) -> Choices:
    """Fit all three, in the order in which they depend on each other."""
    temperature = fit_temperature(folds)
    return Choices(temperature, accept_threshold(folds, temperature), distance_bound(folds))


def fit_temperature(folds: Sequence[HeldOut]) -> float:
    """The temperature with the least negative log-likelihood over held-out windows (Guo et al. 2017)."""
    rows = [(said.logits, held.classes.index(said.label)) for held, said in _each(folds) if said.label in held.classes]

    def loss(log_temperature: float) -> float:
        shares = [softmax(logits / np.exp(log_temperature))[:, label] for logits, label in rows]
        return float(np.mean([-np.log(np.maximum(share, 1e-12)).mean() for share in shares]))

    best = scipy.optimize.minimize_scalar(loss, bounds=(np.log(0.2), np.log(5.0)), method="bounded")
    return float(np.exp(best.x))


def accept_threshold(folds: Sequence[HeldOut], temperature: float) -> float:
    """The least threshold at which species, named at or above it, are right in PRECISION of the recordings.

    A recording counts by its surest window, since a runtime answers for an event by its best second. Recordings whose
    surest window is noise or a provisional species name no species and do not count.
    """
    confidence, right = [], []
    for held, said in _each(folds):
        probability = softmax(said.logits / temperature)
        window, first = np.unravel_index(int(probability.argmax()), probability.shape)
        if names_a_species(held.classes[first]):
            confidence.append(float(probability[window, first]))
            right.append(held.classes[first] == said.label)
    return _threshold(np.array(confidence), np.array(right, dtype=bool))


def distance_bound(folds: Sequence[HeldOut]) -> float:
    """The distance that KNOWN_REJECTED of the known recordings exceed at their surest window."""
    surest = [
        float(said.distance[softmax(said.logits).max(axis=1).argmax()])
        for held, said in _each(folds)
        if said.label != NOISE and said.label in held.classes
    ]
    return float(np.quantile(surest, 1.0 - KNOWN_REJECTED))


def _threshold(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The lowest confidence at and above which PRECISION are right; 1 where there is none."""
    order = np.argsort(-confidence, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(precision >= PRECISION)
    # Rounded down, so that the recording at the threshold stays above it.
    return float(np.floor(confidence[order][enough[-1]] * 1000) / 1000) if len(enough) else 1.0


def names_a_species(name: str) -> bool:
    """False for noise and for provisional species, which are answered at their genus."""
    return name != NOISE and not class_label(0, name).answer_rank


def _each(folds: Sequence[HeldOut]) -> Iterator[tuple[HeldOut, Said]]:
    for held in folds:
        for said in held.said:
            yield held, said
