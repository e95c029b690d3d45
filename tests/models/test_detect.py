"""Boxes by arithmetic from each shape of output; contracts that cannot hold are refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from detector_graphs import SIDE, bundle_of, spot, spot_bundle, stated
from katydid.models.bundle import Bundle, open_bundle
from katydid.models.errors import BundleError, EngineError
from katydid.models.manifest import (
    Activation,
    CentreOutput,
    Detector,
    ImageInput,
    RtDetrOutput,
    SsdOutput,
    Tiles,
    YoloOutput,
)
from katydid.models.model import Seen, open_model

TWO = (("Apis", "genus"), ("Bombus", "genus"))
WHITE = np.full((1, SIDE, SIDE, 3), 255, np.uint8)
BLACK = np.zeros((1, SIDE, SIDE, 3), np.uint8)


def seen_by(bundle: Bundle, items: NDArray[np.uint8]) -> Seen:
    model = open_model(bundle, slots=1)
    try:
        return model.infer(items)
    finally:
        model.close()


def expect(seen: Seen, boxes: Sequence[tuple[float, ...]], scores: Sequence[tuple[float, ...]]) -> None:
    """The rows that stand for something are these, in this order."""
    assert seen.boxes is not None
    real = seen.scores[0].max(axis=1) > 0
    np.testing.assert_allclose(seen.boxes[0][real], np.array(boxes).reshape(-1, 4), atol=1e-6)
    np.testing.assert_allclose(seen.scores[0][real], np.array(scores).reshape(-1, seen.scores.shape[2]), atol=1e-6)


class TestYolo:
    ROWS = np.array(
        [
            (16, 16, 8, 16, 0.6, 0.1),  # centre 16, 16; 8 wide, 16 high
            (48, 32, 16, 16, 0.2, 0.9),
            (49, 32, 16, 16, 0.1, 0.7),  # the same one again: 15 / 17 of both
            (30, 30, 4, 4, 0.001, 0.002),
        ]
    )
    BOXES = ((40 / 64, 24 / 64, 56 / 64, 40 / 64), (12 / 64, 8 / 64, 20 / 64, 24 / 64))

    def test_version_8_has_the_anchors_last(self, tmp_path: Path) -> None:
        graph = stated({"scores": self.ROWS.T.copy()}, "none")
        detector = Detector(output=YoloOutput(anchors_last=True))
        seen = seen_by(bundle_of(tmp_path, graph, detector, labels=TWO), WHITE)
        expect(seen, list(self.BOXES), [(0.2, 0.9), (0.6, 0.1)])

    def test_version_5_has_a_number_for_anything_at_all(self, tmp_path: Path) -> None:
        rows = np.insert(self.ROWS, 4, (1.0, 0.5, 0.9, 1.0), axis=1)
        graph = stated({"scores": rows}, "scores", columns=slice(5, None))
        seen = seen_by(bundle_of(tmp_path, graph, Detector(output=YoloOutput(objectness=True)), labels=TWO), WHITE)
        # The second says .9 of a .5: .45; its double .7 of a .9: .63, and stands now for both.
        boxes = [(41 / 64, 24 / 64, 57 / 64, 40 / 64), (12 / 64, 8 / 64, 20 / 64, 24 / 64)]
        expect(seen, boxes, [(0.09, 0.63), (0.6, 0.1)])

    def test_boxes_may_be_shares_of_the_input(self, tmp_path: Path) -> None:
        rows = self.ROWS.copy()
        rows[:, :4] /= SIDE
        detector = Detector(output=YoloOutput(relative=True))
        expect(
            seen_by(bundle_of(tmp_path, stated({"scores": rows}, "none"), detector, labels=TWO), WHITE),
            list(self.BOXES),
            [(0.2, 0.9), (0.6, 0.1)],
        )

    def test_a_black_picture_has_none(self, tmp_path: Path) -> None:
        graph = stated({"scores": self.ROWS}, "scores", columns=slice(4, None))
        expect(seen_by(bundle_of(tmp_path, graph, Detector(output=YoloOutput()), labels=TWO), BLACK), [], [])

    def test_numbers_that_do_not_fit_the_labels_are_an_error(self, tmp_path: Path) -> None:
        bundle = bundle_of(tmp_path, stated({"scores": self.ROWS}, "none"), Detector(output=YoloOutput()))
        with pytest.raises(EngineError, match=r"finder.onnx: the output 'scores' has the shape .*5 numbers an anchor"):
            seen_by(bundle, WHITE)


class TestSsd:
    def outputs(self, first: int) -> dict[str, NDArray[Any]]:
        return {
            "boxes": np.array([(0.25, 0.5, 0.5, 1.0), (0.0, 0.0, 0.25, 0.125), (0.6, 0.6, 0.8, 0.8)]),
            "scores": np.array([0.8, 0.4, 0.9]),
            "classes": np.array([1.0, 0.0, 1.0]) + first,
        }

    def test_corners_come_y_first_and_only_so_many_count(self, tmp_path: Path) -> None:
        outputs = {**self.outputs(0), "count": np.array([2.0])}
        shape = SsdOutput(boxes="boxes", classes="classes", count="count")
        seen = seen_by(bundle_of(tmp_path, stated(outputs, "scores"), Detector(output=shape), labels=TWO), WHITE)
        expect(seen, [(0.5, 0.25, 1.0, 0.5), (0.0, 0.0, 0.125, 0.25)], [(0, 0.8), (0.4, 0)])

    def test_classes_may_begin_at_one_after_the_background(self, tmp_path: Path) -> None:
        outputs = self.outputs(1)
        outputs["classes"][2] = 0
        shape = SsdOutput(boxes="boxes", classes="classes", first_class=1, y_first=False)
        seen = seen_by(bundle_of(tmp_path, stated(outputs, "scores"), Detector(output=shape), labels=TWO), WHITE)
        expect(seen, [(0.25, 0.5, 0.5, 1.0), (0.0, 0.0, 0.25, 0.125)], [(0, 0.8), (0.4, 0)])

    def test_corners_may_be_pixels(self, tmp_path: Path) -> None:
        outputs = {**self.outputs(0), "boxes": self.outputs(0)["boxes"] * SIDE}
        shape = SsdOutput(boxes="boxes", classes="classes", relative=False)
        seen = seen_by(bundle_of(tmp_path, stated(outputs, "scores"), Detector(output=shape), labels=TWO), WHITE)
        expected = [(0.6, 0.6, 0.8, 0.8), (0.5, 0.25, 1.0, 0.5), (0.0, 0.0, 0.125, 0.25)]
        expect(seen, expected, [(0, 0.9), (0, 0.8), (0.4, 0)])

    @pytest.mark.parametrize("name", ["boxes", "classes", "count"])
    def test_outputs_of_another_length_are_an_error_that_names_them(self, tmp_path: Path, name: str) -> None:
        outputs = {**self.outputs(0), "count": np.array([2.0])}
        outputs[name] = np.resize(outputs[name], 5)
        shape = SsdOutput(boxes="boxes", classes="classes", count="count")
        bundle = bundle_of(tmp_path, stated(outputs, "scores"), Detector(output=shape), labels=TWO)
        with pytest.raises(EngineError, match=f"the output '{name}' has the shape"):
            seen_by(bundle, WHITE)


def test_rt_detr_has_logits_and_centres(tmp_path: Path) -> None:
    logits = np.array([(2.0, -9.0), (-9.0, 0.0), (-9.0, -9.0)])
    outputs = {"logits": logits, "boxes": np.array([(0.5, 0.25, 0.5, 0.25), (0.25, 0.75, 0.1, 0.2), (0.5, 0.5, 1, 1)])}
    detector = Detector(output=RtDetrOutput(boxes="boxes"))
    bundle = bundle_of(
        tmp_path, stated(outputs, "none"), detector, scores="logits", labels=TWO, activation=Activation.SIGMOID
    )
    low = 1 / (1 + np.exp(9.0))
    expected = [(0.25, 0.125, 0.75, 0.375), (0.2, 0.65, 0.3, 0.85)]
    expect(seen_by(bundle, WHITE), expected, [(1 / (1 + np.exp(-2.0)), low), (low, 0.5)])


class TestCentre:
    def test_a_box_stands_around_each_spot_whatever_its_size(self, tmp_path: Path) -> None:
        frame = BLACK.copy()
        spot(frame[0], 8, 16, 12, 0.8)
        spot(frame[0], 40, 32, 20)
        spot(frame[0], 44, 32, 20, 0.6)  # a neighbour that is less hot is no maximum
        low = round(255 * 0.8) / 255
        boxes = [(32 / 64, 24 / 64, 52 / 64, 44 / 64), (4 / 64, 12 / 64, 16 / 64, 24 / 64)]
        expect(seen_by(spot_bundle(tmp_path), frame), boxes, [(1.0,), (low,)])

    def test_what_reaches_beyond_the_picture_ends_at_it(self, tmp_path: Path) -> None:
        frame = BLACK.copy()
        spot(frame[0], 0, 60, 16)
        expect(seen_by(spot_bundle(tmp_path), frame), [(0, 54 / 64, 10 / 64, 1)], [(1.0,)])

    def test_no_more_boxes_than_the_contract_says(self, tmp_path: Path) -> None:
        frame = BLACK.copy()
        for index in range(6):
            spot(frame[0], 8 * index, 8, 4, 0.5 + index / 20)
        seen = seen_by(spot_bundle(tmp_path, detector={"most": 3}), frame)
        assert seen.scores.shape == (1, 3, 1)
        np.testing.assert_allclose(seen.scores[0, :, 0], [0.75, 0.7, 0.65], atol=0.003)

    def test_a_batch_says_what_its_items_say_alone(self, tmp_path: Path) -> None:
        frames = np.repeat(BLACK, 3, axis=0)
        for index in range(3):
            spot(frames[index], 8 + 16 * index, 8, 12)
        bundle = spot_bundle(tmp_path)
        together = seen_by(bundle, frames)
        assert together.boxes is not None
        for index in range(3):
            alone = seen_by(bundle, frames[index : index + 1])
            assert alone.boxes is not None
            np.testing.assert_array_equal(together.boxes[index], alone.boxes[0])
            np.testing.assert_array_equal(together.scores[index], alone.scores[0])


def test_outputs_that_are_no_numbers_are_an_error(tmp_path: Path) -> None:
    rows = np.array([(16, 16, np.nan, 8, 0.9)])
    bundle = bundle_of(tmp_path, stated({"scores": rows}, "none"), Detector(output=YoloOutput()))
    with pytest.raises(EngineError, match="'scores' holds what are no numbers"):
        seen_by(bundle, WHITE)


def test_an_output_that_the_graph_does_not_have_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    graph = stated({"scores": np.array([0.5])}, "none")
    bundle = bundle_of(tmp_path, graph, Detector(output=RtDetrOutput(boxes="pred_boxes")))
    with pytest.raises(BundleError, match="no tensor 'pred_boxes'"):
        open_model(bundle, slots=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tiles": Tiles(short_sides=(1000,), overlap=40)}, r"share 40 pixels: 0 to half a tile's side \(32\)"),
        ({"tiles": Tiles(short_sides=(1000,), overlap=-1)}, "share -1 pixels"),
        ({"tiles": Tiles(short_sides=(), overlap=8)}, "0 scales"),
        ({"tiles": Tiles(short_sides=(100,) * 5, overlap=8)}, "5 scales"),
        ({"tiles": Tiles(short_sides=(0,), overlap=8)}, "0 pixels on its shorter side"),
        ({"tiles": Tiles(short_sides=(1 << 30,), overlap=8)}, "pixels on its shorter side"),
        ({"most": 0}, "0 boxes a look"),
        ({"most": 10**9}, "boxes a look"),
        ({"overlap": 0.0}, "an overlap of 0.0"),
        ({"overlap": float("nan")}, "got `null`"),
    ],
)
def test_a_contract_that_cannot_hold_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    detector = Detector(output=CentreOutput(size="size", offset="offset"), **changes)
    with pytest.raises(BundleError, match=message):
        bundle_of(tmp_path, b"", detector, scores="heat")
    assert not (tmp_path / "finder").exists()


def test_tiles_of_a_few_pixels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="tiles of 32 x 32 pixels: a side has at least 64"):
        spot_bundle(tmp_path, Tiles(short_sides=(500,), overlap=4), side=32)


def test_a_detector_must_say_where_its_boxes_stand(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="must say where its boxes stand"):
        bundle_of(tmp_path, b"", None)  # type: ignore[arg-type]


def test_an_input_of_no_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="an input of 0 x 64 pixels"):
        bundle_of(tmp_path, b"", Detector(output=YoloOutput()), image=ImageInput(height=0, width=64))


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"shape": "centre"', '"shape": "fcos"'),
        ('"most": 300', '"most": 1e400'),
        ('"short_sides": [', '"short_sides": ["all", '),
        ('"overlap": 0.5', '"overlap": -3'),
        ('"dtype": "uint8"', '"dtype": "object"'),
        ('"size": "size"', '"size": 7'),
    ],
)
def test_what_somebody_wrote_into_a_contract_is_refused_with_the_bundles_name(
    tmp_path: Path, was: str, becomes: str
) -> None:
    path = spot_bundle(tmp_path, Tiles(short_sides=(100,), overlap=8)).path
    text = (path / "bundle.json").read_text()
    assert was in text
    (path / "bundle.json").write_text(text.replace(was, becomes))
    with pytest.raises(BundleError, match=r"finder|an image input of dtype 'object'"):
        open_model(open_bundle(path), slots=1)
