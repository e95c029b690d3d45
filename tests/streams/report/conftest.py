"""Outcomes made by hand, and a folder of real files written by the tests, for reports to be made from."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
from PIL import Image

from katydid.models.outcome import (
    Box,
    Decision,
    Detection,
    Effort,
    Outcome,
    Ran,
    Span,
    Status,
    Taxon,
    Verdict,
)
from katydid.sensors.capture import Clock, ClockSource, Kind, Place, ZoneSource
from katydid.sensors.sources.protocol import Position
from katydid.streams.sink import Arrival
from katydid.streams.store import DuckDBStore, open_store

from . import chromium

NS = 1_000_000_000
DUSK = int(datetime(2025, 7, 14, 20, 0, tzinfo=UTC).timestamp()) * NS
"""20:00 UTC, 22:00 in Berlin."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Makes outcomes over files in one folder."""

    root: Path

    def recording(self, name: str = "night.flac", hertz: float = 4000.0, rate: int = 24_000, seconds: float = 6) -> str:
        """Writes a recording with one tone in the middle third and soft noise; returns its name."""
        at = np.arange(round(rate * seconds)) / rate
        noise = np.random.default_rng(1).normal(0, 0.01, len(at))
        tone = 0.4 * np.sin(2 * np.pi * hertz * at) * ((at > seconds / 3) & (at < 2 * seconds / 3))
        soundfile.write(self.root / name, (tone + noise).astype(np.float32), rate)
        return name

    def photo(self, name: str = "trap.jpg", width: int = 800, height: int = 600) -> str:
        """Writes a photo: a red square at (400, 300) on plain yellow; returns its name."""
        pixels = np.full((height, width, 3), (230, 210, 60), np.uint8)
        pixels[height // 2 : height // 2 + 60, width // 2 : width // 2 + 60] = (200, 20, 20)
        Image.fromarray(pixels).save(self.root / name, quality=92)
        return name

    def outcome(
        self,
        file: str,
        detections: Sequence[Detection] = (),
        *,
        at: int = DUSK,
        sensor: str = "trap-7",
        kind: Kind = Kind.CLIP,
        status: Status | None = None,
        reason: str = "",
        message: str = "",
        place: Place | None = None,
        seconds: float = 6.0,
        zone: str = "Europe/Berlin",
    ) -> Outcome:
        path = self.root / file
        data = path.read_bytes() if path.is_file() else b""
        capture_id = hashlib.blake2b(f"{sensor}|{file}|{at}".encode(errors="replace"), digest_size=16).hexdigest()
        numbered = tuple(
            msgspec.structs.replace(one, ordinal=n, detection_id=f"{capture_id[:24]}{n:08x}")
            for n, one in enumerate(detections)
        )
        settled = status or (Status.IDENTIFIED if numbered else Status.EMPTY)
        heard = kind is Kind.CLIP and settled is not Status.REFUSED
        seen = kind is Kind.FRAME and settled is not Status.REFUSED
        return Outcome(
            capture_id=capture_id,
            sensor_id=sensor,
            kind=kind,
            captured_at=at,
            clock=Clock(source=ClockSource.FILE_NAME, zone=zone, zone_source=ZoneSource.OPTION),
            media_type="audio/flac" if kind is Kind.CLIP else "image/jpeg",
            sha256=hashlib.sha256(data).hexdigest(),
            length=len(data),
            place=place,
            file=file,
            status=settled,
            reason=reason,
            message=message,
            effort=Effort(seconds=seconds if heard else 0.0, frames=int(seen), sample_rate=24_000 if heard else 0),
            detections=numbered,
            ran=(Ran(bundle="singing-insects-0.1", bundle_digest="ab" * 32, engine="onnx", provider="CPU"),),
            settings_digest="5e" * 16,
            katydid_version="0.1.0",
        )


def heard(
    name: str = "Tettigonia viridissima",
    score: float = 0.8,
    *,
    common_name: str = "",
    rank: str = "species",
    start: float = 2.0,
    end: float = 4.0,
    low: float | None = 3000.0,
    high: float | None = 5000.0,
    probability: float | None = None,
    verdict: Verdict = Verdict.ACCEPTED,
    model: str = "singing-insects-0.1",
) -> Detection:
    """One detection in a clip; ids are given by `Scene.outcome`."""
    return Detection(
        detection_id="",
        ordinal=0,
        model=model,
        model_digest="ab" * 32,
        taxon=Taxon(taxon_id=f"name:{name}", name=name, rank=rank, common_name=common_name),
        span=Span(start_s=start, end_s=end, low_hz=low, high_hz=high),
        score=score,
        probability=probability,
        decision=Decision(verdict=verdict, reason=f"score {score:.2f} at or above 0.50"),
    )


def without_a_time(outcome: Outcome, *, sensor: str = "trap-7") -> Outcome:
    """The outcome of a file that says nothing about time: all there is, is the file's date."""
    clock = Clock(source=ClockSource.FILE_DATE, zone_source=ZoneSource.RECORDED, flags=("no_reading",))
    return msgspec.structs.replace(outcome, clock=clock, sensor_id=sensor)


def seen(name: str = "Apis mellifera", score: float = 0.7, box: Box | None = None) -> Detection:
    """One detection in a frame."""
    return msgspec.structs.replace(heard(name, score), span=None, box=box, model="inat-insect-1")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """An empty folder of originals."""
    root = tmp_path / "originals"
    root.mkdir()
    return Scene(root=root)


@pytest.fixture
def store() -> Iterator[DuckDBStore]:
    """An empty store in memory."""
    opened = open_store(None)
    yield opened
    opened.close()


@pytest.fixture
def keep(store: DuckDBStore) -> Callable[[Sequence[Outcome]], DuckDBStore]:
    """Writes outcomes into `store` and returns it."""

    def write(outcomes: Sequence[Outcome]) -> DuckDBStore:
        arrivals = [
            Arrival(outcome=one, position=Position(source="folder", partition=f"{n}:{one.file}"))
            for n, one in enumerate(outcomes)
        ]
        store.write(arrivals)
        return store

    return write


@pytest.fixture(scope="session")
def page() -> Iterator[chromium.Page]:
    """A browser's tab, shared by the tests of a run; skips where there is no Chromium."""
    program = chromium.found()
    if program is None:
        pytest.skip(f"no browser to look with: none of {', '.join(chromium.NAMES)} is installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        tab = chromium.Page(program, Path(profile))
        yield tab
        tab.close()
