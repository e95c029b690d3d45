"""Truth held beside result, with numbers worked out by hand."""

from __future__ import annotations

import pyarrow as pa
import pytest

from katydid.sensors.sources.simulated import Truth
from katydid.streams.comparison import compare
from katydid.streams.store.columns import DETECTION


def heard(file: str, taxon: str, decision: str = "accepted", probability: float | None = 0.9) -> dict[str, object]:
    return {
        "file": file,
        "kind": "clip",
        "taxon": taxon,
        "rank": "species" if " " in taxon else "genus",
        "decision": decision,
        "score": 0.7,
        "probability": probability,
    }


def table(*rows: dict[str, object]) -> pa.Table:
    return pa.Table.from_pylist([{name: row.get(name) for name in DETECTION.names} for row in rows], schema=DETECTION)


def clip(file: str, taxon: str = "") -> Truth:
    return Truth(file=file, kind="clip", taxon=taxon)


GRYLLUS, OECANTHUS = "Gryllus campestris", "Oecanthus pellucens"
TRUTH = [clip("a", GRYLLUS), clip("b", GRYLLUS), clip("c", GRYLLUS), clip("d", OECANTHUS), clip("e")]


def test_a_species_counts_once_in_a_clip_and_what_is_not_there_is_made_up() -> None:
    found = compare(
        TRUTH,
        table(
            heard("a", GRYLLUS, probability=0.8),
            heard("a", GRYLLUS, probability=0.6),
            heard("b", "Gryllus"),
            heard("d", GRYLLUS),
            heard("e", "Nemobius sylvestris"),
        ),
    )
    gryllus, oecanthus, nemobius = found.species[:3]
    assert (gryllus.there, gryllus.found, gryllus.genus_only, gryllus.made_up) == (3, 1, 1, 1)
    assert gryllus.mean_probability == pytest.approx(0.7)
    assert (oecanthus.there, oecanthus.found, oecanthus.made_up) == (1, 0, 0)
    assert (nemobius.there, nemobius.made_up) == (0, 1)
    # right 1; there 4; named 1 + 1 + 1 = 3: F1 = 2 / 7
    assert found.score == pytest.approx(2 / 7)


def test_what_was_not_accepted_or_is_no_organism_does_not_count() -> None:
    engine = {**heard("a", "Engine"), "rank": "none"}
    found = compare(TRUTH, table(heard("a", GRYLLUS, decision="review"), engine))
    assert found.score == 0.0
    assert [row.made_up for row in found.species] == [0, 0]


def test_what_waits_for_review_is_neither_found_nor_missed() -> None:
    found = compare(
        TRUTH,
        table(heard("a", GRYLLUS), heard("a", GRYLLUS, decision="review"), heard("b", "Gryllus", decision="review")),
    )
    assert [(row.found, row.for_review, row.made_up) for row in found.species] == [(1, 1, 0), (0, 0, 0)]


def test_a_genus_in_a_clip_without_any_of_its_species_is_made_up() -> None:
    found = compare(TRUTH, table(heard("d", "Gryllus")))
    assert [(row.species, row.made_up) for row in found.species] == [(GRYLLUS, 0), (OECANTHUS, 0), ("Gryllus", 1)]


def sitting(file: str, x: float) -> Truth:
    return Truth(file=file, kind="frame", taxon="moth", box_x=x, box_y=0.1, box_w=0.1, box_h=0.1)


def boxed(file: str, x: float) -> dict[str, object]:
    return {"file": file, "kind": "frame", "box_x": x, "box_y": 0.1, "box_w": 0.1, "box_h": 0.1, "decision": "review"}


def test_boxes_are_matched_one_to_one() -> None:
    truth = [sitting("f", 0.1), sitting("f", 0.5), Truth(file="g", kind="frame")]
    found = compare(truth, table(boxed("f", 0.11), boxed("f", 0.12), boxed("f", 0.56), boxed("g", 0.3)))
    # 0.11 and 0.12 fit the first (overlap 0.9 / 1.1 and 0.8 / 1.2), one of them only; 0.56 overlaps 0.5 by 0.4 / 1.6.
    assert (found.insects, found.insects_found, found.insects_made_up, found.frames) == (2, 1, 3, 2)


def test_nothing_there_and_nothing_named_scores_nought() -> None:
    found = compare([clip("a")], table())
    assert found.score == 0.0
    assert found.species == ()
