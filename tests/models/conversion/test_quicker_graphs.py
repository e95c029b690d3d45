"""Rewrites that make a converted graph quicker and leave its answers as they are: widening, and layers one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from katydid.models.conversion.onnx_graph import BATCH, OnnxGraph, Value
from katydid.models.conversion.tflite_graph import TfliteGraph
from katydid.models.conversion.widening import widened
from katydid.models.conversion.writing import serialise
from katydid.models.errors import ConversionError

onnxruntime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx", reason="the birdnet extra is absent: onnx")

Floats = NDArray[np.float32]


def noise(*shape: int) -> Floats:
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


class Chain:
    """input [N, 6, 8, 2 channels] → Conv to `count` channels → Relu → (MaxPool | AveragePool) → Concat → Conv to 5."""

    def __init__(self, count: int, joint: str = "Relu") -> None:
        self.graph = OnnxGraph(TfliteGraph((), (), (), ()))
        self.start = Value("input", (BATCH, 6, 8, 2))
        before = self.conv(self.start, count, 2, bias=True)
        self.seen = self.graph.emit(joint, [before.name], before.shape)
        pools = [self.pool(kind) for kind in ("MaxPool", "AveragePool")]
        self.joined = self.graph.emit("Concat", [pool.name for pool in pools], (BATCH, 6, 4, 2 * count), axis=1)
        self.end = self.conv(self.joined, 5, 2 * count, bias=False)

    def conv(self, source: Value, count: int, channels: int, *, bias: bool) -> Value:
        constants = [self.graph.initializer(f"w{count}", noise(count, channels, 1, 1))]
        if bias:
            constants.append(self.graph.initializer(f"b{count}", noise(count)))
        settings: dict[str, Any] = {"group": 1, "kernel_shape": [1, 1]}
        return self.graph.emit("Conv", [source.name, *constants], (*source.shape[:3], count), **settings)

    def pool(self, kind: str) -> Value:
        shape = (BATCH, 6, 4, self.seen.shape[3])
        return self.graph.emit(kind, [self.seen.name], shape, kernel_shape=[1, 2], strides=[1, 2])

    def file(self, outputs: dict[str, Value] | None = None, one_by_one: Value | None = None) -> bytes:
        return serialise(self.graph, "chain", self.start, outputs or {"end": self.end}, one_by_one=one_by_one)

    def channels(self) -> list[tuple[int, ...]]:
        """Shapes of the filters of the two convolutions."""
        return [self.graph.constants[n.inputs[1]].shape[:2] for n in self.graph.nodes if n.kind == "Conv"]


def run(file: bytes, given: Floats) -> list[Floats]:
    results: list[Floats] = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(
        None, {"input": given}
    )
    return results


def test_channels_before_a_concatenation_are_filled_to_whole_blocks_and_the_answer_stays() -> None:
    chain, given = Chain(24), noise(3, 2, 6, 8)
    (before,) = run(chain.file(), given)
    widened(chain.graph, frozenset({chain.end.name}))
    assert chain.channels() == [(32, 2), (5, 64)]
    np.testing.assert_allclose(run(chain.file(), given)[0], before, rtol=1e-6, atol=1e-6)


def test_whole_blocks_stay_as_they_are() -> None:
    chain = Chain(16)
    widened(chain.graph, frozenset({chain.end.name}))
    assert chain.channels() == [(16, 2), (5, 32)]


@pytest.mark.parametrize("case", ["an output", "sees zeros", "used elsewhere"])
def test_nothing_is_widened_where_somebody_would_see_it(case: str) -> None:
    """A value that is an output itself, an operator that makes something of 0, another node that looks on."""
    chain = Chain(24, joint="Sigmoid" if case == "sees zeros" else "Relu")
    outputs = {chain.end.name}
    if case == "an output":
        outputs.add(chain.joined.name)
    if case == "used elsewhere":
        outputs.add(chain.graph.emit("Neg", [chain.seen.name], chain.seen.shape).name)
    widened(chain.graph, frozenset(outputs))
    assert chain.channels() == [(24, 2), (5, 48)]


@pytest.mark.parametrize("batch", [1, 4])
def test_layers_one_by_one_give_what_the_batch_gives(batch: int) -> None:
    chain, given = Chain(24), noise(batch, 2, 6, 8)
    outputs = {"end": chain.end, "joined": chain.joined}
    together, parted = chain.file(outputs), chain.file(outputs, one_by_one=chain.joined)
    assert [node.op_type for node in onnx.load_from_string(parted).graph.node][:2] == ["Scan", "Conv"]
    for found, expected in zip(run(parted, given), run(together, given), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_a_cut_that_does_not_part_the_graph_is_refused() -> None:
    """The average pool behind looks past the cut at what comes before it."""
    chain = Chain(24)
    maximum = next(node for node in chain.graph.nodes if node.kind == "MaxPool")
    with pytest.raises(ConversionError, match="does not part the graph"):
        chain.file(one_by_one=Value(maximum.out, (BATCH, 6, 4, 24)))


def test_an_output_before_the_cut_is_refused() -> None:
    chain = Chain(24)
    with pytest.raises(ConversionError, match="does not part the graph"):
        chain.file({"end": chain.end, "seen": chain.seen}, one_by_one=chain.joined)
