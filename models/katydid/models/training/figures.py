"""How good the model is, in the words and the table that stand on its card: from held-out groups alone.

What is named, at which rank and with which verdict, is decided by the runtime's own judge, at a recording's surest
window, with the numbers that others' recordings chose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from katydid.models.decide.decision import Judge, Names
from katydid.models.decide.lineage import GENUS
from katydid.models.metrics import Interval, auroc, by_group, macro_recall, top1
from katydid.models.outcome import Verdict
from katydid.models.settings import IdentifySettings
from katydid.models.training.choices import Choices, surest
from katydid.models.training.contract import manifest
from katydid.models.training.held_out import HeldOut, Said, softmax
from katydid.models.training.taxa import NOISE, class_labels, genus_of

SPECIES = "species"
LEAST_SHARE = 1e-12


@dataclass(frozen=True)
class Row:
    """One held-out recording with the answer to it."""

    truth: str
    answer: str
    group: str
    known: bool
    noise: bool
    """The noise class came first."""
    probability: float
    """Of the best taxon in any window."""
    distance: float
    """Mean over all its windows, as `katydid evaluate` ranks recordings."""
    verdict: Verdict | None = None
    """On the surest window, as `katydid run` judges an event by its best second; None where noise wins throughout."""
    name: str = ""
    rank: str = ""
    """What it is answered as."""

    def accepted(self, rank: str) -> bool:
        """Named at this rank, without a person's review."""
        return self.verdict is Verdict.ACCEPTED and self.rank == rank

    @property
    def right(self) -> bool:
        """The name is the true one, at its rank."""
        return self.name == (genus_of(self.truth) if self.rank == GENUS else self.truth)


def rows_of(folds: Sequence[HeldOut], choices: Sequence[Choices]) -> list[Row]:
    """One row a held-out recording, each fold judged by its own choices; answers by the mean log-probability over the
    windows, noise set aside."""
    return [
        _row(held, said, chosen, _judge(held, chosen))
        for held, chosen in zip(folds, choices, strict=True)
        for said in held.said
    ]


def table(rows: Sequence[Row], unheard: Sequence[Row], bound: float) -> str:
    """The figures as a Markdown table, with intervals of a bootstrap by recording group. `bound`: the distance that
    the unheard were judged by."""
    insects = [row for row in rows if row.truth != NOISE]
    noise = [row for row in rows if row.truth == NOISE]
    lines = ["| figure | value [95 % by group] | recordings, groups |", "|---|---|---|"]
    lines += [
        _line("top-1, species", insects, lambda some: top1([r.truth for r in some], [r.answer for r in some])),
        _line("macro recall, species", insects, lambda some: _macro(some)),
        _line(
            "top-1, genus",
            insects,
            lambda some: top1([genus_of(r.truth) for r in some], [genus_of(r.answer) for r in some]),
        ),
        _share("insects called noise", insects, lambda row: row.noise),
        _share("noise of kinds never heard, called noise", noise, lambda row: row.noise),
        *_naming(insects),
        _share("noise in which an insect is accepted", noise, _accepted),
        *_unheard(unheard, bound),
    ]
    return "\n".join(lines) + "\n"


def by_species(rows: Sequence[Row]) -> str:
    """Right and wrong per species, as a Markdown table."""
    lines = ["| species | groups | right | taken for |", "|---|---|---|---|"]
    insects = [row for row in rows if row.truth != NOISE]
    for name in sorted({row.truth for row in insects}):
        own = [row for row in insects if row.truth == name]
        wrong = Counter(row.answer for row in own if row.answer != name)
        taken = ", ".join(f"{answer} {count}" for answer, count in wrong.most_common())
        right = sum(row.answer == name for row in own)
        lines.append(f"| *{name}* | {len({row.group for row in own})} | {right} of {len(own)} | {taken} |")
    return "\n".join(lines) + "\n"


def _judge(held: HeldOut, choices: Choices) -> Judge:
    """The runtime's, for a fold's classes."""
    spec = manifest(choices, "")

    def calibrated(scores: NDArray[np.floating]) -> NDArray[np.floating]:
        return softmax(np.log(np.maximum(scores, LEAST_SHARE)) / choices.temperature)

    return Judge(Names(spec, class_labels(held.classes, choices.coarse)), spec, IdentifySettings(), calibrated)


def _row(held: HeldOut, said: Said, choices: Choices, judge: Judge) -> Row:
    probability = softmax(said.logits / choices.temperature)
    mean = np.log(np.maximum(probability, LEAST_SHARE)).mean(axis=0)
    taxa = [index for index, name in enumerate(held.classes) if name != NOISE]
    row = Row(
        truth=said.label,
        answer=held.classes[max(taxa, key=lambda index: mean[index])],
        group=said.group,
        known=said.label in held.classes,
        noise=held.classes[int(mean.argmax())] == NOISE,
        probability=float(probability[:, taxa].max()),
        distance=float(said.distance.mean()),
    )
    best = surest(held.classes, said, choices.temperature)
    if best is None:
        return row
    reading = judge.reading(softmax(said.logits[best.window]), best.distance)
    if not reading.answers or reading.answers[0].taxon is None:
        return row
    answer, taxon = reading.answers[0], reading.answers[0].taxon
    return replace(row, verdict=answer.decision.verdict, name=taxon.name, rank=taxon.rank)


def _line(name: str, rows: Sequence[Row], statistic: Callable[[list[Row]], float]) -> str:
    return _shown(name, _interval(rows, statistic), rows)


def _shown(name: str, interval: Interval, rows: Sequence[Row]) -> str:
    return f"| {name} | {interval} | {len(rows)}, {len({row.group for row in rows})} |"


def _interval(rows: Sequence[Row], statistic: Callable[[list[Row]], float]) -> Interval:
    return by_group([row.group for row in rows], lambda drawn: statistic([rows[at] for at in drawn]))


def _share(name: str, rows: Sequence[Row], holds: Callable[[Row], bool]) -> str:
    return _line(name, rows, lambda some: float(np.mean([holds(row) for row in some])))


def _accepted(row: Row) -> bool:
    return row.verdict is Verdict.ACCEPTED


def _naming(insects: Sequence[Row]) -> list[str]:
    """How often a species is named, a genus, either, and how often that is right."""
    species = [row for row in insects if row.accepted(SPECIES)]
    genus = [row for row in insects if row.accepted(GENUS)]
    return [
        _share("a species is named and accepted", insects, lambda row: row.accepted(SPECIES)),
        _share("… and is right", species, lambda row: row.right),
        _share("a genus is named and accepted", insects, lambda row: row.accepted(GENUS)),
        _share("… and is right", genus, lambda row: row.right),
        _share("either is named and accepted", insects, _accepted),
        _share("known species turned away by distance", insects, _turned_away),
    ]


def _unheard(rows: Sequence[Row], bound: float) -> list[str]:
    """Species that were in no training batch at all, against held-out recordings of species that were."""
    if not rows:
        return []
    insects = [row for row in rows if row.truth != NOISE]
    strange = [row for row in insects if not row.known]
    return [
        _line("AUROC, known against unheard species, by distance", insects, lambda some: _auroc(some, _nearness)),
        _line("AUROC, the same, by top probability", insects, lambda some: _auroc(some, lambda row: row.probability)),
        _share(f"unheard species turned away by distance (over {bound:.3f})", strange, _turned_away),
        _share("unheard species accepted as their genus", strange, lambda row: row.accepted(GENUS) and row.right),
        _share("unheard species accepted as another genus", strange, lambda row: row.accepted(GENUS) and not row.right),
        _share("unheard species accepted as a species that they are not", strange, lambda row: row.accepted(SPECIES)),
    ]


def _turned_away(row: Row) -> bool:
    return row.verdict is Verdict.UNIDENTIFIABLE


def _nearness(row: Row) -> float:
    return -row.distance


def _auroc(rows: Sequence[Row], knownness: Callable[[Row], float]) -> float:
    return auroc([knownness(row) for row in rows if row.known], [knownness(row) for row in rows if not row.known])


def _macro(rows: Sequence[Row]) -> float:
    return macro_recall([row.truth for row in rows], [row.answer for row in rows])
