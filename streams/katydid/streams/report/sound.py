"""A few seconds of a recording around a detection, drawn as a spectrogram and encoded small to be played.

What is audible is played as it is. What lies above hearing (bats, many bush-crickets) is played ten times slower,
as bat workers do with time-expansion detectors, so 40 kHz becomes 4 kHz; the page says so beside the player.
"""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import msgspec
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from katydid.models.outcome import Span
from katydid.streams.media.clips import Cut, Mono, cut, length, window
from katydid.streams.report.colour import ramp

EXPANSION = 10
ULTRASOUND_HZ = 18_000.0
"""Few adults hear above 16 kHz, nobody plays back above 20 kHz."""
AUDIBLE_RATE = 48_000
"""Hertz; recorders that sample faster are after what people do not hear."""
RANGE_DB = 48.0
"""From the quiet floor of the picture to its darkest."""
QUIET_DB = 4.0
"""Above the median of each band: less than this is left white."""
PLAYED_RATES = (24_000, 32_000, 48_000)
"""Sample rates that MP3 has and that are tried in turn, the smallest first."""
ENCODED_BLOCK = 1 << 14
"""Frames per write: some versions of libsndfile crash when a whole minute is encoded in one call."""


class Sonogram(msgspec.Struct, frozen=True, kw_only=True):
    """A spectrogram: `levels` uint8 [height, width], highest frequency in the first row, 0 the quiet floor."""

    levels: NDArray[np.uint8]
    start_s: float
    end_s: float
    high_hz: float
    """The picture goes from 0 Hz to here, linearly."""


class Playable(msgspec.Struct, frozen=True, kw_only=True):
    """An encoded clip."""

    data: bytes
    media_type: str
    slower: int
    """How many times slower than life it plays; 1: as recorded."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """A detection to look at and to listen to."""

    sonogram: Sonogram
    playable: Playable


def hear(path: Path, span: Span | None) -> Heard:
    """Cuts the detection at `span` out of the recording at `path` (verified by the caller), draws and encodes it.

    Raises soundfile.LibsndfileError and OSError where the recording cannot be decoded.
    """
    seconds, rate = length(path)
    fast = rate > AUDIBLE_RATE
    piece = cut(path, *window(span, seconds, ultrasonic=False))
    highest = highest_heard(piece, span)
    if fast and highest > ULTRASOUND_HZ:
        piece = cut(path, *window(span, seconds, ultrasonic=True))
    return Heard(sonogram=sonogram(piece, shown_hz(piece, highest)), playable=playable(piece, highest))


def sonogram(piece: Cut, high_hz: float, width: int = 640, height: int = 200) -> Sonogram:
    """The spectrogram of `piece` from 0 to `high_hz`, each band measured from its own median level."""
    power = _power(piece.samples, _fft_size(piece.sample_rate), width)
    rows = max(2, min(len(power), round(high_hz / (piece.sample_rate / 2) * (len(power) - 1)) + 1))
    level = 10 * np.log10(power[:rows] + 1e-12)
    level = level - np.maximum(np.median(level, axis=1, keepdims=True), level.max() - 90.0)
    top = max(float(np.percentile(level, 99.8)), 12.0)
    floor = max(QUIET_DB, top - RANGE_DB)
    scaled = np.clip((level - floor) / max(top - floor, 1.0), 0.0, 1.0)
    picture = cv2.resize((scaled[::-1] * 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA)
    end = piece.start_s + piece.seconds
    return Sonogram(levels=picture, start_s=piece.start_s, end_s=end, high_hz=high_hz)


def _fft_size(sample_rate: int) -> int:
    """About 20 ms, so that pulses of a cricket and notes of a bird both stand out."""
    return int(2 ** np.clip(round(np.log2(sample_rate * 0.02)), 6, 12))


def _power(samples: Mono, size: int, columns: int) -> NDArray[np.float32]:
    """Power float32 [size // 2 + 1, frames] under a Hann window, at least about `columns` frames where there are."""
    hop = max(1, min(size // 2, len(samples) // columns))
    padded = np.pad(samples, size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    spectrum = np.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1)
    return np.ascontiguousarray((spectrum.real**2 + spectrum.imag**2).T.astype(np.float32))


def highest_heard(piece: Cut, span: Span | None) -> float:
    """The frequency under which 95 % of what stands out of the background lies, Hz, inside the detection."""
    size = _fft_size(piece.sample_rate)
    power = _power(piece.samples, size, 400)
    background = np.median(power, axis=1, keepdims=True)
    inside = _inside(power, piece, span)
    over = np.maximum(inside - 2 * background, 0.0).sum(axis=1)
    frequencies = np.fft.rfftfreq(size, 1 / piece.sample_rate)
    if span is not None:
        over = over * (frequencies >= (span.low_hz or 0.0)) * (frequencies <= (span.high_hz or np.inf))
    if over.sum() <= 0:
        return 0.0
    return float(frequencies[np.searchsorted(np.cumsum(over), 0.95 * over.sum())])


def _inside(power: NDArray[np.float32], piece: Cut, span: Span | None) -> NDArray[np.float32]:
    if span is None:
        return power
    per_second = power.shape[1] / max(piece.seconds, 1e-9)
    first = int(max(0.0, span.start_s - piece.start_s) * per_second)
    last = int(np.ceil((span.end_s - piece.start_s) * per_second))
    return power[:, first : max(last, first + 1)]


def shown_hz(piece: Cut, highest: float) -> float:
    """How high the picture goes: a round number above what is heard, at most half the sample rate."""
    nyquist = piece.sample_rate / 2
    for edge in (12_000.0, 16_000.0, 24_000.0, 48_000.0, 96_000.0, 125_000.0):
        if highest * 1.15 <= edge:
            return min(edge, nyquist)
    return nyquist


def playable(piece: Cut, highest: float) -> Playable:
    """`piece` as a small mono MP3, which every browser plays; slowed tenfold where `highest` is ultrasound."""
    slower = EXPANSION if highest > ULTRASOUND_HZ and piece.sample_rate > AUDIBLE_RATE else 1
    rate = piece.sample_rate / slower
    wanted = min(rate, 2.2 * highest / slower)
    target = next((played for played in PLAYED_RATES if played >= wanted), PLAYED_RATES[-1])
    samples = piece.samples - piece.samples.mean(dtype=np.float64).astype(np.float32)
    samples = soxr.resample(samples, rate, target).astype(np.float32) if rate != target else samples
    peak = float(np.abs(samples).max(initial=0.0))
    samples = _faded(samples * (0.7 / peak) if peak > 1e-6 else samples, target)
    return Playable(data=encode(samples, target), media_type=ENCODED_TYPE, slower=slower)


def _faded(samples: Mono, rate: int) -> Mono:
    """Ten milliseconds of rise and fall, so that a cut does not click."""
    fade = min(rate // 100, len(samples) // 2)
    if fade:
        slope = np.linspace(0.0, 1.0, fade, dtype=np.float32)
        samples[:fade] *= slope
        samples[-fade:] *= slope[::-1]
    return samples


_MP3 = "MP3" in soundfile.available_formats()
ENCODED_TYPE = "audio/mpeg" if _MP3 else "audio/wav"
"""MP3 where libsndfile has it (1.1 and later, in every wheel of soundfile 0.13); else WAV, which plays too."""


def encode(samples: Mono, rate: int) -> bytes:
    """Mono float32 [n] as MP3, about 4 kB a second at 24 kHz."""
    stream = io.BytesIO()
    with _writer(stream, rate) as sound:
        for start in range(0, len(samples), ENCODED_BLOCK):
            sound.write(samples[start : start + ENCODED_BLOCK])
    return stream.getvalue()


def _writer(stream: io.BytesIO, rate: int) -> soundfile.SoundFile:
    if not _MP3:
        return soundfile.SoundFile(stream, "w", rate, 1, format="WAV", subtype="PCM_16")
    return soundfile.SoundFile(
        stream, "w", rate, 1, format="MP3", subtype="MPEG_LAYER_III", compression_level=0.7, bitrate_mode="VARIABLE"
    )


def coloured(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 [H, W, 3], RGB, through the page's ramp."""
    return ramp()[levels]
