"""Animals followed through frames, against paths that are known."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from katydid.models.follow import FollowSettings, follow
from katydid.models.occurrence import Occurrence
from katydid.models.outcome import Outcome
from scenes import Animal, filmed, line, recorded, still, taxon


def identities(found: tuple[Occurrence, ...], truth: dict[str, str]) -> list[set[str]]:
    """Which animals each occurrence holds, in the order in which they came."""
    return [{truth[detection] for detection in one.detections} for one in found]


def test_a_moth_that_sits_through_180_frames_is_one() -> None:
    outcomes, _ = filmed([Animal("moth", still(0.4, 0.5))], [10.0 * n for n in range(180)])
    (moth,) = follow(outcomes)
    assert moth.individual_count == 1
    assert moth.captures == len(moth.detections) == 180
    assert moth.active_s == pytest.approx(1790.0)
    assert (moth.first_seen, moth.last_seen) == (outcomes[0].captured_at, outcomes[-1].captured_at)
    assert moth.taxon is not None and moth.taxon.name == "Noctua pronuba"
    assert moth.session == "2026-07-14"


def test_two_moths_side_by_side_stay_two() -> None:
    moths = [Animal("left", still(0.40, 0.5)), Animal("right", still(0.452, 0.5))]
    outcomes, truth = filmed(moths, [60.0 * n for n in range(60)])
    assert identities(follow(outcomes), truth) in ([{"left"}, {"right"}], [{"right"}, {"left"}])


def test_two_that_cross_keep_who_they_are() -> None:
    """At 10 frames a second, with the same size and name: only their motion tells them apart."""
    crossing = [
        Animal("east", line((0.1, 0.50), (0.15, 0.0))),
        Animal("west", line((0.9, 0.52), (-0.15, 0.0))),
    ]
    outcomes, truth = filmed(crossing, [0.1 * n for n in range(52)])
    assert sorted(map(sorted, identities(follow(outcomes), truth))) == [["east"], ["west"]]


@pytest.mark.parametrize("angle", [0.3, 0.8, 1.4, 2.5])
def test_two_that_cross_at_an_angle_keep_who_they_are(angle: float) -> None:
    speed = 0.12
    one = Animal("one", line((0.2, 0.5), (speed, 0.0)))
    meet = 2.5  # Seconds until they pass each other at (0.5, 0.5).
    vx, vy = speed * math.cos(angle), speed * math.sin(angle)
    two = Animal("two", line((0.5 - vx * meet, 0.51 - vy * meet), (vx, vy)))
    outcomes, truth = filmed([one, two], [0.1 * n for n in range(50)])
    assert sorted(map(sorted, identities(follow(outcomes), truth))) == [["one"], ["two"]]


@pytest.mark.parametrize("gap", [1, 2, 3])
def test_frames_that_miss_it_do_not_make_another(gap: int) -> None:
    moth = Animal("moth", still(0.3, 0.3), missed=frozenset(range(10, 10 + gap)))
    outcomes, _ = filmed([moth], [10.0 * n for n in range(30)])
    assert len(follow(outcomes)) == 1


def test_who_is_gone_for_longer_comes_anew() -> None:
    moth = Animal("moth", still(0.3, 0.3), missed=frozenset(range(10, 20)))
    outcomes, _ = filmed([moth], [10.0 * n for n in range(30)])
    assert [one.captures for one in follow(outcomes)] == [10, 10]


@pytest.mark.parametrize("rate", [1, 5, 10])
def test_a_film_may_miss_it_for_as_long_whatever_its_frames(rate: int) -> None:
    hidden = frozenset(range(10 * rate, 28 * rate))
    moth = Animal("moth", still(0.3, 0.3), missed=hidden)
    outcomes, _ = filmed([moth], [n / rate for n in range(40 * rate)])
    assert len(follow(outcomes)) == 1


def test_refused_frames_are_no_frames_without_it() -> None:
    outcomes, _ = filmed(
        [Animal("moth", still(0.3, 0.3))], [10.0 * n for n in range(30)], refused=frozenset(range(8, 20))
    )
    (moth,) = follow(outcomes)
    assert moth.captures == 18


def test_one_that_leaves_and_another_of_another_size_and_name_that_comes_elsewhere_are_two() -> None:
    first = Animal("first", still(0.2, 0.5, last_s=600))
    second = Animal("second", still(0.5, 0.5, first_s=600), side=0.1, named=lambda _: "Apis mellifera")
    outcomes, truth = filmed([first, second], [60.0 * n for n in range(20)])
    assert identities(follow(outcomes), truth) == [{"first"}, {"second"}]


def test_visitors_that_sit_elsewhere_in_the_next_frame_are_one_each() -> None:
    """Now and then somebody comes; each sits on six flowers, ten seconds on each, with a frame each ten seconds."""
    rng = np.random.default_rng(11)
    visitors = []
    for number in range(12):
        flowers, begin = rng.uniform(0.1, 0.9, (6, 2)), 10.0 + 240.0 * number

        def path(at: float, flowers: np.ndarray = flowers, begin: float = begin) -> tuple[float, float] | None:
            place = math.floor((at - begin) / 10.0)
            return (float(flowers[place, 0]), float(flowers[place, 1])) if 0 <= place < 6 else None

        visitors.append(Animal(f"visitor-{number}", path))
    outcomes, truth = filmed(visitors, [10.0 * n for n in range(300)])
    found = follow(outcomes)
    assert len(outcomes[3].detections) == 1 and len(truth) == 72
    assert len(found) in (12, 13)
    assert all(len(individuals) == 1 for individuals in identities(found, truth))


def test_bursts_with_second_stamps_hold_one_moth_and_one_fly() -> None:
    """Ten frames in a second, all with the same reading of the clock, once a minute; the fly crosses in one of them."""
    times = [60.0 * burst + 0.1 * n for burst in range(12) for n in range(10)]
    fly = Animal("fly", lambda at: (0.1 + 0.3 * (at - 300), 0.3) if 300 <= at < 301.05 else None, side=0.03)
    outcomes, truth = filmed([Animal("moth", still(0.5, 0.8)), fly], times, resolution_s=1.0)
    assert len({outcome.captured_at for outcome in outcomes}) == 12
    assert identities(follow(outcomes), truth) == [{"moth"}, {"fly"}]


def test_the_name_is_that_of_most_frames() -> None:
    moth = Animal("moth", still(0.4, 0.5), named=lambda n: "Apis mellifera" if n % 3 == 0 else "Noctua pronuba")
    outcomes, _ = filmed([moth], [10.0 * n for n in range(30)])
    (one,) = follow(outcomes)
    assert one.taxon is not None and one.taxon.name == "Noctua pronuba"
    assert one.probability == pytest.approx(0.9 * 2 / 3)
    (other,) = one.alternatives
    assert other.taxon.name == "Apis mellifera"
    assert other.probability == pytest.approx(0.3)


def test_frames_without_a_name_belong_to_the_animal_and_have_no_vote() -> None:
    moth = Animal("moth", still(0.4, 0.5), named=lambda n: "Noctua pronuba" if n == 4 else None)
    outcomes, _ = filmed([moth], [10.0 * n for n in range(9)])
    (one,) = follow(outcomes)
    assert one.captures == 9
    assert one.probability == pytest.approx(0.9)
    assert one.best_detection_id == outcomes[4].detections[0].detection_id


def test_the_digest_of_settings_changes_with_the_way_of_following(monkeypatch: pytest.MonkeyPatch) -> None:
    before = FollowSettings().digest()
    monkeypatch.setattr("katydid.models.follow.settings.ALGORITHM", 99)
    assert FollowSettings().digest() != before


def test_length_is_that_of_the_box_in_pixels_and_in_mm_only_with_a_scale() -> None:
    outcomes, _ = filmed([Animal("moth", still(0.4, 0.5), side=0.05)], [0.0, 10.0])
    (plain,) = follow(outcomes)
    (scaled,) = follow(outcomes, FollowSettings(mm_per_px=0.25))
    assert plain.length_px == pytest.approx(80.0) and plain.body_length_mm is None
    assert scaled.body_length_mm == pytest.approx(20.0)
    assert plain.settings_digest != scaled.settings_digest


def test_whole_frames_are_followed_by_name() -> None:
    outcomes, _ = filmed([Animal("bee", still(0.5, 0.5)), Animal("fly", still(0.5, 0.5))], [0.0, 10.0, 20.0])

    def whole(outcome: Outcome) -> Outcome:
        names = ("Apis mellifera", "Eristalis tenax")
        parts = [
            msgspec.structs.replace(one, box=None, taxon=taxon(name))
            for one, name in zip(outcome.detections, names, strict=True)
        ]
        return msgspec.structs.replace(outcome, detections=tuple(parts))

    found = follow(map(whole, outcomes))
    assert sorted((one.taxon.name, one.captures) for one in found if one.taxon) == [
        ("Apis mellifera", 3),
        ("Eristalis tenax", 3),
    ]
    assert all(one.length_px is None for one in found)


@pytest.mark.parametrize("every_s", [1.0, 10.0, 60.0])
def test_a_busy_sheet_counts_within_five_per_cent(every_s: float) -> None:
    """Arrivals at random, stays of 20 minutes in the mean, boxes that tremble, one in ten missed: individuals that were
    in at least one frame, over some seeds."""
    true = counted = 0
    for seed in range(1 if every_s == 1.0 else 4):
        animals = _sheet(np.random.default_rng(seed), every_s)
        outcomes, truth = filmed(animals, np.arange(0.0, 3600.0, every_s).tolist())
        true += len(set(truth.values()))
        counted += len(follow(outcomes))
    assert counted == pytest.approx(true, rel=0.05)


def _sheet(rng: np.random.Generator, every_s: float) -> list[Animal]:
    animals: list[Animal] = []
    while len(animals) < 60:
        x, y, begin = rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.95), rng.uniform(-600.0, 3600.0)
        end, side, shake = begin + rng.exponential(1200.0), rng.uniform(0.03, 0.08), rng.integers(1 << 30)

        def path(
            at: float, x: float = x, y: float = y, begin: float = begin, end: float = end, side: float = side,
            shake: int = int(shake),
        ) -> tuple[float, float] | None:  # fmt: skip
            if not begin <= at < end:
                return None
            dx, dy = np.random.default_rng([shake, round(at * 10)]).normal(0.0, 0.06 * side, 2)
            return x + dx, y + dy

        missed = frozenset(np.flatnonzero(rng.random(round(3600 / every_s)) < 0.1).tolist())
        animals.append(Animal(f"insect-{len(animals)}", path, side=side, missed=missed))
    return animals


def test_clips_and_frames_of_one_sensor_do_not_mix() -> None:
    frames, _ = filmed([Animal("moth", still(0.4, 0.5))], [0.0, 10.0], sensor="BOTH")
    clips = recorded([(5.0, 10.0, [("Noctua pronuba", 1.0, 3.0)])], sensor="BOTH")
    assert sorted(one.kind for one in follow([*frames, *clips])) == ["clip", "frame"]
