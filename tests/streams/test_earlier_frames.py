"""Which frames came before a frame: the same in any order of decoding, after a kill, in portions and with any cores."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.identify import identify
from katydid.models.image.earlier import EARLIER, Reduced, reduced
from katydid.models.library import Library
from katydid.models.manifest import BundleKind
from katydid.models.model import open_model
from katydid.models.outcome import Outcome
from katydid.models.settings import IdentifySettings
from katydid.sensors import images
from katydid.sensors.limits import Limits
from katydid.sensors.sources.folder import FolderSource
from katydid.streams.earlier import EarlierFrames
from katydid.streams.local import RunOptions, run_folder
from katydid.streams.pipeline import Pipeline
from katydid.streams.store import open_store
from katydid.streams.tunables import PipelineSettings

FRAMES = 20
BROKEN = 5
"""The number of a frame that was cut off in the middle."""
DEADLINE_S = 30.0
ORDERED = "SELECT earlier_frames FROM outcome WHERE status != 'refused' ORDER BY captured_at"
ONE_FRAME = 2 * 3
"""Bytes of the smallest pictures here."""

CHILD = """
import os, sys
from pathlib import Path
import msgspec
import katydid.streams.local as local
from katydid.models.library import Library
from katydid.streams.tunables import PipelineSettings

class Telling(local.FolderSource):
    def durable(self, position):
        os.write(1, b".")

local.FolderSource = Telling
folder, library, out = map(Path, sys.argv[1:4])
quick = msgspec.structs.replace(PipelineSettings.for_this_machine(2), commit_items=2, commit_s=0.01, gather_s=0.01)
options = local.RunOptions(folder=folder, out=out, pipeline=quick)
local.run_folder(options, library=Library([library]), watch=lambda progress: None, notify=lambda message: None)
"""


def tiny(sensor: str, number: int) -> Reduced:
    return Reduced(f"{sensor}-{number}", sensor, number, np.full((2, 3), number, np.uint8))


def numbers(frames: Sequence[Reduced]) -> list[int]:
    return [one.at for one in frames]


@given(st.permutations(range(14)), st.sets(st.integers(0, 13)))
def test_a_frame_has_the_eight_before_it_in_whatever_order_they_were_decoded(
    order: list[int], broken: set[int]
) -> None:
    earlier = EarlierFrames(1 << 20)
    places = [earlier.take("cam") for _ in range(14)]
    earlier.loaded(places[0], [])
    for number in order:
        earlier.fill(places[number], None if number in broken else tiny("cam", number))
    for number, place in enumerate(places):
        assert place.before is not None
        assert numbers(place.before) == [n for n in range(number) if n not in broken][-EARLIER:]


def test_a_frame_goes_on_when_all_ahead_of_it_are_there_and_not_before() -> None:
    earlier = EarlierFrames(1 << 20)
    first, second, third = (earlier.take("cam") for _ in range(3))
    earlier.loaded(first, [])
    assert earlier.fill(third, tiny("cam", 2)) == []
    assert earlier.fill(first, tiny("cam", 0)) == [first]
    assert earlier.fill(second, None) == [second, third]


def test_what_was_kept_comes_before_the_first_new_frame() -> None:
    earlier = EarlierFrames(1 << 20)
    place = earlier.take("cam")
    assert place.loads and not earlier.take("cam").loads
    earlier.loaded(place, [tiny("cam", n) for n in range(5)])
    earlier.fill(place, tiny("cam", 9))
    assert place.before is not None and numbers(place.before) == [0, 1, 2, 3, 4]


def test_memory_is_bounded_and_only_quiet_cameras_are_let_go() -> None:
    earlier = EarlierFrames(2 * ONE_FRAME)
    for sensor in ("a", "b"):
        place = earlier.take(sensor)
        earlier.loaded(place, [])
        earlier.fill(place, tiny(sensor, 0))
    assert earlier.nbytes == 2 * ONE_FRAME
    assert earlier.has_room("a"), "its frames are there already"
    assert not earlier.has_room("c"), "nothing is durable yet"
    earlier.durable(tiny("b", 0))
    assert earlier.has_room("c") and earlier.nbytes == ONE_FRAME
    assert earlier.take("b").loads and not earlier.take("a").loads


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera over a restless ground where a dark insect walks, one frame every two seconds, one of them broken; its
    library lies beside it."""
    place = tmp_path_factory.mktemp("station")
    folder = place / "card"
    folder.mkdir()
    rng = np.random.default_rng(3)
    meadow = cv2.resize(rng.integers(40, 250, (45, 80), np.uint8), (960, 540), interpolation=cv2.INTER_CUBIC)
    for number in range(FRAMES):
        pixels = np.clip(meadow.astype(np.float64) + rng.normal(0, 1.5, meadow.shape), 0, 255).astype(np.uint8)
        cv2.ellipse(pixels, (60 + 40 * number, 260), (26, 16), 0, 0, 360, (15,), -1)
        data = cv2.imencode(".jpg", pixels)[1].tobytes()
        name = f"20250601_1200{2 * number:02d}.jpg"
        (folder / name).write_bytes(data[: len(data) // 2] if number == BROKEN else data)
    placeholder_bundle(place / "library", name="eyes", kind=BundleKind.IMAGE_CLASSIFIER)
    return folder


def library(folder: Path) -> Library:
    return Library([folder.parent / "library"])


def ran(folder: Path, out: Path, workers: int = 2) -> str:
    """The content of the store that a run leaves."""
    options = RunOptions(folder=folder, out=out, pipeline=PipelineSettings.for_this_machine(workers))
    summary = run_folder(options, library=library(folder), watch=lambda _: None, notify=lambda _: None)
    with open_store(summary.outputs.store, read_only=True) as store:
        return store.content_hash()


def outcomes(out: Path) -> list[Outcome]:
    """In the order of time."""
    with open_store(out / "detections.duckdb", read_only=True) as store:
        ids = [
            str(row[0]) for rows in store.tuples("SELECT capture_id FROM outcome ORDER BY captured_at") for row in rows
        ]
        return [outcome for one in ids if (outcome := store.outcome(one)) is not None]


def test_a_run_compares_each_frame_with_those_before_it_as_identify_alone_does(station: Path, tmp_path: Path) -> None:
    ran(station, tmp_path / "out")
    model = open_model(library(station).open("eyes"), slots=1)
    before: list[Reduced] = []
    found = outcomes(tmp_path / "out")
    assert len(found) == FRAMES
    for taken, outcome in zip(FolderSource(station).captures(lambda _: False), found, strict=True):
        alone = identify(taken.capture, [model], IdentifySettings(), Limits(), before[-EARLIER:])
        assert outcome == alone
        if outcome.status != "refused":
            assert outcome.earlier_frames == min(len(before), EARLIER)
            data = taken.capture.payload
            assert data is not None
            before.append(reduced(taken.capture, images.decode(data, Limits(), 224).pixels))
    model.close()
    walking = [outcome for outcome in found if outcome.earlier_frames >= 3]
    at = [(d.box.x + d.box.w / 2) * 960 for outcome in walking for d in outcome.detections if d.box is not None]
    expected = [60 + 40 * n for n in range(FRAMES) if n > BROKEN or 3 <= n < BROKEN]
    assert at == pytest.approx(expected, abs=12), "one insect a frame, and where it is"


@pytest.mark.parametrize("workers", [1, 4])
def test_any_number_of_workers_leaves_the_same_store(station: Path, tmp_path: Path, workers: int) -> None:
    assert ran(station, tmp_path / "some", workers) == ran(station, tmp_path / "two", 2)


def test_frames_that_come_in_portions_are_compared_with_those_of_the_runs_before(station: Path, tmp_path: Path) -> None:
    card = tmp_path / station.parent.name / "card"
    card.mkdir(parents=True)
    (card.parent / "library").symlink_to(station.parent / "library", target_is_directory=True)
    files = sorted(station.iterdir())
    for portion in (files[:3], files[3:4], files[4:13], files[13:]):
        for file in portion:
            (card / file.name).write_bytes(file.read_bytes())
            stat = file.stat()
            os.utime(card / file.name, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        content = ran(card, tmp_path / "portions")
    assert content == ran(station, tmp_path / "whole")


def test_a_run_that_is_killed_again_and_again_leaves_the_same_store(station: Path, tmp_path: Path) -> None:
    out, left = tmp_path / "killed", []
    for kill_after in (3, 2, 5, 4):
        arguments = [sys.executable, "-c", CHILD, str(station), str(station.parent / "library"), str(out)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _ in range(kill_after):
                if not child.stdout.read(1):
                    break
            child.kill()
        left.append(len(outcomes(out)))
    assert 0 < left[0] < FRAMES and left == sorted(left), "killed in the middle"
    assert ran(station, out) == ran(station, tmp_path / "whole")


@pytest.mark.parametrize("room", [1, 1 << 27])
def test_cameras_that_were_let_go_for_others_are_read_again_and_nothing_changes(station: Path, room: int) -> None:
    """Three cameras whose frames come in turn, and memory for one of them: each lets go of the others."""
    quick = msgspec.structs.replace(
        PipelineSettings.for_this_machine(2), max_earlier_bytes=room, commit_s=0.01, gather_s=0.01
    )
    with open_store(None) as store, Pipeline([], store, quick, earlier=store.earlier_frames) as pipeline:
        for number, taken in enumerate(FolderSource(station).captures(lambda _: False)):
            capture = msgspec.structs.replace(taken.capture, sensor_id=f"camera {number % 3}")
            assert pipeline.put_wait(msgspec.structs.replace(taken, capture=capture), timeout=DEADLINE_S)
        assert pipeline.drain(DEADLINE_S)
        rows = [row for rows in store.tuples(ORDERED) for row in rows]
        assert len(store.earlier_frames("camera 0")) == 7
    behind = [n // 3 - (n % 3 == BROKEN % 3 and n > BROKEN) for n in range(FRAMES) if n != BROKEN]
    assert [count for (count,) in rows] == behind


def test_memory_is_bounded_where_frames_come_one_at_a_time(station: Path) -> None:
    """Twelve cameras, and room for two frames: nothing is under way whenever the next one comes."""
    frame = 480 * 270
    quick = msgspec.structs.replace(
        PipelineSettings.for_this_machine(2), max_earlier_bytes=2 * frame, commit_s=0.01, gather_s=0.01
    )
    with open_store(None) as store, Pipeline([], store, quick, earlier=store.earlier_frames) as pipeline:
        for number, taken in enumerate(list(FolderSource(station).captures(lambda _: False))[-12:]):
            capture = msgspec.structs.replace(taken.capture, sensor_id=f"camera {number}")
            assert pipeline.put_wait(msgspec.structs.replace(taken, capture=capture), timeout=DEADLINE_S)
            assert pipeline.drain(DEADLINE_S)
            assert pipeline._earlier.nbytes <= 2 * frame


def test_a_store_keeps_the_newest_eight_frames_of_a_camera_and_no_more(station: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran(station, out)
    with open_store(out / "detections.duckdb", read_only=True) as store:
        kept = store.earlier_frames("card")
        rows = [row for rows in store.tuples("SELECT count(*) FROM kept_frame") for row in rows]
    newest = [outcome.capture_id for outcome in outcomes(out) if outcome.status != "refused"][-EARLIER:]
    assert [frame.capture_id for frame in kept] == newest and rows == [(EARLIER,)]
    assert {frame.pixels.shape for frame in kept} == {(270, 480)}


def test_whole_frames_are_compared_with_nothing_and_nothing_is_kept(station: Path, tmp_path: Path) -> None:
    options = RunOptions(folder=station, out=tmp_path / "out", identify=IdentifySettings(region="whole"))
    run_folder(options, library=library(station), watch=lambda _: None, notify=lambda _: None)
    with open_store(tmp_path / "out" / "detections.duckdb", read_only=True) as store:
        assert store.earlier_frames("card") == ()
    assert {outcome.earlier_frames for outcome in outcomes(tmp_path / "out")} == {0}
