from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from katydid.models.labelled import Labelled
from katydid.models.sound.spectrogram import LogMel
from katydid.models.training.features import (
    BANDS,
    FRAMES,
    FRONT_END,
    HOP,
    SAMPLE_RATE,
    WINDOW_SAMPLES,
    Listener,
    front_end_arrays,
    hear_all,
)


def test_a_crop_of_a_recordings_features_is_what_the_runtime_hears_in_that_window() -> None:
    """So training hears each recording once and cuts afterwards; float16 keeps 11 bits."""
    sound = np.random.default_rng(0).normal(0, 0.1, WINDOW_SAMPLES * 2).astype(np.float32)
    whole, _ = Listener().listen(sound)
    at = 77
    window = LogMel(FRONT_END, front_end_arrays())(sound[np.newaxis, at * HOP : at * HOP + WINDOW_SAMPLES])[0]
    assert window.shape == (BANDS, FRAMES)
    assert np.abs(whole[:, at : at + FRAMES] - window).max() < 0.01


def test_a_tone_lies_in_the_band_that_its_frequency_belongs_to() -> None:
    """Linear bands of 344.5 Hz from 43 Hz (half a bin below the first) on: (5000 - 43) / 344.5 = 14.4."""
    at = np.arange(SAMPLE_RATE)
    features, _ = Listener().listen(np.sin(2 * np.pi * 5_000 * at / SAMPLE_RATE).astype(np.float32))
    assert features.mean(axis=1).argmax() == 14


def test_level_follows_the_sound_frame_by_frame() -> None:
    sound = np.zeros(SAMPLE_RATE, np.float32)
    sound[SAMPLE_RATE // 2 :] = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE - SAMPLE_RATE // 2)
    features, level = Listener().listen(sound)
    assert len(level) == features.shape[1]
    assert level[: len(level) // 2 - 5].max() == 0.0
    assert level[len(level) // 2 + 5 :].min() > 0.0


def test_recordings_are_heard_once_and_again_when_their_bytes_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = tmp_path / "a.wav"
    soundfile.write(clip, np.zeros(30_000, np.float32), SAMPLE_RATE)
    rows = [Labelled(path=clip, label="x", group="g")]
    first = hear_all(rows, tmp_path / "cache")
    monkeypatch.setattr(Listener, "listen", lambda *_: pytest.fail("heard although it was cached"))
    again = hear_all(rows, tmp_path / "cache")
    assert np.array_equal(first[0].features, again[0].features)
    monkeypatch.undo()
    soundfile.write(clip, np.full(30_000, 0.1, np.float32), SAMPLE_RATE)
    changed = hear_all(rows, tmp_path / "cache")
    assert not np.array_equal(first[0].features, changed[0].features)
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 2


def test_other_rates_are_resampled_and_channels_averaged(tmp_path: Path) -> None:
    at = np.arange(48_000)
    tone = 0.5 * np.sin(2 * np.pi * 5_000 * at / 48_000)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, tone], axis=1), 48_000)
    heard = hear_all([Labelled(path=tmp_path / "a.wav", label="x", group="g")], tmp_path / "cache")[0]
    assert heard.features.astype(np.float32).mean(axis=1).argmax() == 14
    assert heard.features.shape[1] == 1 + (SAMPLE_RATE - FRONT_END.n_fft) // HOP


def test_a_click_shorter_than_a_frame_is_padded() -> None:
    features, level = Listener().listen(np.ones(10, np.float32))
    assert features.shape == (BANDS, 1)
    assert level.shape == (1,)
