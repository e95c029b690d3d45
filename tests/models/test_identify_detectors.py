"""A detector in the frame path: it proposes, classifiers name, and alone it says what its own classes say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from detector_graphs import bundle_of, spot, spot_bundle, stated
from katydid.models.bundle import write_bundle
from katydid.models.identify import Look, identification, identify
from katydid.models.labels import write_labels
from katydid.models.manifest import (
    FORMAT,
    BundleKind,
    BundleManifest,
    Calibration,
    Detector,
    Graph,
    ImageInput,
    Label,
    RtDetrOutput,
    Thresholds,
    Tiles,
)
from katydid.models.model import Model, open_model
from katydid.models.outcome import Box, Outcome, Status, Verdict
from katydid.models.settings import IdentifySettings, Mask
from katydid.sensors.capture import Capture, Clock, ClockSource, Kind
from katydid.sensors.limits import Limits
from tiny_graphs import onnx_image

LIMITS = Limits()
TILES = Tiles(short_sides=(208,), overlap=16)
"""A frame of 256 x 208 is cut into five by four tiles."""


def frame(*spots: tuple[int, int, int, float], enlarged: int = 1) -> NDArray[np.uint8]:
    """208 x 256 pixels with spots (x, y, side, score), each pixel `enlarged`."""
    pixels = np.zeros((208, 256, 3), np.uint8)
    pixels[:, :, 2] = 200
    for x, y, side, share in spots:
        spot(pixels, x, y, side, share)
    return pixels.repeat(enlarged, axis=0).repeat(enlarged, axis=1)


def capture(pixels: NDArray[np.uint8], sensor: str = "s") -> Capture:
    payload = cv2.imencode(".png", pixels[:, :, ::-1])[1].tobytes()
    return Capture(
        capture_id="a" * 32, sensor_id=sensor, kind=Kind.FRAME, captured_at=0, clock=Clock(source=ClockSource.NONE),
        media_type="image/png", payload=payload, sha256="0" * 64, length=len(payload),
    )  # fmt: skip


def finder(tmp_path: Path, **changes: Any) -> Model:
    return open_model(spot_bundle(tmp_path, TILES, **changes), slots=1)


def namer(tmp_path: Path, weight: float = 500.0) -> Model:
    """Calls what is red enough a bee, with a softmax of mean red times `weight` against 1."""
    layer = np.array([(weight, 0), (0, 0), (0, 0)], np.float32)
    labels = [Label(index=0, taxon_id="name:Apis mellifera", name="Apis mellifera", rank="species"),
              Label(index=1, taxon_id="name:nothing", name="nothing", rank="none")]  # fmt: skip
    manifest = BundleManifest(
        format=FORMAT, name="namer", version="1", title="", kind=BundleKind.IMAGE_CLASSIFIER,
        graphs=(Graph(file="g.onnx", engine="onnx", input="pixels", scores="scores", max_batch=8),),
        image=ImageInput(height=32, width=32), thresholds=Thresholds(report=0.6, accept=0.7),
        licence="CC0-1.0", credit="", uses="", files={},
    )  # fmt: skip
    contents = {"g.onnx": onnx_image(32, layer), "labels.csv": write_labels(labels)}
    return open_model(write_bundle(tmp_path / "namer", manifest, contents), slots=1)


def seen(pixels: NDArray[np.uint8], *models: Model, **settings: Any) -> Outcome:
    return identify(capture(pixels), models, IdentifySettings(**settings), LIMITS)


def boxes(outcome: Outcome) -> list[tuple[int, int, int, int]]:
    """In pixels of 256 x 208, from the surest down."""
    found = [detection.box for detection in outcome.detections]
    return [(round(b.x * 256), round(b.y * 208), round(b.w * 256), round(b.h * 208)) for b in found if b]


def test_alone_it_answers_with_its_own_class_at_its_own_rank(tmp_path: Path) -> None:
    outcome = seen(frame((40, 80, 12, 0.9), (200, 20, 20, 0.4)), finder(tmp_path))
    assert outcome.status is Status.IDENTIFIED
    assert boxes(outcome) == [(36, 76, 12, 12), (192, 12, 20, 20)]
    sure, doubtful = outcome.detections
    assert sure.taxon is not None and (sure.taxon.name, sure.taxon.rank) == ("Insecta", "class")
    assert sure.model == "finder-1"
    assert sure.score == pytest.approx(0.9, abs=0.002)
    assert (sure.decision.verdict, doubtful.decision.verdict) == (Verdict.ACCEPTED, Verdict.REVIEW)
    assert [(ran.bundle, ran.engine) for ran in outcome.ran] == [("finder-1", "onnx")]
    assert (outcome.effort.frames, outcome.effort.width, outcome.effort.height) == (1, 256, 208)


def test_small_ones_are_no_less_sure_for_being_small(tmp_path: Path) -> None:
    (found,) = seen(frame((40, 80, 12, 0.9)), finder(tmp_path)).detections
    size = next(measure for measure in found.quality if measure.name == "crop_px")
    assert (size.value, size.passed) == (12.0, None)
    assert found.decision.verdict is Verdict.ACCEPTED


def test_an_empty_frame_is_empty_and_was_looked_at(tmp_path: Path) -> None:
    outcome = seen(frame(), finder(tmp_path))
    assert (outcome.status, outcome.effort.frames) == (Status.EMPTY, 1)


def test_classifiers_name_what_it_finds_where_that_is_large_enough(tmp_path: Path) -> None:
    pixels = frame((40, 80, 12, 0.9), (100, 100, 40, 0.95))
    outcome = seen(pixels, finder(tmp_path), namer(tmp_path))
    assert boxes(outcome) == [(82, 82, 40, 40), (36, 76, 12, 12)]
    large, small = outcome.detections
    assert large.taxon is not None and (large.taxon.name, large.model) == ("Apis mellifera", "namer-1")
    # 12 pixels are too few for a classifier; the detector's own word stays.
    assert small.taxon is not None and (small.taxon.name, small.model) == ("Insecta", "finder-1")
    assert [ran.bundle for ran in outcome.ran] == ["finder-1", "namer-1"]


def test_what_no_classifier_names_keeps_the_detectors_own_name(tmp_path: Path) -> None:
    (found,) = seen(frame((100, 100, 40, 0.95)), finder(tmp_path), namer(tmp_path, weight=0.0)).detections
    assert found.taxon is not None and (found.taxon.name, found.model) == ("Insecta", "finder-1")


def test_an_insect_over_several_tiles_is_one(tmp_path: Path) -> None:
    # Tiles begin every 48 pixels: the spot is seen by four of them.
    assert boxes(seen(frame((52, 48, 28, 0.9)), finder(tmp_path))) == [(40, 36, 28, 28)]


def test_it_looks_at_the_frame_reduced_to_its_scale(tmp_path: Path) -> None:
    pixels = frame((40, 80, 12, 0.9), enlarged=3)
    outcome = seen(pixels, finder(tmp_path))
    assert outcome.effort.width == 768
    assert boxes(outcome) == [(36, 76, 12, 12)]
    asked = []
    steps = identification(capture(pixels), [finder(tmp_path / "again")], IdentifySettings(), LIMITS)
    question = next(steps)
    with pytest.raises(StopIteration):
        while True:
            assert isinstance(question, Look)
            asked.append(question.items.shape)
            question = steps.send(question.model.infer(question.items))
    assert [shape[0] for shape in asked] == [16, 4], "no more than windows_at_once are in memory"
    assert {shape[1:] for shape in asked} == {(64, 64, 3)}


def test_a_mask_hides_what_lies_in_it(tmp_path: Path) -> None:
    pixels, model = frame((40, 80, 12, 0.9), (200, 20, 20, 0.8)), finder(tmp_path)
    right = Mask(sensor="s", polygons=(((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)),))
    assert boxes(seen(pixels, model, masks=(right,))) == [(36, 76, 12, 12)]


def test_where_the_settings_say_where_to_look_no_detector_is_asked(tmp_path: Path) -> None:
    outcome = seen(frame((40, 80, 12, 0.9)), finder(tmp_path), namer(tmp_path), region="whole")
    assert [ran.bundle for ran in outcome.ran] == ["namer-1"]


def test_the_least_probability_is_a_floor_under_its_boxes(tmp_path: Path) -> None:
    pixels, model = frame((40, 80, 12, 0.9), (200, 20, 20, 0.4), (100, 40, 20, 0.1)), finder(tmp_path)
    assert len(seen(pixels, model, min_probability=0.5).detections) == 1
    assert len(seen(pixels, model, min_probability=0.05).detections) == 3


def test_its_calibration_makes_probabilities_of_scores(tmp_path: Path) -> None:
    model = finder(tmp_path, calibration=Calibration(temperature=0.5, bias=0.25))
    (found,) = seen(frame((40, 80, 12, 0.6)), model).detections
    score = 153 / 255
    logit = np.log(score / (1 - score)) / 0.5 + 0.25
    assert found.score == pytest.approx(score, abs=1e-6)
    assert found.probability == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)


def test_of_two_detectors_boxes_for_one_insect_the_surer_stays(tmp_path: Path) -> None:
    box = Box(x=38 / 256, y=78 / 208, w=12 / 256, h=12 / 208)
    outputs = {
        "scores": np.array([(0.95,), (0.7,)]),
        "boxes": np.array([(box.x + box.w / 2, box.y + box.h / 2, box.w, box.h), (0.8, 0.8, 0.1, 0.1)]),
    }
    detector = Detector(output=RtDetrOutput(boxes="boxes"))
    other = bundle_of(tmp_path, stated(outputs, "none"), detector, name="other")
    outcome = seen(frame((40, 80, 12, 0.9)), finder(tmp_path), open_model(other, slots=1))
    assert [(one.model, round(one.score, 2)) for one in outcome.detections] == [("other-1", 0.95), ("other-1", 0.7)]
