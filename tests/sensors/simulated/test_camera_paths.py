"""Who is before a simulated camera, when and where, without drawing: rates, stays, speeds, order of asking."""

from __future__ import annotations

import itertools
import math
import random
import statistics
import tracemalloc
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from astral import Observer
from astral.sun import elevation as astral_elevation
from hypothesis import given, settings
from hypothesis import strategies as st

from katydid.sensors.sources.simulated.cameras import (
    CameraScene,
    Individual,
    Paths,
    Visitors,
    busier,
    feeder,
    flower_patch,
    simulate_paths,
    trap_sheet,
)
from katydid.sensors.sources.simulated.cameras import sun as simulated_sun
from katydid.sensors.sources.simulated.cameras.moves import Manner, Move
from katydid.sensors.sources.simulated.cameras.taxa import INSECTS

NOON = datetime(2026, 7, 14, 12, tzinfo=UTC)
NIGHT = datetime(2026, 7, 14, 22, 30, tzinfo=UTC)
SCENES = {"sheet": trap_sheet(), "flowers": flower_patch(), "feeder": feeder()}


def only(scene: CameraScene, taxon: str, per_hour: float) -> CameraScene:
    return msgspec.structs.replace(scene, visitors=(Visitors(taxon=taxon, per_hour=per_hour),), seasonal=False)


def everyone(scene: CameraScene, seed: int, start: datetime, hours: float) -> list[Individual]:
    return list(simulate_paths(scene, seed, start, start + timedelta(hours=hours)))


@pytest.mark.parametrize("name", SCENES)
def test_who_is_there_does_not_depend_on_what_was_asked_before(name: str) -> None:
    start = NIGHT if name == "sheet" else NOON
    moments = [start + timedelta(seconds=seconds) for seconds in range(0, 3000, 97)]
    forwards = Paths(SCENES[name], 4)
    expected = [forwards.boxes_at(moment) for moment in moments]
    shuffled = random.Random(1).sample(range(len(moments)), len(moments))
    backwards = Paths(SCENES[name], 4)
    assert {i: backwards.boxes_at(moments[i]) for i in shuffled} == dict(enumerate(expected))
    assert any(expected)
    assert [Paths(SCENES[name], 5).boxes_at(moment) for moment in moments] != expected


def test_ways_are_the_same_at_every_frame_rate_and_size() -> None:
    small = flower_patch(width=320, height=180)
    one, other = everyone(small, 3, NOON, 1.0), everyone(flower_patch(), 3, NOON, 1.0)
    assert one == other
    assert len(one) > 10


def test_individuals_of_two_halves_are_those_of_the_whole() -> None:
    whole = {who.individual for who in everyone(SCENES["sheet"], 2, NIGHT, 2.0)}
    first = {who.individual for who in everyone(SCENES["sheet"], 2, NIGHT, 1.0)}
    second = {who.individual for who in everyone(SCENES["sheet"], 2, NIGHT + timedelta(hours=1), 1.0)}
    assert first | second == whole
    assert first & second  # those who sat through the hour's end


def test_arrivals_come_at_the_stated_rate() -> None:
    """A Poisson count of mean 30 x 40 h = 1200 has a standard deviation of 34.6; four of them are 139."""
    scene = only(feeder(), "Lasius niger", 30.0)
    came = [who for who in everyone(scene, 7, NOON, 40.0) if who.arrives >= NOON.timestamp()]
    assert abs(len(came) - 1200) < 139
    gaps = [after.arrives - before.arrives for before, after in itertools.pairwise(came)]
    assert statistics.stdev(gaps) == pytest.approx(statistics.fmean(gaps), rel=0.15)  # exponential


def test_a_busier_scene_has_so_many_times_the_arrivals() -> None:
    scene = busier(only(feeder(), "Lasius niger", 10.0), 4.0)
    came = [who for who in everyone(scene, 3, NOON, 10.0) if who.arrives >= NOON.timestamp()]
    assert abs(len(came) - 400) < 80  # four standard deviations


def test_what_a_deployment_knows_thins_the_arrivals() -> None:
    scene = only(feeder(), "Lasius niger", 60.0)
    cool = list(simulate_paths(scene, 7, NOON, NOON + timedelta(hours=20), activity=lambda taxon, at: 0.25))
    assert abs(len(cool) - 300) < 4 * math.sqrt(300) + 10
    assert list(simulate_paths(scene, 7, NOON, NOON + timedelta(hours=2), activity=lambda taxon, at: 0.0)) == []


def test_animals_of_the_day_come_by_day_and_those_of_the_night_by_night() -> None:
    place = SCENES["flowers"].place
    here = Observer(place.latitude, place.longitude)
    for scene, by_day in (
        (only(flower_patch(), "Apis mellifera", 20.0), True),
        (only(trap_sheet(), "Noctua pronuba", 20.0), False),
    ):
        came = [datetime.fromtimestamp(who.arrives, UTC) for who in everyone(scene, 1, NOON, 24.0)]
        heights = [astral_elevation(here, at, with_refraction=False) for at in came]
        assert len(came) > 40
        assert all(height > -1.0 if by_day else height < -5.0 for height in heights)


@pytest.mark.parametrize("month", [1, 3, 6, 9, 12])
def test_the_sun_stands_where_astral_has_it(month: int) -> None:
    place = SCENES["flowers"].place
    here = Observer(place.latitude, place.longitude)
    for hour in range(0, 24, 3):
        at = datetime(2026, month, 21, hour, 10, tzinfo=UTC)
        expected = astral_elevation(here, at, with_refraction=False)
        assert simulated_sun.elevation(at.timestamp(), place) == pytest.approx(expected, abs=0.7)


def test_seasons_come_back_every_year() -> None:
    day = datetime(2026, 7, 9, tzinfo=UTC).timestamp()
    assert simulated_sun.season(190.0, 30.0, day) > 0.99
    assert simulated_sun.season(190.0, 30.0, day + 365.2425 * 86_400) == pytest.approx(
        simulated_sun.season(190.0, 30.0, day)
    )
    assert simulated_sun.season(190.0, 30.0, day + 182 * 86_400) < 0.001


def stays(who: Individual) -> list[list[Move]]:
    """Moves between two flights."""
    found: list[list[Move]] = [[]]
    for move in who.moves:
        if move.manner in (Manner.FLIES, Manner.HOVERS):
            found.append([])
        else:
            found[-1].append(move)
    return [each for each in found if each]


def test_bees_stay_on_flowers_for_the_stated_seconds_and_visit_the_stated_number() -> None:
    scene = only(flower_patch(), "Apis mellifera", 60.0)
    bees = everyone(scene, 2, NOON - timedelta(hours=2), 4.0)
    visits = [stay[-1].end - stay[0].start for bee in bees for stay in stays(bee)]
    rounds = [len(stays(bee)) / (bee.moves[-1].visit + 1) for bee in bees]
    assert len(visits) > 500
    assert statistics.median(visits) == pytest.approx(5.0, rel=0.12)
    assert statistics.fmean(rounds) == pytest.approx(5.0, rel=0.2)


def test_moths_sit_for_the_stated_time_and_longer_by_the_factor() -> None:
    for factor in (1.0, 0.1):
        scene = only(trap_sheet(), "Autographa gamma", 60.0)
        visitors = (Visitors(taxon="Autographa gamma", per_hour=60.0, stay_factor=factor),)
        moths = everyone(trap_sheet(visitors=visitors, seasonal=False), 3, NIGHT, 5.0)
        assert len(moths) > 100
        assert statistics.fmean(who.leaves - who.arrives for who in moths) == pytest.approx(3600 * factor, rel=0.25)
        assert scene.visitors[0].stay_factor == 1.0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), name=st.sampled_from(sorted(SCENES)))
def test_ways_have_no_jumps_and_no_one_outstays_the_longest_stay(seed: int, name: str) -> None:
    start = NIGHT if name == "sheet" else NOON
    paths = Paths(SCENES[name], seed)
    for who in paths.individuals(start, start + timedelta(minutes=20)):
        assert 0 < who.leaves - who.arrives <= INSECTS[who.taxon].behaviour.longest_s
        for before, after in itertools.pairwise(who.moves):
            assert before.end <= after.start
            if before.visit == after.visit:
                assert before.end == after.start
                assert (before.x1, before.y1, before.plant1) == (after.x0, after.y0, after.plant0)
                assert before.lift1 == after.lift0


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), name=st.sampled_from(sorted(SCENES)))
def test_no_one_walks_or_flies_faster_than_its_kind(seed: int, name: str) -> None:
    start = NIGHT if name == "sheet" else NOON
    for who in simulate_paths(SCENES[name], seed, start, start + timedelta(minutes=20)):
        behaviour = INSECTS[who.taxon].behaviour
        for move in who.moves:
            speed = math.hypot(move.x1 - move.x0, move.y1 - move.y0) / (move.end - move.start)
            if move.manner is Manner.WALKS:
                assert speed <= 1.2 * behaviour.walk_mm_s + 1e-6
            if move.manner is Manner.FLIES:
                assert speed <= 1000.0


def test_some_come_back_and_are_nowhere_while_away() -> None:
    scene = only(flower_patch(), "Apis mellifera", 60.0)
    again = [who for who in everyone(scene, 2, NOON, 1.0) if who.moves[-1].visit > 0]
    assert again
    for who in again:
        gaps = [(b.end, a.start) for b, a in itertools.pairwise(who.moves) if a.visit > b.visit]
        assert len(gaps) == who.moves[-1].visit
        assert all(who.pose((left + came) / 2) is None for left, came in gaps)
        assert who.pose(who.arrives - 1) is None
        assert who.pose(who.leaves) is None


def test_boxes_lie_in_the_frame_and_are_as_large_as_the_animal() -> None:
    scene = only(trap_sheet(), "Biston betularia", 30.0)
    paths = Paths(scene, 1)
    seen = [each for minute in range(60) for each in paths.boxes_at(NIGHT + timedelta(minutes=minute))]
    whole = [each for each in seen if each.visible_share == 1.0 and each.manner == "sits"]
    assert len(whole) > 100
    for each in seen:
        assert each.box.x >= 0
        assert each.box.y >= 0
        assert each.box.x + each.box.w <= 1.0 + 1e-9
        assert each.box.y + each.box.h <= 1.0 + 1e-9
    for each in whole:  # a moth 25 mm long and 42 mm across, in whichever direction it sits
        long_mm = max(each.box.w * scene.width_mm, each.box.h * scene.height_mm)
        assert 22.0 < long_mm < 52.0


def test_a_later_moth_on_top_hides_an_earlier_one() -> None:
    scene = only(trap_sheet(width_mm=120.0), "Biston betularia", 60.0)
    paths = Paths(scene, 1)
    seen = [each for minute in range(0, 120, 5) for each in paths.boxes_at(NIGHT + timedelta(minutes=minute))]
    assert any(0.0 < each.visible_share < 0.6 for each in seen)
    assert any(each.visible_share == 1.0 for each in seen)


def test_an_unknown_insect_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="Mothra"):
        flower_patch(visitors=(Visitors(taxon="Mothra", per_hour=1.0),))


def test_a_season_is_streamed_without_being_held() -> None:
    paths = Paths(flower_patch(), 1)

    def days(first: int, last: int) -> int:
        moments = (day * 86_400 + hour * 3600 for day in range(first, last) for hour in range(9, 16, 2))
        base = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
        return sum(len(paths.boxes_at(base + second)) for second in moments)

    days(0, 2)
    tracemalloc.start()
    try:
        days(2, 4)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        assert days(4, 12) > 10
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 200_000
    assert peak < 3_000_000
