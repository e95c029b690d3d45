"""Windows of a recording, and that streaming changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from katydid.models.errors import ModelError
from katydid.models.manifest import SoundInput
from katydid.models.sound.windows import Grid, Windows, grid_for, mono, resampled

Samples = NDArray[np.float32]


def blocks_of(samples: Samples, size: int) -> Iterator[Samples]:
    for start in range(0, samples.shape[1], size):
        yield samples[:, start : start + size]


def rows(samples: Samples, source: int, grid: Grid, block: int, at_once: int) -> Samples:
    windows = Windows(resampled(blocks_of(samples, block), source, grid.rate), grid, at_once)
    batches = list(windows.batches())
    assert all(len(batch.samples) <= at_once for batch in batches)
    assert [batch.first for batch in batches] == list(np.cumsum([0, *(len(b.samples) for b in batches)]))[:-1]
    return np.concatenate([batch.samples for batch in batches])


@settings(max_examples=60, deadline=None)
@given(
    frames=st.integers(1, 9000),
    channels=st.integers(1, 9),
    source=st.sampled_from([8000, 11025, 16000, 22050]),
    block=st.integers(1, 9000),
    at_once=st.integers(1, 7),
    hop=st.integers(200, 2000),
)
def test_streamed_equals_offline_bit_for_bit(
    frames: int, channels: int, source: int, block: int, at_once: int, hop: int
) -> None:
    samples = np.random.default_rng(frames).standard_normal((channels, frames)).astype(np.float32)
    grid = Grid(rate=8000, samples=2000, hop=hop)
    offline = rows(samples, source, grid, block=frames, at_once=10_000)
    streamed = rows(samples, source, grid, block=max(block, frames // 50), at_once=at_once)
    np.testing.assert_array_equal(streamed, offline)


@given(total=st.integers(1, 400), window=st.integers(1, 60), data=st.data())
def test_window_k_exists_if_it_brings_something_new(total: int, window: int, data: st.DataObject) -> None:
    """The rule, counted one window at a time."""
    hop = data.draw(st.integers(1, window))
    count, k = 0, 0
    while k == 0 or k * hop + (window - hop) < total:
        count, k = count + 1, k + 1
    assert Grid(rate=1, samples=window, hop=hop).count(total) == count


@given(total=st.integers(1, 400), window=st.integers(2, 60), data=st.data())
def test_every_sample_is_heard_and_the_tail_is_zero(total: int, window: int, data: st.DataObject) -> None:
    hop = data.draw(st.integers(1, window))
    samples = np.arange(1, total + 1, dtype=np.float32)[np.newaxis]
    heard = rows(samples, 1, Grid(rate=1, samples=window, hop=hop), block=7, at_once=3)
    assert set(np.unique(heard)) - {0.0} == set(range(1, total + 1))
    for k, row in enumerate(heard):
        real = samples[0, k * hop : k * hop + window]
        np.testing.assert_array_equal(row[: len(real)], real)
        assert not row[len(real) :].any()


def test_a_clip_shorter_than_a_window_is_padded() -> None:
    heard = rows(
        np.ones((1, 5), dtype=np.float32), 1, Grid(rate=1, samples=8, hop=8, min_samples=8), block=5, at_once=4
    )
    np.testing.assert_array_equal(heard, [[1, 1, 1, 1, 1, 0, 0, 0]])


@pytest.mark.parametrize(("total", "count"), [(144000, 1), (144001, 1), (144000 + 71999, 1), (144000 + 72000, 2)])
def test_a_tail_that_is_too_short_is_left_out(total: int, count: int) -> None:
    """BirdNET looks at a last chunk of at least 1.5 s."""
    assert Grid(rate=48000, samples=144000, hop=144000, min_samples=72000).count(total) == count


def test_overlap_replaces_the_bundles_own_hop() -> None:
    sound = SoundInput(sample_rate=48000, samples=144000, hop_s=3.0)
    assert grid_for(sound).hop == 144000
    assert grid_for(sound, overlap_s=2.0).hop == 48000
    assert grid_for(sound, overlap_s=2.999).hop == 1440, "windows always advance"
    for share in (3.0, 99.0):
        with pytest.raises(ModelError, match=f"windows of 3 s cannot share {share:g} s"):
            grid_for(sound, overlap_s=share)


def test_channels_are_averaged() -> None:
    np.testing.assert_array_equal(mono(np.array([[1.0, 0.5], [0.0, -0.5]], dtype=np.float32)), [0.5, 0.0])


def test_resampling_is_soxrs_high_quality() -> None:
    samples = np.random.default_rng(1).standard_normal((1, 44100)).astype(np.float32)
    streamed = np.concatenate(list(resampled(blocks_of(samples, 1000), 44100, 48000)))
    np.testing.assert_array_equal(streamed, soxr.resample(samples[0], 44100, 48000, quality="HQ"))
