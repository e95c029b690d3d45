"""Channels filled up with zeros before a concatenation, so that a runtime may keep its blocked layout through it.

ONNX Runtime works on pictures in blocks of 8 or 16 channels. It fills up odd counts by itself, except where a
concatenation puts channels side by side: there it must lay the whole picture out anew, and again afterwards. BirdNET's
first 24 channels at its largest size do that. So where

    Conv → (Relu, MaxPool, AveragePool, …) → Concat of channels → Conv

each convolution in front gets filters of zeros up to the next whole block, and the one behind gets zeros for them.
Zeros stay zeros on the way, so that the answers stay what they were; any other runtime sees an ordinary graph.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from katydid.models.conversion.onnx_graph import Node, OnnxGraph

BLOCK = 16
"""Channels of a block with AVX-512; a multiple of the 8 elsewhere."""

KEEPS_ZEROS = frozenset({"Relu", "MaxPool", "AveragePool"})
"""Operators with one input that work channel by channel and make 0 of 0."""


def widened(graph: OnnxGraph, outputs: frozenset[str]) -> None:
    """Widen, in place, whatever stands before a concatenation of channels; `outputs` keep their shapes."""
    for joint in [node for node in graph.nodes if node.kind == "Concat" and node.attributes.get("axis") == 1]:
        sources = [_source(graph, name) for name in joint.inputs]
        found = [source for source in sources if source is not None]
        behind = _users(graph, joint.out)
        inside = {joint.out, *(name for source in found for name in source.passed)}
        if len(found) != len(sources) or outputs & inside or not behind or not all(map(_plain, behind)):
            continue
        if all(set(_users(graph, name)) <= _within(graph, inside, joint, behind) for name in inside):
            _widen(graph, [source.convolution for source in found], behind)


@dataclasses.dataclass(frozen=True)
class _Source:
    """Where an input of a concatenation comes from."""

    convolution: Node
    passed: tuple[str, ...]
    """Every value on the way, the convolution's own first of all."""


def _source(graph: OnnxGraph, name: str) -> _Source | None:
    """The convolution that feeds a value through operators that keep zeros, or None."""
    makers = {node.out: node for node in graph.nodes}
    passed: tuple[str, ...] = ()
    while name in makers:
        node, passed = makers[name], (name, *passed)
        if _plain(node):
            return _Source(node, passed)
        if node.kind not in KEEPS_ZEROS:
            return None
        name = node.inputs[0]
    return None


def _plain(node: Node) -> bool:
    return node.kind == "Conv" and node.attributes.get("group") == 1


def _users(graph: OnnxGraph, name: str) -> list[Node]:
    return [node for node in graph.nodes if name in node.inputs]


def _within(graph: OnnxGraph, inside: set[str], joint: Node, behind: list[Node]) -> set[Node]:
    """The nodes that may use what becomes wider."""
    return {joint, *behind, *(node for node in graph.nodes if node.out in inside)}


def _widen(graph: OnnxGraph, before: list[Node], behind: list[Node]) -> None:
    counts = [len(graph.constants[node.inputs[1]]) for node in before]
    if all(count % BLOCK == 0 for count in counts):
        return
    for node in {node.out: node for node in before}.values():
        graph.replace(node, [_filled(graph, name, _missing(graph, node)) for name in node.inputs[1:]])
    for node in behind:
        filters = graph.constants[node.inputs[1]]
        parts = np.split(filters, np.cumsum(counts)[:-1], axis=1)
        wide = [
            np.pad(part, ((0, 0), (0, -count % BLOCK), (0, 0), (0, 0)))
            for part, count in zip(parts, counts, strict=True)
        ]
        name = graph.initializer(f"{node.inputs[1]}_wide", np.concatenate(wide, axis=1))
        graph.replace(node, [name, *node.inputs[2:]])


def _missing(graph: OnnxGraph, node: Node) -> int:
    return -len(graph.constants[node.inputs[1]]) % BLOCK


def _filled(graph: OnnxGraph, name: str, missing: int) -> str:
    """A constant with zeros behind its first axis, under a name of its own: others may share the narrow one."""
    array: NDArray[np.generic] = graph.constants[name]
    ends = [(0, missing)] + [(0, 0)] * (array.ndim - 1)
    return graph.initializer(f"{name}_filled", np.pad(array, ends))
