"""The first axis of what goes into and comes out of a graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from katydid.models.engines.protocol import Arrays, Port
from katydid.models.errors import EngineError


def batch_size(inputs: Arrays, ports: Mapping[str, Port], max_batch: int, name: str) -> int:
    """The first axis that all inputs share.

    Raises EngineError where they are not the graph's inputs, differ in it, or it is not in 1..max_batch.
    """
    if inputs.keys() != ports.keys():
        raise EngineError(f"{name}: the graph takes {', '.join(ports)}, not {', '.join(inputs)}")
    counts = {len(array) if array.ndim else 0 for array in inputs.values()}
    if len(counts) != 1 or not 1 <= (count := counts.pop()) <= max_batch:
        raise EngineError(f"{name}: a batch of {[a.shape for a in inputs.values()]}, where 1 to {max_batch} items go")
    return count


def by_item(result: NDArray[np.generic], count: int, name: str) -> NDArray[np.generic]:
    """[count, …] as it is; several rows for a single item (frames of one clip) become [1, rows, …].

    Raises EngineError where a batch comes back with another number of rows: nobody knows which belong to which item.
    """
    if result.ndim and result.shape[0] == count:
        return result
    if count > 1:
        raise EngineError(f"{name}: {count} items went in, an output of shape {result.shape} came out")
    return result[np.newaxis]
