"""A few seconds of a recording around a detection."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from katydid.models.outcome import Span

MARGIN_S = 1.0
LONGEST_S = 10.0
EXPANDED_MARGIN_S = 0.1
EXPANDED_LONGEST_S = 1.5
Mono = NDArray[np.float32]


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of one recording, mixed to one channel."""

    samples: Mono
    """float32 [n], full scale at 1.0."""
    sample_rate: int
    start_s: float
    """Seconds from the recording's first sample."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate


def length(path: Path) -> tuple[float, int]:
    """Seconds and samples a second of the recording at `path`."""
    with soundfile.SoundFile(path) as recording:
        return recording.frames / recording.samplerate, int(recording.samplerate)


def window(span: Span | None, seconds: float, ultrasonic: bool) -> tuple[float, float]:
    """Start and end, in seconds of a recording `seconds` long, of what is shown of a detection."""
    margin, longest = (EXPANDED_MARGIN_S, EXPANDED_LONGEST_S) if ultrasonic else (MARGIN_S, LONGEST_S)
    if span is None:
        return 0.0, min(longest, seconds)
    start, end = max(0.0, span.start_s - margin), min(seconds, span.end_s + margin)
    return start, max(min(end, start + longest), min(seconds, start + 0.05))


def cut(path: Path, start_s: float, end_s: float) -> Cut:
    """Decodes `path` from `start_s` to `end_s`, mean of all channels. Raises soundfile.LibsndfileError, OSError."""
    with soundfile.SoundFile(path) as sound:
        rate = int(sound.samplerate)
        first = max(0, min(int(start_s * rate), sound.frames - 1))
        sound.seek(first)
        frames = max(1, min(round((end_s - start_s) * rate), sound.frames - first))
        samples = sound.read(frames, dtype="float32", always_2d=True).mean(axis=1, dtype=np.float32)
    return Cut(samples=np.nan_to_num(samples), sample_rate=rate, start_s=first / rate)
