"""What a detector says about photos that it was not taught, as the runtime asks it; and what two others say of them.

The others need no teaching: the built-in localiser `settled`, and dark blobs under one fixed grey level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from katydid.models.box_metrics import Judged
from katydid.models.image.settled import Settled
from katydid.models.image.views import Views
from katydid.models.model import Model
from katydid.models.training.image_photos import Photo

FAINT = 0.02
"""Boxes under this score are not written down."""
BLOB_LEVEL = 120
"""Grey level, 0..255, that a blob is darker than: of 60 to 150 in tens that with the best average precision here."""
BLOB_AREA = (40, 20_000)
"""Pixels."""


def ask(model: Model, photo: Photo) -> Judged:
    """By the runtime's own tiles, suppression and contract."""
    manifest = model.bundle.manifest
    assert manifest.image is not None and manifest.detector is not None
    views = Views(photo.pixels, manifest.image, manifest.detector)
    for items in views.batches(1):
        seen = model.infer(items)
        assert seen.boxes is not None
        views.keep(seen.boxes, seen.scores)
    boxes, scores = views.found(lambda scores: np.asarray(scores[:, 0] >= FAINT))
    return Judged(photo.boxes, _pixels(boxes, photo), scores[:, 0])


def settled(photo: Photo) -> Judged:
    """The localiser that needs no weights, on any ground."""
    proposals = Settled(on_any_ground=True).propose(photo.pixels).proposals
    boxes = [(one.box.x, one.box.y, one.box.x + one.box.w, one.box.y + one.box.h) for one in proposals]
    scores = np.array([one.score for one in proposals], np.float32)
    return Judged(photo.boxes, _pixels(np.array(boxes, np.float32).reshape(-1, 4), photo), scores)


def blobs(photo: Photo) -> Judged:
    """What is darker than a fixed level, the darkest first."""
    grey = cv2.GaussianBlur(np.asarray(cv2.cvtColor(photo.pixels, cv2.COLOR_RGB2GRAY), np.uint8), (5, 5), 0)
    dark = (np.asarray(grey) < BLOB_LEVEL).astype(np.uint8)
    count, marks, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=8)
    levels = np.bincount(np.asarray(marks).ravel(), np.asarray(grey, np.float64).ravel(), count)
    stats = np.asarray(stats)
    area = stats[:, cv2.CC_STAT_AREA]
    keep = (area >= BLOB_AREA[0]) & (area <= BLOB_AREA[1]) & (np.arange(count) > 0)
    corner, sides = stats[keep, :2], stats[keep, 2:4]
    scores = 1 - levels[keep] / area[keep] / BLOB_LEVEL
    return Judged(
        photo.boxes, np.concatenate((corner, corner + sides), axis=1).astype(np.float32), scores.astype(np.float32)
    )


def kept(file: Path, photos: Sequence[Photo], make: Callable[[], list[Judged]]) -> list[Judged]:
    """`make()`, or what an earlier run left in the file, for these photos in this order."""
    if not file.exists():
        made = make()
        arrays = {
            f"{kind}{at}": each for at, one in enumerate(made) for kind, each in (("b", one.found), ("s", one.scores))
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".part")
        with draft.open("wb") as out:
            np.savez(out, allow_pickle=False, **arrays)
        draft.replace(file)
    with np.load(file, allow_pickle=False) as stored:
        return [Judged(photo.boxes, stored[f"b{at}"], stored[f"s{at}"]) for at, photo in enumerate(photos)]


def _pixels(boxes: NDArray[np.float32], photo: Photo) -> NDArray[np.float32]:
    height, width = photo.pixels.shape[:2]
    return boxes * np.array((width, height, width, height), np.float32)
