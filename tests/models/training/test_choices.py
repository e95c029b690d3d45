"""Thresholds on answers that are made up, so that what must come out is known."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("onnx", reason="needs the train extra")

from katydid.models.training.choices import (
    NEVER,
    Choices,
    Surest,
    choose,
    coarse_genera,
    crossed,
    fit_temperature,
    genus_threshold,
    surest,
)
from katydid.models.training.choices import accept_threshold as species_threshold
from katydid.models.training.held_out import HeldOut, Said, softmax

pytestmark = pytest.mark.train

CRICKET, WOOD_CRICKET, SP10, PLUMOSA, CAPENSIS, NOISE = CLASSES = (
    "Gryllus campestris",
    "Nemobius sylvestris",
    "Platypleura sp10",
    "Platypleura plumosa",
    "Platypleura capensis",
    "Noise",
)
NONE_COARSE: frozenset[str] = frozenset()


def said(label: str, shares: list[list[float]], distance: float = 0.1) -> Said:
    logits = np.log(np.array(shares, np.float32))
    return Said(label=label, group=label, logits=logits, distance=np.full(len(shares), distance))


def held(*recordings: Said) -> HeldOut:
    return HeldOut(CLASSES, recordings, 1.0, 0.0)


def shares(of: str, share: float) -> list[float]:
    """One window in which `of` gets `share` and the others the rest."""
    return [share if name == of else (1 - share) / (len(CLASSES) - 1) for name in CLASSES]


def called(label: str, species: str, probability: float, genus_probability: float | None = None) -> Surest:
    """A recording of `label` that is called `species`."""
    return Surest(
        label=label,
        window=0,
        genus=species.split(" ")[0],
        genus_probability=probability if genus_probability is None else genus_probability,
        species=species,
        probability=probability,
        distance=0.1,
    )


def test_species_are_named_down_to_where_nine_in_ten_are_right() -> None:
    """Nine right at .95 to .87, one wrong at .86, then one right at .85 (10 of 11) and two wrong below."""
    right = [called(CRICKET, CRICKET, 0.95 - 0.01 * at) for at in range(9)]
    others = [called(CRICKET, WOOD_CRICKET, 0.86), called(WOOD_CRICKET, WOOD_CRICKET, 0.85)]
    wrong = [called(CRICKET, WOOD_CRICKET, 0.80), called(CRICKET, WOOD_CRICKET, 0.79)]
    assert species_threshold([*right, *others, *wrong], NONE_COARSE) == pytest.approx(0.85, abs=0.0011)


def test_noise_that_is_called_a_species_counts_against_the_threshold() -> None:
    right = [called(CRICKET, CRICKET, 0.9) for _ in range(9)]
    wrong = [called(NOISE, CRICKET, 0.95) for _ in range(2)]
    assert species_threshold([*right, *wrong], NONE_COARSE) == NEVER


def test_a_threshold_needs_five_recordings() -> None:
    assert species_threshold([called(CRICKET, CRICKET, 0.9)] * 4, NONE_COARSE) == NEVER
    assert species_threshold([called(CRICKET, CRICKET, 0.9)] * 5, NONE_COARSE) == pytest.approx(0.9, abs=0.0011)


def test_a_genus_whose_species_are_taken_for_each_other_is_answered_as_the_genus() -> None:
    confused = [called(PLUMOSA, CAPENSIS, 0.99), called(CAPENSIS, CAPENSIS, 0.98)] * 3
    crickets = [called(CRICKET, CRICKET, 0.7)] * 6
    assert coarse_genera([*confused, *crickets], CLASSES) == {"Platypleura"}
    assert species_threshold([*confused, *crickets], frozenset({"Platypleura"})) == pytest.approx(0.7, abs=0.0011)


def test_a_genus_is_not_judged_by_few_recordings_nor_by_provisional_species_nor_where_it_has_one_species() -> None:
    few = [called(PLUMOSA, CAPENSIS, 0.99), called(CAPENSIS, PLUMOSA, 0.98)] * 2
    provisional = [called(PLUMOSA, SP10, 0.99)] * 20
    alone = [called(WOOD_CRICKET, CRICKET, 0.9)] * 20
    assert coarse_genera([*few, *provisional, *alone], CLASSES) == NONE_COARSE


def test_the_genus_threshold_rests_on_what_is_not_named_as_a_species() -> None:
    """Sure species do not lend their precision to the genus: of the six others five are right from .6 on, four of
    them and one of another genus from .5 on."""
    sure = [called(CRICKET, CRICKET, 0.95)] * 50
    right = [called(PLUMOSA, CAPENSIS, 0.9, 0.6)] * 5
    wrong = [called(CRICKET, CAPENSIS, 0.4, 0.5)] * 5
    coarse = frozenset({"Platypleura"})
    assert genus_threshold([*sure, *right, *wrong], coarse, 0.9) == pytest.approx(0.6, abs=0.0011)


def test_a_recording_counts_by_its_surest_window_that_is_no_noise() -> None:
    windows = said(CRICKET, [shares(NOISE, 0.99), shares(WOOD_CRICKET, 0.7), shares(CRICKET, 0.9)])
    best = surest(CLASSES, windows, 1.0)
    assert best is not None
    assert (best.window, best.species, best.genus) == (2, CRICKET, "Gryllus")
    assert best.probability == pytest.approx(0.9)


def test_a_genus_sums_its_species() -> None:
    best = surest(CLASSES, said(SP10, [[0.30, 0.05, 0.2, 0.3, 0.1, 0.05]]), 1.0)
    assert best is not None
    assert (best.genus, best.species) == ("Platypleura", PLUMOSA)
    assert best.genus_probability == pytest.approx(0.6)


def test_a_recording_that_noise_wins_names_nothing() -> None:
    assert surest(CLASSES, said(CRICKET, [shares(NOISE, 0.6)]), 1.0) is None


def test_the_temperature_that_made_the_answers_too_sure_is_found() -> None:
    """Labels drawn from softmax(z); the network says 2.5 z."""
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1.5, (3000, len(CLASSES)))
    labels = [int(rng.choice(len(CLASSES), p=row)) for row in softmax(truth)]
    recordings = [
        Said(CLASSES[label], str(at), (2.5 * row[np.newaxis]).astype(np.float32), np.zeros(1))
        for at, (row, label) in enumerate(zip(truth, labels, strict=True))
    ]
    assert fit_temperature([held(*recordings)]) == pytest.approx(2.5, rel=0.08)


def test_one_in_twenty_known_recordings_lies_beyond_the_bound() -> None:
    recordings = [said(CRICKET, [shares(CRICKET, 0.7)], distance=at / 100) for at in range(101)]
    noise = [said(NOISE, [shares(NOISE, 0.7)], distance=5.0)] * 50
    assert choose([held(*recordings, *noise)]).reject_above == pytest.approx(0.95)


def test_each_fold_is_judged_by_what_the_others_choose() -> None:
    """The odd fold's distances are far larger: its own bound must not rest on them, the others' must."""
    near = held(*[said(CRICKET, [shares(CRICKET, 0.9)], distance=0.1)] * 10)
    far = held(*[said(CRICKET, [shares(CRICKET, 0.9)], distance=0.9)] * 10)
    bounds = [choices.reject_above for choices in crossed([near, near, far])]
    assert bounds == pytest.approx([0.9, 0.9, 0.1])
    assert isinstance(crossed([near])[0], Choices), "a single fold has to do with its own"
