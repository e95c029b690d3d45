"""Reads a TFLite file into plain records: tensors with their constants, and operators in the order that they run.

The `tflite` package is the generated reader of the flatbuffer schema and nothing more; it is needed only to add a
model, so it comes with the `birdnet` extra and is imported here, when it is used.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from katydid.models.errors import ConversionError, MissingExtra

_OPTIONS = {
    "ADD": "AddOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "DIV": "DivOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "MUL": "MulOptions",
    "PACK": "PackOptions",
    "SOFTMAX": "SoftmaxOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "SUB": "SubOptions",
}
"""Kind of operator → the table in which the schema keeps its settings."""

_DTYPES = {"FLOAT32": "<f4", "FLOAT16": "<f2", "INT32": "<i4", "INT64": "<i8", "UINT8": "u1", "INT8": "i1", "BOOL": "?"}


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One tensor; `data` where it is a constant."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    """The schema's word, for example "FLOAT32"."""
    quantised: bool
    data: NDArray[np.generic] | None


@dataclasses.dataclass(frozen=True)
class Operator:
    """One operator. Absent optional inputs have the index -1."""

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    table: Any
    """The generated reader's untyped table of settings, or None; read through `setting`."""

    def setting(self, name: str) -> int:
        """One whole-number setting by the schema's name; 0, the schema's default, where the file has no settings."""
        return 0 if self.table is None else int(getattr(self.table, name)())

    def real_setting(self, name: str) -> float:
        """One real setting by the schema's name."""
        return 0.0 if self.table is None else float(getattr(self.table, name)())


@dataclasses.dataclass(frozen=True)
class TfliteGraph:
    """The first subgraph of a file, which is the only one in a classifier."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def constant(self, index: int) -> NDArray[np.generic]:
        """The value of a constant tensor. Raises ConversionError where it is not one."""
        data = self.tensors[index].data
        if data is None:
            raise ConversionError(f"tensor {index} ({self.tensors[index].name}) was expected to be a constant")
        return data


def read_tflite(data: bytes) -> TfliteGraph:
    """Read the flatbuffer.

    Raises:
        MissingExtra: the `tflite` package is not installed.
        ConversionError: the bytes are no TFLite model.
    """
    try:
        import tflite
    except ModuleNotFoundError as missing:
        raise MissingExtra("tflite", "birdnet", "converting a TFLite graph") from missing
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise ConversionError("this is no TFLite file: the mark TFL3 is missing at byte 4")
    model = tflite.Model.GetRootAsModel(data, 0)
    subgraph = model.Subgraphs(0)
    return TfliteGraph(
        tensors=tuple(_tensor(tflite, model, subgraph, k) for k in range(subgraph.TensorsLength())),
        operators=tuple(_operator(tflite, model, subgraph, k) for k in range(subgraph.OperatorsLength())),
        inputs=tuple(subgraph.Inputs(k) for k in range(subgraph.InputsLength())),
        outputs=tuple(subgraph.Outputs(k) for k in range(subgraph.OutputsLength())),
    )


def _words(enumeration: Any) -> dict[int, str]:
    """Number → word of a generated enumeration, which is a class full of whole numbers."""
    return {number: word for word, number in vars(enumeration).items() if isinstance(number, int)}


def _tensor(tflite: Any, model: Any, subgraph: Any, index: int) -> Tensor:
    raw = subgraph.Tensors(index)
    shape = tuple(int(raw.Shape(k)) for k in range(raw.ShapeLength()))
    dtype = _words(tflite.TensorType)[raw.Type()]
    buffer = model.Buffers(raw.Buffer())
    data: NDArray[np.generic] | None = None
    if buffer.DataLength() and dtype in _DTYPES:
        data = buffer.DataAsNumpy().view(_DTYPES[dtype]).reshape(shape)
    quantisation = raw.Quantization()
    quantised = quantisation is not None and quantisation.ScaleLength() > 0
    return Tensor(index, raw.Name().decode("utf-8", "replace"), shape, dtype, quantised, data)


def _operator(tflite: Any, model: Any, subgraph: Any, index: int) -> Operator:
    raw = subgraph.Operators(index)
    code = model.OperatorCodes(raw.OpcodeIndex())
    # Codes above 127 stand in the newer field; older files fill the deprecated one alone.
    kind = _words(tflite.BuiltinOperator)[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    packed = raw.BuiltinOptions()
    table: Any = None
    if packed is not None and kind in _OPTIONS:
        table = getattr(tflite, _OPTIONS[kind])()
        table.Init(packed.Bytes, packed.Pos)
    inputs = tuple(int(raw.Inputs(k)) for k in range(raw.InputsLength()))
    outputs = tuple(int(raw.Outputs(k)) for k in range(raw.OutputsLength()))
    return Operator(index, kind, inputs, outputs, table)
