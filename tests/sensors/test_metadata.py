"""What files say of themselves. The wordings are those of real firmware and the published formats."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hostile_files import encoded, info_chunk, pcm16, photo, tone, wav, wav_chunk, with_chunks
from katydid.sensors import clock, metadata
from katydid.sensors.capture import ClockSource, Kind
from katydid.sensors.metadata import audiomoth, exif, file_name, guano, wamd
from katydid.sensors.metadata.records import FileFacts, plain, serial_number


def values(facts: FileFacts) -> dict[str, str]:
    return {fact.name: fact.value for fact in facts.facts}


def moment(facts: FileFacts) -> datetime:
    """The one reading as a time with its own offset, or without."""
    (only,) = facts.readings
    wall = datetime(1970, 1, 1) + timedelta(microseconds=only.wall_ns // 1000)
    return wall if only.offset_s is None else wall.replace(tzinfo=timezone(timedelta(seconds=only.offset_s)))


AUDIOMOTH = [
    (
        "Recorded at 19:22:14 12/06/2017 by AudioMoth 0FE081F80FE081F0 at gain setting 2 while battery state was 3.96V",
        datetime(2017, 6, 12, 19, 22, 14, tzinfo=UTC),
        {"serial": "0FE081F80FE081F0", "gain": "2", "battery_v": "3.96"},
    ),
    (
        "Recorded at 10:25:00 04/04/2020 (UTC) by AudioMoth 24526B065D325963 at gain setting 2 while battery state"
        " was < 3.6V",
        datetime(2020, 4, 4, 10, 25, tzinfo=UTC),
        {"serial": "24526B065D325963", "gain": "2", "battery_v": "<3.6"},
    ),
    (
        "Recorded at 23:10:05 09/08/2019 (UTC+5:30) by AudioMoth 24526B065D325963 at gain setting 3 while battery state"
        " was less than 3.6V. Recording cancelled before completion due to low voltage.",
        datetime(2019, 8, 9, 23, 10, 5, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        {"gain": "3", "battery_v": "<3.6", "stopped_by": "low voltage"},
    ),
    (
        "Recorded at 17:22:00 09/02/2021 (UTC-5) by AudioMoth 24E144085F2569BF at medium-high gain setting while"
        " battery state was 4.6V and temperature was 19.4C. Amplitude threshold was 60.",
        datetime(2021, 2, 9, 17, 22, tzinfo=timezone(timedelta(hours=-5))),
        {"serial": "24E144085F2569BF", "gain": "medium-high", "battery_v": "4.6", "temperature_c": "19.4"},
    ),
    (
        "Recorded at 09:30:00 14/04/2025 (UTC-02:30) during deployment 8B2C3D4E5F607182 using external microphone"
        " at low gain while battery was greater than 4.9V and temperature was -1.2C.",
        datetime(2025, 4, 14, 9, 30, tzinfo=timezone(-timedelta(hours=2, minutes=30))),
        {
            "serial": "2495F30155D8D1AC",
            "deployment": "8B2C3D4E5F607182",
            "gain": "low",
            "battery_v": ">4.9",
            "temperature_c": "-1.2",
            "microphone": "external",
        },
    ),
]


@pytest.mark.parametrize(("comment", "when", "expected"), AUDIOMOTH, ids=["1.0", "1.1", "1.2", "1.4", "1.6"])
def test_the_five_wordings_of_audiomoth(comment: str, when: datetime, expected: dict[str, str]) -> None:
    recording = with_chunks(wav(pcm16()), info_chunk(comment, "AudioMoth 2495F30155D8D1AC"))
    facts = metadata.read(recording, Kind.CLIP, "20000101_000000.WAV")
    inside = [each for each in facts.readings if each.source is ClockSource.AUDIOMOTH]
    assert moment(FileFacts(readings=tuple(inside))) == when
    assert expected.items() <= values(facts).items()
    assert facts.serial == values(facts)["serial"]
    best = clock.chosen(facts.readings)
    assert best is not None and best.source is ClockSource.AUDIOMOTH


@pytest.mark.parametrize(
    "comment", ["", "Recorded at dawn", "Recorded at 25:00:00 12/06/2017 by AudioMoth 0FE081F8", "Recorded at" * 9_999]
)
def test_comments_of_others_say_nothing(comment: str) -> None:
    assert audiomoth.read(comment).readings == ()


def test_guano_says_when_where_and_by_what() -> None:
    text = (
        "GUANO|Version: 1.0\nMake: Wildlife Acoustics, Inc.\nModel: Song Meter Mini\nSerial: 2MA04827\n"
        "Timestamp: 2025-02-27T07:39:02.250+01:00\nLoc Position: 46.765390 8.738140\nLoc Elevation: 1436\n"
        "Temperature Int: -1.25\nTE: 10\nSamplerate: 24000\nNote: two\\nlines: and a colon\n"
    )
    recording = with_chunks(wav(pcm16()), wav_chunk(b"guan", text.encode()))
    facts = metadata.read(recording, Kind.CLIP, "a.wav")
    assert moment(facts) == datetime(2025, 2, 27, 7, 39, 2, 250_000, timezone(timedelta(hours=1)))
    assert facts.readings[0].resolution_s == pytest.approx(0.001)
    assert facts.readings[0].recorded == "2025-02-27T07:39:02.250+01:00"
    assert facts.serial == "2MA04827" and facts.place is not None
    assert (facts.place.latitude, facts.place.longitude, facts.place.elevation_m) == (46.76539, 8.73814, 1436)
    assert values(facts)["temperature_c"] == "-1.25" and values(facts)["time_expansion"] == "10"


@pytest.mark.parametrize("position", ["", "91 5", "0 0", "12", "x y", "1 2 3", "nan nan", "1e999 1"])
def test_a_position_that_is_none_on_earth_is_no_place(position: str) -> None:
    assert guano.read(f"GUANO|Version: 1.0\nLoc Position: {position}\n".encode()).place is None


def wamd_entry(number: int, value: bytes) -> bytes:
    return struct.pack("<HI", number, len(value)) + value


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ("WGS84,41.5,N,72.25,W,30", (41.5, -72.25, 30.0)),
        ("WGS84, 12.5, S, 141.25, E", (-12.5, 141.25, None)),
        ("WGS84,-12.5,141.25,(null)", (-12.5, 141.25, None)),
    ],
)
def test_wamd_says_when_where_and_by_what(position: str, expected: tuple[float, float, float | None]) -> None:
    chunk = (
        wamd_entry(0, b"\x01\x00")
        + wamd_entry(1, b"SM4\0")
        + wamd_entry(2, b"S4A03895")
        + wamd_entry(5, b"2019-05-22 05:00:00-05:00")
        + wamd_entry(6, position.encode())
        + wamd_entry(15, b"\x0a\x00")
        + wamd_entry(21, b"22.5C")
        + wamd_entry(0xFFFF, bytes(20))
    )
    facts = metadata.read(with_chunks(wav(pcm16()), wav_chunk(b"wamd", chunk)), Kind.CLIP, "a.wav")
    assert moment(facts) == datetime(2019, 5, 22, 5, tzinfo=timezone(timedelta(hours=-5)))
    assert facts.serial == "S4A03895" and facts.place is not None
    assert (facts.place.latitude, facts.place.longitude, facts.place.elevation_m) == expected
    assert {"model": "SM4", "temperature_c": "22.5", "time_expansion": "10"}.items() <= values(facts).items()


def test_exif_says_when_with_fraction_and_offset_where_and_by_what() -> None:
    block = Image.Exif()
    block[0x010F], block[0x0110], block[0x0132] = "RECONYX", "HYPERFIRE", "2024:01:01 00:00:00"
    taken, gps = block.get_ifd(0x8769), block.get_ifd(0x8825)
    taken.update({0x9003: "2021:04:11 20:43:09", 0x9291: "12", 0x9011: "+02:00", 0xA431: "H2RX01", 0x9400: -3.5})
    gps.update({1: "S", 2: (51.0, 29.0, 45.6), 3: "W", 4: (4.0, 46.0, 26.4), 5: b"\x01", 6: 12.0})
    facts = metadata.read(encoded(photo(), "JPEG", exif=block.tobytes()), Kind.FRAME, "a.jpg")
    assert moment(facts) == datetime(2021, 4, 11, 20, 43, 9, 120_000, timezone(timedelta(hours=2)))
    assert facts.serial == "H2RX01" and facts.place is not None
    assert facts.place.latitude == pytest.approx(-51.496) and facts.place.longitude == pytest.approx(-4.774)
    assert facts.place.elevation_m == -12
    assert {"make": "RECONYX", "model": "HYPERFIRE", "temperature_c": "-3.5"}.items() <= values(facts).items()


def test_the_date_of_the_last_change_counts_only_where_nothing_better_is_there() -> None:
    block = Image.Exif()
    block[0x0132] = "2024:01:01 00:00:00"
    facts = metadata.read(encoded(photo(), "JPEG", exif=block.tobytes()), Kind.FRAME, "a.jpg")
    assert moment(facts) == datetime(2024, 1, 1)


@pytest.mark.parametrize("text", ["0000:00:00 00:00:00", "    :  :     :  :  ", "2021:02:30 10:00:00", "", "soon"])
def test_an_exif_date_that_is_none_is_no_reading(text: str) -> None:
    block = Image.Exif()
    block.get_ifd(0x8769)[0x9003] = text
    assert metadata.read(encoded(photo(), "JPEG", exif=block.tobytes()), Kind.FRAME, "a.jpg").readings == ()


@pytest.mark.parametrize(
    ("name", "when"),
    [
        ("20240528_100000.WAV", datetime(2024, 5, 28, 10)),
        ("20240528_100000T.WAV", datetime(2024, 5, 28, 10)),
        ("5D8A9C10.WAV", datetime(2019, 9, 24, 22, 43, 28, tzinfo=UTC)),
        ("S4A03895_20190522_050000.flac", datetime(2019, 5, 22, 5)),
        ("SITE-3_20190522_050000_125.wav", datetime(2019, 5, 22, 5, 0, 0, 125_000)),
        ("SM304472_0+1_20150609$194500.wav", datetime(2015, 6, 9, 19, 45)),
        ("20210531082538-RCNX0031.JPG", datetime(2021, 5, 31, 8, 25, 38)),
        ("pi2_2025_02_21_11_57_31.jpg", datetime(2025, 2, 21, 11, 57, 31)),
        ("2024-05-28T10-00-00Z.flac", datetime(2024, 5, 28, 10, tzinfo=UTC)),
        ("2024-05-28T10:00:00.250+02:00.flac", datetime(2024, 5, 28, 10, 0, 0, 250_000, timezone(timedelta(hours=2)))),
        ("IMG_20240101_120000123.jpg", datetime(2024, 1, 1, 12, 0, 0, 123_000)),
        ("cam 2024.05.28 10.00.00.jpg", datetime(2024, 5, 28, 10)),
    ],
)
def test_the_patterns_of_file_names(name: str, when: datetime) -> None:
    kind = Kind.FRAME if name.lower().endswith("jpg") else Kind.CLIP
    facts = file_name.read(name, kind)
    assert moment(facts) == when


@pytest.mark.parametrize(
    "name",
    [
        "LOCA_2021_09_24_652_3.wav",
        "20210531.jpg",
        "20210531.wav",
        "2021-05-31.jpg",
        "20211331_100000.wav",
        "20210531_250000.wav",
        "99999999_999999.wav",
        "00000000_000000.jpg",
        "IMG_0107_JPG.rf.18c0e5becba27c8f89340ed9e88a0d64.jpg",
        "12345678.wav",
        "DEADBEEF.WAV",
        "1234-05-28_10-00-00.wav",
        "25010528_100000.jpg",
        "120210531082538.jpg",
        "2-188822-A.ogg",
        "recording.wav",
        "",
    ],
)
def test_what_could_be_anything_is_not_read_as_a_time(name: str) -> None:
    assert file_name.read(name, Kind.CLIP).readings == ()
    assert file_name.read(name, Kind.FRAME).readings == ()


def test_names_give_serial_and_running_number() -> None:
    assert file_name.read("S4A03895_20190522_050000.flac", Kind.CLIP).serial == "S4A03895"
    assert file_name.read("2MA04827_20250227_073902.wav", Kind.CLIP).serial == "2MA04827"
    assert file_name.read("243B1F026488F56E_20240528_100000.WAV", Kind.CLIP).serial == "243B1F026488F56E"
    assert file_name.read("meadow_20240528_100000.WAV", Kind.CLIP).serial == ""
    assert file_name.read("20210531082538-RCNX0031.JPG", Kind.FRAME).sequence == 31
    assert file_name.read("DSCF0010.JPG", Kind.FRAME).sequence == 10
    assert file_name.read("IMG_20240101_120000.jpg", Kind.FRAME).sequence is None


def test_comments_survive_a_conversion_to_flac(tmp_path: Path) -> None:
    import soundfile

    path = tmp_path / "a.flac"
    with soundfile.SoundFile(path, "w", 22_050, 1, "PCM_16") as writer:
        writer.comment = AUDIOMOTH[3][0]
        writer.write(tone(0.1))
    assert metadata.read(path, Kind.CLIP, "a.flac").serial == "24E144085F2569BF"
    assert metadata.read(path.read_bytes(), Kind.CLIP, "a.flac").serial == "24E144085F2569BF"


def test_a_wav_that_holds_another_length_than_it_promises_says_so() -> None:
    recording = wav(pcm16(2.0))
    cut = metadata.read(recording[: len(recording) // 2], Kind.CLIP, "a.wav")
    assert [(fact.name, fact.value, fact.read_from) for fact in cut.facts] == [("promised_s", "2.000", "wav_header")]
    unfinished = recording[:4] + bytes(4) + recording[8:40] + bytes(4) + recording[44:]
    assert values(metadata.read(unfinished, Kind.CLIP, "a.wav")) == {"promised_s": "0.000"}
    assert metadata.read(recording, Kind.CLIP, "a.wav").facts == ()


@pytest.mark.parametrize("text", ["", "0", "00000000", "none", "0x0", "N/A"])
def test_a_placeholder_is_no_serial_number(text: str) -> None:
    assert serial_number(text) == ""


@given(st.text())
def test_text_from_strangers_is_one_line_without_controls_or_tricks(text: str) -> None:
    cleaned = plain(text)
    assert len(cleaned) <= 300 and len(cleaned.splitlines()) <= 1
    assert not set(cleaned) & set("\x1b\x07\x00\u202e\u2066\u200f")
    cleaned.encode()


@given(st.binary(max_size=200))
def test_metadata_of_any_bytes_never_raise(block: bytes) -> None:
    for order in (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""):
        exif.read(order + block)
    guano.read(b"GUANO|Version: 1.0\n" + block)
    wamd.read(block)
    metadata.read(b"RIFF\0\0\0\0WAVE" + block, Kind.CLIP, "a.wav")
    metadata.read(b"\xff\xd8\xff\xe1" + block, Kind.FRAME, "a.jpg")
    metadata.read(b"fLaC" + block, Kind.CLIP, "a.flac")


@given(st.text(max_size=60))
def test_names_of_any_letters_never_raise(name: str) -> None:
    for kind in Kind:
        file_name.read(name, kind)


def test_a_file_that_is_gone_still_has_a_name() -> None:
    facts = metadata.read(Path("nowhere/20240528_100000.WAV"), Kind.CLIP, "20240528_100000.WAV")
    assert moment(facts) == datetime(2024, 5, 28, 10)
