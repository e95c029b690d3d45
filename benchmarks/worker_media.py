"""What the worker's benchmark sends: frames of 300 KB and FLAC clips of 3 s, and the bundles that look at them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from pipeline import clip_bundle, frame_bundle, write_clip

from katydid.sensors import identity
from katydid.sensors.capture import Capture, Clock, ClockSource, Kind
from katydid.sensors.sources.simulated import Night, Station

FRAME_SIZE = (2688, 1512)
"""4 MP: a simulated camera's JPEG of this size has about 300 KB."""
DIFFERENT = 96
"""Files of each kind. They come again and again as captures of other ids: nothing is identified by its digest."""
START_MS, STEP_MS = 1_780_000_000_000, 500
"""2026-05-28; between two captures of the whole site."""


@dataclass(frozen=True)
class Media:
    """Files of one kind, and the bundle of a B0-sized graph for them."""

    kind: Kind
    folder: Path
    bundle: Path
    files: Sequence[tuple[bytes, str]]
    """Bytes and their SHA-256, by the name of their file."""

    @property
    def mean_bytes(self) -> float:
        return sum(len(data) for data, _ in self.files) / len(self.files)

    def capture(self, number: int, sensor: str) -> Capture:
        """The capture number `number` of all that this benchmark ever sends."""
        data, sha256 = self.files[number % len(self.files)]
        at_ms = START_MS + number * STEP_MS
        return Capture(
            capture_id=identity.capture_id(
                sensor_id=sensor, recorded=str(at_ms), recorded_ms=at_ms, sequence=number, sha256=sha256
            ),
            sensor_id=sensor,
            kind=self.kind,
            captured_at=at_ms * 1_000_000,
            clock=Clock(source=ClockSource.SIMULATED, recorded=str(at_ms)),
            media_type="image/jpeg" if self.kind is Kind.FRAME else "audio/flac",
            payload=data,
            sha256=sha256,
            length=len(data),
            sequence=number,
            file=f"{sensor}/{number:07d}",
        )


def make(kind: Kind, folder: Path) -> Media:
    """The media of a kind, in files as well, for the bare loop."""
    media = folder / kind.value
    media.mkdir()
    if kind is Kind.FRAME:
        for number, jpeg in enumerate(islice(_frames(), DIFFERENT)):
            (media / f"{number:03d}.jpg").write_bytes(jpeg)
    else:
        rng = np.random.default_rng(1)
        for number in range(DIFFERENT):
            write_clip(media / f"{number:03d}.flac", rng)
    bundle = (frame_bundle if kind is Kind.FRAME else clip_bundle)(folder / "models" / f"b0-{kind.value}")
    read = [path.read_bytes() for path in sorted(media.iterdir())]
    return Media(kind, media, bundle, [(data, hashlib.sha256(data).hexdigest()) for data in read])


def _frames() -> Iterator[bytes]:
    night = Night(frame_size=FRAME_SIZE, hours=DIFFERENT / 30, clip_every_s=1e9)
    return (file.data for file in Station(night).files() if file.name.endswith("jpg") and file.data)
