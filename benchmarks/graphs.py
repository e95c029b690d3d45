"""A graph of EfficientNet-B0's size and shape (Tan & Le 2019, table 1) with random weights: what a benchmark needs when
no model of that size ships. About 390 M multiply-adds at 224 × 224, 5.3 M parameters."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

STAGES = (  # expansion, channels, repeats, stride, kernel
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
CLASSES = 1000


class _Net:
    """Nodes and weights, added one after another."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._rng = np.random.default_rng(seed)

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        name = f"{operator}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, values: NDArray[np.generic]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(self, x: str, given: int, wanted: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> str:
        scale = np.sqrt(2.0 / (kernel * kernel * given / groups))
        weight = self._rng.normal(0.0, scale, (wanted, given // groups, kernel, kernel)).astype(np.float32)
        bias = self.constant(np.zeros(wanted, np.float32))
        pad = [kernel // 2] * 4
        return self.add("Conv", x, self.constant(weight), bias, strides=[stride] * 2, pads=pad, group=groups)

    def silu(self, x: str) -> str:
        return self.add("Mul", x, self.add("Sigmoid", x))

    def squeeze(self, x: str, channels: int, inner: int) -> str:
        gate = self.add("GlobalAveragePool", x)
        gate = self.silu(self.conv(gate, channels, inner))
        return self.add("Mul", x, self.add("Sigmoid", self.conv(gate, inner, channels)))

    def block(self, x: str, given: int, expansion: int, wanted: int, stride: int, kernel: int) -> str:
        inner = given * expansion
        y = self.silu(self.conv(x, given, inner)) if expansion > 1 else x
        y = self.silu(self.conv(y, inner, inner, kernel, stride, groups=inner))
        y = self.conv(self.squeeze(y, inner, max(given // 4, 1)), inner, wanted)
        return self.add("Add", x, y) if stride == 1 and given == wanted else y


def b0_like(*, sound_bands: int | None = None, seed: int = 0) -> bytes:
    """ONNX bytes, opset 17, dynamic batch, output "scores" [N, 1000] after softmax.

    Input "pixels" uint8 [N, 224, 224, 3]; with `sound_bands`, "spectrogram" float32 [N, bands, frames].
    """
    net = _Net(seed)
    if sound_bands is None:
        entry = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", 224, 224, 3])
        x = net.add("Transpose", net.add("Cast", "pixels", to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
        x = net.add("Mul", x, net.constant(np.asarray(1 / 255, np.float32)))
        channels = 3
    else:
        entry = helper.make_tensor_value_info("spectrogram", TensorProto.FLOAT, ["N", sound_bands, "frames"])
        x = net.add("Unsqueeze", "spectrogram", net.constant(np.asarray([1], np.int64)))
        channels = 1
    x, given = net.silu(net.conv(x, channels, 32, 3, 2)), 32
    for expansion, wanted, repeats, stride, kernel in STAGES:
        for repeat in range(repeats):
            x, given = net.block(x, given, expansion, wanted, stride if repeat == 0 else 1, kernel), wanted
    x = net.add("Flatten", net.add("GlobalAveragePool", net.silu(net.conv(x, given, 1280))))
    head = net.constant(np.random.default_rng(seed).normal(0, 0.02, (1280, CLASSES)).astype(np.float32))
    net.nodes.append(helper.make_node("Softmax", [net.add("MatMul", x, head)], ["scores"], axis=1))
    out = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", CLASSES])
    graph = helper.make_graph(net.nodes, "b0-like", [entry], [out], net.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
