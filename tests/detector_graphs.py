"""Tiny detectors for tests: ONNX graphs of each shape of output, whose boxes follow from the picture by arithmetic.

Their scores are stated ones times the brightest red of the picture / 255, so that a black picture has none; `spots` is
a real detector: red spots on black, each as large as its green says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from katydid.models.bundle import Bundle, write_bundle
from katydid.models.labels import write_labels
from katydid.models.manifest import (
    FORMAT,
    Activation,
    BundleKind,
    BundleManifest,
    CentreOutput,
    Detector,
    Graph,
    ImageInput,
    Label,
    Thresholds,
    Tiles,
)

SIDE = 64
CELL = 4
Rows = NDArray[np.floating]


def stated(outputs: dict[str, Rows], scores: str, *, side: int = SIDE, columns: slice | None = None) -> bytes:
    """pixels uint8 [n, side, side, 3] → each output [n, …] as given; `scores` (or its last axis from `columns` on)
    times the brightest red / 255."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["real", "zero"], ["red"], axis=3),
        helper.make_node("ReduceMax", ["red"], ["brightest"], axes=[1, 2], keepdims=0),
        helper.make_node("Div", ["brightest", "full"], ["share"]),
    ]
    constants: list[tuple[str, NDArray[Any]]] = [("zero", np.asarray(0, np.int64)), ("full", np.asarray([255.0], "f4"))]
    for name, values in outputs.items():
        rank = values.ndim + 1
        factor, rest = np.zeros(values.shape, "f4"), values.astype("f4")
        if name == scores:
            chosen = (..., columns) if columns is not None else ...
            factor[chosen], rest = values[chosen], values.astype("f4")
            rest[chosen] = 0
        shape = np.array([-1] + [1] * (rank - 1), np.int64)
        constants += [(f"{name}_factor", factor[np.newaxis]), (f"{name}_rest", rest[np.newaxis]), (f"{name}_s", shape)]
        nodes += [
            helper.make_node("Reshape", ["share", f"{name}_s"], [f"{name}_share"]),
            helper.make_node("Mul", [f"{name}_share", f"{name}_factor"], [f"{name}_part"]),
            helper.make_node("Add", [f"{name}_part", f"{name}_rest"], [name]),
        ]
    return _model(nodes, constants, side, {name: list(values.shape) for name, values in outputs.items()})


def spots(side: int = SIDE) -> bytes:
    """pixels → "heat" (mean red of each cell of 4 x 4 pixels / 255), "size" (its mean green, both ways, pixels) and
    "offset" (0.5: the cell's middle)."""
    from onnx import TensorProto, helper

    cells = side // CELL
    constants: list[tuple[str, NDArray[Any]]] = [
        ("full", np.asarray(255.0, "f4")),
        ("half", np.asarray(0.5, "f4")),
        ("none", np.asarray(0.0, "f4")),
        *((f"i{value}", np.asarray([value], np.int64)) for value in (0, 1, 2)),
    ]
    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["real"], ["first"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["first"], ["means"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
        helper.make_node("Slice", ["means", "i0", "i1", "i1"], ["red"]),
        helper.make_node("Slice", ["means", "i1", "i2", "i1"], ["green"]),
        helper.make_node("Div", ["red", "full"], ["heat"]),
        helper.make_node("Concat", ["green", "green"], ["size"], axis=1),
        helper.make_node("Mul", ["size", "none"], ["nothing"]),
        helper.make_node("Add", ["nothing", "half"], ["offset"]),
    ]
    shapes = {"heat": [1, cells, cells], "size": [2, cells, cells], "offset": [2, cells, cells]}
    return _model(nodes, constants, side, shapes)


def spot(frame: NDArray[np.uint8], x: int, y: int, side: int, share: float = 1.0) -> None:
    """A spot whose cell begins at (x, y), both multiples of 4: a box of `side` pixels around (x + 2, y + 2), with a
    score of `share`."""
    frame[y : y + CELL, x : x + CELL] = (round(255 * share), side, 0)


def bundle_of(folder: Path, graph: bytes, detector: Detector, **changes: Any) -> Bundle:
    """A detector bundle; `scores` names its main output, `labels` its classes (name, rank)."""
    scores = changes.pop("scores", "scores")
    names = changes.pop("labels", (("Insecta", "class"),))
    side = changes.pop("side", SIDE)
    manifest = BundleManifest(
        format=FORMAT,
        name=changes.pop("name", "finder"),
        version="1",
        title="finds spots",
        kind=BundleKind.DETECTOR,
        graphs=(Graph(file="finder.onnx", engine="onnx", input="pixels", scores=scores, max_batch=8),),
        image=changes.pop("image", ImageInput(height=side, width=side)),
        detector=detector,
        activation=changes.pop("activation", Activation.NONE),
        thresholds=changes.pop("thresholds", Thresholds(report=0.3, accept=0.5)),
        licence="CC0-1.0",
        credit="nobody",
        uses="tests",
        files={},
        **changes,
    )
    labels = [
        Label(index=index, taxon_id=f"name:{name}", name=name, rank=rank) for index, (name, rank) in enumerate(names)
    ]
    files = {"finder.onnx": graph, "labels.csv": write_labels(labels), "card.md": b"# spots\n"}
    return write_bundle(folder / manifest.name, manifest, files)


def spot_bundle(folder: Path, tiles: Tiles | None = None, **changes: Any) -> Bundle:
    """`spots` as a bundle."""
    detector = Detector(output=CentreOutput(size="size", offset="offset"), tiles=tiles, **changes.pop("detector", {}))
    return bundle_of(folder, spots(changes.get("side", SIDE)), detector, scores="heat", **changes)


def _model(
    nodes: list[Any], constants: list[tuple[str, NDArray[Any]]], side: int, shapes: dict[str, list[int]]
) -> bytes:
    from onnx import TensorProto, checker, helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "finder",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", side, side, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape]) for name, shape in shapes.items()],
        [numpy_helper.from_array(values, name) for name, values in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
