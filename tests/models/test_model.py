"""A bundle that runs: samples and pixels in, scores out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from katydid.models.bundle import Bundle, write_bundle
from katydid.models.engines.placeholder import PlaceholderEngine, PlaceholderGraph, placeholder_bundle
from katydid.models.errors import BundleError, EngineError
from katydid.models.foreign_labels import bind
from katydid.models.labels import write_labels
from katydid.models.manifest import (
    FORMAT,
    Activation,
    BundleKind,
    BundleManifest,
    Calibration,
    Graph,
    ImageInput,
    Quantisation,
    SoundInput,
)
from katydid.models.model import Model, open_model
from tiny_graphs import Levels, onnx_image, onnx_sound, tflite_dense_uint8, weights

SAMPLES, CLASSES, SIZE = 16, 5, 8
LAYER = weights(SAMPLES, CLASSES)
COLOURS = weights(3, CLASSES)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Model]:
    """Write a bundle around a graph and open it."""

    def bundle_model(data: bytes, graph: Graph, *, classes: int = CLASSES, slots: int = 1, **manifest: Any) -> Model:
        sound = manifest.get("sound")
        kind = BundleKind.SOUND_CLASSIFIER if sound else BundleKind.IMAGE_CLASSIFIER
        whole = BundleManifest(
            format=FORMAT, name="tiny", version="1", title="Tiny", kind=kind, graphs=(graph,), licence="CC0-1.0",
            credit="", uses="", files={}, **manifest,
        )  # fmt: skip
        labels = write_labels([bind(index, f"class {index}", scientific=False) for index in range(classes)])
        bundle: Bundle = write_bundle(tmp_path / "tiny", whole, {graph.file: data, "labels.csv": labels}, replace=True)
        return open_model(bundle, slots=slots)

    return bundle_model


def sound_graph(**changes: Any) -> Graph:
    fields: dict[str, Any] = {
        "file": "g.onnx",
        "engine": "onnx",
        "input": "samples",
        "scores": "logits",
        "max_batch": 8,
    } | changes
    return Graph(**fields)


def image_graph(**changes: Any) -> Graph:
    fields: dict[str, Any] = {
        "file": "g.onnx",
        "engine": "onnx",
        "input": "pixels",
        "scores": "scores",
        "max_batch": 8,
    } | changes
    return Graph(**fields)


SOUND = SoundInput(sample_rate=16, samples=SAMPLES, hop_s=1.0)


def sounds(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(3).uniform(-1, 1, (count, SAMPLES)).astype(np.float32)


def pictures(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(4).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    power = np.exp(logits.astype(np.float64))
    shares: NDArray[np.float64] = power / power.sum(axis=1, keepdims=True)
    return shares


def sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return values


@pytest.mark.parametrize(("activation", "expected"), [(Activation.SIGMOID, sigmoid), (Activation.SOFTMAX, softmax)])
def test_logits_become_scores_by_the_bundles_activation(
    make: Callable[..., Model], activation: Activation, expected: Callable[..., NDArray[np.float64]]
) -> None:
    pytest.importorskip("onnx")
    model = make(onnx_sound(SAMPLES, LAYER), sound_graph(embedding="embedding"), sound=SOUND, activation=activation)
    seen = model.infer(sounds(3))
    assert seen.logits is not None and seen.embedding is not None
    np.testing.assert_allclose(seen.logits, sounds(3) @ LAYER, atol=1e-5)
    np.testing.assert_allclose(seen.scores, expected(sounds(3) @ LAYER), atol=1e-6)
    np.testing.assert_array_equal(seen.embedding, sounds(3))
    assert {seen.scores.dtype, seen.logits.dtype, seen.embedding.dtype} == {np.dtype(np.float32)}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("activation", [Activation.SIGMOID, Activation.SOFTMAX])
def test_logits_of_a_thousand_overflow_nothing(make: Callable[..., Model], activation: Activation) -> None:
    pytest.importorskip("onnx")
    model = make(onnx_sound(SAMPLES, 1000 * LAYER), sound_graph(), sound=SOUND, activation=activation)
    scores = model.infer(sounds(4)).scores
    assert np.isfinite(scores).all() and scores.min() >= 0 and scores.max() <= 1


def test_many_items_are_cut_to_what_the_graph_takes_and_come_back_in_order(make: Callable[..., Model]) -> None:
    pytest.importorskip("onnx")
    for batch in (None, 1):
        model = make(onnx_sound(SAMPLES, LAYER, batch=batch), sound_graph(), sound=SOUND, activation=Activation.SIGMOID)
        assert model.max_batch == (batch or 8)
        np.testing.assert_allclose(model.infer(sounds(33)).scores, sigmoid(sounds(33) @ LAYER), atol=1e-5)


def test_pixels_go_in_as_they_are_where_the_graph_normalises(make: Callable[..., Model]) -> None:
    pytest.importorskip("onnx")
    model = make(onnx_image(SIZE, COLOURS), image_graph(), image=ImageInput(height=SIZE, width=SIZE))
    colour = pictures(4).reshape(4, -1, 3).mean(axis=1) / 255
    np.testing.assert_allclose(model.infer(pictures(4)).scores, softmax(colour @ COLOURS), atol=1e-6)


@pytest.mark.parametrize("channels_first", [False, True])
def test_float_graphs_get_normalised_pixels_in_their_layout(make: Callable[..., Model], channels_first: bool) -> None:
    pytest.importorskip("onnx")
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    image = ImageInput(height=SIZE, width=SIZE, dtype="float32", channels_first=channels_first, mean=mean, std=std)
    graph = onnx_image(SIZE, COLOURS, dtype="float32", channels_first=channels_first)
    model = make(graph, image_graph(), image=image)
    colour = (pictures(4).reshape(4, -1, 3).mean(axis=1) / 255 - mean) / std
    np.testing.assert_allclose(model.infer(pictures(4)).scores, softmax(colour @ COLOURS), atol=1e-5)


def test_int8_graphs_get_pixels_less_128(tmp_path: Path) -> None:
    plain = placeholder_bundle(tmp_path / "plain", size=SIZE)
    data = msgspec.json.encode(PlaceholderGraph(item_shape=(SIZE, SIZE, 3), dtype="int8", classes=5))
    manifest = msgspec.structs.replace(plain.manifest, image=ImageInput(height=SIZE, width=SIZE, dtype="int8"))
    contents = {"labels.csv": plain.read("labels.csv"), "placeholder.json": data}
    model = open_model(write_bundle(tmp_path / "b", manifest, contents), slots=1)
    engine = PlaceholderEngine(data, max_batch=8, slots=1, name="p")
    shifted = (pictures(3).astype(int) - 128).astype(np.int8)
    np.testing.assert_array_equal(model.infer(pictures(3)).scores, engine.infer({"input": shifted})["scores"])


def test_a_grey_model_sees_a_colour_photo_as_its_luma(make: Callable[..., Model]) -> None:
    pytest.importorskip("onnx")
    image = ImageInput(height=SIZE, width=SIZE, grey_input=True)
    model = make(onnx_image(SIZE, COLOURS), image_graph(), image=image)
    red = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    red[..., 0] = 255
    grey = np.full_like(red, 76)  # ITU-R BT.601: 0.299 of 255.
    np.testing.assert_allclose(model.infer(red).scores, model.infer(grey).scores, atol=1e-6)


def test_quantised_graphs_are_fed_and_read_by_their_own_scales(make: Callable[..., Model]) -> None:
    stored = np.random.default_rng(5).integers(100, 156, (SAMPLES, CLASSES), np.uint8)
    layer_levels, entry, scores = Levels(0.02, 128), Levels(1 / 128, 128), Levels(1 / 256, 0)
    data = tflite_dense_uint8(stored, layer_levels, entry, scores)
    graph = sound_graph(
        file="g.tflite",
        engine="litert",
        scores="scores",
        input_quantisation=Quantisation(scale=1 / 128, zero_point=128),
    )
    model = make(data, graph, sound=SOUND)
    real = layer_levels.scale * (stored.astype(np.float64) - layer_levels.zero_point)
    expected = np.clip(np.rint(sounds(9) * 128) / 128 @ real, 0, 255 / 256)
    seen = model.infer(sounds(9))
    assert seen.logits is None
    np.testing.assert_allclose(seen.scores, expected, atol=1 / 256)
    assert seen.scores.max() > 0.2


def test_several_rows_for_one_clip_are_averaged(make: Callable[..., Model]) -> None:
    """A graph without batch axis, as YAMNet's: see also the test with the real one."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["samples", "shape"], ["frames"])],
        "frames",
        [helper.make_tensor_value_info("samples", kind, [SAMPLES])],
        [helper.make_tensor_value_info("frames", kind, [4, 4])],
        [onnx.numpy_helper.from_array(np.asarray([4, 4], np.int64), "shape")],
    )
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    model = make(data, sound_graph(scores="frames"), sound=SOUND, classes=4)
    items = np.abs(sounds(3))
    np.testing.assert_allclose(model.infer(items).scores, items.reshape(3, 4, 4).mean(axis=1), atol=1e-6)


def test_an_item_that_gives_no_numbers_is_an_engine_error_alone(make: Callable[..., Model]) -> None:
    pytest.importorskip("onnx")
    data = onnx_sound(SAMPLES, LAYER, finite_below=5.0)
    model = make(data, sound_graph(), sound=SOUND, activation=Activation.SIGMOID)
    items = sounds(3)
    items[1, 0] = 7.0
    with pytest.raises(EngineError, match="no numbers"):
        model.infer(items)
    assert model.infer(items[[0, 2]]).scores.shape == (2, CLASSES)


@pytest.mark.parametrize(
    "items",
    [
        np.zeros((2, SIZE, SIZE, 3), np.float32),
        np.zeros((2, SIZE, SIZE + 1, 3), np.uint8),
        np.zeros((0, SIZE, SIZE, 3), np.uint8),
        np.zeros((SIZE,), np.uint8),
    ],
)
def test_items_that_do_not_fit_are_refused_before_the_graph_runs(tmp_path: Path, items: NDArray[np.generic]) -> None:
    model = open_model(placeholder_bundle(tmp_path, size=SIZE), slots=1)
    with pytest.raises(EngineError, match=r"where uint8|items of shape"):
        model.infer(items)


def test_windows_of_a_wrong_length_are_refused(tmp_path: Path) -> None:
    model = open_model(placeholder_bundle(tmp_path, kind=BundleKind.SOUND_CLASSIFIER), slots=1)
    with pytest.raises(EngineError, match=r"windows of \(15999,\) samples, where \(16000,\) go"):
        model.infer(np.zeros((1, 15999), np.float32))


def test_a_prior_takes_places_and_weeks(tmp_path: Path) -> None:
    model = open_model(placeholder_bundle(tmp_path, kind=BundleKind.PRIOR), slots=1)
    places = np.asarray([[52.1, 4.5, 20], [-33.9, 151.2, 2]])
    assert model.infer(places).scores.shape == (2, 5)


def test_more_scores_than_labels_is_said_with_both_numbers(make: Callable[..., Model]) -> None:
    pytest.importorskip("onnx")
    model = make(onnx_sound(SAMPLES, LAYER), sound_graph(), sound=SOUND, classes=CLASSES + 1)
    with pytest.raises(EngineError, match=r"g\.onnx gives 5 scores, labels\.csv names 6"):
        model.infer(sounds(1))


def test_a_manifest_that_names_a_tensor_the_graph_has_not_is_refused(make: Callable[..., Model]) -> None:
    pytest.importorskip("onnx")
    with pytest.raises(BundleError, match=r"no tensor 'probabilities' \(it has: logits, embedding\)"):
        make(onnx_sound(SAMPLES, LAYER), sound_graph(scores="probabilities"), sound=SOUND)


def test_the_model_says_what_runs_and_for_how_many_threads(tmp_path: Path) -> None:
    model = open_model(placeholder_bundle(tmp_path), slots=3)
    assert (model.slots, model.max_batch, model.entry, model.running.engine) == (3, 32, "features", "placeholder")


class TestCalibration:
    def model(self, tmp_path: Path, calibration: Calibration | None, activation: Activation) -> Model:
        plain = placeholder_bundle(tmp_path / f"plain-{activation}")
        manifest = msgspec.structs.replace(plain.manifest, calibration=calibration, activation=activation)
        contents = {name: plain.read(name) for name in plain.manifest.files}
        return open_model(write_bundle(tmp_path / "b", manifest, contents, replace=True), slots=1)

    def test_without_one_probabilities_stay_none(self, tmp_path: Path) -> None:
        model = self.model(tmp_path, None, Activation.SIGMOID)
        assert model.calibrated(np.asarray([[0.5] * 5])) is None

    def test_sigmoid_scores_are_scaled_and_shifted_as_logits(self, tmp_path: Path) -> None:
        model = self.model(tmp_path, Calibration(temperature=2.0, bias=-1.0), Activation.SIGMOID)
        logits = np.asarray([[-4.0, -1.0, 0.0, 2.0, 6.0]])
        expected = sigmoid(logits / 2 - 1)
        for found in (model.calibrated(sigmoid(logits)), model.calibrated(logits, logits=True)):
            assert found is not None
            np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_softmax_scores_are_cooled_and_sum_to_one(self, tmp_path: Path) -> None:
        model = self.model(tmp_path, Calibration(temperature=1.7), Activation.SOFTMAX)
        logits = np.asarray([[3.0, 1.0, 0.0, -2.0, 0.5]])
        for found in (model.calibrated(softmax(logits)), model.calibrated(logits, logits=True)):
            assert found is not None
            np.testing.assert_allclose(found, softmax(logits / 1.7), atol=1e-6)

    def test_the_identity_changes_nothing(self, tmp_path: Path) -> None:
        scores = np.asarray([[0.01, 0.2, 0.5, 0.9, 0.999]])
        found = self.model(tmp_path, Calibration(), Activation.SIGMOID).calibrated(scores)
        assert found is not None
        np.testing.assert_allclose(found, scores, atol=1e-6)

    def test_scores_at_the_ends_stay_probabilities(self, tmp_path: Path) -> None:
        for activation in Activation:
            model = self.model(tmp_path, Calibration(temperature=0.5), activation)
            found = model.calibrated(np.asarray([[0.0, 1.0, 0.0, 0.0, 0.0]]))
            assert found is not None and np.isfinite(found).all()
            assert found.min() >= 0 and found.max() <= 1 and found[0].argmax() == 1

    def test_logits_passed_as_scores_are_noticed(self, tmp_path: Path) -> None:
        model = self.model(tmp_path, Calibration(), Activation.SIGMOID)
        with pytest.raises(ValueError, match="logits=True"):
            model.calibrated(np.asarray([[3.0, -2.0, 0.0, 0.0, 0.0]]))


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_placeholder_gives_the_same_item_the_same_scores_in_any_batch(count: int, seed: int) -> None:
    data = msgspec.json.encode(PlaceholderGraph(item_shape=(6,), dtype="float32", classes=4))
    engine = PlaceholderEngine(data, max_batch=64, slots=1, name="p")
    items = np.random.default_rng(seed).normal(size=(count, 6)).astype(np.float32)
    together = engine.infer({"input": items})["scores"]
    alone = np.concatenate([engine.infer({"input": item[np.newaxis]})["scores"] for item in items])
    np.testing.assert_array_equal(together, alone)
