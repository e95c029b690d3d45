"""Clips to float32. What libsndfile writes, and WAVs made by hand by the RIFF specification, are the judges."""

from __future__ import annotations

import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from hostile_files import noise, sound, tone, wav
from katydid.sensors import audio
from katydid.sensors.errors import OverLimit, RefusedMedia, Undecodable
from katydid.sensors.limits import Limits

LIMITS = Limits()
RATE = 22_050


@pytest.mark.parametrize(
    ("form", "subtype", "tolerance"),
    [
        ("WAV", "PCM_U8", 1 / 127),
        ("WAV", "PCM_16", 1 / 32_000),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_32", 1e-6),
        ("WAV", "FLOAT", 1e-7),
        ("WAV", "DOUBLE", 1e-7),
        ("WAVEX", "PCM_24", 1e-6),
        ("RF64", "PCM_16", 1 / 32_000),
        ("FLAC", "PCM_16", 1 / 32_000),
        ("FLAC", "PCM_24", 1e-6),
        ("OGG", "VORBIS", 0.05),
        ("MP3", "MPEG_LAYER_III", 0.05),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_each_format_gives_back_its_samples_at_full_scale_one(
    form: str, subtype: str, tolerance: float, channels: int
) -> None:
    samples = tone(0.5, channels=channels)
    decoded = audio.decode(sound(samples, form, subtype), LIMITS)
    assert decoded.dtype == np.float32 and decoded.shape[0] == channels
    if form == "MP3":  # The encoder puts samples before and behind; level and pitch must stand.
        assert np.abs(decoded).max() == pytest.approx(0.2, abs=0.02)
        return
    assert decoded.shape[1] == len(samples)
    assert np.abs(decoded - samples.T).max() <= tolerance


def test_hand_made_samples_have_the_values_that_their_bits_say() -> None:
    content = np.array([0, 16_384, -32_768, 32_767], "<i2").tobytes()
    assert audio.decode(wav(content), LIMITS)[0].tolist() == [0.0, 0.5, -1.0, 32_767 / 32_768]
    deep = b"\x00\x00\x40\x00\x00\x80"
    assert audio.decode(wav(deep, bits=24), LIMITS)[0].tolist() == [0.5, -1.0]


def test_the_header_is_known_before_anything_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "night.flac"
    path.write_bytes(sound(tone(2.0, 48_000, 2), "FLAC", "PCM_24", 48_000))
    with audio.open_sound(path, LIMITS) as reader:
        header = reader.header
    assert (header.media_type, header.sample_rate, header.channels) == ("audio/flac", 48_000, 2)
    assert (header.frames, header.seconds, header.subtype) == (96_000, 2.0, "PCM_24")


@given(st.integers(50, 3_000), st.sampled_from(["WAV", "FLAC", "OGG", "MP3"]))
def test_blocks_of_any_size_together_are_the_whole(size: int, form: str) -> None:
    data = CLIPS[form]
    with audio.open_sound(data, LIMITS) as reader:
        blocks = list(reader.blocks(size))
        again = next(reader.blocks(size))
    assert all(block.shape[1] == size for block in blocks[:-1])
    assert np.array_equal(np.concatenate(blocks, axis=1), audio.decode(data, LIMITS))
    assert np.array_equal(again, blocks[0])


CLIPS = {
    form: sound(noise(0.3), form, subtype)
    for form, subtype in (("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"))
}


def test_bytes_and_a_file_give_the_same(tmp_path: Path) -> None:
    for form, data in CLIPS.items():
        path = tmp_path / f"clip.{form.lower()}"
        path.write_bytes(data)
        assert np.array_equal(audio.decode(path, LIMITS), audio.decode(data, LIMITS))


def test_bytes_are_read_the_same_where_the_system_has_no_files_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = {form: audio.decode(data, LIMITS) for form, data in CLIPS.items()}

    def refuse(*_: object) -> int:
        raise OSError("too many open files")

    monkeypatch.setattr(os, "memfd_create", refuse, raising=False)
    for form, data in CLIPS.items():
        assert np.array_equal(audio.decode(data, LIMITS), usual[form])


@pytest.mark.skipif(sys.platform == "win32", reason="counts descriptors")
def test_a_closed_clip_holds_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "clip.flac"
    path.write_bytes(CLIPS["FLAC"])
    before = psutil.Process().num_fds()
    for media in (CLIPS["FLAC"], path):
        with audio.open_sound(media, LIMITS) as reader:
            next(reader.blocks(100))
            next(reader.blocks(100))
        with pytest.raises(Undecodable):
            audio.open_sound(CLIPS["FLAC"][:60], LIMITS)
    assert psutil.Process().num_fds() == before


def test_a_bat_recorder_and_eight_channels_are_read_as_they_are() -> None:
    fast = sound(tone(0.05, 500_000), "WAV", "PCM_16", 500_000)
    with audio.open_sound(fast, LIMITS) as reader:
        assert (reader.header.sample_rate, reader.header.frames) == (500_000, 25_000)
    many = audio.decode(sound(tone(0.1, channels=8), "WAV", "PCM_16"), LIMITS)
    loudest = np.abs(many).max(axis=1)
    assert np.allclose(loudest, 0.2 * 0.5 ** np.arange(8), atol=1e-3)


def test_of_a_wav_that_was_cut_off_what_is_there_is_used_and_what_was_promised_is_said() -> None:
    data = sound(tone(1.0), "WAV", "PCM_16")
    with audio.open_sound(data[: 44 + 2 * 10_000 + 1], LIMITS) as reader:
        assert (reader.header.frames, reader.header.promised_frames) == (10_000, RATE)
        assert sum(block.shape[1] for block in reader.blocks(4_096)) == 10_000


def test_a_recorder_that_lost_power_before_writing_its_sizes_keeps_its_night() -> None:
    data = sound(tone(1.0), "WAV", "PCM_24")
    unfinished = data[:4] + bytes(4) + data[8:40] + bytes(4) + data[44:]
    assert np.array_equal(audio.decode(unfinished, LIMITS), audio.decode(data, LIMITS))


def test_a_flac_that_was_cut_off_is_refused_as_truncated_after_what_was_there() -> None:
    data = sound(noise(2.0), "FLAC", "PCM_16")
    seen = 0
    with (
        audio.open_sound(data[: len(data) // 2], LIMITS) as reader,
        pytest.raises(Undecodable) as refused,
    ):
        for block in reader.blocks(1_000):
            seen += block.shape[1]
    assert refused.value.reason == "truncated" and seen > RATE // 2


@pytest.mark.parametrize(("value", "reason"), [(np.nan, "not_finite"), (-np.inf, "not_finite"), (1e30, "out_of_range")])
def test_samples_that_are_no_sound_are_refused_wherever_they_stand(value: float, reason: str) -> None:
    samples = tone(1.0)
    samples[-1] = value
    with pytest.raises(Undecodable) as refused:
        audio.decode(sound(samples, "WAV", "FLOAT"), LIMITS)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(max_seconds=0.9), "too_long"),
        (Limits(max_channels=1), "too_many_channels"),
        (Limits(max_sample_rate=22_049), "sample_rate"),
        (Limits(max_bytes=1_000), "too_many_bytes"),
        (Limits(max_expansion=0.5, expansion_floor=1_000), "expansion"),
    ],
)
@pytest.mark.parametrize("form", ["WAV", "FLAC"])
def test_limits_are_checked_on_the_header(limits: Limits, reason: str, form: str) -> None:
    data = sound(tone(1.0, channels=2), form, "PCM_16")
    audio.open_sound(data, LIMITS).close()
    with pytest.raises(OverLimit) as refused:
        audio.open_sound(data, limits)
    assert refused.value.reason == reason


def test_a_long_recording_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    def peak(seconds: int) -> int:
        path = tmp_path / f"{seconds}.flac"
        with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as writer:
            for _ in range(seconds):
                writer.write(noise(1.0))
        tracemalloc.start()
        with audio.open_sound(path, LIMITS) as reader:
            for _ in reader.blocks(RATE):
                pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(120) < 1.2 * peak(5)


def test_a_broken_path_is_refused_as_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Undecodable) as refused:
        audio.open_sound(tmp_path / "gone.wav", LIMITS)
    assert refused.value.reason == "unreadable"


@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"RIFF\0\0\0\0WAVE", b"fLaC", b"OggS", b"ID3\x03\0\0\0\0\0\0", b"\xff\xfb"]),
)
def test_no_bytes_whatever_raise_anything_but_a_refusal(tail: bytes, head: bytes) -> None:
    with pytest.raises(RefusedMedia):
        audio.decode(head + tail, LIMITS)


@given(st.integers(4, 60), st.integers(0, 255), st.sampled_from(["WAV", "FLAC", "OGG"]))
def test_one_changed_byte_in_a_header_gives_sound_or_a_refusal(at: int, value: int, form: str) -> None:
    data = bytearray(CLIPS[form])
    data[at] = value
    try:
        decoded = audio.decode(bytes(data), LIMITS)
    except RefusedMedia:
        return
    assert np.isfinite(decoded).all()


def test_the_file_is_let_go_of_when_it_is_refused(tmp_path: Path) -> None:
    """Windows would not let it be moved; a warning about an unclosed file would fail this run."""
    path = tmp_path / "bad.wav"
    path.write_bytes(wav(b"", channels=0))
    with pytest.raises(RefusedMedia):
        audio.open_sound(path, LIMITS)
    path.rename(tmp_path / "moved.wav")


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_cut_wav_of_any_sample_format_gives_the_samples_that_are_there(subtype: str, channels: int) -> None:
    samples = np.repeat(noise(0.5), channels, axis=1) * np.arange(1, channels + 1)
    data = sound(samples, "WAV", subtype)
    whole, cut = audio.decode(data, LIMITS), audio.decode(data[: len(data) * 2 // 3], LIMITS)
    assert 0 < cut.shape[1] < whole.shape[1]
    assert np.array_equal(cut, whole[:, : cut.shape[1]])
