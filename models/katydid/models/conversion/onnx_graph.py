"""The ONNX graph while it grows: values, nodes, constants, and what is known about memory layout.

TFLite keeps pictures as [batch, height, width, channels], ONNX as [batch, channels, height, width]. Every `Value`
here carries its shape in TFLite's order, -1 for the batch, and lies in ONNX's order wherever it has four axes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from katydid.models.conversion.tflite_graph import TfliteGraph
from katydid.models.errors import ConversionError

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


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """One ONNX node with one output, which is also its name."""

    kind: str
    inputs: tuple[str, ...]
    out: str
    attributes: Mapping[str, Attribute]

    def taking(self, inputs: tuple[str, ...]) -> Node:
        """The same with other inputs."""
        return dataclasses.replace(self, inputs=inputs)

    def proto(self, helper: Any) -> Any:
        """As `onnx.helper` writes it."""
        return helper.make_node(self.kind, list(self.inputs), [self.out], self.out, **self.attributes)


def onnx_axis(rank: int, axis: int) -> int:
    """Where TFLite's axis lies in ONNX's order."""
    axis %= rank
    return (0, 2, 3, 1)[axis] if rank == 4 else axis


class OnnxGraph:
    """Collects nodes and constants; `writing.py` makes a file of them."""

    def __init__(self, source: TfliteGraph) -> None:
        self.source = source
        self.values: dict[int, Value] = {}
        self.nodes: list[Node] = []
        self.constants: dict[str, NDArray[np.generic]] = {}

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
        name = f"n{len(self.nodes)}"
        self.nodes.append(Node(kind, tuple(inputs), name, attributes))
        return Value(name, shape)

    def initializer(self, name: str, array: NDArray[Any]) -> str:
        """Keep a constant under a name; the same name always means the same constant."""
        self.constants[name] = np.ascontiguousarray(array)
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

    def replace(self, node: Node, weights: Sequence[str]) -> None:
        """Give a node other constants behind its first input."""
        self.nodes[self.nodes.index(node)] = node.taking((node.inputs[0], *weights))

    def keep_needed(self, outputs: Iterable[str]) -> None:
        """Drop the nodes that no output needs."""
        wanted = set(outputs)
        nodes: list[Node] = []
        for node in reversed(self.nodes):
            if node.out in wanted:
                wanted.update(node.inputs)
                nodes.insert(0, node)
        self.nodes = nodes


def _same_in_memory(shape: tuple[int, ...]) -> bool:
    """Whether both layouts of a shape lie alike in memory: one pixel, or one channel."""
    return len(shape) != 4 or shape[1] * shape[2] == 1 or shape[3] == 1
