"""ONNX Runtime on the CPU: one session, one thread a call, called from as many threads as there are slots.

On two cores this beats a session with several threads by 4-25 % and does not collapse when others use the cores too.
"""

from __future__ import annotations

import numpy as np

from katydid.models.engines.protocol import Arrays, Port, Running
from katydid.models.engines.rows import batch_size, by_item
from katydid.models.errors import EngineError, MissingExtra

try:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as failures
except ImportError as error:
    raise MissingExtra("onnxruntime", "", "running an ONNX graph") from error

QUIET = 3
"""Log severity "error": warnings of the graph optimiser are for the maker of a graph, not for who runs it."""

_RUNTIME_ERRORS = (
    failures.Fail, failures.InvalidArgument, failures.InvalidGraph, failures.InvalidProtobuf, failures.NoSuchFile,
    failures.NotImplemented, failures.RuntimeException, failures.EPFail, failures.NoModel, failures.EngineError,
    RuntimeError, ValueError, TypeError,
)  # fmt: skip

_DTYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16", "tensor(uint8)": "uint8",
    "tensor(int8)": "int8", "tensor(int32)": "int32", "tensor(int64)": "int64", "tensor(bool)": "bool",
    "tensor(uint16)": "uint16", "tensor(int16)": "int16",
}  # fmt: skip


class OnnxEngine:
    """One ONNX graph in one session."""

    def __init__(self, data: bytes, *, max_batch: int, slots: int, name: str) -> None:
        self._name = name
        self.slots = slots
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = QUIET
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except _RUNTIME_ERRORS as error:
            raise EngineError(f"{name}: ONNX Runtime cannot open this graph: {error}") from error
        self.inputs = {node.name: self._port(node.type, node.shape) for node in self._session.get_inputs()}
        self.outputs = {node.name: self._port(node.type, node.shape) for node in self._session.get_outputs()}
        self.max_batch = max_batch if self._open_batch() else 1

    def infer(self, inputs: Arrays) -> Arrays:
        count = batch_size(inputs, self.inputs, self.max_batch, self._name)
        if any(array.ndim == len(self.inputs[name].shape) + 1 for name, array in inputs.items()):
            return self._run({name: array[0] for name, array in inputs.items()}, 1)
        return self._run(inputs, count)

    def describe(self) -> Running:
        return Running(engine="onnx", provider=self._session.get_providers()[0], version=onnxruntime.__version__)

    def close(self) -> None:
        """ONNX Runtime frees a session with its last reference; calls that still run end first."""

    def _run(self, inputs: Arrays, count: int) -> Arrays:
        names = list(self.outputs)
        try:
            results = self._session.run(names, inputs)
        except _RUNTIME_ERRORS as error:
            raise EngineError(f"{self._name}: ONNX Runtime cannot run this graph: {error}") from error
        return {
            name: by_item(np.asarray(result), count, self._name) for name, result in zip(names, results, strict=True)
        }

    def _port(self, kind: str, shape: list[int | str | None]) -> Port:
        if kind not in _DTYPES:
            raise EngineError(f"{self._name}: tensors of type {kind} are not supported")
        return Port(shape=tuple(size if isinstance(size, int) else None for size in shape), dtype=_DTYPES[kind])

    def _open_batch(self) -> bool:
        """True where every input leaves the batch open. Raises EngineError for a graph fixed to several items."""
        # An input of one axis has no batch: it takes the samples of one item.
        first = [port.shape[0] if len(port.shape) > 1 else 1 for port in self.inputs.values()]
        if fixed := [size for size in first if size not in (None, 1)]:
            raise EngineError(
                f"{self._name}: the graph is fixed to batches of {fixed[0]}: export it with a batch of 1 or an open one"
            )
        return all(size is None for size in first)
