"""The finished graph as an ONNX file; the same nodes always give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from katydid.models.conversion.one_by_one import divided, scan
from katydid.models.conversion.onnx_graph import BATCH, TO_CHANNELS_FIRST, OnnxGraph, Value
from katydid.models.errors import MissingExtra

OPSET = 17
"""Understood by ONNX Runtime from 1.12 and by TensorRT from 8.6."""

IR_VERSION = 8
"""The file format that belongs to opset 17."""


def serialise(
    graph: OnnxGraph, name: str, start: Value, outputs: Mapping[str, Value], *, one_by_one: Value | None = None
) -> bytes:
    """The graph as a file; up to the value `one_by_one` its items run one by one (`one_by_one.py`)."""
    try:
        import onnx
    except ModuleNotFoundError as missing:
        raise MissingExtra("onnx", "birdnet", "writing an ONNX graph") from missing
    helper = onnx.helper
    nodes, protos = graph.nodes, []
    given = {output: value.name for output, value in outputs.items()}
    if one_by_one is not None:
        first, nodes, given = divided(nodes, start, one_by_one, given)
        protos.append(scan(onnx, first, start, one_by_one, graph.constants))
    protos += [node.proto(helper) for node in nodes]
    protos += [helper.make_node("Identity", [made_by], [output], output) for output, made_by in given.items()]
    used = {name for node in nodes for name in node.inputs} | set(given.values())
    made = helper.make_graph(
        protos, name, [_described(onnx, start.name, start.shape)],
        [_described(onnx, output, v.shape) for output, v in outputs.items()],
        [onnx.numpy_helper.from_array(array, key) for key, array in graph.constants.items() if key in used],
    )  # fmt: skip
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="katydid"
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _described(onnx: Any, name: str, shape: tuple[int, ...]) -> Any:
    laid_out = tuple(shape[k] for k in TO_CHANNELS_FIRST) if len(shape) == 4 else shape
    sizes = ["batch" if size == BATCH else size for size in laid_out]
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes)
