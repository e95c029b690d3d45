"""The detector that ships: it opens, is small, says where it comes from, waits to be asked, and finds insects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from katydid.models.box_metrics import Judged, matched, recall
from katydid.models.bundle import Bundle, open_bundle
from katydid.models.identify import identify
from katydid.models.library import BUNDLED, Library
from katydid.models.model import Model, open_model
from katydid.models.outcome import Outcome
from katydid.models.settings import IdentifySettings
from katydid.sensors.capture import Capture, Clock, ClockSource, Kind
from katydid.sensors.limits import Limits

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(BUNDLED / "insect-detector")


@pytest.fixture(scope="module")
def model(bundle: Bundle) -> Iterator[Model]:
    opened = open_model(bundle, slots=1)
    yield opened
    opened.close()


def seen(model: Model, jpeg: bytes) -> Outcome:
    capture = Capture(
        capture_id="a" * 32, sensor_id="s", kind=Kind.FRAME, captured_at=0, clock=Clock(source=ClockSource.NONE),
        media_type="image/jpeg", payload=jpeg, sha256="0" * 64, length=len(jpeg),
    )  # fmt: skip
    return identify(capture, [model], IdentifySettings(), Limits())


def judged(outcome: Outcome, truth: NDArray[np.float32]) -> Judged:
    width, height = outcome.effort.width, outcome.effort.height
    boxes = [(d.box.x, d.box.y, d.box.x + d.box.w, d.box.y + d.box.h) for d in outcome.detections if d.box]
    found = np.array(boxes, np.float32).reshape(-1, 4) * np.array((width, height, width, height), np.float32)
    return Judged(truth, found, np.array([d.score for d in outcome.detections], np.float32))


def test_it_takes_six_megabytes_at_most(bundle: Bundle) -> None:
    assert sum(path.stat().st_size for path in bundle.path.rglob("*") if path.is_file()) <= 6 * MIB


def test_it_gives_credit_where_the_licences_ask_for_it(bundle: Bundle) -> None:
    for text in (bundle.manifest.credit, bundle.read("card.md").decode(), bundle.read("LICENSE.txt").decode()):
        for name in ("SPOHF", "insect-detection-yellow-traps", "CC BY 4.0", "Kelcey", "MIT"):
            assert name in text
    assert (
        "The above copyright notice and this permission notice shall be included" in bundle.read("LICENSE.txt").decode()
    )


def test_its_card_tells_held_out_figures_beside_two_others(bundle: Bundle) -> None:
    text = bundle.read("card.md").decode()
    assert "| figure | insect-detector | settled | dark blobs |" in text
    assert "held out" in text


def test_it_runs_only_where_it_is_named() -> None:
    library = Library((BUNDLED,))
    assert "insect-detector" in library.names()
    assert not library.fitting(Kind.FRAME)


def test_an_empty_trap_is_empty(model: Model) -> None:
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.normal((20, 200, 230), 3, (1024, 768, 3)).astype(np.float32), (5, 5), 0)
    jpeg = cv2.imencode(".jpg", np.clip(ground, 0, 255).astype(np.uint8))[1].tobytes()
    assert not seen(model, jpeg).detections


def test_most_of_what_was_drawn_by_hand_is_found_at_its_class(model: Model, shared_data: Path) -> None:
    """On photos that it was taught: whether it still works, not how well it does (its card says that)."""
    folder = shared_data / "images_detect/spohf_sticky_traps"
    coco = json.loads((folder / "_annotations.coco.json").read_text())
    images = sorted(coco["images"], key=lambda image: str(image["file_name"]))[3:90:40]
    photos = []
    for image in images:
        corners = [each["bbox"] for each in coco["annotations"] if each["image_id"] == image["id"]]
        truth = np.array([(x, y, x + w, y + h) for x, y, w, h in corners], np.float32)
        outcome = seen(model, (folder / image["file_name"]).read_bytes())
        assert {d.taxon.name for d in outcome.detections if d.taxon} == {"Insecta"}
        assert all(d.probability is not None and d.probability >= 0.2 for d in outcome.detections)
        photos.append(judged(outcome, truth))
    together = matched(photos, 0.3)
    assert recall(together, 0.0) > 0.7
    assert together.right.mean() > 0.35, "whoever drew the boxes left many insects out"
