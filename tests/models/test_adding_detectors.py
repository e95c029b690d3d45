"""Somebody else's detector becomes a bundle: what its graph shows is read, what it does not is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from detector_graphs import SIDE, spots, stated
from katydid.models.adding import Wishes, add_model
from katydid.models.adding_detector import DetectorWishes
from katydid.models.bundle import Bundle
from katydid.models.errors import ConversionError
from katydid.models.manifest import (
    Activation,
    BundleKind,
    CentreOutput,
    Detector,
    RtDetrOutput,
    SsdOutput,
    Tiles,
    YoloOutput,
)
from katydid.models.model import open_model

WHITE = np.full((1, SIDE, SIDE, 3), 255, np.uint8)
ANCHORS = 40


def add(tmp_path: Path, graph: bytes, labels: int = 2, wishes: dict[str, Any] | None = None, **said: Any) -> Bundle:
    """A bundle of a graph; `said` goes to the detector's wishes."""
    (tmp_path / "finder.onnx").write_bytes(graph)
    (tmp_path / "names.txt").write_text("".join(f"class {index}\n" for index in range(labels)))
    detector = DetectorWishes(**{"outputs": {}, **said})
    return add_model(
        tmp_path / "finder.onnx",
        labels=tmp_path / "names.txt",
        name="finder",
        directory=tmp_path / "models",
        wishes=Wishes(detector=detector, **(wishes or {})),
    )


def anchors(scores: int, relative: bool = False) -> NDArray[np.float64]:
    """A row an anchor: boxes of 8 pixels in a row, the first with a score of .9 for its first class."""
    rows = np.zeros((ANCHORS, 4 + scores))
    rows[:, :4] = [(4 + index, 20, 8, 8) for index in range(ANCHORS)]
    rows[0, 4:] = 0.9
    if relative:
        rows[:, :4] /= SIDE
    return rows


def contract(bundle: Bundle) -> Detector:
    assert bundle.manifest.kind is BundleKind.DETECTOR
    assert bundle.manifest.detector is not None
    return bundle.manifest.detector


def first_box(bundle: Bundle) -> list[float]:
    seen = open_model(bundle, slots=1).infer(WHITE)
    assert seen.boxes is not None
    return [round(float(value), 4) for value in seen.boxes[0, 0]]


def test_yolo_8_is_told_by_its_numbers_and_pixels_by_their_size(tmp_path: Path) -> None:
    bundle = add(tmp_path, stated({"out": anchors(2).T.copy()}, "none"), shape="yolo")
    assert contract(bundle).output == YoloOutput(anchors_last=True)
    assert bundle.manifest.graphs[0].scores == "out"
    assert bundle.manifest.activation is Activation.NONE
    assert first_box(bundle) == [0, 0.25, 0.125, 0.375]


def test_yolo_5_is_told_by_its_numbers_and_shares_by_their_size(tmp_path: Path) -> None:
    bundle = add(tmp_path, stated({"out": anchors(3, relative=True)}, "none"), shape="yolo")
    assert contract(bundle).output == YoloOutput(objectness=True, relative=True)
    assert first_box(bundle) == [0, 0.25, 0.125, 0.375]


def test_yolo_with_numbers_for_other_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConversionError, match=r"no output has 5 or 6 numbers an anchor, as 1 labels want: 'out' \[n, 40, 7\]"
    ):
        add(tmp_path, stated({"out": anchors(3)}, "none"), labels=1, shape="yolo")


def test_logits_are_asked_about(tmp_path: Path) -> None:
    rows = anchors(2)
    rows[:, 4:] = -3.0
    with pytest.raises(ConversionError, match="--activation softmax"):
        add(tmp_path, stated({"out": rows}, "none"), shape="yolo")
    bundle = add(tmp_path, stated({"out": rows}, "none"), shape="yolo", wishes={"activation": Activation.SIGMOID})
    assert bundle.manifest.activation is Activation.SIGMOID


class TestSsd:
    K = 20

    def graph(self) -> bytes:
        outputs = {
            "a": np.tile((0.25, 0.5, 0.5, 1.0), (self.K, 1)),
            "b": np.arange(self.K) % 2.0,
            "c": np.linspace(0.9, 0.05, self.K),
            "d": np.array([3.0]),
        }
        return stated(outputs, "none")

    def test_boxes_classes_scores_and_count_are_told_by_shape_and_value(self, tmp_path: Path) -> None:
        bundle = add(tmp_path, self.graph(), shape="ssd", first_class=0, y_first=True)
        assert contract(bundle).output == SsdOutput(boxes="a", classes="b", count="d", relative=True)
        assert bundle.manifest.graphs[0].scores == "c"
        assert first_box(bundle) == [0.5, 0.25, 1.0, 0.5]

    def test_the_order_of_corners_and_the_first_class_are_asked_for(self, tmp_path: Path) -> None:
        with pytest.raises(ConversionError, match=r"--first-class 0, or 1 .* --corners yx"):
            add(tmp_path, self.graph(), shape="ssd")

    def test_outputs_that_look_alike_are_asked_about(self, tmp_path: Path) -> None:
        outputs = {"a": np.tile((0.25, 0.5, 0.5, 1.0), (self.K, 1)), "b": np.zeros(self.K), "c": np.ones(self.K)}
        with pytest.raises(ConversionError, match=r"--scores NAME --output classes=NAME"):
            add(tmp_path, stated(outputs, "none"), shape="ssd", first_class=0, y_first=True)
        bundle = add(
            tmp_path, stated(outputs, "none"), shape="ssd", first_class=0, y_first=True,
            outputs={"classes": "b"}, wishes={"scores": "c"},
        )  # fmt: skip
        assert contract(bundle).output == SsdOutput(boxes="a", classes="b")


def test_rt_detr_has_one_output_of_four_numbers_and_one_for_the_labels(tmp_path: Path) -> None:
    outputs = {"pred_boxes": np.tile((0.5, 0.25, 0.5, 0.25), (20, 1)), "logits": np.full((20, 2), -4.0)}
    bundle = add(tmp_path, stated(outputs, "none"), shape="rt-detr", wishes={"activation": Activation.SIGMOID})
    assert contract(bundle).output == RtDetrOutput(boxes="pred_boxes")
    assert bundle.manifest.graphs[0].scores == "logits"
    assert first_box(bundle) == [0.25, 0.125, 0.75, 0.375]


def test_a_heat_map_is_named_with_its_sizes_and_offsets(tmp_path: Path) -> None:
    named = {"size": "size", "offset": "offset"}
    bundle = add(
        tmp_path, spots(), labels=1, shape="centre", outputs=named, short_sides=(1536,), tile_overlap=16,
        wishes={"scores": "heat"},
    )  # fmt: skip
    assert contract(bundle) == Detector(
        output=CentreOutput(size="size", offset="offset"), tiles=Tiles(short_sides=(1536,), overlap=16)
    )
    with pytest.raises(ConversionError, match=r"--scores NAME \(the heat map\) --output size=NAME"):
        add(tmp_path, spots(), labels=1, shape="centre")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"shape": "fcos"}, "'fcos' is no shape of a detector's output; there are yolo, ssd, rt-detr, centre"),
        ({"shape": "yolo", "outputs": {"boxes": "out"}}, "yolo has no output for 'boxes'"),
        ({"shape": "rt-detr", "outputs": {"boxes": "nowhere"}}, "no output 'nowhere'"),
        ({"shape": "yolo", "short_sides": (1000,), "tile_overlap": 60}, r"share 60 pixels: 0 to half a tile's side"),
        ({"shape": "yolo", "short_sides": (10**9,), "tile_overlap": 8}, "pixels on its shorter side"),
        ({"shape": "yolo", "overlap": 7.0}, "an overlap of 7.0"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, said: dict[str, Any], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        add(tmp_path, stated({"out": anchors(2)}, "none"), **said)
    assert not (tmp_path / "models").exists()
