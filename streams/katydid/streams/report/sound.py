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
QUIET_SHARE = 0.2
QUIET_OF_MEAN = 0.223
"""Noise has exponentially distributed power: a fifth of it lies under -ln(0.8) of its mean."""
QUIET_DB = 11.0
"""Above the background: less than this is left white. Noise alone goes over it one time in sixteen."""
WIND_HZ = 1000.0
"""Below it wind and engines rumble on."""
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
    """The spectrogram of `piece` from 0 to `high_hz`, in decibels above its own background."""
    size = _fft_size(piece.sample_rate, high_hz)
    power = _power(piece.samples, size, width)
    rows = max(2, min(len(power), round(high_hz / (piece.sample_rate / 2) * (len(power) - 1)) + 1))
    quiet = background(power, piece.sample_rate)[:rows, None]
    quietest = max(1e-8 * float(power[:rows].max()), 1e-9)
    level = 10 * np.log10((power[:rows] + 1e-12) / np.maximum(quiet, quietest))
    top = max(float(np.percentile(level, 99.8)), QUIET_DB + 10.0)
    floor = max(QUIET_DB, top - RANGE_DB)
    scaled = np.clip((level - floor) / (top - floor), 0.0, 1.0)
    picture = cv2.resize((scaled[::-1] * 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA)
    end = piece.start_s + piece.seconds
    return Sonogram(levels=picture, start_s=piece.start_s, end_s=end, high_hz=high_hz)


def background(power: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """The quiet level of each band of `power` [bands, frames], float32 [bands].

    A band's own quiet moments (the fifth that is weakest) tell it, except where an animal sings without a pause: from
    1 kHz upwards noise outdoors falls with frequency, so a band that is never quieter than lower ones are is song, and
    gets their level, though not less than what the quieter quarter of all bands has (filters of recorders cut bands).
    """
    own = np.quantile(power, QUIET_SHARE, axis=1).astype(np.float32)
    first = min(int(np.ceil(len(own) * 2 * WIND_HZ / sample_rate)), len(own) - 1)
    smooth = np.convolve(np.pad(own, 2, mode="edge"), np.full(5, 0.2), mode="valid").astype(np.float32)
    falling = np.minimum.accumulate(smooth[first:])
    own[first:] = np.minimum(own[first:], np.maximum(falling, np.quantile(own[first:], 0.25)))
    return own


def _fft_size(sample_rate: int, high_hz: float) -> int:
    """About 20 ms, so that pulses of a cricket and notes of a bird both stand out; 3 ms where bats call."""
    seconds = 0.02 if high_hz <= AUDIBLE_RATE / 2 else 0.003
    return int(2 ** np.clip(round(np.log2(sample_rate * seconds)), 6, 12))


def _power(samples: Mono, size: int, columns: int) -> NDArray[np.float32]:
    """Power float32 [size // 2 + 1, frames] under a Hann window, at least about `columns` frames where there are."""
    hop = max(1, min(size // 2, len(samples) // columns))
    padded = np.pad(samples, size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    spectrum = np.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1)
    return np.ascontiguousarray((spectrum.real**2 + spectrum.imag**2).T.astype(np.float32))


def highest_heard(piece: Cut, span: Span | None) -> float:
    """The frequency under which 95 % of what stands out of the background lies, Hz, inside the detection."""
    size = _fft_size(piece.sample_rate, 0.0)
    power = _power(piece.samples, size, 400)
    mean = background(power, piece.sample_rate) / QUIET_OF_MEAN
    over = np.maximum(_inside(power, piece, span).mean(axis=1) - 2 * mean, 0.0)
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
