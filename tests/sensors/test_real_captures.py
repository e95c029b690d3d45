"""Real recordings and photos, against what their publishers' tables and names say about them."""

from __future__ import annotations

import csv
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from PIL import Image

from katydid.sensors import audio, images
from katydid.sensors.capture import Capture, ClockSource, Kind, ZoneSource
from katydid.sensors.limits import Limits
from katydid.sensors.references import open_media
from katydid.sensors.sources.folder import FolderSource

LIMITS = Limits()


def captures(root: Path, zone: str | None = None) -> list[Capture]:
    source = FolderSource(root, zone=zone, machine_zone=ZoneInfo("Europe/Brussels"))
    return [each.capture for each in source.captures(lambda _: False)]


def named(root: Path, *suffixes: str) -> list[Path]:
    return [path for path in root.rglob("*") if path.suffix.lower() in suffixes]


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 10**9  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    "folder", ["soundscapes", "images_detect", "camera_sequences", "occurrence/camtrap_dp_example"]
)
def test_every_media_file_is_one_capture_that_decodes(shared_data: Path, folder: str) -> None:
    root = shared_data / folder
    found = captures(root)
    media = named(root, ".jpg", ".jpeg", ".png", ".wav", ".flac", ".mp3", ".ogg")
    assert sorted(capture.file for capture in found) == sorted(path.relative_to(root).as_posix() for path in media)
    assert len({capture.capture_id for capture in found}) == len(found)
    for capture in found:
        assert capture.refusal == "" and capture.length == (root / capture.file).stat().st_size
        whole = open_media(capture)
        if capture.kind is Kind.FRAME:
            assert isinstance(whole, bytes)
            assert images.probe(whole, LIMITS).media_type == "image/jpeg"
        else:
            with audio.open_sound(whole, LIMITS) as reader:
                frames = sum(block.shape[1] for block in reader.blocks(1 << 16))
                assert frames == reader.header.frames == reader.header.promised_frames > 0


def test_the_camtrap_burst_has_the_times_that_its_publisher_states(shared_data: Path) -> None:
    """media.csv says 2021-04-11T20:43:09+01:00 and so on; the cameras ran on +01:00 all year."""
    root = shared_data / "occurrence" / "camtrap_dp_example"
    with (root / "media.csv").open(newline="", encoding="utf-8") as file:
        stated = {row["filePath"]: row["timestamp"] for row in csv.DictReader(file)}
    found = captures(root, zone="+01:00")
    assert len(found) == 10
    for capture in found:
        assert capture.captured_at == int(datetime.fromisoformat(stated[capture.file]).timestamp()) * 10**9
        assert capture.clock.source is ClockSource.EXIF and capture.clock.zone_source is ZoneSource.OPTION
        number = re.search(r"RCNX(\d{4})", capture.file)
        assert number and capture.sequence == int(number[1])
    assert {capture.sensor_id for capture in found} == {"H2RXEM06043616"}
    assert [capture.capture_id for capture in found] == sorted(
        (capture.capture_id for capture in found), key=lambda each: int(each[:12], 16)
    )


def test_the_reconyx_says_how_cold_it_was_and_how_full_its_battery(shared_data: Path) -> None:
    """2 degrees at dusk of a cold April; its twelve cells start near 9 V and end near 6."""
    for capture in captures(shared_data / "occurrence" / "camtrap_dp_example"):
        facts = {fact.name: fact.value for fact in capture.facts}
        assert facts["temperature_c"] == "2" and 6 < float(facts["battery_v"]) < 9
        assert facts["label"] == "MICA 318" and facts["model"] == "HYPERFIRE 2 COVERT"


def test_the_24_hours_of_one_song_meter_have_the_hours_of_their_names(shared_data: Path) -> None:
    found = captures(shared_data / "soundscapes" / "scikit_maad_24h", zone="-04:00")
    assert [capture.captured_at for capture in found] == [
        utc(2019, 5, 22, 4) + hour * 3600 * 10**9 for hour in range(24)
    ]
    assert {capture.sensor_id for capture in found} == {"S4A03895"}


def test_the_audiomoth_recordings_speak_for_themselves(shared_data: Path) -> None:
    found = {capture.file: capture for capture in captures(shared_data / "soundscapes" / "opensoundscape")}
    first, second = found["metadata.wav"], found["audiomoth_gps.wav"]
    assert (first.captured_at, first.sensor_id) == (utc(2020, 4, 4, 10, 25), "24526B065D325963")
    assert (second.captured_at, second.sensor_id) == (utc(2024, 5, 28, 10), "243B1F026488F56E")
    assert {fact.name: fact.value for fact in second.facts}["temperature_c"] == "12.8"
    assert {first.clock.zone_source, second.clock.zone_source} == {ZoneSource.RECORDED}
    sources = Counter(capture.clock.source for capture in found.values())
    assert sources == {ClockSource.AUDIOMOTH: 2, ClockSource.FILE_DATE: 17}


def test_the_flower_frames_are_within_two_seconds_of_their_names(shared_data: Path) -> None:
    found = captures(shared_data / "camera_sequences" / "insectdct_flowers_gpl3", zone="UTC")
    assert len(found) == 35
    for capture in found:
        parts = [int(part) for part in capture.file.removesuffix(".jpg").split("_")[1:]]
        assert abs(capture.captured_at - utc(*parts)) <= 2 * 10**9 and capture.clock.source is ClockSource.EXIF
    assert [capture.captured_at for capture in found] == sorted(capture.captured_at for capture in found)


def test_the_hive_frames_are_within_three_seconds_of_their_names(shared_data: Path) -> None:
    for capture in captures(shared_data / "images_detect" / "bnn_hive_entrance", zone="UTC"):
        named_time = datetime.strptime(capture.file, "%Y%m%d_%H%M%S.jpg").replace(tzinfo=UTC)
        assert abs(capture.captured_at / 1e9 - named_time.timestamp()) <= 3


def test_frames_are_the_size_and_have_the_look_that_pillow_sees(shared_data: Path) -> None:
    paths = named(shared_data / "images_detect", ".jpg")[::12] + named(shared_data / "camera_sequences", ".jpg")[:2]
    for path in paths:
        frame = images.decode(path.read_bytes(), LIMITS, 224)
        with Image.open(path) as image:
            assert (frame.full_width, frame.full_height) == image.size
            theirs = image.convert("RGB").resize(frame.pixels.shape[1::-1], Image.Resampling.BOX)
        assert np.abs(frame.pixels.astype(int) - np.asarray(theirs).astype(int)).mean() < 2.0
        assert min(frame.pixels.shape[:2]) >= 448
