"""TFLite graphs → ONNX graphs, on the user's machine, when a model is added.

    onnx_bytes = to_onnx(tflite_bytes, outputs={"embedding": 545, "logits": 546}, start=Start(263, (-1, 96, 511, 2)))

Float graphs only, one input, the batch left open. `start` cuts off what comes before a tensor, so that a front end can
stay outside. The same file always gives the same bytes. `tflite_graph.py` reads, `operators.py` translates one
operator at a time, `onnx_graph.py` collects, `widening.py` and `one_by_one.py` make the graph quicker without another
answer, `writing.py` writes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from katydid.models.conversion.onnx_graph import BATCH, OnnxGraph, Value
from katydid.models.conversion.operators import OPERATORS
from katydid.models.conversion.tflite_graph import Operator, TfliteGraph, read_tflite
from katydid.models.conversion.widening import widened
from katydid.models.conversion.writing import serialise
from katydid.models.errors import ConversionError

__all__ = ["Start", "TfliteGraph", "read_tflite", "to_onnx"]


@dataclasses.dataclass(frozen=True)
class Start:
    """Where the converted graph begins: a tensor of the file, and its true shape in TFLite's order, -1 for the batch.

    Files with a front end of changing length store wrong shapes behind it, so the shape is the caller's to say.
    """

    tensor: int
    shape: tuple[int, ...]


def to_onnx(
    model: bytes | TfliteGraph,
    *,
    outputs: Mapping[str, int] | None = None,
    start: Start | None = None,
    one_by_one: int | None = None,
    name: str = "converted",
) -> bytes:
    """Convert a float TFLite graph to ONNX, opset 17.

    Args:
        model: the file, or what `read_tflite` made of it.
        outputs: name → tensor; None: the file's own outputs as "output", "output_1", ...
        start: None: the file's own input, with its first axis as the batch.
        one_by_one: a tensor that parts the graph in two; what comes before it runs item by item (`one_by_one.py`).
        name: of the ONNX graph.

    The ONNX input is called "input"; pictures are [batch, channels, height, width].

    Raises:
        ConversionError: an operator that the converter does not know (named with its index), or knows but not so.
        MissingExtra: `tflite` or `onnx` is not installed.
    """
    source = read_tflite(model) if isinstance(model, bytes) else model
    start = start or _own_start(source)
    wanted = dict(outputs) if outputs is not None else _own_outputs(source)
    graph = OnnxGraph(source)
    first = Value("input", start.shape)
    graph.values[start.tensor] = first
    for operator in _needed(source, start.tensor, set(wanted.values())):
        translate = OPERATORS.get(operator.kind)
        if translate is None:
            raise ConversionError(f"operator {operator.index} {operator.kind} is not known to the converter")
        graph.values[operator.outputs[0]] = translate(graph, operator)
    outputs_made = {key: graph.value(index) for key, index in wanted.items()}
    names = frozenset(value.name for value in outputs_made.values())
    graph.keep_needed(names)
    widened(graph, names)
    cut = None if one_by_one is None else graph.value(one_by_one)
    return serialise(graph, name, first, outputs_made, one_by_one=cut)


def _own_start(source: TfliteGraph) -> Start:
    if len(source.inputs) != 1:
        raise ConversionError(f"the graph has {len(source.inputs)} inputs; only one is known")
    tensor = source.tensors[source.inputs[0]]
    if tensor.dtype != "FLOAT32":
        raise ConversionError(f"the input is {tensor.dtype}; only float graphs are converted")
    return Start(tensor.index, (BATCH, *tensor.shape[1:]))


def _own_outputs(source: TfliteGraph) -> dict[str, int]:
    return {"output" if k == 0 else f"output_{k}": index for k, index in enumerate(source.outputs)}


def _needed(source: TfliteGraph, start: int, wanted: set[int]) -> list[Operator]:
    """The operators between the start and the wanted tensors, in the order that they run."""
    needed = []
    for operator in reversed(source.operators):
        if start not in operator.outputs and not wanted.isdisjoint(operator.outputs):
            wanted.update(operator.inputs)
            needed.append(operator)
    return needed[::-1]
