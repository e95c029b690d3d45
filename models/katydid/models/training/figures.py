"""How good the model is, in the words and the table that stand on its card: from held-out groups alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from katydid.models.metrics import Interval, auroc, by_group, macro_recall, top1
from katydid.models.training.choices import Choices, names_a_species
from katydid.models.training.held_out import HeldOut, Said, softmax
from katydid.models.training.taxa import NOISE


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
    distance: float
    """Both at the recording's surest window, as `katydid run` judges an event by its best second."""
    mean_distance: float
    """Over all its windows, as `katydid evaluate` ranks recordings."""
    window: str
    """The class that comes first at that window."""


def rows_of(folds: Sequence[HeldOut], temperature: float) -> list[Row]:
    """One row a held-out recording; answers by the mean log-probability over its windows, noise set aside."""
    return [_row(held, said, temperature) for held in folds for said in held.said]


def table(rows: Sequence[Row], unheard: Sequence[Row], choices: Choices) -> str:
    """The figures as a Markdown table, with intervals of a bootstrap by recording group."""
    insects = [row for row in rows if row.truth != NOISE]
    noise = [row for row in rows if row.truth == NOISE]
    lines = ["| figure | value [95 % by group] | recordings, groups |", "|---|---|---|"]
    lines += [
        _line("top-1, species", insects, lambda some: top1([r.truth for r in some], [r.answer for r in some])),
        _line("macro recall, species", insects, lambda some: _macro(some)),
        _line(
            "top-1, genus",
            insects,
            lambda some: top1([_genus(r.truth) for r in some], [_genus(r.answer) for r in some]),
        ),
        _line("insects called noise", insects, lambda some: float(np.mean([r.noise for r in some]))),
        _line("noise of kinds never heard, called noise", noise, lambda some: float(np.mean([r.noise for r in some]))),
        _line(
            "noise turned away (called noise, or too far)",
            noise,
            lambda some: float(np.mean([r.noise or r.distance > choices.reject_above for r in some])),
        ),
        *_naming(insects, choices),
        *_unheard(unheard, choices),
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


def _row(held: HeldOut, said: Said, temperature: float) -> Row:
    probability = softmax(said.logits / temperature)
    mean = np.log(np.maximum(probability, 1e-12)).mean(axis=0)
    taxa = [index for index, name in enumerate(held.classes) if name != NOISE]
    best = max(taxa, key=lambda index: mean[index])
    surest = int(probability[:, taxa].max(axis=1).argmax())
    return Row(
        truth=said.label,
        answer=held.classes[best],
        group=said.group,
        known=said.label in held.classes,
        noise=held.classes[int(mean.argmax())] == NOISE,
        probability=float(probability[surest, taxa].max()),
        distance=float(said.distance[surest]),
        mean_distance=float(said.distance.mean()),
        window=held.classes[taxa[int(probability[surest, taxa].argmax())]],
    )


def _line(name: str, rows: Sequence[Row], statistic: Callable[[list[Row]], float]) -> str:
    return _shown(name, _interval(rows, statistic), rows)


def _shown(name: str, interval: Interval, rows: Sequence[Row]) -> str:
    return f"| {name} | {interval} | {len(rows)}, {len({row.group for row in rows})} |"


def _interval(rows: Sequence[Row], statistic: Callable[[list[Row]], float]) -> Interval:
    return by_group([row.group for row in rows], lambda drawn: statistic([rows[at] for at in drawn]))


def _naming(insects: Sequence[Row], choices: Choices) -> list[str]:
    """How often a species is named, and how often that is right; and the genus of the others."""
    named = [row for row in insects if _named(row, choices)]
    rest = [row for row in insects if not _named(row, choices)]
    return [
        _line(
            f"a species is named (at or above {choices.accept:.2f}, no provisional one)",
            insects,
            lambda some: float(np.mean([_named(row, choices) for row in some])),
        ),
        _line("… and is right", named, lambda some: float(np.mean([row.window == row.truth for row in some]))),
        _line(
            "the genus is right for the others",
            rest,
            lambda some: float(np.mean([_genus(row.window) == _genus(row.truth) for row in some])),
        ),
    ]


def _named(row: Row, choices: Choices) -> bool:
    return row.probability >= choices.accept and names_a_species(row.window)


def _unheard(rows: Sequence[Row], choices: Choices) -> list[str]:
    """Species that were in no training batch at all, against held-out recordings of species that were."""
    if not rows:
        return []
    insects = [row for row in rows if row.truth != NOISE]
    strange = [row for row in insects if not row.known]
    return [
        _line(
            "AUROC, known against unheard species, by distance",
            insects,
            lambda some: _auroc(some, lambda r: -r.mean_distance),
        ),
        _line("AUROC, the same, by top probability", insects, lambda some: _auroc(some, lambda r: r.probability)),
        _line(
            f"unheard species turned away at the bound ({choices.reject_above:.3f})",
            strange,
            lambda some: float(np.mean([row.distance > choices.reject_above for row in some])),
        ),
    ]


def _auroc(rows: Sequence[Row], knownness: Callable[[Row], float]) -> float:
    return auroc([knownness(row) for row in rows if row.known], [knownness(row) for row in rows if not row.known])


def _macro(rows: Sequence[Row]) -> float:
    return macro_recall([row.truth for row in rows], [row.answer for row in rows])


def _genus(name: str) -> str:
    return name.split(" ")[0]
