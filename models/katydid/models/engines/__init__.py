"""Engines: who runs a graph. Chosen by a word in the bundle, opened by the table below.

Each opener imports its library only when it is asked, and says which extra to install where the library is absent.
A program may add a word of its own: `ENGINES["mine"] = open_mine`.
"""

from __future__ import annotations

from typing import Protocol

from katydid.models.engines.protocol import Arrays, Engine, Port, Running
from katydid.models.errors import EngineError
from katydid.models.manifest import Graph

__all__ = ["ENGINES", "Arrays", "Engine", "Open", "Port", "Running", "open_engine"]


class Open(Protocol):
    """Opens one graph."""

    def __call__(self, data: bytes, graph: Graph, *, slots: int, name: str) -> Engine:
        """`data` is the graph file, verified. `name` (bundle and file) goes into messages. Raises EngineError."""


def _open_onnx(data: bytes, graph: Graph, *, slots: int, name: str) -> Engine:
    from katydid.models.engines.onnx import OnnxEngine

    return OnnxEngine(data, max_batch=graph.max_batch, slots=slots, name=name)


def _open_litert(data: bytes, graph: Graph, *, slots: int, name: str) -> Engine:
    from katydid.models.engines.litert import LiteRTEngine

    return LiteRTEngine(data, max_batch=graph.max_batch, slots=slots, name=name)


def _open_placeholder(data: bytes, graph: Graph, *, slots: int, name: str) -> Engine:
    from katydid.models.engines.placeholder import PlaceholderEngine

    return PlaceholderEngine(data, max_batch=graph.max_batch, slots=slots, name=name)


ENGINES: dict[str, Open] = {"onnx": _open_onnx, "litert": _open_litert, "placeholder": _open_placeholder}


def open_engine(data: bytes, graph: Graph, *, slots: int, name: str) -> Engine:
    """Open `data`, the bytes of `graph.file`, with the engine that the graph asks for.

    Raises EngineError where the word is unknown or the graph cannot be run, MissingExtra where a library is absent.
    """
    if slots < 1:
        raise EngineError(f"{name}: an engine needs at least one slot, not {slots}")
    opener = ENGINES.get(graph.engine)
    if opener is None:
        raise EngineError(f"{name}: no engine {graph.engine!r}; there are {', '.join(sorted(ENGINES))}")
    return opener(data, graph, slots=slots, name=name)
