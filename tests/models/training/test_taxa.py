from __future__ import annotations

import pytest

from katydid.models.errors import LabelledDataError
from katydid.models.manifest import Role
from katydid.models.training.taxa import NOISE, class_label, class_labels, is_provisional, species_name


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Grylluscampestris", "Gryllus campestris"),
        ("Chorthippusbiguttulus", "Chorthippus biguttulus"),
        ("Pseudochorthippusparallelus", "Pseudochorthippus parallelus"),
        ("Platypleuracfcatenata", "Platypleura cf. catenata"),
        ("Platypleurasp10", "Platypleura sp10"),
        ("Platypleurasp11cfhirtipennis", "Platypleura sp11 cf. hirtipennis"),
        ("gryllus_campestris", "Gryllus campestris"),
        ("Gryllus bimaculatus", "Gryllus bimaculatus"),
    ],
)
def test_labels_become_names(label: str, name: str) -> None:
    assert species_name(label) == name


def test_a_label_without_a_known_genus_says_how_to_write_it() -> None:
    with pytest.raises(LabelledDataError, match="'Unheardofsinger' names no species: write it as 'Genus species'"):
        species_name("Unheardofsinger")


@pytest.mark.parametrize("epithet", ["sp10", "sp. 3", "sp.", "cf. catenata", "sp11 cf. hirtipennis", "aff. divisa"])
def test_provisional_names_are_known_as_such(epithet: str) -> None:
    assert is_provisional(f"Platypleura {epithet}")


@pytest.mark.parametrize("epithet", ["campestris", "spinosa", "cfrixa", "affinis", "sphinx"])
def test_epithets_that_only_begin_alike_are_no_provisional_names(epithet: str) -> None:
    assert not is_provisional(f"Gryllus {epithet}")


def test_a_provisional_species_is_answered_at_its_genus() -> None:
    assert class_label(0, "Platypleura sp10").answer_rank == "genus"
    assert class_label(0, "Platypleura plumosa").answer_rank == ""


def test_a_species_of_a_genus_that_cannot_be_told_apart_is_answered_at_its_genus() -> None:
    cricket, cicada = class_labels(["Gryllus campestris", "Platypleura plumosa"], frozenset({"Platypleura"}))
    assert (cricket.answer_rank, cicada.answer_rank) == ("", "genus")


def test_higher_ranks_go_from_the_genus_upwards() -> None:
    assert class_label(0, "Gryllus campestris").higher == (
        ("genus", "Gryllus"),
        ("family", "Gryllidae"),
        ("order", "Orthoptera"),
        ("class", "Insecta"),
    )


def test_noise_is_no_taxon() -> None:
    label = class_labels(["Gryllus campestris", NOISE])[1]
    assert (label.index, label.role, label.rank) == (1, Role.NOISE, "none")
