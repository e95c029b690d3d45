"""What an engine is: arrays in, arrays out, and an honest word on what really runs."""

from __future__ import annotations

from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.models.manifest import Quantisation

Arrays = dict[str, NDArray[np.generic]]


class Port(msgspec.Struct, frozen=True, kw_only=True):
    """One input or output of a graph, as the graph itself states it."""

    shape: tuple[int | None, ...]
    """None where the graph leaves the size open. The first axis is the batch; a graph with one axis fewer than the
    batches it is given has none (YAMNet takes one [15600]), and the engine runs item by item."""
    dtype: str
    """numpy's name, for example "float32", "uint8"."""
    quantisation: Quantisation | None = None
    """As far as the graph file says (LiteRT does, ONNX does not)."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What really runs, for provenance and for the doctor."""

    engine: str
    provider: str
    version: str
    threads: int = 1
    note: str = ""
    """A fallback or a limit, in words; "" where there is none."""


class Engine(Protocol):
    """Runs one graph. `infer` is called from up to `slots` threads at once; the first axis is the batch."""

    @property
    def max_batch(self) -> int:
        """Largest first axis that `infer` takes; 1 where the graph is fixed."""

    @property
    def slots(self) -> int:
        """How many calls of `infer` may run at the same time."""

    @property
    def inputs(self) -> dict[str, Port]:
        """What goes in, by name."""

    @property
    def outputs(self) -> dict[str, Port]:
        """What comes out, by name."""

    def infer(self, inputs: Arrays) -> Arrays:
        """Run the graph: every array [n, …] with n in 1..max_batch, each output [n, …].

        A graph that gives several rows for one item (frames of a clip) yields [n, rows, …]. Raises EngineError with
        the graph's name where it cannot.
        """

    def describe(self) -> Running:
        """What really runs."""

    def close(self) -> None:
        """Let go of memory and threads."""
