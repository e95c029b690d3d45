"""Crops and clips that are kept with the results, for those whose originals go back into a drawer or are deleted.

    OUT/media/<first two digits>/<sha256 of the kept bytes>.flac | .jpg
    OUT/media/kept.csv      detection_id, capture_id, taxon, day, file, start_s

Kept files are named by their own content, so keeping twice writes nothing new and two detections with the same picture
share one file. Each file is written beside its place and moved there; the index comes last, in one piece.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import soundfile
from PIL import Image

from katydid.models.outcome import Detection
from katydid.sensors.capture import Kind
from katydid.sensors.errors import RefusedMedia
from katydid.streams.exports.replacing import replacing
from katydid.streams.media import clips, frames
from katydid.streams.media.finder import Lost, MediaFinder
from katydid.streams.store.protocol import OutcomeFilter, Store
from katydid.streams.stretches import stretches

NS = 1_000_000_000
INDEX = "kept.csv"
COLUMNS = ("detection_id", "capture_id", "taxon", "day", "file", "start_s")


class Keep(StrEnum):
    """Which crops and clips are kept."""

    ALL = "all"
    BEST = "best"
    """The most confident of each taxon and day (UTC); accepted ones before others."""
    NONE = "none"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a call of `keep_media` did."""

    files: int
    """Distinct files that are kept now."""
    written: int
    """Of these, new."""
    lost: int
    """Detections whose original was gone, changed or broken."""


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """One detection that is to be kept."""

    detection_id: str
    capture_id: str
    taxon: str
    day: str


def keep_media(store: Store, finder: MediaFinder, directory: Path, keep: Keep) -> Kept:
    """Keeps crops and clips of the store's detections under `directory`, as `keep` says; may be called again.

    Raises ExportError where `directory` cannot be written. Under NONE nothing is written or removed.
    """
    if keep is Keep.NONE:
        return Kept(files=0, written=0, lost=0)
    index: list[tuple[str, ...]] = []
    written = lost = 0
    for row in _all(store) if keep is Keep.ALL else _best(store):
        made = _made(store, finder, row.detection_id)
        if isinstance(made, Lost):
            lost += 1
            continue
        data, suffix, start_s = made
        digest = hashlib.sha256(data).hexdigest()
        name = f"{digest[:2]}/{digest}{suffix}"
        written += _write(directory / name, data)
        index.append((row.detection_id, row.capture_id, row.taxon, row.day, name, f"{start_s:.3f}"))
    _write_index(directory / INDEX, index)
    return Kept(files=len({row[4] for row in index}), written=written, lost=lost)


def _all(store: Store) -> Iterator[_Row]:
    """Every detection, in the store's order."""
    for window in stretches(store):
        for row, _ in _ranked(store.detections(OutcomeFilter(window=window))):
            yield row


def _best(store: Store) -> list[_Row]:
    """The best row of each taxon and day, in the order of their ids."""
    best: dict[tuple[str, str], tuple[tuple[bool, float, str], _Row]] = {}
    for window in stretches(store):
        for row, rank in _ranked(store.detections(OutcomeFilter(window=window))):
            key = (row.taxon, row.day)
            if key not in best or rank < best[key][0]:
                best[key] = (rank, row)
    return sorted((row for _, row in best.values()), key=lambda row: row.detection_id)


def _ranked(table: pa.Table) -> Iterator[tuple[_Row, tuple[bool, float, str]]]:
    """The rows of a DETECTION table, each with its rank: the best is the least."""
    names = ("detection_id", "capture_id", "taxon", "score", "probability", "decision")
    times = table.column("captured_at").cast(pa.int64()).to_pylist()
    columns = (table.column(name).to_pylist() for name in names)
    for at, detection_id, capture_id, taxon, score, probability, decision in zip(times, *columns, strict=True):
        day = f"{datetime.fromtimestamp(at // NS, UTC):%Y-%m-%d}"
        row = _Row(detection_id=detection_id, capture_id=capture_id, taxon=taxon or "", day=day)
        yield row, (decision != "accepted", -(score if probability is None else probability), detection_id)


def _made(store: Store, finder: MediaFinder, detection_id: str) -> tuple[bytes, str, float] | Lost:
    """What is kept of a detection: encoded bytes, their suffix, and where a clip starts in its recording."""
    outcome = store.detection(detection_id)
    if outcome is None:
        return Lost(why="it is no longer in the store")
    detection = next(one for one in outcome.detections if one.detection_id == detection_id)
    original = finder.find(outcome.file, outcome.sha256)
    if isinstance(original, Lost):
        return original
    try:
        return _clip(original.path, detection) if outcome.kind is Kind.CLIP else _crop(original.path, detection)
    except (soundfile.LibsndfileError, RefusedMedia, OSError) as reason:
        return Lost(why=f"the original cannot be decoded ({reason.__class__.__name__})")


def _clip(path: Path, detection: Detection) -> tuple[bytes, str, float]:
    """The detection and a second around it, mono, at the recording's own rate, 16 bit: FLAC, or WAV at a rate that FLAC
    does not have."""
    seconds, _ = clips.length(path)
    piece = clips.cut(path, *clips.window(detection.span, seconds, ultrasonic=False))
    samples = np.clip(piece.samples, -1.0, 1.0)
    try:
        return _encoded(samples, piece.sample_rate, "FLAC"), ".flac", piece.start_s
    except soundfile.LibsndfileError:
        return _encoded(samples, piece.sample_rate, "WAV"), ".wav", piece.start_s


def _encoded(samples: clips.Mono, rate: int, form: str) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=form, subtype="PCM_16")
    return stream.getvalue()


def _crop(path: Path, detection: Detection) -> tuple[bytes, str, float]:
    stream = io.BytesIO()
    Image.fromarray(frames.crop(frames.open_frame(path), detection.box)).save(stream, "JPEG", quality=92)
    return stream.getvalue(), ".jpg", 0.0


def _write(path: Path, data: bytes) -> int:
    """Writes a file that is named by its content, unless it is there; returns how many were written."""
    if path.exists() and path.stat().st_size == len(data):
        return 0
    with replacing(path, durable=False) as beside:
        beside.write_bytes(data)
    return 1


def _write_index(path: Path, rows: list[tuple[str, ...]]) -> None:
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
