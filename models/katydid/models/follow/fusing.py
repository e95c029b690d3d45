"""One name from many detections: probabilities fused along the track.

Every model that names an animal in a capture gives one vote there: a probability for each taxon and rank that it
mentions (its answer, the answer's lineage, the alternatives), and 0 for all others. Fused is the **mean of the votes**.
Frames of one sitting moth are nearly the same picture: a product would take a hundred of them for a hundred proofs and
end at certainty, while the mean is as well calibrated as the votes are.

The answer is the taxon that was answered with the most confidence in sum, so a species needs more than half of the
votes' weight against its own genus; its number is the fused one, to which all votes speak.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from katydid.models.follow.looks import Seen
from katydid.models.outcome import Alternative, RankProbability, Taxon, Verdict

Node = tuple[str, str]
"""(rank, name)"""

_LESS_SURE_FIRST = (Verdict.UNIDENTIFIABLE, Verdict.REVIEW, Verdict.ACCEPTED)


class Fused(msgspec.Struct, frozen=True, kw_only=True):
    """What a track's detections come to; fields as in `Occurrence`."""

    taxon: Taxon | None
    score: float
    probability: float | None
    lineage: tuple[RankProbability, ...]
    alternatives: tuple[Alternative, ...]
    verdict: Verdict
    accepted: int
    best_detection_id: str
    models: tuple[str, ...]


def fuse(sightings: Sequence[Sequence[Seen]], most_alternatives: int) -> Fused:
    """One name for an animal from what was seen of it in each capture; `sightings` is not empty, nor is any of it."""
    every = [seen for sighting in sightings for seen in sighting]
    named = [seen for seen in every if seen.taxon is not None]
    if not named:
        return _nameless(every)
    taxa = {seen.taxon.taxon_id: seen.taxon for seen in named if seen.taxon is not None}
    answered = dict.fromkeys(taxa, 0.0)
    for seen in named:
        answered[_key(seen)] += seen.confidence
    answer = min(answered, key=lambda taxon_id: (-answered[taxon_id], taxon_id))
    votes = [vote for sighting in sightings for vote in _votes(sighting)]
    tally = _Tally(votes, calibrated=all(seen.probability is not None for seen in named))
    bearing = [seen for seen in named if _key(seen) == answer]
    taxon = taxa[answer]
    return Fused(
        taxon=taxon,
        score=tally.score(taxon),
        probability=tally.probability(taxon),
        lineage=tally.lineage(bearing),
        alternatives=tally.alternatives(taxon, most_alternatives),
        verdict=_verdict(bearing),
        accepted=sum(seen.verdict is Verdict.ACCEPTED for seen in every),
        best_detection_id=min(bearing, key=lambda seen: (-seen.confidence, seen.detection_id)).detection_id,
        models=tuple(sorted({seen.model for seen in named})),
    )


def _votes(sighting: Sequence[Seen]) -> list[list[Seen]]:
    """The detections with a name, by the model that made them."""
    if len(sighting) == 1:
        return [] if sighting[0].taxon is None else [list(sighting)]
    votes: dict[str, list[Seen]] = {}
    for seen in sighting:
        if seen.taxon is not None:
            votes.setdefault(seen.model, []).append(seen)
    return list(votes.values())


class _Tally:
    """Sums of what the votes say of each taxon and rank."""

    def __init__(self, votes: Sequence[Sequence[Seen]], *, calibrated: bool) -> None:
        self._votes = len(votes)
        self._calibrated = calibrated
        self._scores: dict[Node, float] = {}
        self._sums: dict[Node, float] = {}
        self._taxa: dict[Node, Taxon] = {}
        for vote in votes:
            said = self._said(vote[0])
            for seen in vote[1:]:  # A model that gave one animal two names: of what both mention, the surer.
                for node, numbers in self._said(seen).items():
                    said[node] = max(said.get(node, numbers), numbers)
            for node, (score, confidence) in said.items():
                self._scores[node] = self._scores.get(node, 0.0) + score
                self._sums[node] = self._sums.get(node, 0.0) + confidence

    def score(self, taxon: Taxon) -> float:
        return min(1.0, self._scores[taxon.rank, taxon.name] / self._votes)

    def probability(self, taxon: Taxon) -> float | None:
        return self._mean((taxon.rank, taxon.name)) if self._calibrated else None

    def lineage(self, bearing: Sequence[Seen]) -> tuple[RankProbability, ...]:
        """At every rank that the detections with the answer's name state, never falling on the way up."""
        stated = max(bearing, key=lambda seen: (len(seen.lineage), seen.detection_id)).lineage
        found: list[RankProbability] = []
        for step in stated:
            below = found[-1].probability if found else 0.0
            fused = max(below, self._mean((step.rank, step.name)))
            found.append(RankProbability(rank=step.rank, name=step.name, probability=fused))
        return tuple(found)

    def alternatives(self, answer: Taxon, most: int) -> tuple[Alternative, ...]:
        others = [node for node, taxon in self._taxa.items() if taxon.taxon_id != answer.taxon_id]
        others.sort(key=lambda node: (-self._sums[node], node))
        return tuple(
            Alternative(
                taxon=self._taxa[node],
                score=min(1.0, self._scores[node] / self._votes),
                probability=self._mean(node) if self._calibrated else None,
            )
            for node in others[:most]
        )

    def _said(self, seen: Seen) -> dict[Node, tuple[float, float]]:
        """Taxon or rank → (score, confidence), of everything that a detection mentions."""
        said = {(step.rank, step.name): (step.probability, step.probability) for step in seen.lineage}
        for other in seen.alternatives:
            node = (other.taxon.rank, other.taxon.name)
            self._taxa.setdefault(node, other.taxon)
            said[node] = (other.score, other.score if other.probability is None else other.probability)
        if seen.taxon is not None:
            node = (seen.taxon.rank, seen.taxon.name)
            self._taxa.setdefault(node, seen.taxon)
            said[node] = (seen.score, seen.confidence)
        return said

    def _mean(self, node: Node) -> float:
        return min(1.0, self._sums[node] / self._votes)


def _nameless(every: Sequence[Seen]) -> Fused:
    return Fused(
        taxon=None,
        score=sum(seen.score for seen in every) / len(every),
        probability=None,
        lineage=(),
        alternatives=(),
        verdict=_verdict(every),
        accepted=sum(seen.verdict is Verdict.ACCEPTED for seen in every),
        best_detection_id=min(every, key=lambda seen: (-seen.score, seen.detection_id)).detection_id,
        models=(),
    )


def _key(seen: Seen) -> str:
    return "" if seen.taxon is None else seen.taxon.taxon_id


def _verdict(seen: Sequence[Seen]) -> Verdict:
    """That of most; where two are as many, the less sure."""
    counts = Counter(one.verdict for one in seen)
    return max(_LESS_SURE_FIRST, key=lambda verdict: counts[verdict])
