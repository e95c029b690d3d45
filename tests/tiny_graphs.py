"""Tiny graphs for tests, made here: ONNX with `onnx`, TensorFlow Lite with the schema that comes with LiteRT.

Each is so small that its answer can be worked out by hand or by three lines of numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]


def weights(inputs: int, classes: int, seed: int = 0) -> Weights:
    """A dense layer [inputs, classes]."""
    return np.random.default_rng(seed).normal(0, 1, (inputs, classes)).astype(np.float32)


def onnx_sound(samples: int, layer: Weights, *, batch: int | None = None, finite_below: float | None = None) -> bytes:
    """samples [n, samples] → "logits" = samples · layer, and "embedding" = samples.

    `finite_below`: items whose first sample reaches it give infinity (1 / 0).
    """
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("MatMul", ["samples", "layer"], ["product"]),
        helper.make_node("Identity", ["samples"], ["embedding"]),
    ]
    constants = [("layer", layer)]
    if finite_below is None:
        nodes.append(helper.make_node("Identity", ["product"], ["logits"]))
    else:
        constants += [("bound", np.asarray([finite_below], np.float32)), ("zero", np.asarray([0], np.int64))]
        nodes += [
            helper.make_node("Gather", ["samples", "zero"], ["first"], axis=1),
            helper.make_node("Less", ["first", "bound"], ["fine"]),
            helper.make_node("Cast", ["fine"], ["one"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["product", "one"], ["logits"]),
        ]
    shape, classes = [batch or "n", samples], layer.shape[1]
    return _onnx(
        nodes, constants, ("samples", TensorProto.FLOAT, shape), {"logits": [batch or "n", classes], "embedding": shape}
    )


def onnx_image(size: int, layer: Weights, *, dtype: str = "uint8", channels_first: bool = False) -> bytes:
    """pixels [n, size, size, 3] → "scores" = softmax(mean colour · layer); uint8 pixels are divided by 255 first."""
    from onnx import TensorProto, helper

    axes = [2, 3] if channels_first else [1, 2]
    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["real", "full"], ["unit"]),
        helper.make_node("ReduceMean", ["unit"], ["colour"], axes=axes, keepdims=0),
        helper.make_node("MatMul", ["colour", "layer"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=-1),
    ]
    full = np.asarray(255 if dtype == "uint8" else 1, np.float32)
    kind = TensorProto.UINT8 if dtype == "uint8" else TensorProto.FLOAT
    shape = ["n", 3, size, size] if channels_first else ["n", size, size, 3]
    return _onnx(nodes, [("full", full), ("layer", layer)], ("pixels", kind, shape), {"scores": ["n", layer.shape[1]]})


def _onnx(
    nodes: list[Any],
    constants: list[tuple[str, NDArray[Any]]],
    entry: tuple[str, int, list[Any]],
    outputs: dict[str, list[Any]],
) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(*entry)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


@dataclass(frozen=True)
class Levels:
    """real = scale * (stored - zero_point)."""

    scale: float
    zero_point: int


def tflite_dense(layer: Weights, *, batch_open: bool = True, batched: bool = True) -> bytes:
    """samples [n, k] → "scores" = samples · layer in float32. Without `batched` the input is [k], the output [1, c]."""
    inputs, classes = layer.shape
    builder = _Tflite()
    entry = builder.tensor(
        "samples",
        [1, inputs] if batched else [inputs],
        "FLOAT32",
        signature=[-1, inputs] if batch_open and batched else None,
    )
    matrix = builder.tensor("layer", [classes, inputs], "FLOAT32", data=layer.T.astype(np.float32))
    bias = builder.tensor("bias", [classes], "FLOAT32", data=np.zeros(classes, np.float32))
    scores = builder.tensor(
        "scores", [1, classes], "FLOAT32", signature=[-1, classes] if batch_open and batched else None
    )
    builder.dense([entry, matrix, bias], scores)
    return builder.finish([entry], [scores])


def tflite_dense_uint8(
    layer: NDArray[np.uint8], matrix_levels: Levels, entry_levels: Levels, score_levels: Levels
) -> bytes:
    """The same with everything stored as uint8; the layer is given as stored, [k, c]."""
    inputs, classes = layer.shape
    builder = _Tflite()
    entry = builder.tensor("samples", [1, inputs], "UINT8", levels=entry_levels)
    matrix = builder.tensor(
        "layer", [classes, inputs], "UINT8", data=np.ascontiguousarray(layer.T), levels=matrix_levels
    )
    bias_levels = Levels(entry_levels.scale * matrix_levels.scale, 0)
    bias = builder.tensor("bias", [classes], "INT32", data=np.zeros(classes, np.int32), levels=bias_levels)
    scores = builder.tensor("scores", [1, classes], "UINT8", levels=score_levels)
    builder.dense([entry, matrix, bias], scores)
    return builder.finish([entry], [scores])


class _Tflite:
    """Just enough of the TensorFlow Lite schema for one dense layer."""

    def __init__(self) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema: Any = schema
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]
        self._operators: list[Any] = []

    def tensor(
        self,
        name: str,
        shape: list[int],
        kind: str,
        *,
        data: NDArray[Any] | None = None,
        signature: list[int] | None = None,
        levels: Levels | None = None,
    ) -> int:
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, shape, getattr(self._schema.TensorType, kind)
        tensor.shapeSignature = signature
        tensor.buffer = 0
        if data is not None:
            buffer = self._schema.BufferT()
            buffer.data = list(np.ascontiguousarray(data).tobytes())
            tensor.buffer = len(self._buffers)
            self._buffers.append(buffer)
        if levels is not None:
            tensor.quantization = self._schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [levels.scale], [levels.zero_point]
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def dense(self, inputs: list[int], output: int) -> None:
        operator = self._schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = 0, inputs, [output]
        operator.builtinOptionsType = self._schema.BuiltinOptions.FullyConnectedOptions
        operator.builtinOptions = self._schema.FullyConnectedOptionsT()
        self._operators.append(operator)

    def finish(self, inputs: list[int], outputs: list[int]) -> bytes:
        import flatbuffers  # type: ignore[import-untyped]

        schema = self._schema
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
        graph = schema.SubGraphT()
        graph.tensors, graph.operators, graph.inputs, graph.outputs = self._tensors, self._operators, inputs, outputs
        model = schema.ModelT()
        model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], self._buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
