"""The detector as ONNX, written node by node: norms folded into the convolutions, pixels normalised in the graph.

Then in eight bits, activations as well: less than half the time on a CPU with VNNI, a quarter of the size. Weights take
seven of the eight bits, since processors with AVX2 alone add products of U8 and S8 up in sixteen.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from katydid.models.training.image_network import LARGEST, UNIT, Conv, DotNet, Residual
from katydid.models.training.image_patches import STRIDE

INPUT, HEAT, SIZE, OFFSET = "pixels", "heat", "size", "offset"
OPSET = 17

Floats = NDArray[np.float32]


def onnx_bytes(net: DotNet, side: int) -> bytes:
    """uint8 [N, side, side, 3] RGB → heat (logits), size (pixels) and offset (cells), [N, …, side / 4, side / 4]."""
    graph = _Graph()
    four = graph.run(net.down4, graph.run(net.stem, graph.pixels()))
    eight = graph.run(net.down8, four)
    up = graph.double(graph.run(net.up8, graph.run(net.down16, eight)))
    eight = graph.run(net.join8, graph.add("Add", [eight, up]))
    four = graph.run(net.join4, graph.add("Add", [four, graph.double(graph.run(net.up4, eight))]))
    weight, bias = _array(net.last.weight), _array(net.last.bias)
    said = graph.convolve(graph.run(net.head, four), weight, bias, stride=1, dilation=1)
    graph.outputs(said)
    model = graph.model(side)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def int8_bytes(graph: bytes, tiles: Sequence[NDArray[np.uint8]]) -> bytes:
    """The graph in eight bits, its ranges taken from `tiles`, uint8 [side, side, 3] each."""
    with tempfile.TemporaryDirectory() as folder:
        real, small = Path(folder) / "real.onnx", Path(folder) / "int8.onnx"
        real.write_bytes(graph)
        quantize_static(
            real,
            small,
            _Tiles(tiles),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=["Conv", "Add", "Resize", "Relu"],
        )
        return small.read_bytes()


class _Tiles(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is Any
    """What the quantiser runs the graph on, tile by tile."""

    def __init__(self, tiles: Sequence[NDArray[np.uint8]]) -> None:
        self._left = iter(tiles)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        tile = next(self._left, None)
        return None if tile is None else {INPUT: tile[np.newaxis]}


class _Graph:
    """Collects nodes and constants; every method returns the name of what it made."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], output: str | None = None, **attributes: object) -> str:
        name = output or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, values: object, dtype: type[np.generic] = np.float32) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def pixels(self) -> str:
        real = self.add("Cast", [INPUT], to=TensorProto.FLOAT)
        middle = self.add("Sub", [self.add("Mul", [real, self.constant(1 / 255)]), self.constant(0.5)])
        return self.add("Transpose", [middle], perm=[0, 3, 1, 2])

    def run(self, module: object, x: str) -> str:
        """A convolution with norm and ReLU, a residual block, or several after each other."""
        if isinstance(module, Conv):
            weight, bias = _folded(module)
            stride, dilation = int(module.conv.stride[0]), int(module.conv.dilation[0])
            return self.add("Relu", [self.convolve(x, weight, bias, stride=stride, dilation=dilation)])
        if isinstance(module, Residual):
            return self.add("Add", [x, self.run(module.second, self.run(module.first, x))])
        for part in module:  # type: ignore[attr-defined]  # torch is Any
            x = self.run(part, x)
        return x

    def convolve(self, x: str, weight: Floats, bias: Floats, *, stride: int, dilation: int) -> str:
        pad = dilation * (weight.shape[2] // 2)
        inputs = [x, self.constant(weight), self.constant(bias)]
        return self.add("Conv", inputs, pads=[pad] * 4, strides=[stride] * 2, dilations=[dilation] * 2)

    def double(self, x: str) -> str:
        """Twice as wide and high, each cell four times, as torch's "nearest"."""
        scales = self.constant([1, 1, 2, 2])
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.add("Resize", [x, "", scales], **how)

    def outputs(self, said: str) -> None:
        """Of five maps: heat as it is, size as pixels, offset from the cell's corner."""
        self._cut(said, 0, 1, HEAT)
        bounds = [self.constant(-LARGEST), self.constant(LARGEST)]
        size = self.add("Exp", [self.add("Clip", [self._cut(said, 1, 3), *bounds])])
        self.add("Mul", [size, self.constant(UNIT)], SIZE)
        self.add("Add", [self._cut(said, 3, 5), self.constant(0.5)], OFFSET)

    def _cut(self, x: str, start: int, end: int, output: str | None = None) -> str:
        ends = [self.constant([value], np.int64) for value in (start, end, 1)]
        return self.add("Slice", [x, *ends], output)

    def model(self, side: int) -> onnx.ModelProto:
        cells = side // STRIDE
        given = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", side, side, 3])
        results = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", maps, cells, cells])
            for name, maps in ((HEAT, 1), (SIZE, 2), (OFFSET, 2))
        ]
        graph = helper.make_graph(self._nodes, "insect_detector", [given], results, self._constants)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="katydid"
        )


def _folded(module: Conv) -> tuple[Floats, Floats]:
    """Weight and bias of a convolution followed by a batch norm in evaluation."""
    norm = module.norm
    factor = _array(norm.weight) / np.sqrt(_array(norm.running_var) + float(norm.eps))
    return _array(module.conv.weight) * factor[:, None, None, None], _array(norm.bias) - _array(
        norm.running_mean
    ) * factor


def _array(tensor: object) -> Floats:
    return np.asarray(tensor.detach().cpu().numpy(), np.float32)  # type: ignore[attr-defined]  # torch is Any
