"""From a model's scores to a name, at the rank that they carry, and a verdict with its sentence.

**Confidence** is the calibrated probability where the bundle has a calibration, else the score. All thresholds look
at it.

**Exclusive classes** (softmax; also an image classifier whose graph gives scores already): the winner is the genus, or
the kind of non-organism, with the most summed confidence; the leaf is the best class in it.

1. Noise, background or unknown wins: no organism is claimed.
2. The embedding lies further from everything that the model was trained on than its bound: *unidentifiable*.
3. The species, if its confidence reaches the accept threshold; else the genus, if the summed one reaches the genus's
   own (`accept_genus`, or the same): *accepted*.
4. Otherwise the species for *review* (the genus, where only that reaches the report threshold).

**Independent labels** (sigmoid): every label that reaches the report threshold is an answer of its own, *accepted* at
or above the accept threshold, else for *review*. Labels that are no taxon (an engine, a human voice) have rank "none".

A label with `answer_rank` "genus" (a provisional species, or one that the model takes for its sisters however sure it
is) is answered at its genus; the leaf stays among the alternatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from katydid.models.decide.lineage import GENUS, Lineage
from katydid.models.labels import NO_RANK, taxon_id
from katydid.models.manifest import Activation, BundleKind, BundleManifest, Label, Role, Thresholds
from katydid.models.outcome import Alternative, Decision, RankProbability, Taxon, Verdict
from katydid.models.settings import IdentifySettings

Scores = NDArray[np.floating]
Calibrate = Callable[[Scores], Scores | None]

RELEASE_SHARE = 0.7
"""An event goes on down to this share of the report threshold, where the bundle does not say."""

FAINT = 0.01
"""Alternatives with less confidence than this are not written."""

_SILENT_ROLES = (Role.NOISE, Role.BACKGROUND, Role.UNKNOWN)
"""Where one of these wins among exclusive classes, no detection is made."""

NO_CLAIM = -1.0
"""Under every threshold, also a report threshold of 0."""

UNKNOWN = Taxon(taxon_id=taxon_id("Unknown"), name="Unknown", rank=NO_RANK)


@dataclass(frozen=True)
class Answer:
    """What the scores of one look, or of one second of sound, come to."""

    taxon: Taxon | None
    score: float
    probability: float | None
    lineage: tuple[RankProbability, ...]
    alternatives: tuple[Alternative, ...]
    decision: Decision

    @property
    def confidence(self) -> float:
        return self.score if self.probability is None else self.probability


@dataclass(frozen=True)
class Reading:
    """What one look at a picture comes to."""

    answers: tuple[Answer, ...] = ()
    silent: Role | None = None
    """Exclusive classes, no answer: the kind of non-organism that won; None where only the confidence is too low."""
    confidence: float = 0.0
    """Of what won, where there is no answer."""


class Names:
    """What a bundle's labels come to: the tree, and the groups that compete with each other. Made once a bundle."""

    def __init__(self, manifest: BundleManifest, labels: Sequence[Label]) -> None:
        self.labels = tuple(labels)
        self.taxa = tuple(map(taxon_of, labels))
        self.exclusive = _exclusive(manifest)
        self.lineage = Lineage(labels, exclusive=self.exclusive)
        self.groups, self.group_of = _groups(self.labels, self.lineage)
        """`groups`: what competes; `group_of` [classes]: which of them a class belongs to."""
        self.heard = np.array([label.role is not Role.BACKGROUND for label in labels])
        self.genera = {label.name: taxon_of(label) for label in labels if label.rank == GENUS}
        unknown = [label for label in labels if label.role is Role.UNKNOWN]
        self.unknown = taxon_of(unknown[0]) if unknown else UNKNOWN


@dataclass(frozen=True)
class Group:
    """A genus (or a leaf without one) or a kind of non-organism. `role` TAXON has a `genus` where known."""

    role: Role
    genus: str | None = None


class Judge:
    """Answers for one bundle under one user's settings. Pure: the same scores give the same answer.

    `calibrate` takes scores [n, classes] and gives probabilities, or None without a calibration.
    `distance_bound`: cosine distance to the nearest training embedding above which nothing is named.
    """

    def __init__(
        self, names: Names, manifest: BundleManifest, settings: IdentifySettings, calibrate: Calibrate
    ) -> None:
        self.names = names
        self.exclusive = names.exclusive
        self._calibrate = calibrate
        self._thresholds = manifest.thresholds
        genus = manifest.thresholds.accept_genus
        self._accept_genus = manifest.thresholds.accept if genus is None else genus
        self._settings = settings
        self._distance_bound = None if manifest.neighbours is None else manifest.neighbours.reject_above
        self.report = _report(manifest.thresholds, settings)
        self.release = _release(manifest.thresholds, self.report)

    @property
    def keys(self) -> int:
        """How many things can be heard at a time: groups that exclude each other, or labels."""
        return len(self.names.groups) if self.exclusive else len(self.names.labels)

    def probabilities(self, scores: Scores) -> Scores | None:
        """Calibrated [classes] for scores [classes], or None."""
        row = self._calibrate(np.clip(scores, 0.0, 1.0)[np.newaxis])
        return None if row is None else row[0].astype(np.float64)

    def claims(self, scores: Scores, probabilities: Scores | None) -> Scores:
        """Confidence [keys]. Exclusive: only the winner has any, and none if it is no organism; independent labels:
        each its own, but for "background"."""
        confidence = scores if probabilities is None else probabilities
        if not self.exclusive:
            return np.where(self.names.heard, confidence, NO_CLAIM)
        sums = self._group_sums(confidence)
        winner = int(sums.argmax())
        only = np.full_like(sums, NO_CLAIM)
        if self.names.groups[winner].role not in _SILENT_ROLES:
            only[winner] = sums[winner]
        return only

    def reading(self, scores: Scores, distance: float | None) -> Reading:
        """What one look at a picture comes to: answers from the surest down, or why there is none."""
        probabilities = self.probabilities(scores)
        claims = self.claims(scores, probabilities)
        keys = np.flatnonzero(claims >= self.report)
        keys = keys[np.argsort(-claims[keys], kind="stable")]
        answers = tuple(self.answer(int(key), scores, probabilities, distance) for key in keys)
        if answers or not self.exclusive:
            return Reading(answers=answers)
        group, role = self.winner(scores, probabilities)
        sums = self._group_sums(scores if probabilities is None else probabilities)
        return Reading(silent=None if role is Role.TAXON else role, confidence=float(sums[group]))

    def winner(self, scores: Scores, probabilities: Scores | None) -> tuple[int, Role]:
        """Exclusive classes: the group with the most summed confidence, and what it stands for."""
        winner = int(self._group_sums(scores if probabilities is None else probabilities).argmax())
        return winner, self.names.groups[winner].role

    def answer(self, key: int, scores: Scores, probabilities: Scores | None, distance: float | None) -> Answer:
        """The answer for one key (of `claims`), from scores and probabilities [classes]."""
        confidence = scores if probabilities is None else probabilities
        leaf = self._leaf(key, confidence)
        if distance is not None and self._distance_bound is not None and distance > self._distance_bound:
            return self._too_far(leaf, scores, probabilities, distance)
        genus = self.names.lineage.genus(leaf)
        if genus is not None and self._answers_at_genus(leaf, genus, confidence):
            return self._genus(leaf, genus, scores, probabilities)
        return self._species(leaf, scores, probabilities)

    def _group_sums(self, confidence: Scores) -> Scores:
        sums: Scores = np.bincount(self.names.group_of, confidence, len(self.names.groups)).astype(np.float64)
        return sums

    def _leaf(self, key: int, confidence: Scores) -> int:
        if not self.exclusive:
            return key
        members = np.flatnonzero(self.names.group_of == key)
        return int(members[confidence[members].argmax()])

    def _accept(self, label: Label) -> float:
        """The threshold for a label's answer, at the rank that it is answered at."""
        usual = self._accept_genus if label.answer_rank == GENUS or label.rank == GENUS else self._thresholds.accept
        return self._thresholds.by_label.get(label.taxon_id, usual)

    def _answers_at_genus(self, leaf: int, genus: str, confidence: Scores) -> bool:
        label = self.names.labels[leaf]
        if label.rank == GENUS:
            return False
        if label.answer_rank == GENUS:
            return True
        if not self.exclusive or confidence[leaf] >= self._accept(label):
            return False
        summed = self.names.lineage.probability((GENUS, genus), confidence)
        return summed >= self._accept_genus or confidence[leaf] < self.report <= summed

    def _species(self, leaf: int, scores: Scores, probabilities: Scores | None) -> Answer:
        label = self.names.labels[leaf]
        score = float(scores[leaf])
        probability = None if probabilities is None else float(probabilities[leaf])
        return Answer(
            taxon=self.names.taxa[leaf],
            score=score,
            probability=probability,
            lineage=self._lineage(leaf, scores, probabilities),
            alternatives=self._alternatives(leaf, scores, probabilities),
            decision=verdict(score, probability, self._accept(label)),
        )

    def _genus(self, leaf: int, genus: str, scores: Scores, probabilities: Scores | None) -> Answer:
        label = self.names.labels[leaf]
        node = (GENUS, genus)
        score = self.names.lineage.probability(node, scores)
        probability = None if probabilities is None else self.names.lineage.probability(node, probabilities)
        never = label.answer_rank == GENUS
        accept = self._accept(label) if never else self._accept_genus
        why = "whose species it cannot tell apart" if never else f"no species at or above {self._accept(label):.2f}"
        return Answer(
            taxon=self.names.genera.get(genus, Taxon(taxon_id=taxon_id(genus), name=genus, rank=GENUS)),
            score=score,
            probability=probability,
            lineage=self._lineage(leaf, scores, probabilities),
            alternatives=self._alternatives(None, scores, probabilities),
            decision=verdict(score, probability, accept, at=f"genus {genus}, {why}: "),
        )

    def _too_far(self, leaf: int, scores: Scores, probabilities: Scores | None, distance: float) -> Answer:
        bound = self._distance_bound
        reason = f"unlike anything that the model was trained on: distance {distance:.2f} over {bound:.2f}"
        return Answer(
            taxon=self.names.unknown,
            score=float(scores[leaf]),
            probability=None if probabilities is None else float(probabilities[leaf]),
            lineage=self._lineage(leaf, scores, probabilities),
            alternatives=self._alternatives(None, scores, probabilities),
            decision=Decision(verdict=Verdict.UNIDENTIFIABLE, reason=reason),
        )

    def _lineage(self, leaf: int, scores: Scores, probabilities: Scores | None) -> tuple[RankProbability, ...]:
        return self.names.lineage.probabilities(leaf, scores if probabilities is None else probabilities)

    def _alternatives(self, named: int | None, scores: Scores, probabilities: Scores | None) -> tuple[Alternative, ...]:
        """The best classes but the one that was named, and but background."""
        confidence = scores if probabilities is None else probabilities
        best = np.flatnonzero(confidence >= FAINT)
        # Ties go to the lower index on every machine.
        best = best[np.argsort(-confidence[best], kind="stable")]
        others = [int(index) for index in best if index != named and self.names.heard[index]]
        return tuple(
            Alternative(
                taxon=self.names.taxa[index],
                score=float(scores[index]),
                probability=None if probabilities is None else float(probabilities[index]),
            )
            for index in others[: self._settings.alternatives]
        )


def verdict(score: float, probability: float | None, accept: float, at: str = "") -> Decision:
    """Accepted at or above the threshold, else for review, with the sentence that says so."""
    word, value = ("score", score) if probability is None else ("probability", probability)
    if value >= accept:
        return Decision(verdict=Verdict.ACCEPTED, reason=f"{at}{word} {value:.2f} at or above {accept:.2f}")
    return Decision(verdict=Verdict.REVIEW, reason=f"{at}{word} {value:.2f} under {accept:.2f}")


def unidentifiable(reason: str) -> Decision:
    """A gate spoke against it."""
    return Decision(verdict=Verdict.UNIDENTIFIABLE, reason=reason)


def taxon_of(label: Label) -> Taxon:
    """A label as a taxon; rank "none" for what is no organism."""
    rank = label.rank if label.role is Role.TAXON else NO_RANK
    return Taxon(taxon_id=label.taxon_id, name=label.name, rank=rank, common_name=label.common_name)


def _exclusive(manifest: BundleManifest) -> bool:
    """Softmax outputs exclude each other. A graph that gives scores already does not say: image classifiers are taken
    as exclusive (they end in a softmax), sound classifiers as labels that stand side by side."""
    if manifest.activation is Activation.NONE:
        return manifest.kind is BundleKind.IMAGE_CLASSIFIER
    return manifest.activation is Activation.SOFTMAX


def _groups(labels: Sequence[Label], lineage: Lineage) -> tuple[tuple[Group, ...], NDArray[np.intp]]:
    """Classes of one genus stand together, so do those of one kind of non-organism; other classes stand alone."""
    found: dict[Group | int, int] = {}
    groups: list[Group] = []
    of = []
    for index, label in enumerate(labels):
        genus = lineage.genus(index)
        group = Group(role=label.role, genus=genus)
        key: Group | int = index if label.role is Role.TAXON and genus is None else group
        if key not in found:
            found[key] = len(groups)
            groups.append(group)
        of.append(found[key])
    return tuple(groups), np.array(of, dtype=np.intp)


def _report(thresholds: Thresholds, settings: IdentifySettings) -> float:
    return thresholds.report if settings.min_probability is None else settings.min_probability


def _release(thresholds: Thresholds, report: float) -> float:
    release = RELEASE_SHARE * report if thresholds.release is None else thresholds.release
    return min(release, report)
