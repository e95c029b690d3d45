"""The folder of a live source: whole files only, names that are read back as they were meant, one process at a time."""

from __future__ import annotations

import errno
import io
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from katydid.sensors import scratch
from katydid.sensors.capture import ClockSource
from katydid.sensors.errors import FolderUnwritable, SourceError
from katydid.sensors.metadata import own
from katydid.sensors.sources import live_folder
from katydid.sensors.sources.folder import FolderSource
from katydid.sensors.sources.live_facts import with_exif
from katydid.sensors.sources.live_folder import LiveFolder

EVENING = datetime(2026, 6, 30, 23, 59, 59, 250_000, tzinfo=timezone(timedelta(hours=2)))
EVENING_NS = 1_782_856_799_250_000_000
"""`date -u -d 2026-06-30T21:59:59 +%s`, and a quarter of a second."""


def a_jpeg() -> bytes:
    return bytes(cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes())


def test_a_file_lies_under_sensor_and_local_day_and_its_name_says_when(tmp_path: Path) -> None:
    with LiveFolder(tmp_path, "meadow", zone=EVENING.tzinfo) as folder:
        kept = folder.write(EVENING_NS, ".jpg", b"x")
    assert kept.relative_to(tmp_path).as_posix() == "meadow/2026-06-30/meadow_20260630T235959.250+0200.jpg"


def test_nothing_is_overwritten_when_a_clock_was_set_back(tmp_path: Path) -> None:
    with LiveFolder(tmp_path, "meadow", zone=UTC) as folder:
        kept = [folder.write(EVENING_NS, ".jpg", content) for content in (b"one", b"two", b"three")]
    assert [path.read_bytes() for path in kept] == [b"one", b"two", b"three"]
    stem = "meadow_20260630T215959.250+0000"
    assert [path.name for path in kept] == [f"{stem}.jpg", f"{stem}_2.jpg", f"{stem}_3.jpg"]
    again = [taken.capture.captured_at for taken in FolderSource(tmp_path).captures(lambda position: False)]
    assert again == [EVENING_NS] * 3


def test_the_same_file_again_is_one_file(tmp_path: Path) -> None:
    with LiveFolder(tmp_path, "meadow", zone=UTC) as folder:
        assert folder.write(EVENING_NS, ".jpg", b"one") == folder.write(EVENING_NS, ".jpg", b"one")
        assert not folder.left_over(".jpg")


def test_a_folder_source_reads_back_sensor_time_doubt_and_facts(tmp_path: Path) -> None:
    with LiveFolder(tmp_path, "meadow", zone=EVENING.tzinfo) as folder:
        facts = {own.TRIGGER: "motion", own.CONDITION: "", own.QUALITY: "92"}
        jpeg = with_exif(a_jpeg(), "meadow", folder.local(EVENING_NS), uncertainty_s=0.2, own_facts=facts)
        folder.write(EVENING_NS, ".jpg", jpeg)
        (taken,) = FolderSource(tmp_path).captures(lambda position: False)  # While it is held, too.
    capture = taken.capture
    assert (capture.sensor_id, capture.captured_at) == ("meadow", EVENING_NS)
    assert capture.clock.source is ClockSource.EXIF
    assert (capture.clock.zone, capture.clock.zone_source) == ("+02:00", "recorded")
    assert capture.clock.uncertainty_s == pytest.approx(0.201)
    said = {fact.name: fact.value for fact in capture.facts}
    assert (said["clock"], said["trigger"], said["jpeg_quality"]) == ("host", "motion", "92")
    assert "condition" not in said


def test_the_picture_stays_as_it_was_and_other_readers_read_its_exif() -> None:
    plain = a_jpeg()
    jpeg = with_exif(plain, "meadow", EVENING, uncertainty_s=0.2, own_facts={})
    assert jpeg[:2] == plain[:2] and jpeg.endswith(plain[2:])
    with Image.open(io.BytesIO(jpeg)) as image:
        inner = image.getexif().get_ifd(0x8769)
    assert (inner[0x9003], inner[0x9291], inner[0x9011]) == ("2026:06:30 23:59:59", "250", "+02:00")
    assert inner[0xA431] == "meadow"
    assert bytes(inner[0x9286]).startswith(b"ASCII\0\0\0Katydid|Clock: host\nKatydid|Clock Uncertainty: 0.2")


def test_what_is_unfinished_is_no_capture(tmp_path: Path) -> None:
    with LiveFolder(tmp_path, "meadow") as folder:
        folder.unfinished("1.jpg").write_bytes(a_jpeg())
        folder.note_health(b"{}")
    source = FolderSource(tmp_path)
    assert not list(source.captures(lambda position: False))
    assert source.scan().files == source.scan().other_files == 0


def test_two_processes_do_not_share_a_sensor(tmp_path: Path) -> None:
    with LiveFolder(tmp_path, "meadow"):
        with pytest.raises(SourceError, match="--sensor"), LiveFolder(tmp_path, "meadow"):
            pass
        with LiveFolder(tmp_path, "hedge"):
            pass
    with LiveFolder(tmp_path, "meadow"):
        pass


def test_a_file_system_without_locks_is_not_taken_for_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(file: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(scratch, "lock", unknown)
    with pytest.raises(FolderUnwritable, match="No locks available"), LiveFolder(tmp_path, "meadow"):
        pass


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "x" * 65, "moor.katydid", "ä"])
def test_a_name_that_is_no_folder_cannot_name_a_sensor(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="cannot name a sensor"):
        LiveFolder(tmp_path, name)


def test_a_full_disk_is_told_leaves_no_half_file_and_ends_with_code_6(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with LiveFolder(tmp_path, "meadow", zone=UTC) as folder:
        folder.write(EVENING_NS, ".jpg", b"before")
        monkeypatch.setattr(live_folder, "sync", full)
        with pytest.raises(FolderUnwritable, match=r"No space left on device.*make room") as told:
            folder.write(EVENING_NS + 10**9, ".jpg", b"after")
    assert told.value.exit_code == 6
    assert [path.read_bytes() for path in tmp_path.rglob("*.jpg")] == [b"before"]
