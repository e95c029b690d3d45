"""A stand-in for a model: scores from a hash of the item's bytes. For tests of everything above the engines.

It sees the item and nothing else, so two equal items always get equal scores in any batch, order or process, and
nothing can leak the truth of a test into them. Items that are the same all over (silence, a blank frame) score 0
everywhere: that is how an empty capture comes about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.models.bundle import Bundle, write_bundle
from katydid.models.engines.protocol import Arrays, Port, Running
from katydid.models.engines.rows import batch_size
from katydid.models.errors import EngineError
from katydid.models.foreign_labels import bind
from katydid.models.labels import write_labels
from katydid.models.manifest import (
    FORMAT,
    BundleKind,
    BundleManifest,
    Calibration,
    Graph,
    ImageInput,
    SoundInput,
)

GRAPH_FILE = "placeholder.json"
CLASSES = ("Parus major", "Turdus merula", "Apis mellifera", "Tettigonia viridissima", "background")


class PlaceholderGraph(msgspec.Struct, frozen=True, kw_only=True):
    """What placeholder.json holds."""

    item_shape: tuple[int | None, ...]
    dtype: str
    classes: int
    embedding: int = 16
    """Length of the embedding."""
    seed: int = 0


class PlaceholderEngine:
    """Scores [n, classes] and embeddings [n, d] of unit length, from the bytes of each item."""

    def __init__(self, data: bytes, *, max_batch: int, slots: int, name: str) -> None:
        try:
            self._graph = msgspec.json.decode(data, type=PlaceholderGraph)
        except msgspec.MsgspecError as error:
            raise EngineError(f"{name}: no placeholder graph: {error}") from error
        self._name = name
        self._slots = slots
        self._max_batch = max_batch

    @property
    def max_batch(self) -> int:
        return self._max_batch

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def inputs(self) -> dict[str, Port]:
        return {"input": Port(shape=(None, *self._graph.item_shape), dtype=self._graph.dtype)}

    @property
    def outputs(self) -> dict[str, Port]:
        return {
            "scores": Port(shape=(None, self._graph.classes), dtype="float32"),
            "embedding": Port(shape=(None, self._graph.embedding), dtype="float32"),
        }

    def infer(self, inputs: Arrays) -> Arrays:
        batch_size(inputs, self.inputs, self._max_batch, self._name)
        seen = [self._look(item) for item in inputs["input"]]
        return {"scores": np.stack([scores for scores, _ in seen]), "embedding": np.stack([where for _, where in seen])}

    def describe(self) -> Running:
        return Running(engine="placeholder", provider="hash", version="1", note="a stand-in: its names mean nothing")

    def close(self) -> None:
        """Nothing to let go of."""

    def _look(self, item: NDArray[np.generic]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        graph = self._graph
        raw = np.ascontiguousarray(item)
        digest = hashlib.blake2b(raw.tobytes(), digest_size=8, salt=graph.seed.to_bytes(8, "little")).digest()
        random = np.random.default_rng(int.from_bytes(digest, "little"))
        scores = random.uniform(0.0, 0.05, graph.classes)
        scores[random.integers(graph.classes)] = random.uniform(0.4, 1.0)
        where = random.standard_normal(graph.embedding)
        if raw.size and bool(np.all(raw == raw.flat[0])):
            scores[:] = 0.0
        return scores.astype(np.float32), (where / np.linalg.norm(where)).astype(np.float32)


def placeholder_bundle(
    directory: Path,
    *,
    kind: BundleKind = BundleKind.IMAGE_CLASSIFIER,
    classes: Sequence[str] = CLASSES,
    name: str = "placeholder",
    version: str = "1",
    size: int = 32,
    sample_rate: int = 16000,
    seconds: float = 1.0,
    calibration: Calibration | None = None,
    max_batch: int = 32,
    seed: int = 0,
) -> Bundle:
    """Write a placeholder bundle into `directory` / `name` and open it.

    `classes` are bound as scientific names ("background", "noise" get their roles). `size` is the side of an image in
    pixels; `sample_rate` (Hz) and `seconds` are a sound bundle's window.
    """
    samples = round(sample_rate * seconds)
    shape: tuple[int, ...]
    if kind is BundleKind.SOUND_CLASSIFIER:
        shape, dtype = (samples,), "float32"
    elif kind is BundleKind.PRIOR:
        shape, dtype = (3,), "float32"
    else:
        shape, dtype = (size, size, 3), "uint8"
    graph = PlaceholderGraph(item_shape=shape, dtype=dtype, classes=len(classes), seed=seed)
    image = ImageInput(height=size, width=size) if dtype == "uint8" else None
    sound = SoundInput(sample_rate=sample_rate, samples=samples, hop_s=seconds)
    manifest = BundleManifest(
        format=FORMAT,
        name=name,
        version=version,
        title="Placeholder: names from a hash",
        kind=kind,
        graphs=(
            Graph(
                file=GRAPH_FILE,
                engine="placeholder",
                input="input",
                scores="scores",
                embedding="embedding",
                max_batch=max_batch,
            ),
        ),
        image=image,
        sound=sound if kind is BundleKind.SOUND_CLASSIFIER else None,
        calibration=calibration,
        prior_cut=0.03 if kind is BundleKind.PRIOR else None,
        licence="CC0-1.0",
        credit="Placeholder, no model",
        uses="Tests only.",
        files={},
    )
    labels = [bind(index, label) for index, label in enumerate(classes)]
    contents = {GRAPH_FILE: msgspec.json.encode(graph), "labels.csv": write_labels(labels)}
    return write_bundle(directory / name, manifest, contents)
