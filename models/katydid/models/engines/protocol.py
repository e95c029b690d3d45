"""What an engine is: arrays in, arrays out, and an honest word on what really runs."""

from __future__ import annotations

from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.generic]]


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

    def infer(self, inputs: Arrays) -> Arrays:
        """Run the graph. Raises EngineError with the graph's name where it cannot."""

    def describe(self) -> Running:
        """What really runs."""

    def close(self) -> None:
        """Let go of memory and threads."""
