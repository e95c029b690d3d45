"""What the bundle says about itself: the contract that a runtime goes by."""

from __future__ import annotations

from katydid.models.manifest import (
    FORMAT,
    Activation,
    BundleKind,
    BundleManifest,
    Calibration,
    Graph,
    NearestNeighbours,
    SoundInput,
    Thresholds,
)
from katydid.models.training.choices import Choices
from katydid.models.training.export import EMBEDDING, INPUT, SCORES
from katydid.models.training.features import FRONT_END, SAMPLE_RATE, WINDOW_SAMPLES
from katydid.models.training.held_out import NEAREST

NAME, VERSION = "singing-insects", "1.1"
GRAPH, NEIGHBOURS = "singing-insects.onnx", "neighbours"
REPORT = 0.3
"""Below this a sound is not written down."""
LOWEST_HZ = 1_000.0
"""What lies below is wind to this model; goes into the boxes of detections."""


def manifest(choices: Choices, fitted_on: str) -> BundleManifest:
    """Everything but the digests of the files. `fitted_on`: whose answers the choices rest on."""
    return BundleManifest(
        format=FORMAT,
        name=NAME,
        version=VERSION,
        title="Singing insects: crickets, bush-crickets, grasshoppers and cicadas",
        kind=BundleKind.SOUND_CLASSIFIER,
        graphs=(Graph(file=GRAPH, engine="onnx", input=INPUT, scores=SCORES, embedding=EMBEDDING, max_batch=32),),
        sound=SoundInput(
            sample_rate=SAMPLE_RATE,
            samples=WINDOW_SAMPLES,
            hop_s=WINDOW_SAMPLES / SAMPLE_RATE / 2,
            low_hz=LOWEST_HZ,
            high_hz=SAMPLE_RATE / 2,
            front_end=FRONT_END,
            min_samples=WINDOW_SAMPLES // 3,
        ),
        activation=Activation.SOFTMAX,
        thresholds=Thresholds(
            report=min(REPORT, choices.accept, choices.accept_genus),
            accept=choices.accept,
            accept_genus=choices.accept_genus,
        ),
        calibration=Calibration(
            temperature=choices.temperature,
            fitted_on=fitted_on,
        ),
        neighbours=NearestNeighbours(embeddings=NEIGHBOURS, nearest=NEAREST, reject_above=choices.reject_above),
        licence="CC-BY-4.0",
        credit=(
            "singing-insects, trained on InsectSet32 (Baudewijn Odé, Ed Baker; CC BY 4.0) and ESC-10 (K. J. Piczak; "
            "CC BY 3.0), from EfficientNet-Lite0 (Apache-2.0)"
        ),
        citation=(
            "Faiß, M. & Stowell, D. (2023). Adaptive representations of sound for automatic insect recognition. "
            "PLOS Computational Biology 19(10): e1011541. Data: InsectSet32, Zenodo 7072196."
        ),
        uses="Screening of recordings for 26 singing insects; any use with credit. Not for species outside its list.",
        files={},
    )
