"""The same occurrences, in whatever order, pieces and copies the outcomes come."""

from __future__ import annotations

import random
from itertools import chain

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.models.follow import follow
from katydid.models.follow.fusing import fuse
from katydid.models.follow.linking import Expected, Spot, links
from katydid.models.follow.looks import look_of
from katydid.models.follow.settings import FrameSettings
from katydid.models.outcome import Outcome, Status
from scenes import Animal, detection, filmed, line, recorded, still


def night() -> list[Outcome]:
    """Frames with a burst and a film, clips, two sensors, a refused frame."""
    animals = [
        Animal("moth", still(0.4, 0.5)),
        Animal("late", still(0.44, 0.5, first_s=200), missed=frozenset({33, 34})),
        Animal("walker", line((0.1, 0.2), (0.002, 0.001)), named=lambda n: "Apis mellifera" if n % 2 else None),
    ]
    times = [*(10.0 * n for n in range(40)), *(500.0 + 0.1 * n for n in range(10))]
    frames, _ = filmed(animals, times, resolution_s=1.0, refused=frozenset({5}))
    other, _ = filmed(animals[:1], times[:10], sensor="CAM-2")
    clips = recorded([(100.0 * n, 60.0, [("Apis mellifera", n % 7, n % 7 + 9.0)] * (n % 3)) for n in range(20)])
    return [*frames, *other, *clips]


NIGHT = night()
EXPECTED = follow(NIGHT)


@given(st.randoms(use_true_random=False), st.lists(st.integers(0, len(NIGHT) - 1), max_size=30))
def test_order_and_copies_make_no_difference(shuffled: random.Random, copies: list[int]) -> None:
    outcomes = [*NIGHT, *(NIGHT[place] for place in copies)]
    shuffled.shuffle(outcomes)
    assert follow(outcomes) == EXPECTED


@given(st.permutations(range(3)))
def test_two_tellings_of_one_capture_are_told_apart_by_what_they_say(order: list[int]) -> None:
    (first,), _ = filmed([Animal("moth", still(0.4, 0.5))], [0.0])
    refused = msgspec.structs.replace(first, status=Status.REFUSED, detections=(), effort=type(first.effort)())
    otherwise = msgspec.structs.replace(first, detections=(detection(first.capture_id, 0, None),))
    told = [first, refused, otherwise]
    assert follow([told[place] for place in order]) == follow(told)
    assert len(follow([refused, first])) == 1


def test_captures_that_do_not_say_when_they_were_made_are_followed_each_alone() -> None:
    """Pictures copied within a second have file dates within a second, and are no film."""
    outcomes = timeless(filmed([Animal("moth", still(0.4, 0.5))], [0.0, 0.1, 0.2])[0])
    assert [one.captures for one in follow(outcomes)] == [1, 1, 1]
    clips = timeless(recorded([(60.0 * n, 60.0, [("Apis mellifera", 50.0, 60.0)] * 2) for n in range(2)]))
    assert [(one.captures, len(one.detections)) for one in follow(clips)] == [(1, 2), (1, 2)]


def test_nights_of_a_clock_that_was_never_set_are_followed_one_by_one() -> None:
    """Each night begins again at the same hour of 1970, while the camera counts its pictures on: a moth of the first
    night and one of the second sit in one place at one time by the clock."""
    nights = []
    for night in range(2):
        outcomes, _ = filmed([Animal("moth", still(0.4, 0.5))], [10.0 * n for n in range(30)], sensor="CAM-1")
        for number, one in enumerate(outcomes):
            clock = msgspec.structs.replace(one.clock, flags=("before_2000",))
            capture = f"{night:02x}{one.capture_id[2:]}"
            detection_ids = [
                msgspec.structs.replace(d, detection_id=f"{night:02x}{d.detection_id[2:]}") for d in one.detections
            ]
            nights.append(
                msgspec.structs.replace(
                    one, clock=clock, capture_id=capture, sequence=100 * night + number, detections=tuple(detection_ids)
                )
            )
    assert [one.captures for one in follow(nights)] == [30, 30]
    assert follow(nights[::-1]) == follow(nights)
    unnumbered = [msgspec.structs.replace(one, sequence=None) for one in nights]
    assert sum(one.captures for one in follow(unnumbered)) == 60


def timeless(outcomes: list[Outcome]) -> list[Outcome]:
    return [
        msgspec.structs.replace(one, clock=msgspec.structs.replace(one.clock, flags=("no_reading",)))
        for one in outcomes
    ]


def test_every_detection_is_in_exactly_one_occurrence() -> None:
    held = list(chain.from_iterable(one.detections for one in EXPECTED))
    assert sorted(held) == sorted(one.detection_id for outcome in NIGHT for one in outcome.detections)
    assert len({one.occurrence_id for one in EXPECTED}) == len(EXPECTED)


def test_ids_sort_by_time_and_stay_when_more_is_seen() -> None:
    outcomes, _ = filmed([Animal("moth", still(0.4, 0.5))], [10.0 * n for n in range(20)])
    (short,), (long,) = follow(outcomes[:5]), follow(outcomes)
    assert short.occurrence_id == long.occurrence_id
    assert long.occurrence_id[:12] == outcomes[0].capture_id[:12]


@given(st.data())
def test_links_are_the_cheapest_of_all(data: st.DataObject) -> None:
    """Against every possible assignment of up to four animals and four sightings."""
    place = st.floats(0.3, 0.4)
    spots = st.builds(Spot, place, place, st.floats(0.04, 0.06), st.floats(0.04, 0.06))
    animals = [Expected(spot, 1.0, 1.0, 0.0, {}) for spot in data.draw(st.lists(spots, max_size=4))]
    sightings = data.draw(st.lists(spots, max_size=4))
    settings = FrameSettings()
    costs = {
        (i, j): _cost_of_one(animal, sighting, settings)
        for i, animal in enumerate(animals)
        for j, sighting in enumerate(sightings)
    }
    found = links(animals, sightings, settings)
    assert len({i for i, _ in found}) == len({j for _, j in found}) == len(found)
    total = sum((costs[pair] or 0.0) - settings.most for pair in found)
    assert total == pytest.approx(_least(0, frozenset(), len(animals), len(sightings), costs, settings.most))


def _cost_of_one(animal: Expected, sighting: Spot, settings: FrameSettings) -> float | None:
    """What a link costs, found by asking about the pair alone with ever lower bounds; None: there is none."""
    if not links([animal], [sighting], settings):
        return None
    low, high = 0.0, settings.most
    for _ in range(50):
        middle = (low + high) / 2
        linked = links([animal], [sighting], msgspec.structs.replace(settings, most=middle))
        low, high = (low, middle) if linked else (middle, high)
    return high


def _least(
    i: int, taken: frozenset[int], n: int, m: int, costs: dict[tuple[int, int], float | None], most: float
) -> float:
    if i == n:
        return 0.0
    best = _least(i + 1, taken, n, m, costs, most)
    for j in range(m):
        cost = costs[i, j]
        if j not in taken and cost is not None:
            best = min(best, cost - most + _least(i + 1, taken | {j}, n, m, costs, most))
    return best


def test_two_models_that_name_one_box_are_two_votes_and_one_animal() -> None:
    (outcome,), _ = filmed([Animal("moth", still(0.4, 0.5))], [0.0])
    box = outcome.detections[0].box
    both = (
        detection(outcome.capture_id, 0, "Noctua pronuba", probability=0.9, box=box),
        detection(
            outcome.capture_id, 1, "Noctua comes", probability=0.6, box=box, model="other-1",
            others=[("Noctua pronuba", 0.3)],
        ),
    )  # fmt: skip
    (one,) = follow([msgspec.structs.replace(outcome, detections=both)])
    assert one.taxon is not None and one.taxon.name == "Noctua pronuba"
    assert one.probability == pytest.approx((0.9 + 0.3) / 2)
    assert one.models == ("insects-1", "other-1") and one.captures == 1


@given(st.lists(st.tuples(st.sampled_from(["Aus bus", "Aus cus"]), st.floats(0, 1)), min_size=1, max_size=12))
def test_fused_probabilities_are_probabilities_and_never_fall_with_the_rank(votes: list[tuple[str, float]]) -> None:
    outcomes, _ = filmed([Animal("moth", still(0.4, 0.5))], [10.0 * n for n in range(len(votes))])
    looks = [
        look_of(msgspec.structs.replace(o, detections=(detection(o.capture_id, 0, name, probability=p),)))
        for o, (name, p) in zip(outcomes, votes, strict=True)
    ]
    fused = fuse([look.seen for look in looks], 3)
    numbers = [step.probability for step in fused.lineage]
    assert all(0.0 <= number <= 1.0 for number in numbers)
    assert numbers == sorted(numbers)
    mentioned = sum(p for _, p in votes) / len(votes)
    others = sum(other.probability or 0.0 for other in fused.alternatives)
    assert (fused.probability or 0.0) + others == pytest.approx(mentioned)
