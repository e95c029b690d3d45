"""The first layers window by window, the others by the batch.

First layers have few weights and large pictures, last layers many weights and small pictures. With a batch of eight,
BirdNET's first pictures measure up to 14 MB and go through memory at every step, while one window's stay near the
processor; its last layers read 50 MB of weights, which eight windows should share. ONNX says that with a Scan, whose
body is the graph of the first layers for a batch of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from katydid.models.conversion.onnx_graph import BATCH, TO_CHANNELS_FIRST, Node, Value
from katydid.models.errors import ConversionError

TOGETHER = "together"
"""What the Scan gives: the cut's value for the whole batch."""
ONE = "one"
"""The input of the first layers inside the Scan: a batch of one."""


def divided(
    nodes: Sequence[Node], start: Value, cut: Value, outputs: Mapping[str, str]
) -> tuple[list[Node], list[Node], dict[str, str]]:
    """The nodes that the cut needs; the others, and what makes each output, with the cut under its name for the batch.

    Raises ConversionError where a node behind the cut, or an output, looks at something before it.
    """
    wanted = {cut.name}
    first: list[Node] = []
    for node in reversed(nodes):
        if node.out in wanted:
            wanted.update(node.inputs)
            first.insert(0, node)
    made = {node.out for node in first} - {cut.name} | {start.name}
    last = [node for node in nodes if node.out not in wanted]
    if not first or made & {*outputs.values(), *(name for node in last for name in node.inputs)}:
        raise ConversionError(f"{cut.name} does not part the graph in two")
    renamed = {cut.name: TOGETHER}
    given = {output: renamed.get(made_by, made_by) for output, made_by in outputs.items()}
    return [_with(node, {start.name: ONE}) for node in first], [_with(node, renamed) for node in last], given


def scan(onnx: Any, first: Sequence[Node], start: Value, cut: Value, constants: Mapping[str, NDArray[Any]]) -> Any:
    """The Scan node: takes `start`, gives TOGETHER."""
    helper = onnx.helper
    body = [helper.make_node("Unsqueeze", ["window", "batch_axis"], [ONE], ONE)]
    body += [node.proto(helper) for node in first]
    body.append(helper.make_node("Squeeze", [cut.name, "batch_axis"], ["done"], "done"))
    axis = {"batch_axis": np.zeros(1, np.int64)}
    used = {name for node in first for name in node.inputs}
    kept = [onnx.numpy_helper.from_array(a, n) for n, a in {**constants, **axis}.items() if n in used or n in axis]
    graph = helper.make_graph(body, "one_window", [_item(onnx, "window", start)], [_item(onnx, "done", cut)], kept)
    return helper.make_node("Scan", [start.name], [TOGETHER], TOGETHER, body=graph, num_scan_inputs=1)


def _with(node: Node, renamed: Mapping[str, str]) -> Node:
    return node.taking(tuple(renamed.get(name, name) for name in node.inputs))


def _item(onnx: Any, name: str, value: Value) -> Any:
    """One item of a batch as the Scan's body sees it."""
    if value.shape[0] != BATCH:
        raise ConversionError(f"{value.name} {value.shape} has no batch")
    shape = tuple(value.shape[k] for k in TO_CHANNELS_FIRST) if len(value.shape) == 4 else value.shape
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(shape[1:]))
