"""Photos with boxes or points by hand, that the detector is taught and measured with.

spohf_sticky_traps/_annotations.coco.json    boxes (SPOHF/insect-detection-yellow-traps, CC BY 4.0)
bnn_hive_entrance/bee_points.csv             file, x, y: points without a size (matpalm/bnn, MIT)
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.models.errors import LabelledDataError

TRAPS = "spohf_sticky_traps/_annotations.coco.json"
HIVE = "bnn_hive_entrance/bee_points.csv"

Boxes = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo and what was marked on it by hand."""

    path: Path
    boxes: Boxes
    """[n, 4]: left, top, right, bottom in pixels; for points a box of no size."""
    sized: bool = True
    """False: points, that say where and not how large."""
    _pixels: list[NDArray[np.uint8]] = field(default_factory=list, repr=False)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """uint8 [H, W, 3] RGB, decoded once. Raises LabelledDataError."""
        if not self._pixels:
            bgr = cv2.imread(str(self.path), cv2.IMREAD_COLOR_BGR)
            if bgr is None:
                raise LabelledDataError(f"{self.path}: no photo that can be decoded")
            self._pixels.append(np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8))
        return self._pixels[0]


class _Image(msgspec.Struct, frozen=True):
    id: int
    file_name: str


class _Annotation(msgspec.Struct, frozen=True):
    image_id: int
    bbox: tuple[float, float, float, float]


class _Coco(msgspec.Struct, frozen=True):
    images: tuple[_Image, ...]
    annotations: tuple[_Annotation, ...]


def read_photos(data: Path) -> list[Photo]:
    """All photos under `data`, in the order of their names. Raises LabelledDataError where there are no traps."""
    return [*_traps(data / TRAPS), *_hive(data / HIVE)]


def dealt(photos: Sequence[Photo], folds: int, seed: int) -> list[int]:
    """Each photo's fold, 0..folds-1: photos with boxes and photos with points are dealt out apart, each evenly."""
    rng = np.random.default_rng(seed)
    fold = [0] * len(photos)
    for sized in (True, False):
        group = [index for index, photo in enumerate(photos) if photo.sized is sized]
        for place, index in enumerate(rng.permutation(group).astype(int)):
            fold[index] = place % folds
    return fold


def _traps(file: Path) -> list[Photo]:
    try:
        coco = msgspec.json.decode(file.read_bytes(), type=_Coco)
    except (OSError, msgspec.MsgspecError) as error:
        raise LabelledDataError(f"{file}: boxes in COCO's format are needed: {error}") from error
    boxes = defaultdict(list)
    for each in coco.annotations:
        x, y, w, h = each.bbox
        boxes[each.image_id].append((x, y, x + w, y + h))
    return [
        Photo(file.parent / image.file_name, np.array(boxes[image.id], np.float32).reshape(-1, 4))
        for image in sorted(coco.images, key=lambda image: image.file_name)
    ]


def _hive(file: Path) -> list[Photo]:
    if not file.exists():
        return []
    points = defaultdict(list)
    with file.open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            x, y = float(row["x"]), float(row["y"])
            points[row["file"]].append((x, y, x, y))
    return [Photo(file.parent / name, np.array(points[name], np.float32), sized=False) for name in sorted(points)]
