"""The ONNX graph while it grows: values, nodes, constants, and the one place that knows about memory layout.

TFLite keeps pictures as [batch, height, width, channels], ONNX as [batch, channels, height, width]. Every `Value`
here carries its shape in TFLite's order, -1 for the batch, and lies in ONNX's order wherever it has four axes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from katydid.models.conversion.tflite_graph import TfliteGraph
from katydid.models.errors import ConversionError, MissingExtra

OPSET = 17
"""Understood by ONNX Runtime from 1.12 and by TensorRT from 8.6."""

IR_VERSION = 8
"""The file format that belongs to opset 17."""

BATCH = -1
"""Stands for the batch in every shape."""

TO_CHANNELS_FIRST = (0, 3, 1, 2)
TO_CHANNELS_LAST = (0, 2, 3, 1)

Attribute = int | float | str | Sequence[int] | Sequence[float]


@dataclasses.dataclass(frozen=True)
class Value:
    """One tensor: its ONNX name, its shape in TFLite's order, and what is known about where it came from."""

    name: str
    shape: tuple[int, ...]
    constant: NDArray[np.generic] | None = None
    """In TFLite's order; shapes hold BATCH where they speak of the batch."""
    unpadded: tuple[Value, tuple[tuple[int, int], ...]] | None = None
    """For the outcome of a PAD: what was padded, and (before, after) per axis, for a convolution to take over."""
    pooled: Value | None = None
    """For a mean over height and width without its axes: the same with its axes."""


def onnx_axis(rank: int, axis: int) -> int:
    """Where TFLite's axis lies in ONNX's order."""
    axis %= rank
    return (0, 2, 3, 1)[axis] if rank == 4 else axis


class OnnxGraph:
    """Collects nodes and constants; `serialise` drops what no output needs."""

    def __init__(self, source: TfliteGraph) -> None:
        self.source = source
        self.values: dict[int, Value] = {}
        self._nodes: list[tuple[str, tuple[str, ...], str, Mapping[str, Attribute]]] = []
        self._constants: dict[str, NDArray[np.generic]] = {}

    def value(self, index: int) -> Value:
        """The value of a TFLite tensor: computed before, or a constant of the file."""
        if index in self.values:
            return self.values[index]
        tensor = self.source.tensors[index]
        if tensor.data is None:
            raise ConversionError(f"tensor {index} ({tensor.name}) is needed but lies before the start")
        if tensor.quantised:
            raise ConversionError(f"tensor {index} ({tensor.name}) is quantised; only float graphs are converted")
        return Value(f"t{index}", tensor.shape, tensor.data)

    def emit(self, kind: str, inputs: Sequence[str], shape: tuple[int, ...], **attributes: Attribute) -> Value:
        """Add a node and give its one output."""
        name = f"n{len(self._nodes)}"
        self._nodes.append((kind, tuple(inputs), name, attributes))
        return Value(name, shape)

    def initializer(self, name: str, array: NDArray[Any]) -> str:
        """Keep a constant under a name; the same name always means the same constant."""
        self._constants[name] = np.ascontiguousarray(array)
        return name

    def operand(self, value: Value, rank: int) -> str:
        """The name by which a node of `rank` axes can use a value; constants are laid out to broadcast."""
        if value.constant is None:
            if len(value.shape) not in (0, rank) and max(len(value.shape), rank) == 4:
                raise ConversionError(f"{value.name}: {len(value.shape)} axes cannot meet {rank} across layouts")
            return value.name
        array = value.constant
        if rank == 4 and array.ndim:
            array = array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(TO_CHANNELS_FIRST)
            return self.initializer(f"{value.name}_nchw", array)
        return self.initializer(value.name, array)

    def reshaped(self, value: Value, shape: tuple[int, ...]) -> Value:
        """The same elements in another shape, transposed only where the layouts differ in memory."""
        if value.shape == shape:
            return value
        if value.pooled is not None and value.pooled.shape == shape:
            return value.pooled
        if not _same_in_memory(value.shape):
            value = self.emit("Transpose", [value.name], value.shape, perm=TO_CHANNELS_LAST)
        flat = len(shape) == 4 and _same_in_memory(shape)
        target = tuple(shape[k] for k in TO_CHANNELS_FIRST) if flat else shape
        sizes = self.initializer("shape_" + "_".join(map(str, target)), np.asarray(target, np.int64))
        out = self.emit("Reshape", [value.name, sizes], shape)
        if len(shape) == 4 and not flat:
            out = self.emit("Transpose", [out.name], shape, perm=TO_CHANNELS_FIRST)
        return out

    def serialise(self, name: str, start: Value, outputs: Mapping[str, Value]) -> bytes:
        """The graph as an ONNX file; the same nodes always give the same bytes."""
        try:
            import onnx
        except ModuleNotFoundError as missing:
            raise MissingExtra("onnx", "birdnet", "writing an ONNX graph") from missing
        helper = onnx.helper
        nodes = [helper.make_node("Identity", [v.name], [output], output) for output, v in outputs.items()]
        wanted = {v.name for v in outputs.values()}
        for kind, inputs, out, attributes in reversed(self._nodes):
            if out in wanted:
                wanted.update(inputs)
                nodes.insert(0, helper.make_node(kind, list(inputs), [out], out, **attributes))
        constants = [onnx.numpy_helper.from_array(a, n) for n, a in self._constants.items() if n in wanted]
        graph = helper.make_graph(
            nodes, name, [_described(onnx, start.name, start.shape)],
            [_described(onnx, output, v.shape) for output, v in outputs.items()], constants,
        )  # fmt: skip
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="katydid"
        )
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))


def _same_in_memory(shape: tuple[int, ...]) -> bool:
    """Whether both layouts of a shape lie alike in memory: one pixel, or one channel."""
    return len(shape) != 4 or shape[1] * shape[2] == 1 or shape[3] == 1


def _described(onnx: Any, name: str, shape: tuple[int, ...]) -> Any:
    laid_out = tuple(shape[k] for k in TO_CHANNELS_FIRST) if len(shape) == 4 else shape
    sizes = ["batch" if size == BATCH else size for size in laid_out]
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes)
