"""Foreign classifiers become bundles: made-up graphs, and real ones from the shared data."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from katydid.models.adding import Wishes, add_model
from katydid.models.bundle import Bundle, open_bundle
from katydid.models.engines.litert import LiteRTEngine
from katydid.models.errors import BundleError, ConversionError, EngineError, ModelError
from katydid.models.manifest import Activation, BundleKind, Quantisation, Resize
from katydid.models.model import Model, open_model
from katydid.sensors import audio, images
from katydid.sensors.limits import Limits
from tiny_graphs import Levels, onnx_image, onnx_sound, tflite_dense, tflite_dense_uint8, weights

SAMPLES, CLASSES = 160, 12
LAYER = weights(SAMPLES, CLASSES)


@pytest.fixture
def names(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text("".join(f"class {index}\n" for index in range(CLASSES)))
    return path


def write(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def add(file: Path, names: Path, name: str = "tiny", **wishes: Any) -> Bundle:
    return add_model(file, labels=names, name=name, directory=file.parent / "models", wishes=Wishes(**wishes))


class TestMadeUpGraphs:
    def test_a_tflite_graph_of_sound(self, tmp_path: Path, names: Path) -> None:
        file = write(tmp_path, "hears.tflite", tflite_dense(LAYER))
        bundle = add(file, names, sample_rate=16_000, hop_s=0.005, activation=Activation.SIGMOID)
        manifest = bundle.manifest
        assert manifest.kind is BundleKind.SOUND_CLASSIFIER
        assert manifest.sound is not None
        assert (manifest.sound.samples, manifest.sound.sample_rate, manifest.sound.hop_s) == (SAMPLES, 16_000, 0.005)
        assert (manifest.graphs[0].engine, manifest.graphs[0].max_batch) == ("litert", 32)
        items = np.random.default_rng(0).uniform(-1, 1, (3, SAMPLES)).astype(np.float32)
        expected = 1 / (1 + np.exp(-(items @ LAYER)))
        np.testing.assert_allclose(open_model(bundle, slots=1).infer(items).scores, expected, atol=1e-5)

    def test_the_bundle_is_one_that_opens_and_says_where_it_comes_from(self, tmp_path: Path, names: Path) -> None:
        file = write(tmp_path, "hears.tflite", tflite_dense(LAYER))
        bundle = add(file, names, sample_rate=16_000, activation=Activation.SIGMOID, licence="MIT", credit="Ada")
        assert open_bundle(bundle.path).digest == bundle.digest
        assert set(bundle.manifest.files) == {"model.tflite", "labels.csv", "card.md"}
        card = bundle.read("card.md").decode()
        assert all(word in card for word in ("hears.tflite", "MIT", "Ada", "not measured here", "16000 Hz"))

    def test_quantisation_is_read_from_the_graph(self, tmp_path: Path, names: Path) -> None:
        stored = np.random.default_rng(5).integers(0, 256, (SAMPLES, CLASSES), np.uint8)
        data = tflite_dense_uint8(stored, Levels(0.01, 128), Levels(1 / 128, 128), Levels(1 / 256, 0))
        bundle = add(write(tmp_path, "q.tflite", data), names, sample_rate=16_000)
        graph = bundle.manifest.graphs[0]
        assert graph.input_quantisation == Quantisation(scale=1 / 128, zero_point=128)
        assert graph.output_quantisation == Quantisation(scale=1 / 256, zero_point=0)
        assert bundle.manifest.activation is Activation.NONE

    @pytest.mark.parametrize("channels_first", [False, True])
    def test_an_onnx_graph_of_images_in_either_layout(self, tmp_path: Path, names: Path, channels_first: bool) -> None:
        pytest.importorskip("onnx")
        colours = weights(3, CLASSES)
        data = onnx_image(24, colours, dtype="float32", channels_first=channels_first)
        bundle = add(write(tmp_path, "sees.onnx", data), names, pixels="signed", resize=Resize.CENTRE_CROP)
        image = bundle.manifest.image
        assert image is not None
        assert (image.height, image.width, image.channels_first, image.dtype) == (24, 24, channels_first, "float32")
        assert (image.mean, image.std, image.resize) == ((0.5,) * 3, (0.5,) * 3, Resize.CENTRE_CROP)
        white = np.full((1, 24, 24, 3), 255, np.uint8)
        logits = np.ones(3) @ colours
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(open_model(bundle, slots=1).infer(white).scores[0], expected, atol=1e-5)

    def test_uint8_pixels_need_no_word(self, tmp_path: Path, names: Path) -> None:
        pytest.importorskip("onnx")
        bundle = add(write(tmp_path, "sees.onnx", onnx_image(24, weights(3, CLASSES))), names)
        assert bundle.manifest.image is not None and bundle.manifest.image.dtype == "uint8"
        assert bundle.manifest.activation is Activation.NONE

    def test_the_embedding_is_kept_where_it_is_named(self, tmp_path: Path, names: Path) -> None:
        pytest.importorskip("onnx")
        file = write(tmp_path, "hears.onnx", onnx_sound(SAMPLES, LAYER))
        bundle = add(file, names, sample_rate=8000, activation=Activation.SOFTMAX, embedding="embedding")
        items = np.ones((2, SAMPLES), np.float32)
        embedding = open_model(bundle, slots=1).infer(items).embedding
        assert embedding is not None and embedding.shape == (2, SAMPLES)

    @pytest.mark.parametrize(
        ("operator", "attributes"),
        [("Reshape", {}), ("MeanVarianceNormalization", {"axes": [0, 1]})],
        ids=["rows of all items in one list", "statistics over the batch"],
    )
    def test_a_graph_that_answers_otherwise_in_a_batch_runs_item_by_item(
        self, tmp_path: Path, names: Path, operator: str, attributes: dict[str, Any]
    ) -> None:
        onnx = pytest.importorskip("onnx")
        helper, real = onnx.helper, onnx.TensorProto.FLOAT
        shape = onnx.numpy_helper.from_array(np.asarray([-1, CLASSES], np.int64), "shape")
        graph = helper.make_graph(
            [helper.make_node(operator, ["x", "shape"] if operator == "Reshape" else ["x"], ["y"], **attributes)],
            "tiny",
            [helper.make_tensor_value_info("x", real, ["n", 4 * CLASSES if operator == "Reshape" else CLASSES])],
            [helper.make_tensor_value_info("y", real, ["m", CLASSES])],
            [shape],
        )
        data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        file = write(tmp_path, "odd.onnx", data.SerializeToString())
        bundle = add(file, names, sample_rate=8000, activation=Activation.SIGMOID)
        assert bundle.manifest.graphs[0].max_batch == 1
        assert bundle.manifest.sound is not None
        items = np.random.default_rng(0).uniform(0, 1, (3, bundle.manifest.sound.samples)).astype(np.float32)
        scores = open_model(bundle, slots=1).infer(items).scores
        assert scores.shape == (3, CLASSES)
        np.testing.assert_allclose(scores[1:2], open_model(bundle, slots=1).infer(items[1:2]).scores, atol=1e-6)


class TestWhatMustBeSaid:
    """Nothing is guessed that a graph does not say."""

    @pytest.fixture
    def hears(self, tmp_path: Path) -> Path:
        return write(tmp_path, "hears.tflite", tflite_dense(LAYER))

    def test_the_sample_rate_of_sound(self, hears: Path, names: Path) -> None:
        with pytest.raises(ConversionError, match="say --sample-rate HERTZ"):
            add(hears, names)

    def test_whether_logits_are_one_choice_or_many(self, hears: Path, names: Path) -> None:
        with pytest.raises(ConversionError, match=r"--activation softmax .* or --activation sigmoid"):
            add(hears, names, sample_rate=8000)

    def test_what_float_pixels_are(self, tmp_path: Path, names: Path) -> None:
        pytest.importorskip("onnx")
        file = write(tmp_path, "sees.onnx", onnx_image(24, weights(3, CLASSES), dtype="float32"))
        with pytest.raises(ConversionError, match=r"--pixels unit \| signed \| raw \| imagenet"):
            add(file, names)

    def test_a_label_list_of_another_length_is_refused_with_both_numbers(self, hears: Path, tmp_path: Path) -> None:
        short = write(tmp_path, "short.txt", b"a\nb\n")
        with pytest.raises(ConversionError, match="label list has 2 lines, but the outputs are 'scores' with 12"):
            add(hears, short, sample_rate=8000)

    def test_two_outputs_that_fit_need_a_word(self, tmp_path: Path) -> None:
        pytest.importorskip("onnx")
        file = write(tmp_path, "square.onnx", onnx_sound(12, weights(12, 12)))
        names = write(tmp_path, "n.txt", b"x\n" * 12)
        with pytest.raises(ConversionError, match=r"Say --scores logits \| embedding"):
            add(file, names, sample_rate=8000)
        assert add(file, names, sample_rate=8000, scores="logits", activation=Activation.SIGMOID)

    @pytest.mark.parametrize(
        ("name", "data", "error"),
        [
            ("photo.jpg", b"\xff\xd8\xff", ConversionError),
            ("broken.onnx", b"no protobuf at all", EngineError),
            ("broken.tflite", b"\0\0\0\0TFL3" + bytes(40), EngineError),
        ],
    )
    def test_what_is_no_graph_is_refused(
        self, tmp_path: Path, names: Path, name: str, data: bytes, error: type[ModelError]
    ) -> None:
        with pytest.raises(error, match=name):
            add(write(tmp_path, name, data), names)

    def test_missing_files_are_named(self, tmp_path: Path, names: Path) -> None:
        with pytest.raises(ConversionError, match=r"nowhere\.onnx cannot be read"):
            add(tmp_path / "nowhere.onnx", names)
        with pytest.raises(ConversionError, match=r"nowhere\.txt cannot be read"):
            add(write(tmp_path, "hears.tflite", tflite_dense(LAYER)), tmp_path / "nowhere.txt")

    @pytest.mark.parametrize("name", ["../escape", "Upper", "a b", "", "a--b", "-a"])
    def test_names_that_are_no_names(self, hears: Path, names: Path, name: str) -> None:
        with pytest.raises(ConversionError, match="is no name for a bundle"):
            add(hears, names, name)

    def test_adding_twice_needs_the_word(self, hears: Path, names: Path) -> None:
        wishes = Wishes(sample_rate=8000, activation=Activation.SIGMOID)
        directory = hears.parent / "models"
        first = add_model(hears, labels=names, name="twice", directory=directory, wishes=wishes)
        with pytest.raises(BundleError, match="something already"):
            add_model(hears, labels=names, name="twice", directory=directory, wishes=wishes)
        again = add_model(hears, labels=names, name="twice", directory=directory, wishes=wishes, replace=True)
        assert again.digest == first.digest


# Real graphs

ESC10 = {
    "baby_cry": ("Baby cry, infant cry", "Crying, sobbing"),
    "chainsaw": ("Chainsaw",),
    "clock_tick": ("Clock", "Tick", "Tick-tock"),
    "dog_bark": ("Dog", "Bark", "Bow-wow"),
    "fire_crackling": ("Fire", "Crackle"),
    "helicopter": ("Helicopter",),
    "person_sneeze": ("Sneeze",),
    "rain": ("Rain", "Raindrop", "Rain on surface"),
    "rooster": ("Chicken, rooster", "Crowing, cock-a-doodle-doo"),
    "sea_waves": ("Ocean", "Waves, surf"),
}
"""ESC-10's classes and the names that YAMNet has for the same sounds, by their words."""


def add_real(shared: Path, tmp_path: Path, file: str, labels: str, **wishes: Any) -> Model:
    models = shared / "models"
    bundle = add_model(
        models / file, labels=models / labels, name="real", directory=tmp_path, wishes=Wishes(**wishes), replace=True
    )
    return open_model(bundle, slots=1)


def best(model: Model, scores: NDArray[np.float32]) -> str:
    return model.bundle.labels[int(scores.argmax())].name


def look(model: Model, path: Path) -> NDArray[np.float32]:
    """Scores [classes] of a whole frame, stretched to the model's square, the importer's default."""
    image = model.bundle.manifest.image
    assert image is not None and image.resize is Resize.STRETCH
    frame = images.decode(path.read_bytes(), Limits(), short_side=image.height)
    scores: NDArray[np.float32] = model.infer(
        images.resize(frame.pixels, image.height, image.width)[np.newaxis]
    ).scores[0]
    return scores


def test_yamnet_is_right_on_85_of_the_90_clips_of_esc10(shared_data: Path, tmp_path: Path) -> None:
    model = add_real(shared_data, tmp_path, "yamnet.tflite", "yamnet_class_map.csv", sample_rate=16_000)
    assert model.bundle.manifest.activation is Activation.NONE
    at = {label.name: label.index for label in model.bundle.labels}
    columns = {name: [at[sound] for sound in sounds] for name, sounds in ESC10.items()}
    with (shared_data / "sound_clips" / "esc10" / "labels.csv").open(newline="") as stream:
        clips = list(csv.DictReader(stream))
    right = 0
    for clip in clips:
        with audio.open_sound(shared_data / clip["file"], Limits()) as reader:
            rate = reader.header.sample_rate
        samples = soxr.resample(audio.decode(shared_data / clip["file"], Limits()).mean(axis=0), rate, 16_000)
        windows = samples[: len(samples) // 15_600 * 15_600].reshape(-1, 15_600)
        mean = model.infer(windows).scores.mean(axis=0)
        closed = {name: float(mean[found].sum()) for name, found in columns.items()}
        right += max(closed, key=closed.__getitem__) == clip["label"]
    assert len(clips) == 90
    assert right >= 85


def test_the_insect_bundle_names_the_dragonfly_and_is_sure(shared_data: Path, tmp_path: Path) -> None:
    model = add_real(shared_data, tmp_path, "inat_insect_mobilenetv2_quant.tflite", "inat_insect_labels.txt")
    scores = look(model, shared_data / "models" / "smoke_images" / "dragonfly.bmp")
    label = model.bundle.labels[int(scores.argmax())]
    # A dasher, one of the skimmers (Libellulidae): a dragonfly.
    assert (label.name, label.common_name) == ("Micrathyria hagenii", "Thornbush Dasher")
    assert scores.max() > 0.5


def test_the_bird_bundle_names_the_macaw_and_the_owl(shared_data: Path, tmp_path: Path) -> None:
    model = add_real(shared_data, tmp_path, "inat_bird_mobilenetv2_quant.tflite", "inat_bird_labels.txt")
    photos = shared_data / "models" / "smoke_images"
    assert best(model, look(model, photos / "parrot.jpg")) == "Ara macao"
    assert best(model, look(model, photos / "owl.jpg")) == "Athene cunicularia"


def test_the_honey_bee_is_in_every_whole_flower_frame(shared_data: Path, tmp_path: Path) -> None:
    model = add_real(shared_data, tmp_path, "inat_insect_mobilenetv2_quant.tflite", "inat_insect_labels.txt")
    bee = next(label.index for label in model.bundle.labels if label.name == "Apis mellifera")
    frames = sorted((shared_data / "camera_sequences" / "insectdct_flowers_gpl3").glob("*.jpg"))
    scores = [float(look(model, frame)[bee]) for frame in frames]
    assert len(scores) == 35
    assert min(scores) >= 0.5


def test_imagenets_background_and_names_of_things_are_no_taxa(shared_data: Path, tmp_path: Path) -> None:
    model = add_real(
        shared_data, tmp_path, "mobilenet_v1_0.25_128_quant_imagenet.tflite", "imagenet_labels.txt", version="0.25"
    )
    assert {label.rank for label in model.bundle.labels} == {"none"}
    assert model.bundle.labels[0].role.value == "background"
    assert "macaw" in best(model, look(model, shared_data / "models" / "smoke_images" / "parrot.jpg"))


def test_an_embedding_net_is_no_classifier_and_is_refused_with_its_width(shared_data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"965 lines, but the outputs are .*AvgPool' with 1024"):
        add_real(shared_data, tmp_path, "mobilenet_v1_1.0_224_quant_embedding.tflite", "inat_bird_labels.txt")


def test_the_embedding_nets_output_is_read_by_its_scale(shared_data: Path) -> None:
    data = (shared_data / "models" / "mobilenet_v1_1.0_224_quant_embedding.tflite").read_bytes()
    engine = LiteRTEngine(data, max_batch=8, slots=1, name="embedding")
    (port,) = engine.outputs.values()
    assert port.shape[-1] == 1024
    assert port.quantisation is not None and port.quantisation.scale == pytest.approx(0.0235, abs=1e-4)
