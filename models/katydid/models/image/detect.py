"""From what a detector's graph gives to boxes: one function for each shape of output, read from the bundle's contract.

Each takes the graph's outputs, real numbers [n, …], and gives boxes float32 [n, k, 4] (left, top, right, bottom, shares
of the input's width and height) and scores float32 [n, k, classes], 0..1. Rows that stand for nothing have scores of 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from katydid.models.errors import EngineError
from katydid.models.image.suppression import suppressed
from katydid.models.manifest import CentreOutput, Detector, ImageInput, RtDetrOutput, SsdOutput, YoloOutput

Floats = NDArray[np.float32]
Found = tuple[Floats, Floats]
Activate = Callable[[Floats], Floats]

FAINT = np.float32(0.01)
"""Boxes whose best score is under this are let go at once."""
CANDIDATES = 3_000
"""Of one look, that are compared with each other at most, the surest: a net of anchors says everything ten times."""


def found_boxes(
    outputs: Mapping[str, Floats], primary: str, detector: Detector, image: ImageInput, classes: int, activate: Activate
) -> Found:
    """Boxes [n, most, 4] and scores [n, most, classes], the surest first, each item's suppressed by itself.

    `primary` names the output with the scores (`Graph.scores`); `activate` makes scores 0..1 of it. Raises EngineError
    for outputs of another shape than the contract says, and for what are no numbers.
    """
    for name, values in outputs.items():
        if not np.isfinite(values).all():
            raise EngineError(f"the output {name!r} holds what are no numbers")
    shape, main = detector.output, outputs[primary]
    if isinstance(shape, YoloOutput):
        found = _yolo(main, shape, image, classes, activate)
    elif isinstance(shape, SsdOutput):
        found = _ssd(main, outputs, shape, image, classes, activate)
    elif isinstance(shape, RtDetrOutput):
        found = _rt_detr(main, outputs[shape.boxes], classes, activate)
    else:
        found = _centre(main, outputs, shape, image, classes, detector.most, activate)
    return _surest(*found, detector)


def outputs_of(detector: Detector) -> tuple[str, ...]:
    """The outputs that a detector's contract names besides `Graph.scores`."""
    shape = detector.output
    if isinstance(shape, SsdOutput):
        return (shape.boxes, shape.classes) if shape.count is None else (shape.boxes, shape.classes, shape.count)
    if isinstance(shape, RtDetrOutput):
        return (shape.boxes,)
    return (shape.size, shape.offset) if isinstance(shape, CentreOutput) else ()


def _yolo(rows: Floats, shape: YoloOutput, image: ImageInput, classes: int, activate: Activate) -> Found:
    numbers = 4 + shape.objectness + classes
    if rows.ndim == 3 and shape.anchors_last:
        rows = rows.transpose(0, 2, 1)
    _expect("scores", rows, rows.ndim == 3 and rows.shape[2] == numbers, f"{numbers} numbers an anchor")
    boxes = _from_centres(rows[..., :2], rows[..., 2:4])
    if not shape.relative:
        boxes = boxes / _sides(image)
    scores = activate(rows[..., 4 + shape.objectness :])
    return boxes, scores * activate(rows[..., 4:5]) if shape.objectness else scores


def _ssd(
    scores: Floats,
    outputs: Mapping[str, Floats],
    shape: SsdOutput,
    image: ImageInput,
    classes: int,
    activate: Activate,
) -> Found:
    n = len(scores)
    scores = activate(scores.reshape(n, -1))
    k = scores.shape[1]
    boxes, numbers = outputs[shape.boxes], outputs[shape.classes]
    _expect("boxes", boxes, boxes.size == n * k * 4, f"four numbers for each of {k} scores")
    _expect("classes", numbers, numbers.size == n * k, f"a class for each of {k} scores")
    if shape.count is not None:
        _expect("count", outputs[shape.count], outputs[shape.count].size == n, "one number an item")
    boxes, numbers = boxes.reshape(n, k, 4), numbers.reshape(n, k)
    if shape.y_first:
        boxes = boxes[..., (1, 0, 3, 2)]
    if not shape.relative:
        boxes = boxes / _sides(image)
    counts = np.full(n, k) if shape.count is None else outputs[shape.count].reshape(n).astype(np.int64)
    label = np.rint(numbers).astype(np.int64) - shape.first_class
    real = (np.arange(k) < counts[:, np.newaxis]) & (label >= 0) & (label < classes)
    spread = np.zeros((n, k, classes), np.float32)
    item, row = np.nonzero(real)
    spread[item, row, label[real]] = scores[real]
    return boxes, spread


def _rt_detr(logits: Floats, boxes: Floats, classes: int, activate: Activate) -> Found:
    _expect("scores", logits, logits.ndim == 3 and logits.shape[2] == classes, f"{classes} classes a query")
    _expect("boxes", boxes, boxes.shape == (*logits.shape[:2], 4), "four numbers a query")
    return _from_centres(boxes[..., :2], boxes[..., 2:]), activate(logits)


def _centre(
    heat: Floats,
    outputs: Mapping[str, Floats],
    shape: CentreOutput,
    image: ImageInput,
    classes: int,
    most: int,
    activate: Activate,
) -> Found:
    _expect("scores", heat, heat.ndim == 4 and heat.shape[1] == classes, f"{classes} heat maps")
    n, _, height, width = heat.shape
    size, offset = outputs[shape.size], outputs[shape.offset]
    for name, values in ((shape.size, size), (shape.offset, offset)):
        _expect(
            name, values, values.shape == (n, 2, height, width), f"two numbers for each of {height} x {width} cells"
        )
    heat = activate(heat)
    boxes, scores = np.zeros((n, most, 4), np.float32), np.zeros((n, most, classes), np.float32)
    cell = _sides(image)[:2] / np.array((width, height), np.float32)
    for item in range(n):
        best = heat[item].max(axis=0)
        # A cell counts where none of its eight neighbours is hotter.
        peak = (best >= FAINT) & (best >= np.asarray(cv2.dilate(best, np.ones((3, 3), np.uint8))))
        at = np.flatnonzero(peak)
        at = at[np.argsort(-best.ravel()[at], kind="stable")][:most]
        place = np.stack((at % width, at // width)) + offset[item].reshape(2, -1)[:, at]
        centres, sides = place.T * cell, size[item].reshape(2, -1)[:, at].T
        boxes[item, : len(at)] = _from_centres(centres, sides) / _sides(image)
        scores[item, : len(at)] = heat[item].reshape(classes, -1)[:, at].T
    return boxes, scores


def _surest(boxes: Floats, scores: Floats, detector: Detector) -> Found:
    """The surest rows of each item that stay after suppression, padded with rows of nothing, held within the input."""
    n, _, classes = scores.shape
    out = np.zeros((n, detector.most, 4), np.float32)
    kept = np.zeros((n, detector.most, classes), np.float32)
    for item in range(n):
        held, best = np.clip(boxes[item], 0, 1), scores[item].max(axis=1)
        some = np.flatnonzero((best >= FAINT) & (held[:, 2:] > held[:, :2]).all(axis=1))
        some = some[np.argsort(-best[some], kind="stable")][:CANDIDATES]
        some = some[suppressed(held[some], best[some], detector.overlap)][: detector.most]
        out[item, : len(some)], kept[item, : len(some)] = held[some], scores[item, some]
    return out, kept


def _from_centres(centres: Floats, sides: Floats) -> Floats:
    return np.concatenate((centres - sides / 2, centres + sides / 2), axis=-1).astype(np.float32, copy=False)


def _sides(image: ImageInput) -> Floats:
    return np.array((image.width, image.height, image.width, image.height), np.float32)


def _expect(name: str, values: Floats, holds: bool, what: str) -> None:
    if not holds:
        raise EngineError(f"the output {name!r} has the shape {values.shape}, where {what} go")
