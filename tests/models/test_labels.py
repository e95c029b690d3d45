"""labels.csv, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.models.errors import BundleError
from katydid.models.labels import RANKS, read_labels, write_labels
from katydid.models.manifest import Label, Role

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\x00"), max_size=20)
HIGHER = st.lists(st.sampled_from(RANKS), unique=True, max_size=5).flatmap(
    lambda ranks: st.tuples(*[st.tuples(st.just(r), TEXT.filter(bool)) for r in sorted(ranks, key=RANKS.index)])
)


@st.composite
def label_lists(draw: st.DrawFn) -> tuple[Label, ...]:
    count = draw(st.integers(0, 8))
    return tuple(
        Label(
            index=index,
            taxon_id=draw(TEXT),
            name=draw(TEXT),
            rank=draw(TEXT),
            common_name=draw(TEXT),
            role=draw(st.sampled_from(Role)),
            higher=draw(HIGHER),
            answer_rank=draw(st.sampled_from(["", "genus"])),
        )
        for index in range(count)
    )


@given(label_lists())
def test_labels_come_back_as_they_went(labels: tuple[Label, ...]) -> None:
    assert read_labels(write_labels(labels), "labels.csv") == labels


def test_the_file_is_what_a_person_expects_in_a_spreadsheet() -> None:
    label = Label(
        index=0,
        taxon_id="name:Apis mellifera",
        name="Apis mellifera",
        rank="species",
        common_name="Honey bee, western",
        higher=(("genus", "Apis"), ("family", "Apidae")),
    )
    assert write_labels([label]).decode().splitlines() == [
        "index,taxon_id,name,rank,common_name,role,answer_rank,genus,family",
        '0,name:Apis mellifera,Apis mellifera,species,"Honey bee, western",taxon,,Apis,Apidae',
    ]


def test_a_spreadsheet_may_leave_a_mark_other_line_ends_and_another_order() -> None:
    data = "\ufeffindex,name,taxon_id,rank\r\n1,B b,x:2,species\r\n0,A a,x:1,species\r\n".encode()
    labels = read_labels(data, "labels.csv")
    assert [(label.index, label.name, label.taxon_id, label.role) for label in labels] == [
        (0, "A a", "x:1", Role.TAXON),
        (1, "B b", "x:2", Role.TAXON),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no header line"),
        (b"index,name\n0,a\n", "the column 'taxon_id' is missing"),
        (b"index,taxon_id,name,rank\n0,a,b\n", "line 2 has 3 fields, the header has 4"),
        (b"index,taxon_id,name,rank\n0,a,b,c\n2,a,b,c\n", "do not run from 0 to 1 without a gap"),
        (b"index,taxon_id,name,rank\n0,a,b,c\n0,a,b,c\n", "do not run from 0"),
        (b"index,taxon_id,name,rank\nx,a,b,c\n", "line 2: invalid literal"),
        (b"index,taxon_id,name,rank,role\n0,a,b,c,ghost\n", "line 2: 'ghost' is not a valid Role"),
        (b"index,taxon_id,name,rank,name\n0,a,b,c,d\n", "two columns have one name"),
        (b"index,taxon_id,name,rank\n0,\xff,b,c\n", "no CSV in UTF-8"),
    ],
)
def test_a_damaged_list_says_where(data: bytes, message: str) -> None:
    with pytest.raises(BundleError, match=f"here: .*{message}"):
        read_labels(data, "here")


def test_a_rank_without_a_column_is_not_lost_silently() -> None:
    label = Label(index=0, taxon_id="x", name="x", rank="species", higher=(("clan", "Y"),))
    with pytest.raises(BundleError, match="'clan' is no rank"):
        write_labels([label])
