"""The detector's whole story on a few painted traps, end to end: seconds, where torch is installed."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from katydid.models.bundle import Bundle
from katydid.models.model import open_model

pytest.importorskip("torch", reason="needs the train extra")

from katydid.models.training.image import Recipe, train_image

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four yellow traps with black ellipses, and two frames with points."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(1)
    images, annotations = [], []
    (folder / "spohf_sticky_traps").mkdir()
    (folder / "bnn_hive_entrance").mkdir()
    for number in range(4):
        pixels = np.full((420, 360, 3), (20, 200, 230), np.uint8)
        for x, y in rng.integers(40, 320, (8, 2)):
            cv2.ellipse(pixels, (int(x), int(y)), (12, 6), 0, 0, 360, (10, 10, 10), -1)
            annotations.append({"image_id": number, "bbox": [int(x) - 12, int(y) - 6, 25, 13]})
        images.append({"id": number, "file_name": f"trap{number}.png"})
        cv2.imwrite(str(folder / f"spohf_sticky_traps/trap{number}.png"), pixels)
    (folder / "spohf_sticky_traps/_annotations.coco.json").write_text(
        json.dumps({"images": images, "annotations": annotations})
    )
    rows = "".join(f"hive{number}.png,{x},{y}\n" for number in range(2) for x, y in ((100, 100), (200, 150)))
    (folder / "bnn_hive_entrance/bee_points.csv").write_text("file,x,y\n" + rows)
    for number in range(2):
        cv2.imwrite(str(folder / f"bnn_hive_entrance/hive{number}.png"), np.full((300, 300, 3), 120, np.uint8))
    return folder


RECIPE = Recipe(steps=6, folds=2, tested=2, threads=1)


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Path, list[str]]:
    out = tmp_path_factory.mktemp("out")
    said: list[str] = []
    return train_image(data, out, RECIPE, say=said.append), out, said


def test_the_story_ends_in_a_bundle_that_opens_and_looks(trained: tuple[Bundle, Path, list[str]]) -> None:
    bundle = trained[0]
    assert [(label.name, label.rank) for label in bundle.labels] == [("Insecta", "class")]
    assert bundle.manifest.detector is not None and not bundle.manifest.detector.unasked
    model = open_model(bundle, slots=1)
    seen = model.infer(np.zeros((1, 800, 800, 3), np.uint8))
    assert seen.boxes is not None and seen.boxes.shape == (1, 300, 4)
    model.close()


def test_the_card_gives_figures_of_three_contestants(trained: tuple[Bundle, Path, list[str]]) -> None:
    text = trained[0].read("card.md").decode()
    assert "| figure | insect-detector | settled | dark blobs |" in text
    assert "4 photos with 32 boxes, 2 frames with 4\npoints" in text
    (precision,) = [line for line in text.splitlines() if line.startswith("| average precision, overlap 0.3")]
    blobs = float(precision.split("|")[4].split("[")[0])
    assert blobs > 0.5, "black ellipses on yellow are what the blob detector is for"


def test_a_second_run_takes_up_what_the_first_one_left(trained: tuple[Bundle, Path, list[str]], data: Path) -> None:
    bundle, out, said = trained
    again: list[str] = []
    assert train_image(data, out, RECIPE, say=again.append).digest == bundle.digest
    assert sum(line.startswith("step 6 of 6") for line in said) == 3
    assert not again


def test_the_exported_graph_says_what_the_network_says() -> None:
    import onnxruntime
    import torch

    from katydid.models.training.image_export import HEAT, INPUT, OFFSET, SIZE, onnx_bytes
    from katydid.models.training.image_network import DotNet

    torch.manual_seed(0)
    net = DotNet().eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    with torch.no_grad():
        seen = net(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - 0.5)
    session = onnxruntime.InferenceSession(onnx_bytes(net, 64))
    for name, expected in ((HEAT, seen.heat), (SIZE, seen.size), (OFFSET, seen.offset)):
        (said,) = session.run([name], {INPUT: pixels})
        np.testing.assert_allclose(said, expected.numpy(), rtol=1e-3, atol=1e-4)


def test_a_box_that_is_right_costs_nothing_and_one_that_is_off_costs_more_the_further_it_is() -> None:
    import torch

    from katydid.models.training.image_fit import generalised_overlap

    def cell(*box: float) -> torch.Tensor:
        return torch.tensor(box).reshape(1, 4, 1, 1)

    truth = cell(0, 0, 10, 10)
    assert generalised_overlap(truth, truth).item() == pytest.approx(1)
    assert generalised_overlap(cell(5, 0, 15, 10), truth).item() == pytest.approx(50 / 150)
    # Apart by 10: no overlap, and 10 of the 30 pixels around both are empty.
    assert generalised_overlap(cell(20, 0, 30, 10), truth).item() == pytest.approx(-1 / 3)
