"""Thresholds on answers that are made up, so that what must come out is known."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("onnx", reason="needs the train extra")

from katydid.models.training.choices import accept_threshold, distance_bound, fit_temperature
from katydid.models.training.held_out import HeldOut, Said, softmax

pytestmark = pytest.mark.train

CLASSES = ("Gryllus campestris", "Nemobius sylvestris", "Platypleura sp10", "Noise")


def said(label: str, shares: list[list[float]], distance: float = 0.1) -> Said:
    logits = np.log(np.array(shares, np.float32))
    return Said(label=label, group=label, logits=logits, distance=np.full(len(shares), distance))


def held(*recordings: Said) -> HeldOut:
    return HeldOut(CLASSES, recordings, 1.0, 0.0)


def sure(label: str, of: str, share: float) -> Said:
    """One window in which `of` gets `share`."""
    rest = (1 - share) / 3
    return said(label, [[share if name == of else rest for name in CLASSES]])


def test_species_are_named_down_to_where_nine_in_ten_are_right() -> None:
    """Nine right at .95 to .87, one wrong at .86, then one right at .85 (10 of 11) and two wrong below."""
    right = [sure(CLASSES[0], CLASSES[0], 0.95 - 0.01 * at) for at in range(9)]
    others = [sure(CLASSES[0], CLASSES[1], 0.86), sure(CLASSES[1], CLASSES[1], 0.85)]
    wrong = [sure(CLASSES[0], CLASSES[1], 0.80), sure(CLASSES[0], CLASSES[1], 0.79)]
    assert accept_threshold([held(*right, *others, *wrong)], 1.0) == pytest.approx(0.85, abs=0.0011)


def test_provisional_species_and_noise_name_no_species_and_do_not_count() -> None:
    wrong = [sure(CLASSES[0], "Platypleura sp10", 0.99), sure(CLASSES[0], "Noise", 0.99)]
    assert accept_threshold([held(sure(CLASSES[0], CLASSES[0], 0.6), *wrong)], 1.0) == pytest.approx(0.6, abs=0.0011)


def test_where_nothing_is_right_no_species_is_ever_named() -> None:
    assert accept_threshold([held(sure(CLASSES[0], CLASSES[1], 0.9))], 1.0) == 1.0


def test_a_recording_counts_by_its_surest_window() -> None:
    windows = said(CLASSES[0], [[0.1, 0.7, 0.1, 0.1], [0.9, 0.04, 0.03, 0.03]])
    assert accept_threshold([held(windows)], 1.0) == pytest.approx(0.9, abs=0.0011)


def test_the_temperature_that_made_the_answers_too_sure_is_found() -> None:
    """Labels drawn from softmax(z); the network says 2.5 z."""
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1.5, (3000, 4))
    labels = [int(rng.choice(4, p=row)) for row in softmax(truth)]
    recordings = [
        Said(CLASSES[label], str(at), (2.5 * row[np.newaxis]).astype(np.float32), np.zeros(1))
        for at, (row, label) in enumerate(zip(truth, labels, strict=True))
    ]
    assert fit_temperature([held(*recordings)]) == pytest.approx(2.5, rel=0.08)


def test_one_in_twenty_known_recordings_lies_beyond_the_bound() -> None:
    recordings = [said(CLASSES[0], [[0.7, 0.1, 0.1, 0.1]], distance=at / 100) for at in range(101)]
    noise = [said("Noise", [[0.1, 0.1, 0.1, 0.7]], distance=5.0)] * 50
    assert distance_bound([held(*recordings, *noise)]) == pytest.approx(0.95)
