"""One small function for each TFLite operator that the converter knows, in one table.

A function reads its operator's inputs, adds nodes to the ONNX graph and gives the output. Operators on constants
(shapes, stored halves) are computed here and leave no node.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from katydid.models.conversion.onnx_graph import BATCH, OnnxGraph, Value, onnx_axis
from katydid.models.conversion.tflite_graph import Operator
from katydid.models.errors import ConversionError

Translate = Callable[[OnnxGraph, Operator], Value]
Pads = tuple[tuple[int, int], tuple[int, int]]
"""(top, bottom), (left, right)."""

_SAME, _VALID = 0, 1
_ACTIVATIONS = {0: "", 1: "Relu", 3: "Relu6"}
"""The schema's numbers for activations fused into an operator."""


def _activated(graph: OnnxGraph, operator: Operator, value: Value) -> Value:
    number = operator.setting("FusedActivationFunction")
    if number not in _ACTIVATIONS:
        raise ConversionError(f"operator {operator.index} {operator.kind}: unknown fused activation {number}")
    kind = _ACTIVATIONS[number]
    if kind == "Relu6":
        bounds = [graph.initializer(f"bound_{n}", np.asarray(n, np.float32)) for n in (0, 6)]
        return graph.emit("Clip", [value.name, *bounds], value.shape)
    return graph.emit(kind, [value.name], value.shape) if kind else value


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """(before, after) so that the output has ceil(size / stride) steps; the odd one goes behind, as in TensorFlow."""
    reach = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def _window(
    operator: Operator, shape: tuple[int, ...], kernel: tuple[int, int], dilation: tuple[int, int], pads: Pads | None
) -> tuple[list[int], Pads, tuple[int, int]]:
    """Strides, padding, and the output's height and width for a sliding window over [N, H, W, C]."""
    strides = [operator.setting("StrideH"), operator.setting("StrideW")]
    if operator.setting("Padding") == _SAME:
        found = [same_padding(shape[1 + k], kernel[k], strides[k], dilation[k]) for k in (0, 1)]
        pads = (found[0], found[1])
    pads = pads or ((0, 0), (0, 0))
    steps = [
        (shape[1 + k] + sum(pads[k]) - (kernel[k] - 1) * dilation[k] - 1) // strides[k] + 1 for k in (0, 1)
    ]  # fmt: skip
    return strides, pads, (steps[0], steps[1])


def _flat(pads: Pads) -> list[int]:
    """ONNX wants all the beginnings, then all the ends."""
    return [pads[0][0], pads[1][0], pads[0][1], pads[1][1]]


def _unpadded(operator: Operator, value: Value) -> tuple[Value, Pads | None]:
    """Take over the zeros of a PAD before a convolution that pads nothing itself."""
    if value.unpadded is None or operator.setting("Padding") != _VALID:
        return value, None
    source, ((_, top, left, channels)) = value.unpadded[0], value.unpadded[1]
    return (source, (top, left)) if channels == (0, 0) else (value, None)


def _weights(graph: OnnxGraph, index: int) -> NDArray[np.generic]:
    constant = graph.value(index).constant
    if constant is None:
        raise ConversionError(f"tensor {index}: weights must be constants")
    return constant


def _convolution(graph: OnnxGraph, operator: Operator, order: tuple[int, ...], depthwise: bool) -> Value:
    source, pads = _unpadded(operator, graph.value(operator.inputs[0]))
    kernel = _weights(graph, operator.inputs[1]).transpose(order)
    dilation = (operator.setting("DilationHFactor"), operator.setting("DilationWFactor"))
    size = (kernel.shape[2], kernel.shape[3])
    strides, pads, (height, width) = _window(operator, source.shape, size, dilation, pads)
    inputs = [source.name, graph.initializer(f"t{operator.inputs[1]}_oihw", kernel)]
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        inputs.append(graph.initializer(f"t{operator.inputs[2]}", _weights(graph, operator.inputs[2])))
    out = graph.emit(
        "Conv", inputs, (BATCH, height, width, kernel.shape[0]), kernel_shape=list(size), strides=strides,
        pads=_flat(pads), dilations=list(dilation), group=source.shape[3] if depthwise else 1,
    )  # fmt: skip
    return _activated(graph, operator, out)


def _conv_2d(graph: OnnxGraph, operator: Operator) -> Value:
    return _convolution(graph, operator, (0, 3, 1, 2), depthwise=False)


def _depthwise_conv_2d(graph: OnnxGraph, operator: Operator) -> Value:
    return _convolution(graph, operator, (3, 0, 1, 2), depthwise=True)


def _pool(kind: str) -> Translate:
    def translate(graph: OnnxGraph, operator: Operator) -> Value:
        source = graph.value(operator.inputs[0])
        size = (operator.setting("FilterHeight"), operator.setting("FilterWidth"))
        strides, pads, (height, width) = _window(operator, source.shape, size, (1, 1), None)
        out = graph.emit(
            kind, [source.name], (BATCH, height, width, source.shape[3]),
            kernel_shape=list(size), strides=strides, pads=_flat(pads),
        )  # fmt: skip
        return _activated(graph, operator, out)

    return translate


def _pad(graph: OnnxGraph, operator: Operator) -> Value:
    source = graph.value(operator.inputs[0])
    amounts = tuple((int(a), int(b)) for a, b in np.asarray(_weights(graph, operator.inputs[1])).tolist())
    shape = tuple(n if n == BATCH else n + a + b for n, (a, b) in zip(source.shape, amounts, strict=True))
    laid_out = [(0, 0)] * len(amounts)
    for axis, amount in enumerate(amounts):
        laid_out[onnx_axis(len(amounts), axis)] = amount
    ends = np.asarray([a for a, _ in laid_out] + [b for _, b in laid_out], np.int64)
    out = graph.emit("Pad", [source.name, graph.initializer(f"pads_{operator.index}", ends)], shape)
    return Value(out.name, shape, unpadded=(source, amounts))


def _mean(graph: OnnxGraph, operator: Operator) -> Value:
    source = graph.value(operator.inputs[0])
    rank = len(source.shape)
    axes = sorted(int(axis) % rank for axis in np.ravel(_weights(graph, operator.inputs[1])))
    keep = bool(operator.setting("KeepDims"))
    if rank == 4 and axes == [1, 2]:
        pooled = graph.emit("GlobalAveragePool", [source.name], (source.shape[0], 1, 1, source.shape[3]))
        if keep:
            return pooled
        flat = graph.emit("Flatten", [pooled.name], (source.shape[0], source.shape[3]), axis=1)
        return Value(flat.name, flat.shape, pooled=pooled)
    if rank == 4 and not keep:
        raise ConversionError(f"operator {operator.index} MEAN over axes {axes} of a picture changes its layout")
    kept = tuple(1 if k in axes else n for k, n in enumerate(source.shape))
    shape = kept if keep else tuple(n for k, n in enumerate(source.shape) if k not in axes)
    laid_out = [onnx_axis(rank, axis) for axis in axes]
    return graph.emit("ReduceMean", [source.name], shape, axes=laid_out, keepdims=int(keep))


def _fully_connected(graph: OnnxGraph, operator: Operator) -> Value:
    source = graph.value(operator.inputs[0])
    weights = _weights(graph, operator.inputs[1])
    source = graph.reshaped(source, (BATCH, weights.shape[1]))
    inputs = [source.name, graph.initializer(f"t{operator.inputs[1]}", weights)]
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        inputs.append(graph.initializer(f"t{operator.inputs[2]}", _weights(graph, operator.inputs[2])))
    out = graph.emit("Gemm", inputs, (BATCH, weights.shape[0]), transB=1)
    return _activated(graph, operator, out)


def _broadcast(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """The common shape, with the batch as a size that only meets itself or 1."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(next((n for n in sizes if n != 1), 1) for sizes in zip(*padded, strict=True))


def _elementwise(kind: str, activated: bool = False) -> Translate:
    def translate(graph: OnnxGraph, operator: Operator) -> Value:
        values = [graph.value(index) for index in operator.inputs]
        shape = _broadcast([value.shape for value in values])
        out = graph.emit(kind, [graph.operand(value, len(shape)) for value in values], shape)
        return _activated(graph, operator, out) if activated else out

    return translate


def _softmax(graph: OnnxGraph, operator: Operator) -> Value:
    source = graph.value(operator.inputs[0])
    if operator.real_setting("Beta") not in (0.0, 1.0):
        raise ConversionError(f"operator {operator.index} SOFTMAX has a beta other than 1")
    rank = len(source.shape)
    return graph.emit("Softmax", [source.name], source.shape, axis=onnx_axis(rank, rank - 1))


def _concatenation(graph: OnnxGraph, operator: Operator) -> Value:
    values = [graph.value(index) for index in operator.inputs]
    rank = len(values[0].shape)
    axis = operator.setting("Axis") % rank
    total = sum(value.shape[axis] for value in values)
    shape = tuple(total if k == axis else n for k, n in enumerate(values[0].shape))
    names = [graph.operand(value, rank) for value in values]
    return _activated(graph, operator, graph.emit("Concat", names, shape, axis=onnx_axis(rank, axis)))


def _constant(operator: Operator, array: NDArray[np.generic]) -> Value:
    return Value(f"t{operator.outputs[0]}", array.shape, array)


def _shape(graph: OnnxGraph, operator: Operator) -> Value:
    return _constant(operator, np.asarray(graph.value(operator.inputs[0]).shape, np.int32))


def _pack(graph: OnnxGraph, operator: Operator) -> Value:
    parts = [_weights(graph, index) for index in operator.inputs]
    return _constant(operator, np.stack(parts, axis=operator.setting("Axis")))


def _reshape(graph: OnnxGraph, operator: Operator) -> Value:
    source = graph.value(operator.inputs[0])
    target = [int(n) for n in np.ravel(_weights(graph, operator.inputs[1]))]
    # Files write a batch of 1 or "whatever is left" where the batch stands.
    if target and target[0] in (1, BATCH) and source.shape[:1] == (BATCH,):
        target[0] = BATCH
    left = int(np.prod([n for n in source.shape if n != BATCH]))
    for k, size in enumerate(target):
        if size == -1 and k > 0:
            target[k] = left // int(np.prod([n for j, n in enumerate(target) if j != k and n != BATCH]))
    kept = (BATCH in target) == (BATCH in source.shape)
    if not kept or int(np.prod([n for n in target if n != BATCH])) != left:
        raise ConversionError(f"operator {operator.index} RESHAPE {source.shape} to {tuple(target)} mixes the batch")
    return graph.reshaped(source, tuple(target))


def _slices(operator: Operator, values: list[list[int]], shape: tuple[int, ...]) -> list[slice]:
    """Begin, end and stride per axis with the schema's masks applied."""
    begins, ends, strides = values
    slices = []
    for k, (begin, end, stride) in enumerate(zip(begins, ends, strides, strict=True)):
        bit = 1 << k
        if operator.setting("ShrinkAxisMask") & bit:
            slices.append(slice(begin, begin + 1 or None, 1))
            continue
        first = None if operator.setting("BeginMask") & bit else begin
        last = None if operator.setting("EndMask") & bit else end
        slices.append(slice(first, last, stride))
    return slices + [slice(None)] * (len(shape) - len(slices))


def _strided_slice(graph: OnnxGraph, operator: Operator) -> Value:
    if operator.setting("EllipsisMask") or operator.setting("NewAxisMask"):
        raise ConversionError(f"operator {operator.index} STRIDED_SLICE with an ellipsis or a new axis")
    source = graph.value(operator.inputs[0])
    bounds = [[int(n) for n in np.ravel(_weights(graph, index))] for index in operator.inputs[1:4]]
    slices = _slices(operator, bounds, source.shape)
    shrunk = [k for k in range(len(slices)) if operator.setting("ShrinkAxisMask") & (1 << k)]
    if source.constant is not None:
        return _constant(operator, np.squeeze(source.constant[tuple(slices)], axis=tuple(shrunk)))
    if len(source.shape) == 4 and shrunk:
        raise ConversionError(f"operator {operator.index} STRIDED_SLICE drops an axis of a picture")
    return _live_slice(graph, operator, source, slices, shrunk)


def _live_slice(graph: OnnxGraph, operator: Operator, source: Value, slices: list[slice], shrunk: list[int]) -> Value:
    rank = len(source.shape)
    cut = [k for k, part in enumerate(slices) if part != slice(None, None, 1) and part != slice(None)]
    if any(source.shape[k] == BATCH for k in cut):
        raise ConversionError(f"operator {operator.index} STRIDED_SLICE cuts the batch")
    full = [range(source.shape[k])[slices[k]] for k in cut]
    if any(steps.step < 1 for steps in full):
        raise ConversionError(f"operator {operator.index} STRIDED_SLICE runs backwards")
    columns = [
        [steps.start for steps in full], [steps.stop for steps in full],
        [onnx_axis(rank, k) for k in cut], [steps.step for steps in full],
    ]  # fmt: skip
    names = [
        graph.initializer(f"slice_{operator.index}_{word}", np.asarray(column, np.int64))
        for word, column in zip(("start", "stop", "axis", "step"), columns, strict=True)
    ]
    sizes = dict(zip(cut, map(len, full), strict=True))
    shape = tuple(sizes.get(k, n) for k, n in enumerate(source.shape))
    out = graph.emit("Slice", [source.name, *names], shape)
    return graph.reshaped(out, tuple(n for k, n in enumerate(shape) if k not in shrunk))


def _expand_dims(graph: OnnxGraph, operator: Operator) -> Value:
    source = graph.value(operator.inputs[0])
    axis = int(np.ravel(_weights(graph, operator.inputs[1]))[0]) % (len(source.shape) + 1)
    return graph.reshaped(source, (*source.shape[:axis], 1, *source.shape[axis:]))


def _dequantize(graph: OnnxGraph, operator: Operator) -> Value:
    """Weights stored as halves; whole numbers are refused where they are read."""
    halves = _weights(graph, operator.inputs[0])
    if halves.dtype != np.float16:
        raise ConversionError(f"operator {operator.index} DEQUANTIZE of {halves.dtype}: only float16 is known")
    return _constant(operator, halves.astype(np.float32))


OPERATORS: dict[str, Translate] = {
    "ADD": _elementwise("Add", activated=True),
    "AVERAGE_POOL_2D": _pool("AveragePool"),
    "CONCATENATION": _concatenation,
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "DEQUANTIZE": _dequantize,
    "DIV": _elementwise("Div", activated=True),
    "EXPAND_DIMS": _expand_dims,
    "FULLY_CONNECTED": _fully_connected,
    "GREATER": _elementwise("Greater"),
    "LESS": _elementwise("Less"),
    "LOGISTIC": _elementwise("Sigmoid"),
    "MAX_POOL_2D": _pool("MaxPool"),
    "MAXIMUM": _elementwise("Max"),
    "MEAN": _mean,
    "MINIMUM": _elementwise("Min"),
    "MUL": _elementwise("Mul", activated=True),
    "PACK": _pack,
    "PAD": _pad,
    "RELU": _elementwise("Relu"),
    "RESHAPE": _reshape,
    "SELECT_V2": _elementwise("Where"),
    "SHAPE": _shape,
    "SIN": _elementwise("Sin"),
    "SOFTMAX": _softmax,
    "STRIDED_SLICE": _strided_slice,
    "SUB": _elementwise("Sub", activated=True),
    "TANH": _elementwise("Tanh"),
}
"""Kind of TFLite operator → how it is said in ONNX."""
