"""Rows of the card's table: what the runtime's judge makes of held-out answers that are made up."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("onnx", reason="needs the train extra")

from katydid.models.outcome import Verdict
from katydid.models.training.choices import Choices
from katydid.models.training.figures import Row, rows_of, table
from katydid.models.training.held_out import HeldOut, Said

pytestmark = pytest.mark.train

CRICKET, WOOD_CRICKET, PLUMOSA, CAPENSIS, NOISE = CLASSES = (
    "Gryllus campestris",
    "Nemobius sylvestris",
    "Platypleura plumosa",
    "Platypleura capensis",
    "Noise",
)
CHOICES = Choices(temperature=1.0, coarse=frozenset({"Platypleura"}), accept=0.8, accept_genus=0.6, reject_above=0.3)


def row(label: str, shares: list[float], *, distance: float = 0.1, group: str = "a") -> Row:
    said = Said(label, group, np.log(np.array([shares], np.float32)), np.array([distance]))
    return rows_of([HeldOut(CLASSES, (said,), 1.0, 0.0)], [CHOICES])[0]


def test_a_sure_species_is_named() -> None:
    found = row(CRICKET, [0.9, 0.04, 0.02, 0.02, 0.02])
    assert found.accepted("species") and found.right


def test_species_that_cannot_be_told_apart_are_right_at_their_genus_though_the_species_is_wrong() -> None:
    found = row(PLUMOSA, [0.02, 0.03, 0.05, 0.85, 0.05])
    assert (found.answer, found.name, found.rank) == (CAPENSIS, "Platypleura", "genus")
    assert found.accepted("genus") and found.right and not found.accepted("species")


def test_a_wrong_genus_is_wrong() -> None:
    assert not row(CRICKET, [0.02, 0.03, 0.05, 0.85, 0.05]).right


def test_what_is_not_sure_enough_is_left_for_review() -> None:
    assert row(CRICKET, [0.45, 0.40, 0.05, 0.05, 0.05]).verdict is Verdict.REVIEW


def test_what_is_too_far_is_turned_away_and_noise_is_not_named() -> None:
    assert row(CRICKET, [0.9, 0.04, 0.02, 0.02, 0.02], distance=0.31).verdict is Verdict.UNIDENTIFIABLE
    assert row(NOISE, [0.1, 0.1, 0.1, 0.1, 0.6]).verdict is None


def test_the_table_counts_what_is_named_and_what_becomes_of_strangers() -> None:
    known = [
        row(CRICKET, [0.9, 0.04, 0.02, 0.02, 0.02], group="a"),
        row(WOOD_CRICKET, [0.9, 0.04, 0.02, 0.02, 0.02], group="b"),
        row(PLUMOSA, [0.02, 0.03, 0.05, 0.85, 0.05], group="c"),
        row(NOISE, [0.1, 0.1, 0.1, 0.1, 0.6], group="d"),
    ]
    strange = [
        row("Platypleura divisa", [0.02, 0.03, 0.05, 0.85, 0.05], group="e"),
        row("Gryllus bimaculatus", [0.9, 0.04, 0.02, 0.02, 0.02], group="f"),
        row("Gryllus bimaculatus", [0.9, 0.04, 0.02, 0.02, 0.02], group="g", distance=0.9),
        row(CRICKET, [0.9, 0.04, 0.02, 0.02, 0.02], group="h"),
    ]
    lines = table(known, strange, 0.3).splitlines()
    values = [(line.split(" | ")[0].removeprefix("| "), line.split(" | ")[1].split(" ")[0]) for line in lines[2:]]
    assert values[0] == ("top-1, species", "0.33")
    named = dict(values)
    assert named["a species is named and accepted"] == "0.67"
    assert values[values.index(("a species is named and accepted", "0.67")) + 1] == ("… and is right", "0.50")
    assert named["a genus is named and accepted"] == "0.33"
    assert named["either is named and accepted"] == "1.00"
    assert named["noise in which an insect is accepted"] == "0.00"
    assert named["unheard species turned away by distance (over 0.300)"] == "0.33"
    assert named["unheard species accepted as their genus"] == "0.33"
    assert named["unheard species accepted as a species that they are not"] == "0.33"
    assert named["AUROC, known against unheard species, by distance"] == "0.67"
