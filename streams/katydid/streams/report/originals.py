"""From an outcome to its decoded original, or to why it cannot be shown."""

from __future__ import annotations

import soundfile

from katydid.models.outcome import Detection, Outcome
from katydid.sensors.errors import RefusedMedia
from katydid.streams.media import frames
from katydid.streams.media.finder import Lost, MediaFinder
from katydid.streams.report import sound


def heard(finder: MediaFinder, outcome: Outcome, detection: Detection) -> sound.Heard | Lost:
    """The detection in its clip, to look at and to listen to."""
    original = finder.find(outcome.file, outcome.sha256)
    if isinstance(original, Lost):
        return original
    try:
        return sound.hear(original.path, detection.span)
    except (soundfile.LibsndfileError, OSError) as reason:
        return Lost(why=f"the original cannot be decoded ({reason.__class__.__name__})")


def frame(finder: MediaFinder, outcome: Outcome) -> frames.Pixels | Lost:
    """The whole frame, uint8 [H, W, 3] RGB, upright."""
    original = finder.find(outcome.file, outcome.sha256)
    if isinstance(original, Lost):
        return original
    try:
        return frames.open_frame(original.path)
    except (RefusedMedia, OSError) as reason:
        return Lost(why=f"the original cannot be decoded ({reason.__class__.__name__})")
