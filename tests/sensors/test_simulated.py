"""The simulated station: its night, its media and its truth."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile
from astral import Observer
from astral.sun import sun
from PIL import Image

from katydid.sensors.capture import ClockSource, Kind, ZoneSource
from katydid.sensors.errors import SourceError
from katydid.sensors.sources.folder import FolderSource
from katydid.sensors.sources.protocol import Position
from katydid.sensors.sources.simulated import (
    Night,
    SimulatedSource,
    Station,
    Truth,
    read_truth,
    write_station,
    write_truth,
)
from katydid.sensors.sources.simulated.recorders.bands import band_of, band_power
from katydid.sensors.sources.simulated.soundscape import soundscape
from katydid.sensors.sources.simulated.trap_sheet import Sheet, visits

SHORT = Night(hours=2.0, clip_every_s=1800, clip_s=6, frame_every_s=900, start_hour=22.5)


@pytest.fixture(scope="module")
def short_night() -> list[tuple[str, Kind, bytes, tuple[Truth, ...]]]:
    return [(file.name, file.kind, file.data, file.truth) for file in Station(SHORT).files()]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_night(
    short_night: list[tuple[str, Kind, bytes, tuple[Truth, ...]]],
) -> None:
    again = [(file.name, file.kind, file.data, file.truth) for file in Station(SHORT).files()]
    other = next(iter(Station(Night(seed=2, hours=0.1, clip_s=6)).files()))
    assert again == short_night
    assert other.data != short_night[0][2]


def test_the_nights_sun_times_are_those_of_its_place_and_day() -> None:
    night = Night()
    place = Observer(night.place.latitude, night.place.longitude)
    evening = sun(place, night.day, tzinfo=UTC)["sunset"]
    morning = sun(place, night.moment(30.0).date(), tzinfo=UTC)["sunrise"]
    assert abs((night.moment(night.sunset_hour) - evening).total_seconds()) < 180
    assert abs((night.moment(night.sunrise_hour) - morning).total_seconds()) < 180


def test_clips_are_readable_wav_with_the_stated_length_and_rate(
    short_night: list[tuple[str, Kind, bytes, tuple[Truth, ...]]],
) -> None:
    name, kind, data, _ = short_night[0]
    samples, rate = soundfile.read(io.BytesIO(data))
    assert kind is Kind.CLIP
    assert name == "SIM-REC-01/20260714_223000.wav"
    assert rate == 44_100
    assert len(samples) == 6 * 44_100


def test_frames_are_readable_jpeg_of_the_stated_size(
    short_night: list[tuple[str, Kind, bytes, tuple[Truth, ...]]],
) -> None:
    frames = [data for _, kind, data, _ in short_night if kind is Kind.FRAME]
    with Image.open(io.BytesIO(frames[0])) as image:
        assert image.size == (1280, 960)
        assert image.format == "JPEG"


def test_the_last_clip_and_the_last_frame_are_spoilt_and_the_truth_says_so(
    short_night: list[tuple[str, Kind, bytes, tuple[Truth, ...]]],
) -> None:
    notes = [row.note for *_, truth in short_night for row in truth if row.note in ("truncated", "empty")]
    assert sorted(notes) == ["empty", "truncated"]
    assert [data for _, kind, data, _ in short_night if kind is Kind.FRAME][-1] == b""


def test_a_folder_source_reads_time_zone_place_and_serial_from_what_was_written(tmp_path: Path) -> None:
    media = write_station(Station(SHORT), tmp_path)
    captures = [taken.capture for taken in FolderSource(media).captures(never)]
    clip = next(each for each in captures if each.kind is Kind.CLIP)
    frame = next(each for each in captures if each.kind is Kind.FRAME)
    began = datetime(2026, 7, 14, 20, 30, tzinfo=UTC).timestamp() * 1e9
    assert len(captures) == len(Station(SHORT))
    assert clip.sensor_id == "SIM-REC-01"
    assert clip.captured_at == began
    assert clip.clock.source is ClockSource.GUANO
    assert clip.place is not None
    assert clip.place.latitude == pytest.approx(52.16)
    assert frame.sensor_id == "SIM-CAM-01"
    assert frame.captured_at == began
    assert frame.clock.source is ClockSource.EXIF
    assert frame.clock.zone_source is ZoneSource.RECORDED


def test_the_source_hands_out_the_captures_that_a_folder_of_the_same_night_does(tmp_path: Path) -> None:
    media = write_station(Station(SHORT), tmp_path)
    written = {taken.capture.file: taken.capture for taken in FolderSource(media, zone="+02:00").captures(never)}
    source = SimulatedSource(Station(SHORT))
    drawn = list(source.captures(never))
    assert {each.capture.file: each.capture for each in drawn} == written
    assert source.truth == read_truth(tmp_path / "truth.csv")
    known = {each.position for each in drawn[:5]}
    assert len(list(SimulatedSource(Station(SHORT)).captures(known.__contains__))) == len(drawn) - 5


def never(position: Position) -> bool:
    return False


def test_a_song_stands_over_the_rest_by_its_stated_ratio() -> None:
    """The same clip without singers is what lies under the song: same draws, since the background comes first."""
    night = Night(singers=("Oecanthus pellucens",), clip_s=10.0)
    silent = Night(singers=(), clip_s=10.0)
    checked = 0
    for seed in range(12):
        heard = soundscape(night, 23.0, np.random.default_rng(seed))
        under = soundscape(silent, 23.0, np.random.default_rng(seed))
        for sung in heard.sung:
            part = slice(round(sung.start_s * 44_100), round(sung.end_s * 44_100))
            band = band_of(sung.species, night.temperature_c(23.0), 44_100)
            with_song = band_power(heard.samples[part], 44_100, band)
            without = band_power(under.samples[part], 44_100, band)
            assert 10 * np.log10(with_song / without - 1.0) == pytest.approx(sung.snr_db, abs=1.0)
            checked += 1
    assert checked >= 3


def test_nobody_sings_in_rain_and_night_singers_are_silent_by_day() -> None:
    night = Night()
    assert night.singing_chance("Nemobius sylvestris", 26.3) == 0.0
    assert night.singing_chance("Oecanthus pellucens", 19.5) == 0.0
    assert night.singing_chance("Oecanthus pellucens", 23.0) > 0.0
    assert night.singing_chance("Chorthippus biguttulus", 20.0) > 0.0
    assert night.singing_chance("Chorthippus biguttulus", 23.0) == 0.0


def test_insects_come_at_night_stay_and_leave() -> None:
    everyone = visits(Night(), np.random.default_rng(4))
    assert len(everyone) > 10
    assert all(Night().is_dark(visit.arrives) for visit in everyone)
    assert all(visit.leaves > visit.arrives for visit in everyone)
    assert len({visit.individual for visit in everyone}) == len(everyone)


def test_what_is_drawn_is_darker_than_the_sheet_inside_the_true_box_only() -> None:
    night = Night()
    everyone = visits(night, np.random.default_rng(4))
    hour = everyone[0].arrives + 0.01
    sheet = Sheet(night)
    pixels, seen = sheet.frame(hour, everyone, np.random.default_rng(0))
    bare, _ = sheet.frame(hour, [], np.random.default_rng(0))
    changed = np.abs(pixels.astype(int) - bare.astype(int)).max(axis=2) > 12
    inside = np.zeros_like(changed)
    for each in seen:
        inside[each.y : each.y + each.h, each.x : each.x + each.w] = True
    assert seen
    assert changed[inside].mean() > 0.2
    assert not changed[~inside].any()


def test_truth_comes_back_from_its_file(tmp_path: Path) -> None:
    rows = [row for file in Station(Night(hours=0.3, clip_s=6)).files() for row in file.truth]
    write_truth(tmp_path / "truth.csv", rows)
    assert read_truth(tmp_path / "truth.csv") == rows


def test_a_file_that_is_no_truth_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("file,taxon\na,b\n")
    with pytest.raises(SourceError, match=r"truth\.csv is no truth file"):
        read_truth(tmp_path / "truth.csv")
