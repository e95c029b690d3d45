"""Where somebody else's detector has its boxes: read from the shapes of its outputs and from what it gives for noise.

What neither shows is asked for: which family it is of (`--detector`), the names of outputs that look alike, whether
classes count from 1, and how frames are cut into tiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from katydid.models.errors import BundleError, ConversionError
from katydid.models.image.contract import check_detector
from katydid.models.manifest import (
    CentreOutput,
    Detector,
    ImageInput,
    RtDetrOutput,
    SsdOutput,
    Tiles,
    YoloOutput,
)

Outputs = Mapping[str, NDArray[np.floating]]

SHAPES = ("yolo", "ssd", "rt-detr", "centre")
ROLES = {
    "yolo": (),
    "ssd": ("boxes", "classes", "count"),
    "rt-detr": ("boxes",),
    "centre": ("size", "offset"),
}
"""The outputs of each shape besides the scores."""
LARGEST_SHARE = 2.0
"""Coordinates of noise beyond this are pixels: shares of the input hardly leave 0..1."""
LEAST_COORDINATES = 64
"""With fewer of them than this, that says nothing."""


@dataclass(frozen=True, kw_only=True)
class DetectorWishes:
    """What is said about a detector that its graph does not say itself."""

    shape: str
    """A word of `SHAPES`."""
    outputs: Mapping[str, str]
    """Role ("boxes", "classes", "count", "size", "offset") → name of the output."""
    relative: bool | None = None
    """Boxes are shares of the input; None: told from what it gives for noise."""
    y_first: bool | None = None
    """SSD: corners are (y, x)."""
    first_class: int | None = None
    """SSD: the number of the first label."""
    short_sides: tuple[int, ...] = ()
    """Lengths that a frame's shorter side is reduced to before it is cut into tiles; none: one look at the frame."""
    tile_overlap: int = 64
    overlap: float = 0.5
    """Of two boxes that overlap more, the surer stays."""


@dataclass(frozen=True)
class Told:
    """What came out about a detector."""

    scores: str
    """The name of its main output."""
    detector: Detector
    values: NDArray[np.floating]
    """The scores that it gave for noise, before any activation."""


def read_detector(
    file: str, outputs: Outputs, image: ImageInput, classes: int, scores: str | None, wishes: DetectorWishes
) -> Told:
    """What a graph and the wishes make together; `outputs` are what it gave for noise, [n, …] each.

    Raises ConversionError that says what does not fit or what has to be said.
    """
    if wishes.shape not in SHAPES:
        raise ConversionError(f"{wishes.shape!r} is no shape of a detector's output; there are {', '.join(SHAPES)}")
    for role, name in wishes.outputs.items():
        if role not in ROLES[wishes.shape]:
            known = ", ".join(ROLES[wishes.shape]) or "none besides the scores"
            raise ConversionError(f"{file}: {wishes.shape} has no output for {role!r} (it has: {known})")
        if name not in outputs:
            raise ConversionError(f"{file}: no output {name!r}; there are {_listed(outputs)}")
    read = {"yolo": _yolo, "ssd": _ssd, "rt-detr": _rt_detr, "centre": _centre}[wishes.shape]
    name, output, values = read(file, outputs, classes, scores, wishes)
    tiles = Tiles(short_sides=wishes.short_sides, overlap=wishes.tile_overlap) if wishes.short_sides else None
    detector = Detector(output=output, tiles=tiles, overlap=wishes.overlap)
    try:
        check_detector(file, image, detector)
    except BundleError as error:
        raise ConversionError(str(error)) from error
    return Told(name, detector, values)


Read = tuple[str, YoloOutput | SsdOutput | RtDetrOutput | CentreOutput, NDArray[np.floating]]


def _yolo(file: str, outputs: Outputs, classes: int, scores: str | None, wishes: DetectorWishes) -> Read:
    fits = [
        (name, objectness, last)
        for name, values in outputs.items()
        if values.ndim == 3 and scores in (None, name)
        for objectness in (False, True)
        for last in (False, True)
        if values.shape[1 if last else 2] == 4 + objectness + classes
    ]
    if len(fits) != 1:
        what = "no output has" if not fits else "more than one reading has"
        raise ConversionError(
            f"{file}: {what} {4 + classes} or {5 + classes} numbers an anchor, as {classes} labels want: "
            f"{_listed(outputs)}" + (": say --scores NAME" if fits else "")
        )
    name, objectness, last = fits[0]
    rows = outputs[name].transpose(0, 2, 1) if last else outputs[name]
    relative = _relative(file, rows[..., :4], wishes)
    return name, YoloOutput(objectness=objectness, anchors_last=last, relative=relative), rows[..., 4:]


def _ssd(file: str, outputs: Outputs, classes: int, scores: str | None, wishes: DetectorWishes) -> Read:
    boxes = _role(file, outputs, "boxes", wishes, lambda values: values.ndim == 3 and values.shape[2] == 4)
    k = outputs[boxes].shape[1]
    alike = [name for name, values in outputs.items() if name != boxes and values.shape[1:] == (k,) and k > 1]
    whole = [name for name in alike if _whole(outputs[name])]
    numbers = wishes.outputs.get("classes") or (whole[0] if len(whole) == 1 else None)
    rest = [name for name in alike if name != numbers]
    name = scores or (rest[0] if len(rest) == 1 else None)
    if numbers is None or name is None or name not in outputs:
        raise ConversionError(
            f"{file}: which output holds the scores, and which the classes? Say --scores NAME --output classes=NAME; "
            f"there are {_listed(outputs)}"
        )
    if wishes.first_class is None or wishes.y_first is None:
        raise ConversionError(
            f"{file}: say --first-class 0, or 1 where class 0 is the background, and --corners yx (TensorFlow) or xy"
        )
    single = [each for each, values in outputs.items() if each not in (boxes, numbers, name) and values[0].size == 1]
    count = wishes.outputs.get("count") or (single[0] if len(single) == 1 else None)
    shape = SsdOutput(
        boxes=boxes,
        classes=numbers,
        count=count,
        y_first=wishes.y_first,
        relative=_relative(file, outputs[boxes], wishes),
        first_class=wishes.first_class,
    )
    return name, shape, outputs[name]


def _rt_detr(file: str, outputs: Outputs, classes: int, scores: str | None, wishes: DetectorWishes) -> Read:
    fits = [
        name
        for name, values in outputs.items()
        if values.ndim == 3 and values.shape[2] == classes and scores in (None, name)
    ]
    if "boxes" not in wishes.outputs and classes == 4:
        raise ConversionError(
            f"{file}: with four labels, boxes look like scores: say --scores NAME --output boxes=NAME"
        )
    boxes = _role(file, outputs, "boxes", wishes, lambda values: values.ndim == 3 and values.shape[2] == 4)
    fits = [name for name in fits if name != boxes and outputs[name].shape[1] == outputs[boxes].shape[1]]
    if len(fits) != 1:
        raise ConversionError(
            f"{file}: which output holds a score for each of {classes} labels? Say --scores NAME; there are "
            f"{_listed(outputs)}"
        )
    return fits[0], RtDetrOutput(boxes=boxes), outputs[fits[0]]


def _centre(file: str, outputs: Outputs, classes: int, scores: str | None, wishes: DetectorWishes) -> Read:
    missing = [role for role in ROLES["centre"] if role not in wishes.outputs]
    if missing or scores is None or scores not in outputs:
        raise ConversionError(
            f"{file}: say --scores NAME (the heat map) --output size=NAME --output offset=NAME; there are "
            f"{_listed(outputs)}"
        )
    heat = outputs[scores]
    if heat.ndim != 4 or heat.shape[1] != classes:
        raise ConversionError(f"{file}: the heat map of {classes} labels is [n, {classes}, h, w], not {_of(heat)}")
    for role in ROLES["centre"]:
        values = outputs[wishes.outputs[role]]
        if values.shape[1:] != (2, *heat.shape[2:]):
            raise ConversionError(f"{file}: the {role} is {_of(values)}, where two maps like the heat map's go")
    return scores, CentreOutput(size=wishes.outputs["size"], offset=wishes.outputs["offset"]), heat


def _role(file: str, outputs: Outputs, role: str, wishes: DetectorWishes, fits: object) -> str:
    """The output for a role: as said, else the only one that fits."""
    assert callable(fits)
    said = wishes.outputs.get(role)
    found = [name for name, values in outputs.items() if said in (None, name) and fits(values)]
    if len(found) != 1:
        raise ConversionError(
            f"{file}: which output holds the {role}? Say --output {role}=NAME; there are {_listed(outputs)}"
        )
    return found[0]


def _relative(file: str, coordinates: NDArray[np.floating], wishes: DetectorWishes) -> bool:
    """As said; else by what it gave for noise, where that tells."""
    if wishes.relative is not None:
        return wishes.relative
    real = coordinates[np.isfinite(coordinates)]
    if len(real) >= LEAST_COORDINATES and np.abs(real).max() > LARGEST_SHARE:
        return False
    if len(real) >= LEAST_COORDINATES and real.any():
        return True
    raise ConversionError(f"{file}: are its boxes pixels, or shares of the input? Say --coordinates pixels or shares")


def _whole(values: NDArray[np.floating]) -> bool:
    return bool(np.array_equal(values, np.rint(values)))


def _listed(outputs: Outputs) -> str:
    return ", ".join(f"{name!r} {_of(values)}" for name, values in outputs.items())


def _of(values: NDArray[np.floating]) -> str:
    sizes: Sequence[int] = values.shape[1:]
    return f"[n, {', '.join(map(str, sizes))}]" if sizes else "[n]"
