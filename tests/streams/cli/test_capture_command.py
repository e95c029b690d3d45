"""`katydid capture` as a process: real streams and devices on loopback, Ctrl-C, kill -9, passwords, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from katydid.sensors.capture import Capture
from katydid.sensors.sources.folder import FolderSource
from katydid.streams.cli import run_command
from mjpeg_server import MjpegServer, jpeg, noisy
from sound_devices import file_device, loop_device, need_portaudio, play

KATYDID = [sys.executable, "-c", "from katydid.streams.cli import main; main()"]
PICTURES = [jpeg(noisy(k)) for k in range(20)]


@contextmanager
def running(words: list[str], environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*KATYDID, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def captures(root: Path) -> list[Capture]:
    return [taken.capture for taken in FolderSource(root).captures(lambda position: False)]


def ramp(n: int) -> NDArray[np.int16]:
    return (np.arange(n) - 32_768).astype(np.int16)


def heard(root: Path, suffix: str) -> list[NDArray[np.int16]]:
    return [np.asarray(soundfile.read(path, dtype="int16")[0]) for path in sorted(root.rglob(f"*{suffix}"))]


def test_ctrl_c_ends_a_camera_with_what_it_kept_and_code_130(tmp_path: Path) -> None:
    with MjpegServer(lambda k: PICTURES[k % 20]) as server:
        words = ["capture", "camera", server.url, "--every", "0.1", "--out", str(tmp_path), "--sensor", "hive"]
        with running(words) as process:
            wait_for(lambda: len(list(tmp_path.rglob("*.jpg"))) >= 3, process)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    kept = captures(tmp_path)
    assert f"{len(kept)} frames kept in" in out and "Traceback" not in err
    assert {capture.sensor_id for capture in kept} == {"hive"} and not any(capture.refusal for capture in kept)


def test_a_camera_killed_at_any_moment_leaves_whole_frames_only_and_the_next_goes_on(tmp_path: Path) -> None:
    words = ["capture", "camera", "", "--every", "0.05", "--out", str(tmp_path), "--sensor", "hive", "--quiet"]
    with MjpegServer(lambda k: PICTURES[k % 20], fps=30) as server:
        words[2] = server.url
        for round_ in (1, 2, 3):
            with running(words) as process:
                wait_for(lambda n=3 * round_: len(list(tmp_path.rglob("2*/*.jpg"))) >= n, process)  # type: ignore[misc]
                process.kill()
    found = captures(tmp_path)
    assert len(found) >= 9 and not any(capture.refusal for capture in found)
    for path in tmp_path.rglob("2*/*.jpg"):
        pixels = cv2.imread(str(path))
        assert pixels is not None and pixels.shape == (240, 320, 3)


def test_a_password_is_in_no_output_no_name_and_no_file(tmp_path: Path) -> None:
    with MjpegServer(lambda k: PICTURES[k % 20], login="user:s3cret") as server:
        address = f"http://user:s3cret@127.0.0.1:{server.port}/video?token=s3cret"
        words = ["capture", "camera", address, "--every", "0.1", "--out", str(tmp_path)]
        with running(words) as process:
            wait_for(lambda: list(tmp_path.rglob("*.jpg")), process)
            server.stop()
            said = ""
            assert process.stderr is not None
            while "does not answer" not in said:
                said += process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "s3cret" not in said + out + err and f"http://127.0.0.1:{server.port}/video?…" in said
    for path in tmp_path.rglob("*"):
        assert "s3cret" not in path.name
        assert not path.is_file() or b"s3cret" not in path.read_bytes()


def test_a_password_may_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret\n", encoding="utf-8")
    with MjpegServer(lambda k: PICTURES[k % 20], login="user:s3cret") as server:
        address = f"http://user@127.0.0.1:{server.port}/video"
        words = [
            *KATYDID,
            "capture",
            "camera",
            address,
            "--every",
            "0.1",
            "--count",
            "1",
            "--out",
            str(tmp_path / "out"),
        ]
        for given in ({"KATYDID_CAMERA_PASSWORD": "s3cret"}, {"KATYDID_CAMERA_PASSWORD_FILE": str(secret)}):
            subprocess.run(words, env=dict(os.environ) | given, check=True, timeout=60)
    assert len(captures(tmp_path / "out")) == 2


def test_a_film_takes_its_time_from_its_name_and_its_sensor_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = tmp_path / "hive_20260601_120000.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    for k in range(25):
        writer.write(noisy(k))
    writer.release()
    words = ["capture", "camera", str(film), "--every", "1", "--out", str(tmp_path / "out")]
    assert run_command([*words, "--timezone", "+02:00"]) == 0
    assert "3 frames kept in" in capsys.readouterr().out
    assert [(each.sensor_id, each.clock.recorded[11:]) for each in captures(tmp_path / "out")] == [
        ("hive_20260601_120000", f"12:00:0{second}.000+02:00") for second in (0, 1, 2)
    ]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["camera", "nothing.mp4", "--start", "2026-06-01T12:00:00Z"], 3, "there is no such film"),
        (["camera", "97"], 3, "camera 97 cannot be opened"),
        (["camera", "0", "--sensor", "a/b"], 3, "cannot name a sensor"),
        (["camera", "film.mp4", "--start", "yesterday"], 2, "is no time"),
        (["camera", "0", "--size", "big"], 2, "WIDTHxHEIGHT"),
        (["camera", "0", "--timezone", "Moon/Base"], 2, "no time zone"),
        (["recorder", "--as", "mp3"], 2, "not one of flac, wav"),
        (["recorder", "--clip", "1000000"], 3, "at most"),
    ],
)
def test_what_is_wrong_is_said_with_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert run_command(["capture", *words, "--out", str(tmp_path)]) == code
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_recorder_without_its_extra_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert run_command(["capture", "recorder", "--out", str(tmp_path)]) == 3
    assert "pip install 'katydid[record]'" in " ".join(capsys.readouterr().err.split())


def test_a_real_device_is_recorded_sample_for_sample_over_its_clips(tmp_path: Path) -> None:
    """ALSA's file device gives 65,536 samples that are each their own number."""
    need_portaudio()
    environment = file_device(tmp_path, ramp(65_536))
    words = ["capture", "recorder", "katydid_file", "--rate", "16000", "--clip", "1", "--count", "4", "--as", "wav"]
    subprocess.run(
        [*KATYDID, *words, "--out", str(tmp_path / "out"), "--sensor", "a"], env=environment, check=True, timeout=120
    )
    # The device is a hundred times faster than time, so names need not be in order; the samples are.
    found = sorted(heard(tmp_path / "out", ".wav"), key=lambda clip: int(clip[0]))
    assert [len(clip) for clip in found] == [16_000] * 4
    assert np.array_equal(np.concatenate(found), ramp(64_000))


def test_a_device_in_real_time_is_recorded_without_a_gap_and_ctrl_c_keeps_the_open_clip(tmp_path: Path) -> None:
    need_portaudio()
    with loop_device(tmp_path) as environment:
        words = [
            "capture",
            "recorder",
            "katydid_loop",
            "--clip",
            "0.5",
            "--out",
            str(tmp_path / "out"),
            "--sensor",
            "a",
        ]
        with running(words, environment) as process:
            wait_for(lambda: list((tmp_path / "out").rglob("*.flac")), process)
            play(environment, ramp(65_536))
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "overruns" not in err
    clips = heard(tmp_path / "out", ".flac")
    assert [len(clip) for clip in clips[:-1]] == [24_000] * (len(clips) - 1) and len(clips[-1]) <= 24_000
    assert f"{len(clips)} clips kept in" in out
    sound = np.concatenate(clips)
    first = int(np.flatnonzero(sound)[0])
    assert np.array_equal(sound[first : first + 65_536], ramp(65_536))
    times = [capture.captured_at for capture in captures(tmp_path / "out")]
    assert np.abs(np.diff(times[1:]) / 1e9 - 0.5).max() < 0.1


def test_a_recorder_killed_in_a_clip_leaves_no_half_file_and_the_next_keeps_what_it_had(tmp_path: Path) -> None:
    need_portaudio()
    out = tmp_path / "out"
    with loop_device(tmp_path) as environment:
        words = ["capture", "recorder", "katydid_loop", "--clip", "60", "--out", str(out), "--sensor", "a"]
        with running(words, environment) as process:
            wait_for(lambda: any(path.stat().st_size > 48_000 for path in out.rglob(".unfinished/*.wav")), process)
            process.kill()
        assert captures(out) == []
        words = [*words, "--count", "1"]
        with running(words, environment) as process:
            wait_for(lambda: captures(out), process)
            (capture,) = captures(out)
    assert ("stopped_by", "killed") in {(fact.name, fact.value) for fact in capture.facts}
    assert len(heard(out, ".flac")[0]) >= 24_000 - 22 and not capture.refusal
