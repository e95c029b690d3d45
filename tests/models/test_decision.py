"""From scores to a name at a rank and a verdict: tests that read as biology."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from katydid.models.decide.decision import Answer, Calibrate, Judge, Names
from katydid.models.manifest import (
    Activation,
    BundleKind,
    BundleManifest,
    Label,
    NearestNeighbours,
    Role,
    Thresholds,
)
from katydid.models.outcome import Verdict
from katydid.models.settings import IdentifySettings


def taxon(index: int, name: str, *, answer_rank: str = "") -> Label:
    return Label(
        index=index, taxon_id=f"name:{name}", name=name, rank="species", higher=(("genus", name.split()[0]),),
        answer_rank=answer_rank,
    )  # fmt: skip


def other(index: int, name: str, role: Role) -> Label:
    return Label(index=index, taxon_id=f"name:{name}", name=name, rank="none", role=role)


CAPENSIS, PLUMOSA, SP10, FIELD_CRICKET, WIND, UNKNOWN = range(6)
SONGS = [
    taxon(CAPENSIS, "Platypleura capensis"),
    taxon(PLUMOSA, "Platypleura plumosa"),
    taxon(SP10, "Brevisiana sp10", answer_rank="genus"),
    taxon(FIELD_CRICKET, "Gryllus campestris"),
    other(WIND, "Wind", Role.NOISE),
    other(UNKNOWN, "Unknown insect", Role.UNKNOWN),
]

GREAT_TIT, BLACKBIRD, ENGINE, HUMAN, NOTHING = range(5)
DAWN = [
    taxon(GREAT_TIT, "Parus major"),
    taxon(BLACKBIRD, "Turdus merula"),
    other(ENGINE, "Engine", Role.NOISE),
    other(HUMAN, "Human vocal", Role.HUMAN),
    other(NOTHING, "Background", Role.BACKGROUND),
]


def uncalibrated(scores: NDArray[np.floating]) -> None:
    return None


def judge(
    labels: list[Label],
    activation: Activation,
    *,
    thresholds: Thresholds | None = None,
    settings: IdentifySettings | None = None,
    calibrate: Calibrate = uncalibrated,
    reject_above: float | None = None,
    kind: BundleKind = BundleKind.SOUND_CLASSIFIER,
) -> Judge:
    manifest = BundleManifest(
        format=1, name="test", version="1", title="", kind=kind, graphs=(), activation=activation,
        thresholds=thresholds or Thresholds(), licence="CC0-1.0", credit="", uses="", files={},
        neighbours=None if reject_above is None else NearestNeighbours(reject_above=reject_above),
    )  # fmt: skip
    return Judge(Names(manifest, labels), manifest, settings or IdentifySettings(), calibrate)


def exclusive(*scores: float, distance: float | None = None, **options: object) -> Answer | None:
    """The answer of a softmax bundle to six scores, or None."""
    reading = judge(SONGS, Activation.SOFTMAX, **options).reading(np.array(scores), distance)  # type: ignore[arg-type]
    return reading.answers[0] if reading.answers else None


def test_a_sure_species_is_accepted_as_the_species() -> None:
    answer = exclusive(0.91, 0.03, 0.02, 0.02, 0.01, 0.01)
    assert answer is not None and answer.taxon is not None
    assert (answer.taxon.name, answer.taxon.rank) == ("Platypleura capensis", "species")
    assert answer.decision.verdict is Verdict.ACCEPTED
    assert answer.decision.reason == "score 0.91 at or above 0.50"


def test_two_species_of_one_genus_between_which_it_wavers_are_the_genus() -> None:
    answer = exclusive(0.45, 0.40, 0.05, 0.05, 0.03, 0.02)
    assert answer is not None and answer.taxon is not None
    assert (answer.taxon.name, answer.taxon.rank) == ("Platypleura", "genus")
    assert answer.score == pytest.approx(0.85)
    assert answer.decision.verdict is Verdict.ACCEPTED
    assert [a.taxon.name for a in answer.alternatives[:2]] == ["Platypleura capensis", "Platypleura plumosa"]


def test_a_genus_that_outweighs_the_single_best_species_wins() -> None:
    answer = exclusive(0.30, 0.28, 0.02, 0.35, 0.03, 0.02)
    assert answer is not None and answer.taxon is not None
    assert answer.taxon.name == "Platypleura"


def test_where_neither_is_sure_the_species_goes_to_review() -> None:
    answer = exclusive(0.30, 0.05, 0.2, 0.2, 0.15, 0.1)
    assert answer is not None and answer.taxon is not None
    assert (answer.taxon.name, answer.decision.verdict) == ("Platypleura capensis", Verdict.REVIEW)
    assert answer.decision.reason == "score 0.30 under 0.50"


def test_a_species_may_have_its_own_threshold() -> None:
    strict = Thresholds(by_label={"name:Platypleura capensis": 0.95})
    answer = exclusive(0.91, 0.03, 0.02, 0.02, 0.01, 0.01, thresholds=strict)
    assert answer is not None and answer.taxon is not None
    assert answer.taxon.rank == "genus"


def test_a_provisional_species_is_answered_at_its_genus() -> None:
    answer = exclusive(0.02, 0.02, 0.9, 0.02, 0.02, 0.02)
    assert answer is not None and answer.taxon is not None
    assert (answer.taxon.name, answer.taxon.rank, answer.taxon.taxon_id) == ("Brevisiana", "genus", "name:Brevisiana")
    assert answer.alternatives[0].taxon.name == "Brevisiana sp10"
    assert answer.decision.verdict is Verdict.ACCEPTED
    assert "genus Brevisiana, whose species it cannot tell apart" in answer.decision.reason
    assert [(step.rank, step.name) for step in answer.lineage] == [
        ("species", "Brevisiana sp10"),
        ("genus", "Brevisiana"),
    ]


def test_a_genus_may_have_a_threshold_of_its_own() -> None:
    """No species reaches 0.9. Their sum, 0.85, is enough for a genus that must reach 0.8, and not for one at 0.9."""
    lenient = exclusive(0.45, 0.40, 0.05, 0.05, 0.03, 0.02, thresholds=Thresholds(accept=0.9, accept_genus=0.8))
    strict = exclusive(0.45, 0.40, 0.05, 0.05, 0.03, 0.02, thresholds=Thresholds(accept=0.9))
    assert lenient is not None and lenient.taxon is not None and strict is not None and strict.taxon is not None
    assert (lenient.taxon.name, lenient.decision.verdict) == ("Platypleura", Verdict.ACCEPTED)
    assert lenient.decision.reason == ("genus Platypleura, no species at or above 0.90: score 0.85 at or above 0.80")
    assert (strict.taxon.name, strict.decision.verdict) == ("Platypleura capensis", Verdict.REVIEW)


def test_a_species_answered_at_its_genus_needs_what_a_genus_needs() -> None:
    thresholds = Thresholds(accept=0.5, accept_genus=0.95)
    answer = exclusive(0.02, 0.02, 0.9, 0.02, 0.02, 0.02, thresholds=thresholds)
    assert answer is not None and answer.taxon is not None
    assert (answer.taxon.name, answer.decision.verdict) == ("Brevisiana", Verdict.REVIEW)


@pytest.mark.parametrize("winner", [WIND, UNKNOWN])
def test_where_wind_or_the_unknown_wins_no_organism_is_claimed(winner: int) -> None:
    scores = np.full(6, 0.08)
    scores[winner] = 0.6
    reading = judge(SONGS, Activation.SOFTMAX).reading(scores, None)
    assert reading.answers == ()
    assert reading.silent is SONGS[winner].role
    assert reading.confidence == pytest.approx(0.6)


def test_what_is_unlike_all_training_is_unidentifiable_however_sure_the_softmax() -> None:
    answer = exclusive(0.97, 0.01, 0.005, 0.005, 0.005, 0.005, distance=0.62, reject_above=0.4)
    assert answer is not None and answer.taxon is not None
    assert (answer.taxon.name, answer.taxon.rank) == ("Unknown insect", "none")
    assert answer.decision.verdict is Verdict.UNIDENTIFIABLE
    assert "0.62" in answer.decision.reason and "0.40" in answer.decision.reason
    assert answer.alternatives[0].taxon.name == "Platypleura capensis", "what it would have been is kept"


def test_what_is_near_to_training_passes_that_gate() -> None:
    answer = exclusive(0.97, 0.01, 0.005, 0.005, 0.005, 0.005, distance=0.39, reject_above=0.4)
    assert answer is not None and answer.decision.verdict is Verdict.ACCEPTED


def test_thresholds_look_at_the_calibrated_probability() -> None:
    """The model says 0.9, and is right half as often as that."""

    def halved(scores: NDArray[np.floating]) -> NDArray[np.floating]:
        return scores / 2

    answer = exclusive(0.9, 0.0, 0.0, 0.0, 0.1, 0.0, calibrate=halved)
    assert answer is not None
    assert answer.score == pytest.approx(0.9)
    assert answer.probability == pytest.approx(0.45)
    assert answer.decision.verdict is Verdict.REVIEW
    assert answer.decision.reason.startswith("probability 0.45 under")


def test_under_the_report_threshold_there_is_no_answer() -> None:
    assert exclusive(0.09, 0.0, 0.0, 0.0, 0.05, 0.05) is None
    assert exclusive(0.09, 0.0, 0.0, 0.0, 0.05, 0.05, settings=IdentifySettings(min_probability=0.05)) is not None


def test_independent_labels_are_answers_of_their_own() -> None:
    reading = judge(DAWN, Activation.SIGMOID).reading(np.array([0.8, 0.3, 0.6, 0.05, 0.9]), None)
    found = [(a.taxon.name, a.taxon.rank, a.decision.verdict) for a in reading.answers if a.taxon]
    assert found == [
        ("Parus major", "species", Verdict.ACCEPTED),
        ("Engine", "none", Verdict.ACCEPTED),
        ("Turdus merula", "species", Verdict.REVIEW),
    ], "an engine is heard as what it is; background is never a detection"


def test_an_image_classifier_that_gives_scores_is_exclusive_and_a_sound_one_is_not() -> None:
    assert judge(DAWN, Activation.NONE, kind=BundleKind.IMAGE_CLASSIFIER).exclusive
    assert not judge(DAWN, Activation.NONE, kind=BundleKind.SOUND_CLASSIFIER).exclusive


def test_an_event_goes_on_to_seven_tenths_of_the_report_threshold_or_to_what_the_bundle_says() -> None:
    assert judge(DAWN, Activation.SIGMOID).release == pytest.approx(0.07)
    assert judge(DAWN, Activation.SIGMOID, thresholds=Thresholds(release=0.04)).release == 0.04
    low = judge(
        DAWN, Activation.SIGMOID, thresholds=Thresholds(release=0.5), settings=IdentifySettings(min_probability=0.2)
    )
    assert low.release == 0.2


def test_equal_alternatives_come_in_the_order_of_the_labels() -> None:
    answer = exclusive(0.6, 0.1, 0.1, 0.1, 0.05, 0.05, settings=IdentifySettings(alternatives=2))
    assert answer is not None
    assert [a.taxon.name for a in answer.alternatives] == ["Platypleura plumosa", "Brevisiana sp10"]


def test_background_takes_no_alternative_its_place() -> None:
    two = IdentifySettings(alternatives=2)
    reading = judge(DAWN, Activation.SIGMOID, settings=two).reading(np.array([0.9, 0.05, 0.04, 0.03, 0.6]), None)
    (great_tit,) = reading.answers
    assert [a.taxon.name for a in great_tit.alternatives] == ["Turdus merula", "Engine"]


def test_a_report_threshold_of_zero_still_gives_one_answer_where_classes_exclude() -> None:
    everything = IdentifySettings(min_probability=0.0)
    reading = judge(SONGS, Activation.SOFTMAX, settings=everything).reading(
        np.array([0.6, 0.0, 0.1, 0.1, 0.2, 0.0]), None
    )
    assert [answer.taxon.name for answer in reading.answers if answer.taxon] == ["Platypleura capensis"]
