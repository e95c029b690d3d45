"""LiteRT (TensorFlow Lite): one interpreter a slot, since an interpreter serves one thread at a time.

Interpreters are made when a slot is first needed, so a program that runs one call at a time holds the weights once.
Graphs that leave the batch open are resized to it; the others run item by item (batching gains them nothing anyway).
"""

from __future__ import annotations

import os
import queue
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from katydid.models.engines.protocol import Arrays, Port, Running
from katydid.models.engines.rows import batch_size, by_item
from katydid.models.errors import EngineError, MissingExtra
from katydid.models.manifest import Quantisation

try:
    import ai_edge_litert
    from ai_edge_litert.interpreter import Interpreter
except ImportError as error:
    raise MissingExtra("ai-edge-litert", "", "running a TensorFlow Lite graph") from error

T = TypeVar("T")

STDERR = 2
_RUNTIME_ERRORS = (RuntimeError, ValueError, TypeError)


class LiteRTEngine:
    """One TensorFlow Lite graph, in up to `slots` interpreters of one thread each."""

    def __init__(self, data: bytes, *, max_batch: int, slots: int, name: str) -> None:
        self._name = name
        self.slots = slots
        self._data = data
        first = _Slot(data, name)
        self.inputs, self.outputs, self._running = first.inputs, first.outputs, first.describe()
        self.max_batch = max_batch if first.open_batch else 1
        # None stands for an interpreter that is not made yet; the newest used one is taken first.
        self._free: queue.LifoQueue[_Slot | None] = queue.LifoQueue()
        for slot in (*[None] * (slots - 1), first):
            self._free.put(slot)

    def infer(self, inputs: Arrays) -> Arrays:
        count = batch_size(inputs, self.inputs, self.max_batch, self._name)
        slot = self._free.get()
        try:
            if slot is None:
                slot = _Slot(self._data, self._name)
            return slot.run(inputs, count)
        finally:
            self._free.put(slot)

    def describe(self) -> Running:
        return self._running

    def close(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._free.get_nowait()
        for _ in range(self.slots):
            self._free.put(None)


_first = threading.Lock()
_greeted = False


@contextmanager
def _without_greeting() -> Iterator[None]:
    """LiteRT writes "INFO: Created TensorFlow Lite XNNPACK delegate" to stderr once a process, and no switch stops it.

    Around the first interpreter, what native code writes to stderr is held back, and all but that line passed on.
    """
    global _greeted
    if _greeted:
        yield
        return
    with _first:
        _greeted = True
        try:
            kept = os.dup(STDERR)
        except OSError:  # No stderr: nothing to keep clean.
            yield
            return
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), STDERR)
            try:
                yield
            finally:
                os.dup2(kept, STDERR)
                os.close(kept)
                held.seek(0)
                for line in held:
                    if b"XNNPACK delegate" not in line:
                        os.write(STDERR, line)


class _Slot:
    """One interpreter, and the batch that it is sized for."""

    def __init__(self, data: bytes, name: str) -> None:
        self._name = name
        with _without_greeting():
            self._interpreter = self._guarded(lambda: Interpreter(model_content=data, num_threads=1))
            self._guarded(self._interpreter.allocate_tensors)
        ins, outs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self.inputs = {detail["name"]: _port(detail) for detail in ins}
        self.outputs = {detail["name"]: _port(detail) for detail in outs}
        self._input_at = {detail["name"]: int(detail["index"]) for detail in ins}
        self._output_at = {detail["name"]: int(detail["index"]) for detail in outs}
        self._sized: dict[str, tuple[int, ...]] = {
            detail["name"]: tuple(int(size) for size in detail["shape"]) for detail in ins
        }
        self.open_batch = all(port.shape[:1] == (None,) and len(port.shape) > 1 for port in self.inputs.values())

    def run(self, inputs: Arrays, count: int) -> Arrays:
        fed = {name: self._fitted(name, array) for name, array in inputs.items()}
        if any(self._sized.get(name) != array.shape for name, array in fed.items()):
            self._resize(fed)
        for name, array in fed.items():
            self._guarded(partial(self._interpreter.set_tensor, self._input_at[name], array))
        self._guarded(self._interpreter.invoke)
        found = {name: self._interpreter.get_tensor(index) for name, index in self._output_at.items()}
        return {name: by_item(np.asarray(result), count, self._name) for name, result in found.items()}

    def describe(self) -> Running:
        operators = [operator["op_name"] for operator in self._interpreter._get_ops_details()]
        pieces = operators.count("DELEGATE")
        return Running(
            engine="litert",
            provider="XNNPACK" if pieces else "LiteRT",
            version=getattr(ai_edge_litert, "__version__", ""),
            note=f"XNNPACK runs {pieces} pieces of the graph, LiteRT's own kernels the rest" if pieces > 1 else "",
        )

    def _fitted(self, name: str, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """The array as the interpreter wants it: a graph without a batch axis gets the single item."""
        return np.ascontiguousarray(array[0] if array.ndim == len(self.inputs[name].shape) + 1 else array)

    def _resize(self, fed: Arrays) -> None:
        # Until it is done the size is unknown: after a failure the next run sizes again.
        self._sized = {}
        for name, array in fed.items():
            resize = partial(self._interpreter.resize_tensor_input, strict=True)
            self._guarded(partial(resize, self._input_at[name], list(array.shape)))
        self._guarded(self._interpreter.allocate_tensors)
        self._sized = {name: array.shape for name, array in fed.items()}

    def _guarded(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except _RUNTIME_ERRORS as error:
            raise EngineError(f"{self._name}: LiteRT cannot run this graph: {error}") from error


def _port(detail: dict[str, Any]) -> Port:
    """A tensor's details, as the interpreter gives them (it has no type for them), as a port."""
    signature = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
    scale, zero_point = detail["quantization"]
    return Port(
        shape=tuple(None if size < 0 else int(size) for size in signature),
        dtype=np.dtype(detail["dtype"]).name,
        quantisation=Quantisation(scale=float(scale), zero_point=int(zero_point)) if scale else None,
    )
