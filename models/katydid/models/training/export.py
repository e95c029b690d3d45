"""From the network to an ONNX graph, node by node: batch norms folded, weights stored as int8.

The large weights, those of the 1 × 1 convolutions, are int8 with one scale per output channel (symmetric), and the
graph turns them back into float32 when it is opened (DequantizeLinear on constants, which ONNX Runtime folds once). So
the file is a third of the size, and the arithmetic, and with it the answers, stay those of float32 but for the rounding
of these weights. Depthwise filters, the stem, the dense layers and the small convolutions of the first blocks hold a
tenth of the weights and stay as they are. Rounding those first blocks would make most of the error: the logits are off
by .070 (root mean square) with every 1 × 1 convolution rounded, by .027 with those of LEAST weights or more.

    spectrogram [N, 64, 498] → normalise → trunk → mean = embedding [N, 1280] → scores [N, classes]
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from katydid.models.training.features import BANDS, FRAMES
from katydid.models.training.network import LOWEST, RANGE_LN, Block, SongNet

OPSET = 17
LEAST = 10_000
"""Convolutions with fewer weights are not rounded."""
INPUT, SCORES, EMBEDDING = "spectrogram", "scores", "embedding"

Weights = NDArray[np.float32]


def onnx_bytes(net: SongNet, *, int8: bool = True) -> bytes:
    """The graph of a trained network, opset 17, any batch size."""
    graph = _Graph(int8=int8)
    level = graph.normalise(INPUT)
    x = graph.relu6(graph.convolve(level, net._conv_stem, net._bn0))
    for block in net._blocks:
        x = _block(graph, x, block)
    x = graph.relu6(graph.convolve(x, net._conv_head, net._bn1))
    graph.add("Flatten", [graph.add("GlobalAveragePool", [x])], EMBEDDING, axis=1)
    graph.dense(EMBEDDING, _array(net._fc.weight), _array(net._fc.bias), SCORES)
    model = graph.model({SCORES: net._fc.out_features, EMBEDDING: net._fc.in_features})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def quantised(weights: Weights) -> tuple[NDArray[np.int8], Weights]:
    """Symmetric int8 with one scale per row of the first axis: weights ≈ int8 × scale, within half a step."""
    flat = np.abs(weights.reshape(len(weights), -1)).max(axis=1)
    scale = np.maximum(flat, 1e-12).astype(np.float32) / np.float32(127)
    steps = np.rint(weights / scale.reshape(-1, *([1] * (weights.ndim - 1))))
    return np.clip(steps, -127, 127).astype(np.int8), scale


def _block(graph: _Graph, x: str, block: Block) -> str:
    y = graph.relu6(graph.convolve(x, block._expand_conv, block._bn0)) if block.expands else x
    y = graph.relu6(graph.convolve(y, block._depthwise_conv, block._bn1))
    y = graph.convolve(y, block._project_conv, block._bn2)
    return graph.add("Add", [x, y]) if block.adds else y


class _Graph:
    """Collects nodes and constants; every method returns the name of what it made."""

    def __init__(self, *, int8: bool) -> None:
        self._int8 = int8
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], output: str | None = None, **attributes: object) -> str:
        name = output or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, values: NDArray[np.generic]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def weights(self, values: Weights) -> str:
        """A constant, stored as int8 where asked and worth it."""
        if not self._int8 or values.ndim != 4 or values.shape[2:] != (1, 1) or values.size < LEAST:
            return self.constant(values.astype(np.float32))
        steps, scale = quantised(values)
        zeros = np.zeros(len(scale), np.int8)
        inputs = [self.constant(steps), self.constant(scale), self.constant(zeros)]
        return self.add("DequantizeLinear", inputs, axis=0)

    def normalise(self, x: str) -> str:
        """As `network.normalised`, [N, bands, frames] → [N, 1, bands, frames]."""
        peak = self.add("ReduceMax", [x], axes=[1, 2], keepdims=1)
        depth = self.add("Div", [self.add("Sub", [x, peak]), self._scalar(RANGE_LN)])
        held = self.add("Max", [self.add("Add", [depth, self._scalar(1.0)]), self._scalar(LOWEST)])
        wide = self.add("Mul", [self.add("Sub", [held, self._scalar(0.5)]), self._scalar(3.0)])
        return self.add("Unsqueeze", [wide, self.constant(np.array([1], np.int64))])

    def convolve(self, x: str, conv: object, norm: object) -> str:
        """A convolution with the batch norm after it folded in."""
        weight, bias = _folded(conv, norm)
        pad = weight.shape[2] // 2
        stride, groups = int(conv.stride[0]), int(conv.groups)  # type: ignore[attr-defined]  # torch is Any
        inputs = [x, self.weights(weight), self.constant(bias)]
        return self.add("Conv", inputs, pads=[pad] * 4, strides=[stride] * 2, group=groups)

    def relu6(self, x: str) -> str:
        return self.add("Clip", [x, self._scalar(0.0), self._scalar(6.0)])

    def dense(self, x: str, weight: Weights, bias: Weights, output: str) -> str:
        return self.add("Gemm", [x, self.weights(weight), self.constant(bias.astype(np.float32))], output, transB=1)

    def model(self, outputs: dict[str, int]) -> onnx.ModelProto:
        shape = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", BANDS, FRAMES])
        results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", d]) for name, d in outputs.items()]
        graph = helper.make_graph(self._nodes, "singing_insects", [shape], results, self._constants)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="katydid"
        )

    def _scalar(self, value: float) -> str:
        return self.constant(np.asarray(value, np.float32))


def _folded(conv: object, norm: object) -> tuple[Weights, Weights]:
    """Weight and bias of a convolution followed by a batch norm in evaluation."""
    weight = _array(conv.weight)  # type: ignore[attr-defined]  # torch is Any
    gain, shift = _array(norm.weight), _array(norm.bias)  # type: ignore[attr-defined]
    mean, variance = _array(norm.running_mean), _array(norm.running_var)  # type: ignore[attr-defined]
    factor = gain / np.sqrt(variance + float(norm.eps))  # type: ignore[attr-defined]
    return weight * factor[:, None, None, None], shift - mean * factor


def _array(tensor: object) -> Weights:
    return np.asarray(tensor.detach().cpu().numpy(), np.float32)  # type: ignore[attr-defined]  # torch is Any
