"""Bouts of song, merged from the events of clips."""

from __future__ import annotations

import msgspec
import pytest

from katydid.models.follow import ClipSettings, FollowSettings, follow
from katydid.models.outcome import Outcome
from scenes import EVENING, recorded, taxon

CRICKET, BUSH = "Oecanthus pellucens", "Pholidoptera griseoaptera"
SECOND = 1_000_000_000


def test_events_across_clips_without_a_gap_are_one_bout() -> None:
    clips = [(60.0 * n, 60.0, [(CRICKET, 0.0, 60.0)]) for n in range(30)]
    (bout,) = follow(recorded(clips))
    assert bout.captures == 30
    assert bout.active_s == pytest.approx(1800.0)
    assert (bout.first_seen, bout.last_seen) == (EVENING, EVENING + 1800 * SECOND)


def test_a_bout_begins_and_ends_with_its_events() -> None:
    (bout,) = follow(recorded([(0.0, 60.0, [(CRICKET, 12.5, 14.0), (CRICKET, 20.0, 22.0)])]))
    assert (bout.first_seen, bout.last_seen) == (EVENING + 12_500_000_000, EVENING + 22 * SECOND)
    assert bout.active_s == pytest.approx(3.5)


def test_silence_ends_a_bout_also_across_clips() -> None:
    clips = [(0.0, 60.0, [(CRICKET, 50.0, 55.0)]), (60.0, 120.0, [(CRICKET, 24.0, 30.0), (CRICKET, 61.0, 62.0)])]
    assert [bout.captures for bout in follow(recorded(clips))] == [2, 1]


def test_a_recorder_that_listens_one_minute_in_ten_hears_one_bout() -> None:
    singing = [(600.0 * n, 60.0, [(CRICKET, 0.0, 60.0)]) for n in range(12)]
    assert len(follow(recorded(singing))) == 1
    silent_in_between = [*singing[:5], (3000.0, 60.0, []), *singing[6:]]
    assert len(follow(recorded(silent_in_between))) == 2


def test_a_pause_of_the_recorder_that_is_too_long_ends_a_bout() -> None:
    clips = [(0.0, 60.0, [(CRICKET, 0.0, 60.0)]), (60.0 + 961.0, 60.0, [(CRICKET, 0.0, 60.0)])]
    assert len(follow(recorded(clips))) == 2
    patient = FollowSettings(clips=ClipSettings(unheard_s=1000.0))
    assert len(follow(recorded(clips), patient)) == 1


def test_each_taxon_has_bouts_of_its_own() -> None:
    clips = [(0.0, 60.0, [(CRICKET, 0.0, 9.0), (BUSH, 4.0, 6.0), (CRICKET, 12.0, 15.0)])]
    found = {bout.taxon.name: len(bout.detections) for bout in follow(recorded(clips)) if bout.taxon}
    assert found == {CRICKET: 2, BUSH: 1}


def test_events_and_clips_that_overlap_count_once() -> None:
    clips = [(0.0, 60.0, [(CRICKET, 0.0, 40.0), (CRICKET, 30.0, 50.0)]), (30.0, 60.0, [(CRICKET, 0.0, 20.0)])]
    (bout,) = follow(recorded(clips))
    assert bout.active_s == pytest.approx(50.0)
    assert bout.last_seen == EVENING + 50 * SECOND


def test_a_bout_stops_at_noon() -> None:
    """The session that began on 14 July ends at noon of 15 July, 15 hours after 21:00."""
    clips = [(15 * 3600.0 - 60.0, 60.0, [(CRICKET, 0.0, 60.0)]), (15 * 3600.0, 60.0, [(CRICKET, 0.0, 60.0)])]
    assert [bout.session for bout in follow(recorded(clips))] == ["2026-07-14", "2026-07-15"]


def at_genus(outcomes: list[Outcome], *numbers: int) -> list[Outcome]:
    """The same, with the events of those clips answered at their genus."""
    for number in numbers:
        outcome = outcomes[number]
        answers = []
        for one in outcome.detections:
            assert one.taxon is not None
            answer = taxon(one.taxon.name.split()[0], "genus")
            answers.append(msgspec.structs.replace(one, taxon=answer, lineage=one.lineage[1:]))
        outcomes[number] = msgspec.structs.replace(outcome, detections=tuple(answers))
    return outcomes


def test_an_answer_at_the_genus_joins_the_bout_of_its_species() -> None:
    clips = [(60.0 * n, 60.0, [(CRICKET, 0.0, 55.0)]) for n in range(6)]
    (bout,) = follow(at_genus(recorded(clips), 0, 3))
    assert bout.captures == 6
    assert bout.taxon is not None and bout.taxon.name == CRICKET
    assert [step.rank for step in bout.lineage] == ["species", "genus"]
    fused = [step.probability for step in bout.lineage]
    assert fused == pytest.approx([0.9 * 4 / 6, (0.95 * 4 + 0.9 * 2) / 6])


def test_an_answer_at_the_genus_that_no_species_is_near_is_a_bout_of_the_genus() -> None:
    clips = [(60.0 * n, 60.0, [(CRICKET, 0.0, 55.0)] * (n in (0, 5))) for n in range(6)]
    found = [bout.taxon.name for bout in follow(at_genus(recorded(clips), 5)) if bout.taxon]
    assert found == [CRICKET, "Oecanthus"]


def test_an_answer_at_the_genus_joins_the_nearer_of_two_species() -> None:
    first, second = "Gryllus campestris", "Gryllus bimaculatus"
    clips = [
        (0.0, 60.0, [(first, 0.0, 40.0)]),
        (60.0, 60.0, [(first, 0.0, 5.0)]),
        (120.0, 60.0, [(second, 2.0, 20.0), (second, 22.0, 40.0)]),
    ]
    clips.insert(2, (100.0, 20.0, [("Gryllus sp", 15.0, 20.0)]))
    found = {bout.taxon.name: bout.captures for bout in follow(at_genus(recorded(clips), 2)) if bout.taxon}
    assert found == {first: 2, second: 2}
