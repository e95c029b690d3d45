"""Frames of simulated cameras, drawn: bytes, truth boxes against drawn pixels, bursts, light, wind, shadows."""

from __future__ import annotations

import io
import itertools
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from katydid.sensors import metadata
from katydid.sensors.capture import Kind
from katydid.sensors.sources.simulated.cameras import (
    Bursts,
    Camera,
    CameraScene,
    SeenIndividual,
    SimulatedFrame,
    TimeLapse,
    Visitors,
    Weather,
    feeder,
    flower_patch,
    trap_sheet,
)

NOON = datetime(2026, 7, 14, 11, tzinfo=UTC)
NIGHT = datetime(2026, 7, 14, 22, 30, tzinfo=UTC)
SMALL = {"width": 640, "height": 360}
SCENES = {
    "sheet": (trap_sheet(**SMALL), NIGHT),
    "flowers": (flower_patch(rhythm=TimeLapse(5.0), **SMALL), NOON),
    "feeder": (feeder(**SMALL), NOON),
}
STILL = Weather(wind=0.0, clouds=0.0)


def busiest(scene: CameraScene, start: datetime, minutes: int = 10, seed: int = 1) -> SimulatedFrame:
    frames = Camera(scene, seed).frames(start, start + timedelta(minutes=minutes))
    return max(frames, key=lambda frame: len(frame.truth))


@pytest.mark.parametrize("fidelity", ["high", "low"])
@pytest.mark.parametrize("name", SCENES)
def test_the_same_seed_gives_the_same_bytes_wherever_one_begins(name: str, fidelity: str) -> None:
    scene, start = SCENES[name]
    some = list(itertools.islice(Camera(scene, 1).frames(start, start + timedelta(minutes=5)), 25))
    last = some[-1]
    begun_later = next(Camera(scene, 1).frames(last.at - timedelta(milliseconds=1), start + timedelta(hours=1)))
    first_bytes, last_bytes = some[0].jpeg(fidelity), last.jpeg(fidelity)
    assert begun_later.jpeg(fidelity) == last_bytes
    assert begun_later.truth == last.truth
    assert Camera(scene, 1).frame(some[0].at).jpeg(fidelity) == first_bytes
    assert Camera(scene, 2).frame(some[0].at).jpeg(fidelity) != first_bytes
    assert first_bytes != last_bytes


def drawn_by(frame: SimulatedFrame, seen: SeenIndividual, fidelity: str) -> NDArray[np.float64]:
    """How much each pixel differs without this animal, [height, width]."""
    full = frame.pixels(fidelity).astype(np.int16)
    without = frame.pixels(fidelity, without={seen.individual}).astype(np.int16)
    return np.asarray(np.abs(full - without).sum(axis=2), np.float64)


def inside(difference: NDArray[np.float64], seen: SeenIndividual, margin: float) -> float:
    """The share of the difference that lies in the truth's box, widened by some pixels."""
    height, width = difference.shape
    left, right = seen.box.x * width - margin, (seen.box.x + seen.box.w) * width + margin
    top, bottom = seen.box.y * height - margin, (seen.box.y + seen.box.h) * height + margin
    rows = slice(max(0, round(top)), round(bottom))
    return float(difference[rows, max(0, round(left)) : round(right)].sum() / difference.sum())


@pytest.mark.parametrize("fidelity", ["high", "low"])
@pytest.mark.parametrize("name", SCENES)
def test_truth_boxes_hold_the_drawn_pixels_and_little_more(name: str, fidelity: str) -> None:
    scene, start = SCENES[name]
    scene = msgspec.structs.replace(scene, shadows=False)
    checked = 0
    for minutes in range(0, 60, 12):
        frame = busiest(scene, start + timedelta(minutes=minutes), 5)
        for seen in [each for each in frame.truth if each.visible_share > 0.7 and each.manner in ("sits", "walks")][:4]:
            difference = drawn_by(frame, seen, fidelity)
            assert inside(difference, seen, 2.0) > (0.7 if seen.taxon == "Tipula oleracea" else 0.93)  # long legs
            rows, columns = np.nonzero(difference > 40)
            wide = (columns.max() - columns.min() + 1) / difference.shape[1]
            high = (rows.max() - rows.min() + 1) / difference.shape[0]
            spare = 6.0 / difference.shape[1] if fidelity == "high" else 3.0 / difference.shape[1]
            assert seen.box.w <= 1.25 * wide + spare
            assert seen.box.h <= 1.25 * high + 2 * spare
            checked += 1
    assert checked >= 5


def test_a_flying_animals_box_holds_its_smear() -> None:
    visitors = (Visitors(taxon="Bombus terrestris", per_hour=200.0),)
    scene = flower_patch(visitors=visitors, shadows=False, exposure_s=0.02, leaves=0, **SMALL)
    camera = Camera(scene, 1)
    checked = 0
    for frame in camera.frames(NOON, NOON + timedelta(minutes=4)):
        for seen in [each for each in frame.truth if each.manner == "flies" and each.visible_share == 1.0]:
            difference = drawn_by(frame, seen, "high")
            assert inside(difference, seen, 4.0) > 0.8  # the faint blur of the wings reaches out
            checked += 1
        if checked >= 8:
            break
    assert checked >= 8


def test_an_animal_under_a_leaf_is_drawn_less_by_the_share_that_truth_says() -> None:
    visitors = (Visitors(taxon="Bombus terrestris", per_hour=300.0),)
    scene = flower_patch(visitors=visitors, shadows=False, leaves=25, **SMALL)
    camera, pairs = Camera(scene, 2), []
    for frame in camera.frames(NOON, NOON + timedelta(minutes=8)):
        for seen in frame.truth:
            if seen.manner == "sits" and 0.15 < seen.visible_share < 0.85:
                area = np.count_nonzero(drawn_by(frame, seen, "high") > 30)
                box = seen.box.w * seen.box.h * scene.width * scene.height
                pairs.append((seen.visible_share, area / box))
        if len(pairs) >= 25:
            break
    shares = np.array(pairs)
    less, more = shares[shares[:, 0] < 0.45, 1].mean(), shares[shares[:, 0] > 0.55, 1].mean()
    assert less < 0.7 * more


@pytest.mark.parametrize("only_when_seen", [False, True])
def test_the_ten_frames_of_a_burst_share_one_second(only_when_seen: bool) -> None:
    scene = feeder(rhythm=Bursts(20.0, 10, 0.1, only_when_seen), **SMALL)
    camera = Camera(scene, 1)
    frames = list(camera.frames(NOON, NOON + timedelta(minutes=30)))
    triggers = [list(group) for _, group in itertools.groupby(frames, lambda frame: frame.at.replace(microsecond=0))]
    assert all([frame.number for frame in group] == list(range(10)) for group in triggers)
    fired = {group[0].at for group in triggers}
    moments = [NOON + timedelta(seconds=20 * tick) for tick in range(90)]
    assert fired == {at for at in moments if not only_when_seen or camera.paths.boxes_at(at)}
    assert len(fired) == 90 or only_when_seen
    stamps = {Image.open(io.BytesIO(frame.jpeg("low"))).getexif().get_ifd(0x8769)[0x9003] for frame in triggers[0]}
    assert len(stamps) == 1
    assert len({frame.jpeg("low") for frame in triggers[0]}) == 10


def test_a_burst_that_is_entered_in_its_middle_goes_on_as_it_was() -> None:
    scene = feeder(rhythm=Bursts(20.0, 10, 0.1, True), **SMALL)
    whole = list(Camera(scene, 1).frames(NOON, NOON + timedelta(minutes=5)))
    middle = whole[14].at
    assert [frame.at for frame in Camera(scene, 1).frames(middle, NOON + timedelta(minutes=5))] == [
        frame.at for frame in whole[14:]
    ]


def test_time_lapse_frames_come_at_their_rhythm_and_only_while_the_camera_works() -> None:
    times = [frame.at for frame in Camera(SCENES["sheet"][0], 1).frames(NIGHT, NIGHT + timedelta(minutes=2))]
    assert {(b - a).total_seconds() for a, b in itertools.pairwise(times)} == {10.0}
    assert next(Camera(trap_sheet(), 1).frames(NOON, NOON + timedelta(hours=2)), None) is None
    assert next(Camera(flower_patch(), 1).frames(NIGHT, NIGHT + timedelta(hours=1)), None) is None


def test_the_stamp_is_read_back_as_the_cameras_clock_said() -> None:
    frame = Camera(SCENES["flowers"][0], 1).frame(NOON)
    facts = metadata.read(frame.jpeg("low", serial="SIM-7"), Kind.FRAME, "a.jpg")
    assert facts.serial == "SIM-7"
    assert (facts.readings[0].recorded[:19], facts.readings[0].offset_s) == ("2026:07:14 13:00:00", 7200)
    wrong = metadata.read(frame.jpeg("low", reading=datetime(1970, 1, 1, 0, 0, 7)), Kind.FRAME, "a.jpg").readings[0]
    assert (wrong.recorded, wrong.offset_s) == ("1970:01:01 00:00:07", None)


def mean_change(scene: CameraScene, fidelity: str = "high") -> float:
    """Mean difference of two frames without animals, a second apart, beyond what noise makes (grey levels)."""
    camera = Camera(msgspec.structs.replace(scene, visitors=()), 1)
    one, other = (camera.frame(NOON + timedelta(seconds=s)).pixels(fidelity).astype(float) for s in (0, 1))
    coarse = np.abs((one - other).reshape(one.shape[0] // 4, 4, one.shape[1] // 4, 4, 3).mean(axis=(1, 3)))
    return float(coarse.mean())


@pytest.mark.parametrize("fidelity", ["high", "low"])
def test_flowers_leaves_and_grass_move_in_the_wind_alone(fidelity: str) -> None:
    still = mean_change(flower_patch(weather=STILL, **SMALL), fidelity)
    windy = mean_change(flower_patch(weather=Weather(wind=0.8, clouds=0.0), **SMALL), fidelity)
    assert still < 1.5
    assert windy > 3 * still


def test_a_shadow_falls_beside_the_animal_and_goes_with_it() -> None:
    visitors = (Visitors(taxon="Calliphora vicina", per_hour=60.0),)
    scene = feeder(visitors=visitors, weather=STILL, leaves=0, plants=0, **SMALL)
    early = datetime(2026, 7, 14, 6, tzinfo=UTC)
    frame = busiest(scene, early, 60)
    seen = next(each for each in frame.truth if each.manner == "sits" and each.visible_share == 1.0)
    with_animal = frame.pixels().astype(float).mean(axis=2)
    without = frame.pixels(without={seen.individual}).astype(float).mean(axis=2)
    outside = np.ones(without.shape, bool)
    left, top = int(seen.box.x * 640) - 1, int(seen.box.y * 360) - 1
    outside[top : top + int(seen.box.h * 360) + 3, left : left + int(seen.box.w * 640) + 3] = False
    darker = (without - with_animal > 12) & outside
    assert np.count_nonzero(darker) > 15
    columns = np.nonzero(darker)[1]
    assert columns.mean() < (seen.box.x + seen.box.w / 2) * 640  # the morning's sun stands in the east, to the right


def test_by_night_a_feeder_is_monochrome_with_a_bright_middle() -> None:
    pixels = Camera(feeder(visitors=(), **SMALL), 1).frame(NIGHT + timedelta(hours=1)).pixels().astype(float)
    flat = pixels.reshape(36, 10, 64, 10, 3).mean(axis=(1, 3))
    assert np.abs(flat - flat.mean(axis=2, keepdims=True)).max() < 4.0
    board = flat.mean(axis=2)
    assert board[16:20, 12:15].mean() > 1.5 * board[[0, 0, -1, -1], [0, -1, 0, -1]].mean()
    by_day = Camera(feeder(visitors=(), **SMALL), 1).frame(NOON).pixels().astype(float)
    assert np.ptp(by_day.mean(axis=(0, 1))) > 10


def test_light_steps_change_the_whole_picture_at_once() -> None:
    steps = Weather(wind=0.0, clouds=0.0, light_steps_per_hour=60.0)
    camera = Camera(trap_sheet(visitors=(), weather=steps, **SMALL), 1)
    means = [camera.frame(NIGHT + timedelta(minutes=m)).pixels("low").mean() for m in range(12)]
    assert max(abs(a / b - 1) for a, b in itertools.pairwise(means)) > 0.1
    steady = Camera(trap_sheet(visitors=(), weather=STILL, **SMALL), 1)
    means = [steady.frame(NIGHT + timedelta(minutes=m)).pixels("low").mean() for m in range(12)]
    assert max(abs(a / b - 1) for a, b in itertools.pairwise(means)) < 0.09


def test_clouds_darken_the_picture_for_about_their_share_of_the_day() -> None:
    camera = Camera(flower_patch(visitors=(), weather=Weather(wind=0.0, clouds=0.5), **SMALL), 1)
    means = np.array([camera.frame(NOON + timedelta(seconds=45 * n)).pixels("low").mean() for n in range(160)])
    shaded = np.mean(means < 0.8 * means.max())
    assert 0.3 < shaded < 0.7


def test_dew_web_and_shake_can_be_seen() -> None:
    dawn = datetime(2026, 7, 14, 4, tzinfo=UTC)
    plain = flower_patch(visitors=(), weather=STILL, **SMALL)
    base = Camera(plain, 1).frame(dawn).pixels().astype(float)
    for weather in (
        Weather(wind=0.0, clouds=0.0, dew=1.0),
        Weather(wind=0.0, clouds=0.0, web=True),
        Weather(wind=0.0, clouds=0.0, shake_px=2.0),
    ):
        other = Camera(msgspec.structs.replace(plain, weather=weather), 1).frame(dawn).pixels().astype(float)
        assert np.count_nonzero(np.abs(other - base).max(axis=2) > 15) > 300


def test_quality_and_size_are_those_of_the_scene() -> None:
    coarse = Camera(msgspec.structs.replace(SCENES["sheet"][0], quality=40), 1).frame(NIGHT)
    fine = Camera(msgspec.structs.replace(SCENES["sheet"][0], quality=95), 1).frame(NIGHT)
    assert len(coarse.jpeg()) < 0.5 * len(fine.jpeg())
    assert Image.open(io.BytesIO(fine.jpeg())).size == (640, 360)
    assert Image.open(io.BytesIO(fine.jpeg("low"))).size == (320, 180)
    with pytest.raises(ValueError, match="middling"):
        fine.jpeg("middling")


def test_cameras_that_share_a_look_have_the_same_ground_and_other_animals() -> None:
    scene = flower_patch(look=3, **SMALL)
    empty = msgspec.structs.replace(scene, visitors=(), weather=STILL)
    one, other = (Camera(empty, seed).frame(NOON).pixels("low").astype(float) for seed in (1, 2))
    assert np.abs(one - other).mean() < 6.0
    assert np.abs(one - Camera(flower_patch(**SMALL), 2).frame(NOON).pixels("low")).mean() > 10.0
    moments = [NOON + timedelta(minutes=m) for m in range(30)]
    assert [Camera(scene, 1).paths.boxes_at(m) for m in moments] != [
        Camera(scene, 2).paths.boxes_at(m) for m in moments
    ]
