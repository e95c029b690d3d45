"""Probabilities at every rank."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.models.decide.lineage import Lineage
from katydid.models.manifest import Label, Role

FAMILIES = {"Platypleura": "Cicadidae", "Cicada": "Cicadidae", "Gryllus": "Gryllidae"}


def label(index: int, name: str, role: Role = Role.TAXON) -> Label:
    genus = name.split()[0]
    higher = () if role is not Role.TAXON else (("genus", genus), ("family", FAMILIES[genus]), ("class", "Insecta"))
    return Label(index=index, taxon_id=f"name:{name}", name=name, rank="species", role=role, higher=higher)


LABELS = [
    label(0, "Platypleura capensis"),
    label(1, "Platypleura plumosa"),
    label(2, "Cicada orni"),
    label(3, "Gryllus campestris"),
    label(4, "Gryllus bimaculatus"),
    label(5, "noise", Role.NOISE),
]

probabilities = st.lists(st.floats(0, 1), min_size=6, max_size=6).filter(lambda values: sum(values) > 0.01)


@given(probabilities)
def test_children_sum_to_their_parent_and_nothing_falls_on_the_way_up(raw: list[float]) -> None:
    values = np.array(raw) / sum(raw)
    lineage = Lineage(LABELS, exclusive=True)
    genera = {g: lineage.probability(("genus", g), values) for g in FAMILIES}
    cicadas = lineage.probability(("family", "Cicadidae"), values)
    assert cicadas == pytest.approx(genera["Platypleura"] + genera["Cicada"], abs=1e-6)
    assert genera["Platypleura"] == pytest.approx(values[0] + values[1], abs=1e-6)
    assert lineage.probability(("class", "Insecta"), values) == pytest.approx(1 - values[5], abs=1e-6)
    for index in range(6):
        path = [rank.probability for rank in lineage.probabilities(index, values)]
        assert path == sorted(path)


@given(probabilities)
def test_independent_labels_give_a_lower_bound_that_never_falls(raw: list[float]) -> None:
    values = np.array(raw)
    lineage = Lineage(LABELS, exclusive=False)
    assert lineage.probability(("family", "Cicadidae"), values) == max(values[:3])
    for index in range(5):
        path = [rank.probability for rank in lineage.probabilities(index, values)]
        assert path == sorted(path)
        assert path[0] == values[index]


def test_it_reads_from_the_leaf_upwards() -> None:
    lineage = Lineage(LABELS, exclusive=True)
    found = lineage.probabilities(0, np.array([0.5, 0.2, 0.1, 0.1, 0.05, 0.05]))
    assert [(r.rank, r.name) for r in found] == [
        ("species", "Platypleura capensis"),
        ("genus", "Platypleura"),
        ("family", "Cicadidae"),
        ("class", "Insecta"),
    ]
    assert [r.probability for r in found] == pytest.approx([0.5, 0.7, 0.8, 0.95])


def test_what_is_no_taxon_has_no_lineage() -> None:
    assert Lineage(LABELS, exclusive=True).probabilities(5, np.full(6, 1 / 6)) == ()


def test_labels_that_disagree_on_what_is_above_still_never_fall() -> None:
    """One label of the genus does not know the family: the family holds it all the same."""
    labels = [
        Label(index=0, taxon_id="a", name="Parus major", rank="species", higher=(("genus", "Parus"),)),
        Label(
            index=1,
            taxon_id="b",
            name="Parus minor",
            rank="species",
            higher=(("genus", "Parus"), ("family", "Paridae")),
        ),
    ]
    found = Lineage(labels, exclusive=True).probabilities(1, np.array([0.6, 0.3]))
    assert [r.probability for r in found] == pytest.approx([0.3, 0.9, 0.9])


def test_a_label_that_is_a_genus_counts_among_its_species() -> None:
    labels = [
        Label(index=0, taxon_id="a", name="Parus", rank="genus", higher=(("family", "Paridae"),)),
        Label(
            index=1,
            taxon_id="b",
            name="Parus minor",
            rank="species",
            higher=(("genus", "Parus"), ("family", "Paridae")),
        ),
    ]
    lineage = Lineage(labels, exclusive=True)
    assert lineage.probability(("genus", "Parus"), np.array([0.25, 0.5])) == pytest.approx(0.75)
