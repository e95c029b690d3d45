"""Small graphs made of plain records, translated, run by ONNX Runtime, and compared with sums written out here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from katydid.models.conversion import Start, TfliteGraph, read_tflite, to_onnx
from katydid.models.conversion.operators import same_padding
from katydid.models.conversion.tflite_graph import Operator, Tensor
from katydid.models.errors import ConversionError

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx", reason="the birdnet extra is absent: onnx")
pytest.importorskip("tflite", reason="the birdnet extra is absent: tflite")

SAME, VALID = 0, 1
Floats = NDArray[np.float32]


class Settings:
    """Answers like the generated reader: a method for each setting; what is not set is the schema's default."""

    def __init__(self, **values: int) -> None:
        self._values = {"DilationHFactor": 1, "DilationWFactor": 1, **values}

    def __getattr__(self, name: str) -> Any:
        return lambda: self._values.get(name, 0)


class Drawing:
    """Builds a graph from one input, tensor 0, one operator after another."""

    def __init__(self, *shape: int) -> None:
        self.tensors = [Tensor(0, "in", shape, "FLOAT32", False, None)]
        self.operators: list[Operator] = []

    def constant(self, values: NDArray[Any]) -> int:
        self.tensors.append(Tensor(len(self.tensors), "constant", values.shape, "FLOAT32", False, values))
        return len(self.tensors) - 1

    def then(self, kind: str, *inputs: int, **values: int) -> int:
        self.tensors.append(Tensor(len(self.tensors), kind, (), "FLOAT32", False, None))
        output = len(self.tensors) - 1
        self.operators.append(Operator(len(self.operators), kind, inputs, (output,), Settings(**values)))
        return output

    def graph(self) -> TfliteGraph:
        return TfliteGraph(tuple(self.tensors), tuple(self.operators), (0,), (len(self.tensors) - 1,))


def run(graph: TfliteGraph, given: Floats) -> Floats:
    session = onnxruntime.InferenceSession(to_onnx(graph), providers=["CPUExecutionProvider"])
    result: Floats = session.run(None, {"input": given})[0]
    return result


def last(pictures: Floats) -> Floats:
    """[N, C, H, W] → [N, H, W, C]."""
    return pictures.transpose(0, 2, 3, 1)


def first(pictures: Floats) -> Floats:
    """[N, H, W, C] → [N, C, H, W]."""
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))


def noise(*shape: int) -> Floats:
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


def slid(pictures: Floats, kernel: Floats, stride: int) -> Floats:
    """A plain convolution without padding: [N, H, W, C] with [O, h, w, C] → [N, H', W', O]."""
    _, high, wide, _ = kernel.shape
    patches = np.lib.stride_tricks.sliding_window_view(pictures, (high, wide), axis=(1, 2))[:, ::stride, ::stride]
    summed: Floats = np.einsum("nyxchw,ohwc->nyxo", patches, kernel).astype(np.float32)
    return summed


@given(size=st.integers(1, 300), kernel=st.integers(1, 9), stride=st.integers(1, 4))
def test_same_padding_gives_as_many_steps_as_strides_fit(size: int, kernel: int, stride: int) -> None:
    before, after = same_padding(size, kernel, stride)
    steps = (size + before + after - kernel) // stride + 1
    assert steps == -(-size // stride)
    assert 0 <= after - before <= 1


def test_same_padding_puts_the_odd_zero_behind() -> None:
    """Eight columns, kernel 4, stride 2: TensorFlow's documentation gives a total of 2; nine columns, a total of 3."""
    assert same_padding(8, 4, 2) == (1, 1)
    assert same_padding(9, 4, 2) == (1, 2)


@pytest.mark.parametrize(("height", "stride"), [(9, 2), (8, 2), (7, 1)])
def test_a_convolution_with_same_padding_is_the_sum_over_the_padded_picture(height: int, stride: int) -> None:
    kernel, bias, pictures = noise(5, 3, 4, 2), noise(5), noise(2, height, 11, 2)
    drawing = Drawing(1, height, 11, 2)
    inputs = (0, drawing.constant(kernel), drawing.constant(bias))
    drawing.then("CONV_2D", *inputs, Padding=SAME, StrideH=stride, StrideW=stride)
    pads = [(0, 0), same_padding(height, 3, stride), same_padding(11, 4, stride), (0, 0)]
    expected = slid(np.pad(pictures, pads), kernel, stride) + bias
    np.testing.assert_allclose(last(run(drawing.graph(), first(pictures))), expected, atol=1e-5)


def test_a_pad_becomes_part_of_the_convolution_behind_it() -> None:
    import onnx

    kernel, pictures = noise(4, 3, 3, 2), noise(1, 6, 5, 2)
    drawing = Drawing(1, 6, 5, 2)
    padded = drawing.then("PAD", 0, drawing.constant(np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32)))
    drawing.then("CONV_2D", padded, drawing.constant(kernel), Padding=VALID, StrideH=1, StrideW=1)
    expected = slid(np.pad(pictures, [(0, 0), (1, 2), (0, 1), (0, 0)]), kernel, 1)
    np.testing.assert_allclose(last(run(drawing.graph(), first(pictures))), expected, atol=1e-5)
    kinds = [node.op_type for node in onnx.load_from_string(to_onnx(drawing.graph())).graph.node]
    assert kinds == ["Conv", "Identity"]


def test_a_depthwise_convolution_keeps_channels_apart() -> None:
    kernel, pictures = noise(1, 3, 3, 4), noise(1, 5, 6, 4)
    drawing = Drawing(1, 5, 6, 4)
    drawing.then("DEPTHWISE_CONV_2D", 0, drawing.constant(kernel), Padding=VALID, StrideH=1, StrideW=1)
    each = [slid(pictures[..., c : c + 1], kernel[..., c : c + 1], 1) for c in range(4)]
    np.testing.assert_allclose(last(run(drawing.graph(), first(pictures))), np.concatenate(each, -1), atol=1e-5)


def test_an_average_at_the_border_counts_no_padding() -> None:
    drawing = Drawing(1, 3, 3, 1)
    drawing.then("AVERAGE_POOL_2D", 0, Padding=SAME, StrideH=2, StrideW=2, FilterHeight=2, FilterWidth=2)
    pictures = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    np.testing.assert_allclose(run(drawing.graph(), pictures)[0, 0], [[2, 3.5], [6.5, 8]])


def test_channels_meet_channels_in_constants_and_joins() -> None:
    pictures = noise(2, 3, 4, 2)
    drawing = Drawing(1, 3, 4, 2)
    scaled = drawing.then("MUL", 0, drawing.constant(np.array([2, -1], np.float32)))
    shifted = drawing.then("ADD", scaled, drawing.constant(np.array(3, np.float32)), FusedActivationFunction=3)
    drawing.then("CONCATENATION", shifted, 0, Axis=3)
    expected = np.concatenate([np.clip(pictures * np.array([2, -1], np.float32) + 3, 0, 6), pictures], axis=-1)
    np.testing.assert_allclose(last(run(drawing.graph(), first(pictures))), expected, atol=1e-6)


def test_a_picture_flattened_keeps_tensorflows_order() -> None:
    pictures = noise(2, 2, 3, 4)
    drawing = Drawing(1, 2, 3, 4)
    drawing.then("RESHAPE", 0, drawing.constant(np.array([1, -1], np.int32)))
    np.testing.assert_array_equal(run(drawing.graph(), first(pictures)), pictures.reshape(2, 24))


def test_the_shape_chain_around_a_pooled_mean_leaves_nothing_behind() -> None:
    import onnx

    drawing = Drawing(1, 4, 5, 3)
    pooled = drawing.then("MEAN", 0, drawing.constant(np.array([1, 2], np.int32)))
    shape = drawing.then("SHAPE", pooled)
    zero, one = drawing.constant(np.array([0], np.int32)), drawing.constant(np.array([1], np.int32))
    batch = drawing.then("STRIDED_SLICE", shape, zero, one, one, ShrinkAxisMask=1)
    sizes = [drawing.constant(np.array(n, np.int32)) for n in (1, 1, 3)]
    wanted = drawing.then("PACK", batch, *sizes, Axis=0)
    back = drawing.then("RESHAPE", pooled, wanted)
    drawing.then("MUL", 0, back)
    pictures = noise(3, 4, 5, 3)
    expected = pictures * pictures.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(last(run(drawing.graph(), first(pictures))), expected, atol=1e-6)
    kinds = [node.op_type for node in onnx.load_from_string(to_onnx(drawing.graph())).graph.node]
    assert kinds == ["GlobalAveragePool", "Mul", "Identity"]


def test_an_unknown_operator_is_named_with_its_number() -> None:
    drawing = Drawing(1, 4)
    drawing.then("RELU", 0)
    drawing.then("CUMSUM", 1)
    with pytest.raises(ConversionError, match="operator 1 CUMSUM"):
        to_onnx(drawing.graph())


def test_what_does_not_lead_to_an_output_is_not_translated() -> None:
    drawing = Drawing(1, 4)
    drawing.then("CUMSUM", 0)
    drawing.then("RELU", 0)
    np.testing.assert_array_equal(run(drawing.graph(), np.array([[-1, 2, 0, 3]], np.float32)), [[0, 2, 0, 3]])


def test_the_same_graph_gives_the_same_bytes() -> None:
    drawing = Drawing(1, 6)
    drawing.then("FULLY_CONNECTED", 0, drawing.constant(noise(3, 6)), drawing.constant(noise(3)))
    assert to_onnx(drawing.graph()) == to_onnx(drawing.graph())


def test_a_reshape_that_mixes_the_batch_is_refused() -> None:
    drawing = Drawing(1, 6)
    drawing.then("RESHAPE", 0, drawing.constant(np.array([2, 3], np.int32)))
    with pytest.raises(ConversionError, match="mixes the batch"):
        to_onnx(drawing.graph())


def test_a_start_too_late_says_which_tensor_is_missing() -> None:
    drawing = Drawing(1, 6)
    early = drawing.then("RELU", 0)
    late = drawing.then("TANH", early)
    drawing.then("ADD", early, late)
    with pytest.raises(ConversionError, match="tensor 0"):
        to_onnx(drawing.graph(), start=Start(late, (-1, 6)))


def test_bytes_that_are_no_tflite_file_are_refused() -> None:
    with pytest.raises(ConversionError, match="TFL3"):
        read_tflite(b"\x08\x00\x00\x00ONNX" + bytes(100))


def test_quantised_graphs_are_refused_with_a_reason(shared_data: Path) -> None:
    quantised = (shared_data / "models" / "inat_bird_mobilenetv2_quant.tflite").read_bytes()
    with pytest.raises(ConversionError, match="UINT8"):
        to_onnx(quantised)
    hybrid = (shared_data / "models" / "yamnet.tflite").read_bytes()
    with pytest.raises(ConversionError, match="quantised"):
        to_onnx(hybrid, start=Start(84, (-1, 96, 64, 1)))
    with pytest.raises(ConversionError, match="operator 10 LOG"):
        to_onnx(hybrid, start=Start(80, (-1, 64)), outputs={"log": 81})
