"""A folder as a source: what is taken, in which order, under which sensor, and what is left alone."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from hostile_files import encoded, info_chunk, pcm16, photo, wav, with_chunks
from katydid.sensors import audio, envelope, images
from katydid.sensors.capture import Capture, ClockSource, Kind, Place, ZoneSource
from katydid.sensors.clock import ZoneError
from katydid.sensors.errors import SourceError, Undecodable
from katydid.sensors.limits import Limits
from katydid.sensors.references import open_media
from katydid.sensors.sources.folder import FolderSource
from katydid.sensors.sources.protocol import Position, Taken

JPEG = encoded(photo(), "JPEG")
CLIP = wav(pcm16(0.1))


def none_settled(_: Position) -> bool:
    return False


def write(root: Path, *names: str, content: bytes | None = None) -> None:
    """Each file with bytes of its own, so that no two are the same recording."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = JPEG if name.lower().endswith("jpg") else CLIP
        path.write_bytes(plain + name.encode() if content is None else content)


def taken(root: Path, **options: object) -> list[Taken]:
    return list(FolderSource(root, **options).captures(none_settled))  # type: ignore[arg-type]


def captures(root: Path, **options: object) -> list[Capture]:
    return [each.capture for each in taken(root, **options)]


def files(root: Path, **options: object) -> list[str]:
    return [capture.file for capture in captures(root, **options)]


def test_everything_below_is_taken_in_the_order_that_a_person_would_give_it(tmp_path: Path) -> None:
    write(tmp_path, "b/IMG_10.jpg", "b/IMG_9.jpg", "a/x.wav", "z.wav", "b/deep/er/IMG_1.jpg", "B/IMG_2.jpg")
    assert files(tmp_path) == [
        "z.wav",
        "B/IMG_2.jpg",
        "a/x.wav",
        "b/IMG_9.jpg",
        "b/IMG_10.jpg",
        "b/deep/er/IMG_1.jpg",
    ]


def test_a_capture_carries_the_bytes_their_digest_and_its_position(tmp_path: Path) -> None:
    write(tmp_path, "cam/a.jpg", content=JPEG)
    (only,) = taken(tmp_path)
    capture = only.capture
    assert capture.payload == JPEG and capture.payload_ref is None
    assert (capture.sha256, capture.length) == (hashlib.sha256(JPEG).hexdigest(), len(JPEG))
    assert (capture.kind, capture.media_type) == (Kind.FRAME, "image/jpeg")
    found = (tmp_path / "cam/a.jpg").stat()
    assert only.position == Position(
        source="folder", partition="cam/a.jpg", offset=0, mark=f"{found.st_size}-{found.st_mtime_ns}"
    )


def test_a_large_file_travels_as_a_reference_and_decodes_the_same(tmp_path: Path) -> None:
    write(tmp_path, "night.wav", content=CLIP)
    (large,), (small,) = captures(tmp_path, limits=Limits(inline_bytes=1_000)), captures(tmp_path)
    assert large.payload is None and large.payload_ref is not None
    assert Path(large.payload_ref.url).is_absolute()
    assert large.payload_ref.sha256 == large.sha256 == small.sha256 == hashlib.sha256(CLIP).hexdigest()
    assert large.payload_ref.length == large.length == len(CLIP)
    assert large.capture_id == small.capture_id
    assert np.array_equal(audio.decode(open_media(large), Limits()), audio.decode(open_media(small), Limits()))


def test_a_large_frame_that_is_gone_when_it_is_decoded_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg")
    (only,) = captures(tmp_path, limits=Limits(inline_bytes=100))
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(Undecodable) as refused:
        open_media(only)
    assert refused.value.reason == "unreadable"


def test_what_is_no_medium_by_name_and_content_is_counted_and_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "notes.txt", "media.csv", "README", content=b"a,b,c\n")
    write(tmp_path, "photo.dat", content=JPEG)
    write(tmp_path, "rubbish.jpg", content=b"no picture")
    source = FolderSource(tmp_path)
    scan = source.scan()
    assert (scan.files, scan.bytes, scan.other_files) == (1, 10, 4)
    assert [each.capture.file for each in source.captures(none_settled)] == ["photo.dat", "rubbish.jpg"]
    assert source.other_files == 3


def test_hidden_files_results_and_what_is_excluded_are_not_entered(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", ".hidden/b.jpg", "._a.jpg", "Thumbs.db", "night.katydid/crops/c.jpg", "out/d.jpg")
    assert files(tmp_path, exclude=[tmp_path / "out"]) == ["a.jpg"]


def test_what_is_settled_is_not_opened(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "b.jpg")
    first = taken(tmp_path)
    known = {each.position for each in first[:1]}
    again = list(FolderSource(tmp_path).captures(lambda position: position in known))
    assert [each.capture.file for each in again] == ["b.jpg"]
    write(tmp_path, "a.jpg", content=JPEG)
    assert len(list(FolderSource(tmp_path).captures(lambda position: position in known))) == 2


def test_the_sensor_is_the_serial_number_then_the_option_then_the_first_folder_then_the_root(tmp_path: Path) -> None:
    root = tmp_path / "meadow"
    comment = "Recorded at 10:00:00 28/05/2024 (UTC) by AudioMoth 243B1F026488F56E at medium gain"
    write(root, "x/serial.wav", content=with_chunks(CLIP, info_chunk(comment)))
    write(root, "x/y/plain.wav", "top.wav")
    assert [each.sensor_id for each in captures(root)] == ["meadow", "243B1F026488F56E", "x"]
    assert [each.sensor_id for each in captures(root, sensor="cam1")] == ["cam1", "243B1F026488F56E", "cam1"]
    assert captures(root, name="first name")[0].sensor_id == "first name"


def test_the_folders_of_a_camera_card_are_no_sensors(tmp_path: Path) -> None:
    write(tmp_path / "trap 7", "DCIM/100RECNX/a.jpg", "101MEDIA/b.jpg", "site/DCIM/c.jpg")
    assert [each.sensor_id for each in captures(tmp_path / "trap 7")] == ["trap 7", "trap 7", "site"]


def test_moving_the_folder_or_declaring_a_zone_makes_no_new_id(tmp_path: Path) -> None:
    write(tmp_path / "old", "top_20240528_100000.wav", "cam/IMG_0001.jpg")
    before = captures(tmp_path / "old")
    shutil.copytree(tmp_path / "old", tmp_path / "elsewhere" / "new")
    moved = tmp_path / "elsewhere" / "new"
    os.utime(moved / "cam/IMG_0001.jpg", (1, 1))
    after = captures(moved, name="old", zone="Asia/Tokyo")
    assert [each.capture_id for each in before] == [each.capture_id for each in after]
    assert before[0].captured_at != after[0].captured_at or before[0].clock.zone == "Asia/Tokyo"


def test_readings_take_the_zone_given_and_say_so(tmp_path: Path) -> None:
    write(tmp_path, "site_20240528_100000.wav")
    (only,) = captures(tmp_path, zone="Asia/Tokyo")
    assert only.captured_at == int(datetime(2024, 5, 28, 1, tzinfo=UTC).timestamp()) * 10**9
    assert (only.clock.source, only.clock.zone_source) == (ClockSource.FILE_NAME, ZoneSource.OPTION)
    with pytest.raises(ZoneError):
        FolderSource(tmp_path, zone="Asia/Tokio")


def test_without_a_reading_the_files_date_stands_in_but_takes_no_part_in_the_id(tmp_path: Path) -> None:
    write(tmp_path, "a.wav", content=CLIP)
    os.utime(tmp_path / "a.wav", ns=(5 * 10**17, 5 * 10**17))
    (first,) = captures(tmp_path)
    os.utime(tmp_path / "a.wav", ns=(10**18, 10**18))
    (second,) = captures(tmp_path)
    assert (first.captured_at, second.captured_at) == (5 * 10**17, 10**18)
    assert first.clock.source is ClockSource.FILE_DATE and first.capture_id == second.capture_id


def test_a_place_given_stands_in_where_the_file_has_none(tmp_path: Path) -> None:
    write(tmp_path, "a.wav")
    place = Place(latitude=52.0, longitude=5.0, source="option")
    assert captures(tmp_path, place=place)[0].place == place


def test_a_file_over_the_limit_is_refused_without_being_read(tmp_path: Path) -> None:
    write(tmp_path, "a.wav", content=CLIP)
    (only,) = captures(tmp_path, limits=Limits(max_bytes=1_000))
    assert only.refusal.startswith("too_many_bytes: ") and only.payload == b"" and only.length == len(CLIP)
    write(tmp_path, "a.wav", content=JPEG)
    (only,) = captures(tmp_path, limits=Limits(max_frame_bytes=len(JPEG) - 1))
    assert only.refusal.startswith("too_many_bytes: ")


def test_a_folder_that_is_not_there_is_an_error_of_the_source(tmp_path: Path) -> None:
    for path in (tmp_path / "gone", tmp_path / "file"):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(SourceError):
            list(FolderSource(path).captures(none_settled))
        with pytest.raises(SourceError):
            FolderSource(path).scan()


def test_an_empty_folder_yields_nothing(tmp_path: Path) -> None:
    assert captures(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right that Windows users lack")
def test_loops_of_links_end_and_each_folder_is_entered_once(tmp_path: Path) -> None:
    write(tmp_path, "a/x.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "again").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert files(tmp_path) == ["a/x.jpg"]
    assert files(tmp_path, exclude=[tmp_path / "out"]) == ["a/x.jpg"]
    write(tmp_path, "out/y.jpg")
    (tmp_path / "out too").symlink_to(tmp_path / "out", target_is_directory=True)
    assert files(tmp_path, exclude=[tmp_path / "out"]) == ["a/x.jpg"]


@pytest.mark.skipif(sys.platform == "win32" or os.name == "nt", reason="Windows has no such modes")
def test_what_cannot_be_read_is_refused_or_named_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a/x.jpg", "b/y.jpg", "c/z.jpg")
    real_open, real_scan = Path.open, os.scandir

    def no_open(path: Path, *args: object, **options: object) -> object:
        if path.name == "x.jpg":
            raise PermissionError(13, "Permission denied")
        return real_open(path, *args, **options)  # type: ignore[call-overload]

    def no_scan(path: Path) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return real_scan(path)

    monkeypatch.setattr(Path, "open", no_open)
    monkeypatch.setattr(os, "scandir", no_scan)
    source = FolderSource(tmp_path)
    found = [each.capture for each in source.captures(none_settled)]
    assert [(each.file, each.refusal) for each in found] == [
        ("a/x.jpg", "unreadable: Permission denied"),
        ("c/z.jpg", ""),
    ]
    assert source.unreadable_folders == ("b/",)


def test_what_could_not_be_read_is_told_once_and_tried_again_by_every_later_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "x.jpg")
    real_open = Path.open

    def no_open(path: Path, *args: object, **options: object) -> object:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", no_open)
    (refused,) = taken(tmp_path)
    assert refused.capture.refusal == "unreadable: Input/output error"
    marks = {refused.position}
    assert list(FolderSource(tmp_path).captures(marks.__contains__)) == []
    monkeypatch.setattr(Path, "open", real_open)
    (read,) = FolderSource(tmp_path).captures(marks.__contains__)
    assert (read.capture.refusal, read.capture.payload) == ("", JPEG + b"x.jpg")
    assert read.position.partition == refused.position.partition


def test_every_empty_file_is_a_capture_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "a.wav", "b.wav", "c.jpg", content=b"")
    found = captures(tmp_path)
    assert [each.refusal for each in found] == ["empty_file: the file has no bytes"] * 3
    assert len({each.capture_id for each in found}) == 3
    shutil.copytree(tmp_path, tmp_path / "moved")
    moved = captures(tmp_path / "moved", name=tmp_path.name)
    assert [each.capture_id for each in moved] == [each.capture_id for each in found]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
@pytest.mark.parametrize("limits", [Limits(), Limits(inline_bytes=100)], ids=["inline", "reference"])
def test_a_name_that_is_no_utf_8_does_no_harm_downstream(tmp_path: Path, limits: Limits) -> None:
    write(tmp_path / "cam \udcff", "\udcfe.jpg", content=JPEG)
    (only,) = captures(tmp_path, limits=limits)
    assert only.file == "cam \\xff/\\xfe.jpg" and only.sensor_id == "cam \\xff"
    assert envelope.unpack(envelope.pack(only)) == only
    media = open_media(only)
    assert isinstance(media, bytes) and images.decode(media, Limits()).full_width == 96


class Looks:
    """Stands in for the wait between two looks: does the next thing, and stops after the last."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)

    def __call__(self, stop: threading.Event, seconds: float) -> None:
        assert seconds > 0
        if self.steps:
            self.steps.pop(0)()
        else:
            stop.set()


def followed(root: Path, *steps: Callable[[], object]) -> list[tuple[str, int]]:
    source = FolderSource(root, follow=True, wait=Looks(*steps))
    return [(each.capture.file, each.capture.length) for each in source.captures(none_settled)]


def nothing() -> None:
    return None


def test_following_takes_a_file_once_two_looks_found_it_unchanged(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", content=JPEG)
    assert followed(tmp_path) == []
    assert followed(tmp_path, nothing, nothing, nothing) == [("a.jpg", len(JPEG))]


def test_following_waits_for_a_file_that_still_grows(tmp_path: Path) -> None:
    def grow() -> None:
        with (tmp_path / "a.wav").open("ab") as file:
            file.write(CLIP)

    assert followed(tmp_path, grow, grow, grow, nothing, nothing) == [("a.wav", 3 * len(CLIP))]


def test_following_finds_new_files_and_takes_a_changed_one_again(tmp_path: Path) -> None:
    write(tmp_path, "a.wav", content=CLIP)
    changed = CLIP + CLIP
    assert followed(
        tmp_path,
        lambda: write(tmp_path, "sub/b.wav", content=CLIP),
        nothing,
        lambda: write(tmp_path, "a.wav", content=changed),
        nothing,
        nothing,
    ) == [("a.wav", len(CLIP)), ("sub/b.wav", len(CLIP)), ("a.wav", len(changed))]


def test_a_stop_ends_it_in_the_middle(tmp_path: Path) -> None:
    write(tmp_path, *(f"{number}.jpg" for number in range(5)))
    stop = threading.Event()
    seen = []
    for each in FolderSource(tmp_path, stop=stop).captures(none_settled):
        seen.append(each.capture.file)
        if len(seen) == 2:
            stop.set()
    assert seen == ["0.jpg", "1.jpg"]


def test_the_same_bytes_under_two_names_are_the_same_capture(tmp_path: Path) -> None:
    write(tmp_path, "cam/a.wav", "cam/copy of a.wav", content=CLIP)
    one, other = captures(tmp_path)
    assert one.capture_id == other.capture_id and one.file != other.file
