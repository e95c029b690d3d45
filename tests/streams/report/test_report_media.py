"""Cutting, drawing, encoding, finding and keeping of media."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from katydid.models.outcome import Box, Outcome, Span
from katydid.sensors.capture import Kind
from katydid.streams.errors import MediaLost
from katydid.streams.media import Found, Keep, Lost, MediaFinder, clips, frames, keep_media
from katydid.streams.report import colour, evidence_picture, sound
from katydid.streams.store import DuckDBStore

from .conftest import DUSK, NS, Scene, heard, seen

Write = Callable[[Sequence[Outcome]], DuckDBStore]
DAY = 86_400 * NS
BOX = Box(x=0.5, y=0.5, w=0.075, h=0.1)


def spectrum_peak(data: bytes) -> float:
    """The loudest frequency of an encoded clip, Hz."""
    samples, rate = soundfile.read(io.BytesIO(data))
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * rate / len(samples))


@pytest.mark.parametrize(("rate", "hertz"), [(24_000, 4000), (44_100, 15_500), (96_000, 3000)])
def test_a_clip_plays_the_tone_that_was_recorded(scene: Scene, rate: int, hertz: int) -> None:
    path = scene.root / scene.recording(hertz=hertz, rate=rate)
    played = sound.hear(path, Span(start_s=2.0, end_s=4.0)).playable
    assert played.slower == 1
    assert abs(spectrum_peak(played.data) - hertz) < 10
    assert len(played.data) < 70_000


def test_ultrasound_plays_ten_times_lower(scene: Scene) -> None:
    path = scene.root / scene.recording("bat.wav", hertz=45_000, rate=250_000, seconds=3)
    played = sound.hear(path, Span(start_s=1.2, end_s=1.6)).playable
    assert played.slower == 10
    assert abs(spectrum_peak(played.data) - 4500) < 10


def test_the_tone_stands_where_the_axes_say(scene: Scene) -> None:
    path = scene.root / scene.recording(hertz=4000)
    drawn = sound.hear(path, Span(start_s=2.0, end_s=4.0)).sonogram
    rows = drawn.levels.astype(float).mean(axis=1)
    hertz = drawn.high_hz * (1 - (np.argmax(rows) + 0.5) / len(rows))
    assert abs(hertz - 4000) < 150
    columns = drawn.levels[np.argmax(rows)] > 128
    seconds = drawn.start_s + (drawn.end_s - drawn.start_s) * np.flatnonzero(columns) / len(columns)
    assert abs(seconds.min() - 2.0) < 0.1 and abs(seconds.max() - 4.0) < 0.1


def test_a_song_without_a_pause_is_not_taken_for_background() -> None:
    at = np.arange(24_000 * 4) / 24_000
    noise = np.random.default_rng(2).normal(0, 0.01, len(at))
    song = (0.2 * np.sin(2 * np.pi * 6000 * at) + noise).astype(np.float32)
    piece = clips.Cut(samples=song, sample_rate=24_000, start_s=0.0)
    drawn = sound.sonogram(piece, 12_000)
    assert (drawn.levels[99:101] > 200).mean() > 0.9
    assert (drawn.levels[130:180] > 60).mean() < 0.05
    assert 5900 < sound.highest_heard(piece, None) < 6200


def test_the_window_is_a_second_wider_and_never_longer_than_ten() -> None:
    assert clips.window(Span(start_s=5, end_s=7), 60, ultrasonic=False) == (4, 8)
    assert clips.window(Span(start_s=0.2, end_s=59), 60, ultrasonic=False) == (0, 10)
    assert clips.window(None, 4, ultrasonic=False) == (0, 4)
    start, end = clips.window(Span(start_s=3.999, end_s=4.0), 4, ultrasonic=True)
    assert 0 <= start < end <= 4


@pytest.mark.parametrize("seconds", [0.0005, 0.02, 70.0])
def test_recordings_of_any_length_can_be_shown(scene: Scene, seconds: float) -> None:
    path = scene.root / scene.recording(seconds=seconds)
    shown = sound.hear(path, Span(start_s=0.0, end_s=seconds))
    assert shown.sonogram.levels.shape == (200, 640)
    assert soundfile.info(io.BytesIO(shown.playable.data)).frames > 0


def test_silence_is_drawn_as_paper(scene: Scene) -> None:
    soundfile.write(scene.root / "silent.wav", np.zeros(24_000, np.float32), 24_000)
    assert sound.hear(scene.root / "silent.wav", None).sonogram.levels.max() == 0


def test_a_minute_is_encoded_in_blocks() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 48_000 * 60).astype(np.float32)
    assert abs(soundfile.info(io.BytesIO(sound.encode(noise, 48_000))).duration - 60) < 0.1


def test_the_ramp_gets_darker_in_even_steps() -> None:
    red, green, blue = (colour.ramp()[:, part].astype(float) / 255 for part in range(3))
    linear = [np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for c in (red, green, blue)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    lightness = 116 * np.cbrt(luminance) - 16  # CIE 1976 L*, another space than the one that the ramp is made in
    steps = -np.diff(lightness[::15])
    assert (steps > 0).all() and steps.max() < 2.2 * steps.min()
    assert lightness[0] > 97 and lightness[-1] < 30


def test_a_crop_shows_what_is_in_the_box(scene: Scene) -> None:
    pixels = frames.open_frame(scene.root / scene.photo())
    square = frames.crop(pixels, BOX)
    assert square.shape == (84, 84, 3)
    red = (square[..., 0] > 150) & (square[..., 1] < 80)
    assert abs(red.sum() - 60 * 60) < 200
    assert frames.crop(pixels, Box(x=0.98, y=0.0, w=0.02, h=0.02)).shape == (48, 48, 3)
    assert frames.thumbnail(pixels, None).shape == (144, 144, 3)


def test_finder_hands_out_only_what_matches(scene: Scene) -> None:
    name = scene.photo()
    digest = hashlib.sha256((scene.root / name).read_bytes()).hexdigest()
    finder = MediaFinder(scene.root)
    assert finder.find(name, digest) == Found(path=scene.root / name)
    assert finder.find(name, "0" * 64) == Lost(why="the original has changed since it was identified")
    assert isinstance(finder.find("nowhere.jpg", digest), Lost)
    assert isinstance(MediaFinder(None).find(name, digest), Lost)
    for outside in ("../originals/" + name, "/etc/passwd", "", "a\0b"):
        assert isinstance(finder.find(outside, digest), Lost)


def test_finder_notices_a_change_after_the_first_look(scene: Scene) -> None:
    name = scene.photo()
    digest = hashlib.sha256((scene.root / name).read_bytes()).hexdigest()
    finder = MediaFinder(scene.root)
    assert isinstance(finder.find(name, digest), Found)
    scene.photo(name, width=640)
    assert isinstance(finder.find(name, digest), Lost)


def test_evidence_shows_the_box_where_the_animal_is(scene: Scene) -> None:
    outcome = scene.outcome(scene.photo(), [seen(box=BOX)], kind=Kind.FRAME)
    png = evidence_picture(outcome, outcome.detections[0], MediaFinder(scene.root))
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    box = np.argwhere(np.abs(pixels - np.array([0xD1, 0x44, 0x0C])).sum(axis=2) < 12)
    (top, left), (bottom, right) = box.min(axis=0), box.max(axis=0)
    assert 55 <= right - left <= 62 and 55 <= bottom - top <= 62
    inside = pixels[top + 8 : bottom - 8, left + 8 : right - 8].reshape(-1, 3).mean(axis=0)
    assert inside[0] > 150 and inside[1] < 80


def test_evidence_of_a_clip_is_a_picture_and_of_a_lost_one_an_error(scene: Scene) -> None:
    outcome = scene.outcome(scene.recording(), [heard()])
    png = evidence_picture(outcome, outcome.detections[0], MediaFinder(scene.root))
    assert Image.open(io.BytesIO(png)).width > 1000
    (scene.root / outcome.file).unlink()
    with pytest.raises(MediaLost, match="gone from the folder"):
        evidence_picture(outcome, outcome.detections[0], MediaFinder(scene.root))


def test_best_keeps_one_of_each_taxon_and_day(scene: Scene, keep: Write, tmp_path: Path) -> None:
    file, photo = scene.recording(), scene.photo()
    store = keep(
        [
            scene.outcome(file, [heard(score=0.6), heard(score=0.9, start=3.0)]),
            scene.outcome(file, [heard(score=0.7)], at=DUSK + NS * 60),
            scene.outcome(file, [heard(score=0.5)], at=DUSK + DAY),
            scene.outcome(photo, [seen(box=BOX)], kind=Kind.FRAME),
        ]
    )
    out = tmp_path / "media"
    kept = keep_media(store, MediaFinder(scene.root), out, Keep.BEST)
    assert (kept.files, kept.written, kept.lost) == (3, 3, 0)
    with (out / "kept.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["taxon"], row["day"]) for row in rows} == {
        ("Tettigonia viridissima", "2025-07-14"),
        ("Tettigonia viridissima", "2025-07-15"),
        ("Apis mellifera", "2025-07-14"),
    }
    for row in rows:
        data = (out / row["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() in row["file"]
    assert keep_media(store, MediaFinder(scene.root), out, Keep.BEST).written == 0


def test_all_keeps_every_detection_and_none_keeps_nothing(scene: Scene, keep: Write, tmp_path: Path) -> None:
    store = keep([scene.outcome(scene.recording(), [heard(), heard("Gryllus campestris", start=0.0, end=1.0)])])
    assert keep_media(store, MediaFinder(scene.root), tmp_path / "none", Keep.NONE).files == 0
    assert not (tmp_path / "none").exists()
    assert keep_media(store, MediaFinder(scene.root), tmp_path / "all", Keep.ALL).files == 2
    assert keep_media(store, MediaFinder(None), tmp_path / "lost", Keep.ALL).lost == 2


def test_a_real_dawn_and_a_real_bat_can_be_looked_at_and_heard(shared_data: Path) -> None:
    dawn = sound.hear(shared_data / "soundscapes/birdnet_soundscape/soundscape.flac", Span(start_s=9.0, end_s=12.0))
    assert dawn.playable.slower == 1 and dawn.sonogram.high_hz >= 12_000
    assert (dawn.sonogram.start_s, dawn.sonogram.end_s) == (8.0, 13.0)
    assert abs(soundfile.info(io.BytesIO(dawn.playable.data)).duration - 5.0) < 0.1
    inked = (dawn.sonogram.levels > 128).mean()
    assert 0.001 < inked < 0.1  # notes of birds on white paper, not a grey carpet
    bat = sound.hear(next((shared_data / "soundscapes/batdetect1").glob("*.wav")), None)
    assert bat.playable.slower in (1, 10)


def test_a_real_camera_frame_gives_a_crop_of_its_bee(shared_data: Path) -> None:
    folder = shared_data / "camera_sequences/insectdct_flowers_gpl3"
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as stream:
        row = next(row for row in csv.DictReader(stream) if row["x"])
    pixels = frames.open_frame(folder / row["frame"])
    height, width = pixels.shape[:2]
    x, y, w, h = (int(row[name]) for name in ("x", "y", "w", "h"))
    square = frames.crop(pixels, Box(x=x / width, y=y / height, w=w / width, h=h / height))
    inside = pixels[y : y + h, x : x + w]
    top = next(
        (i, j)
        for i in range(square.shape[0] - h + 1)
        for j in range(square.shape[1] - w + 1)
        if (square[i, j] == inside[0, 0]).all() and (square[i : i + h, j : j + w] == inside).all()
    )
    assert abs(top[0] - (square.shape[0] - h) / 2) <= 1 and abs(top[1] - (square.shape[1] - w) / 2) <= 1
