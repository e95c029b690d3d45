"""A camera's stream as it is on a network: real MJPEG over HTTP on loopback, and films written by OpenCV."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

import cv2
import numpy as np
import pytest

from katydid.sensors import images
from katydid.sensors.errors import FolderUnwritable, OverLimit, SourceError
from katydid.sensors.limits import Limits
from katydid.sensors.sources import camera_stream
from katydid.sensors.sources.camera import Camera, CameraHealth, CameraSettings
from katydid.sensors.sources.camera_stream import Address, Picture, Stream, read_address
from katydid.sensors.sources.camera_watch import MotionSettings
from katydid.sensors.sources.folder import FolderSource
from katydid.sensors.sources.live_folder import LiveFolder
from mjpeg_server import MjpegServer, Pixels, jpeg, noisy
from rtsp_server import RtspServer

START_NS = 1_780_000_000_000_000_000
PICTURES = [jpeg(noisy(k)) for k in range(40)]
"""Each with noise of its own, as a camera's."""


def settings_for(url: str, **more: object) -> CameraSettings:
    return CameraSettings(address=read_address(url), **more)  # type: ignore[arg-type]


@contextmanager
def captured(
    settings: CameraSettings, root: Path, told: Callable[[str], None] = lambda words: None
) -> Iterator[tuple[Camera, Callable[[Callable[[], bool]], None]]]:
    """A camera that is captured on a thread; the second is given a condition and waits for it, at most 20 s."""
    asked = threading.Event()
    with LiveFolder(root, "meadow", zone=UTC) as folder:
        camera = Camera(settings, folder, told, stop=asked.is_set, first_rest_s=0.1)
        runner = threading.Thread(target=camera.run)
        runner.start()

        def wait_for(condition: Callable[[], bool]) -> None:
            deadline = time.monotonic() + 20
            while not condition():
                assert time.monotonic() < deadline, camera.health
                assert runner.is_alive()
                time.sleep(0.01)

        try:
            yield camera, wait_for
        finally:
            asked.set()
            runner.join()


def run(settings: CameraSettings, root: Path, told: Callable[[str], None] = lambda words: None) -> CameraHealth:
    with LiveFolder(root, "meadow", zone=UTC) as folder:
        return Camera(settings, folder, told, first_rest_s=0.1).run()


def kept(root: Path) -> list[Path]:
    return sorted(root.rglob("*.jpg"))


def film(path: Path, pictures: list[Pixels], fps: float = 10.0) -> Path:
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


def with_square(k: int, x: int) -> Pixels:
    picture = noisy(k)
    picture[100:130, x : x + 30] = 200
    return picture


def test_frames_of_a_network_stream_are_the_cameras_own_bytes(tmp_path: Path) -> None:
    with MjpegServer(lambda k: PICTURES[k % 40]) as server:
        health = run(settings_for(server.url, every_s=0.2, count=3), tmp_path)
    assert health.kept == 3
    sent = {data[2:] for _, data in server.sent}
    for path in kept(tmp_path):
        data = path.read_bytes()
        length = int.from_bytes(data[4:6], "big")  # Of the EXIF segment that was put in.
        assert data[:4] == b"\xff\xd8\xff\xe1"
        assert data[4 + length :] in sent
    (first, *_) = FolderSource(tmp_path).captures(lambda position: False)
    assert "jpeg_quality" not in {fact.name for fact in first.capture.facts}


def test_a_fixed_rate_keeps_its_schedule_on_a_real_stream(tmp_path: Path) -> None:
    with MjpegServer(lambda k: PICTURES[k % 40], fps=25) as server:
        run(settings_for(server.url, every_s=0.3, count=8), tmp_path)
    times = [taken.capture.captured_at / 1e9 for taken in FolderSource(tmp_path).captures(lambda position: False)]
    # Each is the first picture after its tick: at most one picture (0.04 s) late, and on a busy machine some more;
    # were lateness added up, the last would be 7 times as late.
    late = [at - times[0] - 0.3 * k for k, at in enumerate(times)]
    assert len(times) == 8 and min(late) > -0.02 and np.median(late[4:]) < 0.15


@pytest.mark.parametrize("kind", [MjpegServer, RtspServer])
def test_a_camera_that_goes_away_is_found_again(tmp_path: Path, kind: type[MjpegServer | RtspServer]) -> None:
    said: list[str] = []
    with (
        kind(lambda k: PICTURES[k % 40]) as server,
        captured(settings_for(server.url, every_s=0.1), tmp_path, said.append) as (camera, wait_for),
    ):
        wait_for(lambda: camera.health.kept >= 3)
        server.stop()
        wait_for(lambda: any("does not answer" in words for words in said))
        before = camera.health.kept
        server.start()
        wait_for(lambda: camera.health.kept >= before + 3)
        assert camera.health.reconnects >= 1
        assert camera.health.away_s > 0.1
    assert any("is there again" in words for words in said)
    assert len(kept(tmp_path)) == camera.health.kept
    assert all(images.decode(path.read_bytes(), Limits()).pixels.shape == (240, 320, 3) for path in kept(tmp_path))


@pytest.mark.parametrize("kind", [MjpegServer, RtspServer])
def test_a_stream_that_stays_open_and_sends_nothing_more_is_given_up(
    tmp_path: Path, kind: type[MjpegServer | RtspServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_stream, "ANSWER_MS", 600)
    waiting = threading.Event()

    def then_nothing(k: int) -> bytes:
        if k >= 10:
            waiting.wait(30)
        return PICTURES[k % 40]

    said: list[str] = []
    with kind(then_nothing) as server:
        try:
            with captured(settings_for(server.url, every_s=0.1), tmp_path, said.append) as (camera, wait_for):
                wait_for(lambda: any("has ended: trying again" in words for words in said))
                assert camera.health.kept >= 1
        finally:
            waiting.set()


def test_a_network_camera_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    server = MjpegServer(lambda k: PICTURES[k % 40])
    server.start()
    server.stop()  # Its port is known, and nobody listens.
    said: list[str] = []
    with captured(settings_for(server.url, every_s=0.1), tmp_path, said.append) as (camera, wait_for):
        wait_for(lambda: any("does not answer: trying again in 0.2 s" in words for words in said))
        server.start()
        wait_for(lambda: camera.health.kept >= 1)
    server.stop()


def test_a_frozen_stream_is_noticed_and_its_frames_are_withheld(tmp_path: Path) -> None:
    def then_still(k: int) -> bytes:
        return PICTURES[min(k, 15)]

    said: list[str] = []
    with MjpegServer(then_still) as server:
        settings = settings_for(server.url, every_s=0.1, motion=MotionSettings(), frozen_s=0.5)
        with captured(settings, tmp_path, said.append) as (camera, wait_for):
            wait_for(lambda: camera.health.withheld >= 5)
            frames = camera.health.kept
            server.picture = lambda k: PICTURES[k % 40]
            wait_for(lambda: camera.health.kept > frames)
            assert camera.health.frozen_s > 0.3
    assert any("has not changed by one bit" in words for words in said)
    assert any("changes again" in words for words in said)


def test_a_black_stream_is_noticed_and_its_frames_say_so(tmp_path: Path) -> None:
    dark = [jpeg(noisy(k, level=3)) for k in range(20)]
    said: list[str] = []
    with MjpegServer(lambda k: dark[k % 20]) as server:
        health = run(settings_for(server.url, every_s=0.5, motion=MotionSettings(), count=3), tmp_path, said.append)
    assert health.black_s > 0.5
    assert [words for words in said if "black" in words] == [
        "the picture is black: a lid, a lamp that is out, or night"
    ]
    for taken in FolderSource(tmp_path).captures(lambda position: False):
        assert ("condition", "black") in {(fact.name, fact.value) for fact in taken.capture.facts}


def test_motion_is_kept_and_stillness_is_not_on_a_real_stream(tmp_path: Path) -> None:
    """Two seconds of noise, then something that walks."""
    walking = [jpeg(with_square(k, 5 * k)) for k in range(40)]
    with MjpegServer(lambda k: PICTURES[k % 40] if k < 40 else walking[min(k - 40, 39)]) as server:
        settings = settings_for(server.url, motion=MotionSettings(rest_s=0.3), count=3)
        health = run(settings, tmp_path)
    assert health.kept == 3 and health.grabbed >= 40
    for path in kept(tmp_path):
        assert images.decode(path.read_bytes(), Limits()).pixels.max() > 180


def test_a_film_gives_frames_at_its_own_times_the_same_ones_each_time(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", [noisy(k) for k in range(50)])
    settings = settings_for(str(path), every_s=1.0, start_ns=START_NS)
    ids = []
    for name in ("one", "two"):
        health = run(settings, tmp_path / name)
        assert (health.grabbed, health.kept, health.missed) == (50, 5, 0)
        captures = [taken.capture for taken in FolderSource(tmp_path / name).captures(lambda position: False)]
        assert [capture.captured_at for capture in captures] == [START_NS + k * 10**9 for k in range(5)]
        ids.append([capture.capture_id for capture in captures])
    assert ids[0] == ids[1]


def test_motion_in_a_film_fires_when_the_square_comes(tmp_path: Path) -> None:
    pictures = [noisy(k) for k in range(30)] + [with_square(k, 4 * (k - 30)) for k in range(30, 60)]
    path = film(tmp_path / "film.mp4", pictures)
    health = run(settings_for(str(path), motion=MotionSettings(rest_s=1.0), start_ns=START_NS), tmp_path / "out")
    first = min(taken.capture.captured_at for taken in FolderSource(tmp_path / "out").captures(lambda position: False))
    assert (first - START_NS) / 1e9 == pytest.approx(3.0, abs=0.11)
    assert health.kept == 3


def test_a_films_frames_do_not_say_that_the_time_is_this_machines(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", [noisy(0)])
    run(settings_for(str(path), every_s=1.0, start_ns=START_NS), tmp_path / "out")
    (taken,) = FolderSource(tmp_path / "out").captures(lambda position: False)
    assert {fact.name: fact.value for fact in taken.capture.facts}["clock"] == "film"


def test_a_film_without_a_time_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", [noisy(0)])
    with pytest.raises(SourceError, match="--start"):
        run(settings_for(str(path), every_s=1.0), tmp_path / "out")


def test_a_film_or_device_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no such film"):
        run(settings_for(str(tmp_path / "none.mp4"), every_s=1.0, start_ns=0), tmp_path)
    with pytest.raises(SourceError, match="camera 97 cannot be opened"):
        run(settings_for("97", every_s=1.0), tmp_path)


def test_a_stream_larger_than_the_limit_is_refused(tmp_path: Path) -> None:
    with (
        MjpegServer(lambda k: PICTURES[k % 40]) as server,
        pytest.raises(OverLimit, match="320 x 240"),
    ):
        run(settings_for(server.url, every_s=0.1, limits=Limits(max_pixels=320 * 240 - 1)), tmp_path)


def test_a_broken_picture_in_a_stream_is_counted_and_the_next_is_taken(tmp_path: Path) -> None:
    def damaged(k: int) -> bytes:
        return PICTURES[k % 40] if k % 2 == 0 or k < 10 else PICTURES[k % 40][:200] + b"\xff\xd9"

    with MjpegServer(damaged) as server:
        health = run(settings_for(server.url, every_s=0.05, count=20), tmp_path)
    assert health.broken >= 1
    assert all(images.decode(path.read_bytes(), Limits()).pixels.shape == (240, 320, 3) for path in kept(tmp_path))


class FastStream(Stream):
    """A camera of 1,000 pictures a second, without OpenCV."""

    def __init__(self) -> None:
        self.k = 0

    def grab(self) -> bool:
        time.sleep(0.001)
        self.k += 1
        return self.k < 400

    def picture(self) -> Picture:
        return Picture(data=PICTURES[self.k % 40])

    def close(self) -> None:
        pass


def test_frames_for_which_the_disk_is_too_slow_are_dropped_counted_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = LiveFolder.write

    def slow(self: LiveFolder, at_ns: int, suffix: str, content: bytes) -> Path:
        time.sleep(0.1)
        return write(self, at_ns, suffix, content)

    monkeypatch.setattr(LiveFolder, "write", slow)
    said: list[str] = []
    address = Address(target=0, shown="camera 0", name="camera-0", live=True, network=False)
    streams = [FastStream()]
    with LiveFolder(tmp_path, "meadow", zone=UTC) as folder:
        camera = Camera(
            CameraSettings(address=address, every_s=0.005), folder, said.append,
            opener=lambda where, limits: streams.pop() if streams else None, first_rest_s=0.05,
            stop=lambda: not streams and any("has ended" in words for words in said),
        )  # fmt: skip
        health = camera.run()
    assert health.dropped > 10
    assert any("frames dropped: the disk is too slow" in words for words in said)
    # Every tick ended somewhere: on the disk, dropped and counted, or missed and counted.
    assert health.kept == len(kept(tmp_path))
    assert health.kept <= health.grabbed - health.dropped


def test_a_fault_of_the_grabbing_thread_ends_the_capture_as_a_fault(tmp_path: Path) -> None:
    def broken_driver(where: Address, limits: Limits) -> Stream | None:
        raise ZeroDivisionError("of a driver")

    address = Address(target=0, shown="camera 0", name="camera-0", live=True, network=False)
    with LiveFolder(tmp_path, "meadow", zone=UTC) as folder, pytest.raises(ZeroDivisionError):
        Camera(CameraSettings(address=address, every_s=1.0), folder, print, opener=broken_driver).run()


def test_an_outage_is_counted_while_it_lasts(tmp_path: Path) -> None:
    said: list[str] = []
    streams = [FastStream()]
    address = Address(target=0, shown="camera 0", name="camera-0", live=True, network=False)
    with LiveFolder(tmp_path, "meadow", zone=UTC) as folder:
        health = Camera(
            CameraSettings(address=address, every_s=1.0), folder, said.append,
            opener=lambda where, limits: streams.pop() if streams else None, first_rest_s=0.05,
            stop=lambda: sum("does not answer" in words for words in said) >= 2,
        ).run()  # fmt: skip
    assert health.reconnects == 0
    assert health.blind_s >= 0.05 + 0.1, "both rests that were waited out"


def test_a_full_disk_ends_the_capture_with_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: LiveFolder, at_ns: int, suffix: str, content: bytes) -> Path:
        with self.writing():
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(LiveFolder, "write", full)
    with MjpegServer(lambda k: PICTURES[k % 40]) as server, pytest.raises(FolderUnwritable, match="make room"):
        run(settings_for(server.url, every_s=0.1), tmp_path)
