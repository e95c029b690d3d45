"""What a bundle of classes that exclude each other hears over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from katydid.models.decide.decision import Judge, Names
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
from katydid.models.sound.listening import Heard, Listening
from katydid.models.sound.windows import Grid

NAMES = ("Gryllus campestris", "Gryllus bimaculatus", "Cicada orni", "wind")
LABELS = [
    Label(
        index=index, taxon_id=f"name:{name}", name=name, rank="none" if name == "wind" else "species",
        role=Role.NOISE if name == "wind" else Role.TAXON,
        higher=() if name == "wind" else (("genus", name.split()[0]),),
    )
    for index, name in enumerate(NAMES)
]  # fmt: skip

CAMPESTRIS, BIMACULATUS = [0.9, 0.04, 0.03, 0.03], [0.04, 0.9, 0.03, 0.03]
CICADA, WIND, EITHER_CRICKET = [0.03, 0.03, 0.9, 0.04], [0.1, 0.1, 0.1, 0.7], [0.46, 0.44, 0.05, 0.05]


def listen(rows: Sequence[Sequence[float]], distances: Sequence[float] | None = None) -> tuple[list[Heard], Listening]:
    """One window a second."""
    gate = None if distances is None else NearestNeighbours(reject_above=0.3)
    manifest = BundleManifest(
        format=1, name="t", version="1", title="", kind=BundleKind.SOUND_CLASSIFIER, graphs=(), neighbours=gate,
        activation=Activation.SOFTMAX, thresholds=Thresholds(), licence="", credit="", uses="", files={},
    )  # fmt: skip
    judge = Judge(Names(manifest, LABELS), manifest, IdentifySettings(), lambda scores: None)
    listening = Listening(judge, Grid(rate=10, samples=10, hop=10), len(LABELS))
    far = None if distances is None else np.array(distances)
    listening.hear(0, np.array(rows, dtype=np.float32), far)
    return listening.finish(10 * len(rows), far=far is not None), listening


def told(heard: Sequence[Heard]) -> list[tuple[str, int, int]]:
    return [(h.answer.taxon.name, h.first, h.last) for h in heard if h.answer.taxon]


def test_one_singer_after_the_other_is_two_events() -> None:
    heard, _ = listen([CAMPESTRIS, CAMPESTRIS, CICADA, CICADA])
    assert told(heard) == [("Gryllus campestris", 0, 1), ("Cicada orni", 2, 3)]


def test_of_a_tail_that_no_window_covers_nothing_is_said() -> None:
    """Calibration makes equal probabilities of no scores at all; the crickets' two together must not win by that."""
    manifest = BundleManifest(
        format=1, name="t", version="1", title="", kind=BundleKind.SOUND_CLASSIFIER, graphs=(),
        activation=Activation.SOFTMAX, thresholds=Thresholds(), licence="", credit="", uses="", files={},
    )  # fmt: skip
    judge = Judge(Names(manifest, LABELS), manifest, IdentifySettings(), lambda scores: np.full_like(scores, 0.25))
    listening = Listening(judge, Grid(rate=10, samples=10, hop=10, min_samples=5), len(LABELS))
    assert told(listening.finish(1, far=False)) == []
    assert sum(listening.silent.values()) == 0


def test_wind_ends_a_song_and_its_seconds_are_counted() -> None:
    heard, listening = listen([CICADA, WIND, WIND, CICADA])
    assert told(heard) == [("Cicada orni", 0, 0), ("Cicada orni", 3, 3)]
    assert dict(listening.silent)[Role.NOISE] == 2


def test_a_genus_between_whose_species_it_wavers_is_one_event_named_at_its_surest_second() -> None:
    heard, _ = listen([EITHER_CRICKET, EITHER_CRICKET])
    assert told(heard) == [("Gryllus", 0, 1)]
    assert heard[0].answer.decision.verdict is Verdict.ACCEPTED
    heard, _ = listen([EITHER_CRICKET, CAMPESTRIS, EITHER_CRICKET])
    assert told(heard) == [("Gryllus campestris", 0, 2)]


def test_the_distance_to_training_is_that_of_the_peak() -> None:
    """The genus is surest in the second second, which is near to training; then in the first, which is not."""
    surer = [0.95, 0.03, 0.01, 0.01]
    near, _ = listen([CAMPESTRIS, surer], distances=[0.9, 0.1])
    assert near[0].answer.decision.verdict is Verdict.ACCEPTED
    far, _ = listen([surer, CAMPESTRIS], distances=[0.9, 0.1])
    assert far[0].answer.decision.verdict is Verdict.UNIDENTIFIABLE


def test_the_score_is_that_of_the_peak() -> None:
    heard, _ = listen([CAMPESTRIS, [0.97, 0.01, 0.01, 0.01], CAMPESTRIS])
    assert heard[0].answer.score == pytest.approx(0.97)
