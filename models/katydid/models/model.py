"""A bundle that runs: samples and pixels in, scores in 0..1 out.

Everything between is in here, so that callers never see it: the front end, the layout and dtype that the graph wants,
quantisation both ways, the activation. Calibration is a step of its own, since callers pool windows before it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from katydid.models.bundle import Bundle
from katydid.models.engines import Engine, Running, open_engine
from katydid.models.errors import BundleError, EngineError
from katydid.models.image.detect import found_boxes, outputs_of
from katydid.models.manifest import (
    Activation,
    BirdNetFrontEnd,
    BundleKind,
    Calibration,
    Detector,
    Graph,
    ImageInput,
    LogMelFrontEnd,
    Quantisation,
    SoundInput,
)

Floats = NDArray[np.float32]
FrontEnd = Callable[[Floats], NDArray[np.generic]]
Prepare = Callable[[NDArray[np.generic]], NDArray[np.generic]]

EDGE = 1e-7
"""Scores are held this far from 0 and 1 where a logit is taken of them; float32 resolves 6e-8 below 1."""


@dataclass(frozen=True)
class Seen:
    """What a model says about n items."""

    scores: Floats
    """[n, classes], 0..1, before calibration; of a detector [n, boxes, classes]."""
    logits: Floats | None = None
    """[n, classes]; None where the graph gives scores already."""
    embedding: Floats | None = None
    """[n, d]; None where the graph has none."""
    boxes: Floats | None = None
    """[n, boxes, 4], of a detector: left, top, right, bottom as shares of the input; rows whose scores are all 0 stand
    for nothing."""


class Model:
    """One graph of one bundle, ready to run. Safe to call from up to `slots` threads at once."""

    def __init__(self, bundle: Bundle, graph: Graph, engine: Engine) -> None:
        self.bundle = bundle
        self.graph = graph
        self._engine = engine
        self._prepare = _preparation(bundle, graph, engine)
        self.running: Running = engine.describe()

    @property
    def entry(self) -> str:
        return self.graph.entry

    @property
    def slots(self) -> int:
        """How many calls of `infer` may run at the same time."""
        return self._engine.slots

    @property
    def max_batch(self) -> int:
        """How many items one run of the graph takes; `infer` cuts longer ones."""
        return self._engine.max_batch

    def infer(self, items: NDArray[np.generic]) -> Seen:
        """Look at n items, n at least 1.

        `items`: float32 [n, samples] for sound, uint8 [n, height, width, 3] RGB for images, float32 [n, 3] (latitude,
        longitude, week 1..48) for a prior. Raises EngineError where the graph cannot run them, or gives no numbers.
        """
        if items.ndim < 2 or not len(items):
            raise EngineError(f"{self.bundle.path}: items of shape {items.shape}; the first axis counts the items")
        step = self.max_batch
        parts = [self._run(items[start : start + step]) for start in range(0, len(items), step)]
        return parts[0] if len(parts) == 1 else _joined(parts)

    def calibrated(self, values: NDArray[np.floating], *, logits: bool = False) -> Floats | None:
        """Probabilities [n, classes] for scores (0..1), or for logits with `logits`; None without a calibration.

        Scores serve as well as logits: a logit is taken of them again. With an activation "softmax" the row is
        normalised; otherwise each class is mapped by itself. Raises ValueError for scores outside 0..1.
        """
        calibration = self.bundle.manifest.calibration
        if calibration is None:
            return None
        return _calibrated(values, calibration, self.bundle.manifest.activation, logits=logits)

    def close(self) -> None:
        """Let go of memory and threads."""
        self._engine.close()

    def _run(self, items: NDArray[np.generic]) -> Seen:
        outputs = self._engine.infer({self.graph.input: self._prepare(items)})
        manifest = self.bundle.manifest
        if manifest.detector is not None:
            return self._found(outputs, manifest.detector)
        raw = _rows(self._output(outputs, self.graph.scores, self.graph.output_quantisation))
        if raw.shape[1] != len(self.bundle.labels):
            raise EngineError(
                f"{self.bundle.path}: {self.graph.file} gives {raw.shape[1]} scores, "
                f"{manifest.labels} names {len(self.bundle.labels)}"
            )
        if not np.isfinite(raw).all():
            raise EngineError(f"{self.bundle.path}: {self.graph.file} gave scores that are no numbers")
        name = self.graph.embedding
        return Seen(
            scores=_activated(raw, manifest.activation),
            logits=None if manifest.activation is Activation.NONE else raw,
            embedding=None if name is None else _rows(self._output(outputs, name, None)),
        )

    def _found(self, outputs: dict[str, NDArray[np.generic]], detector: Detector) -> Seen:
        """A detector's boxes, whatever shape its outputs have."""
        manifest = self.bundle.manifest
        if manifest.image is None:
            raise BundleError(f"{self.bundle.path}: a detector without an image input")
        names = (self.graph.scores, *outputs_of(detector))
        real = {name: self._output(outputs, name, self._stated(name)) for name in names}
        activate = functools.partial(_activated, activation=manifest.activation)
        try:
            boxes, scores = found_boxes(
                real, self.graph.scores, detector, manifest.image, len(self.bundle.labels), activate
            )
        except EngineError as error:
            raise EngineError(f"{self.bundle.path}: {self.graph.file}: {error}") from error
        return Seen(scores=scores, boxes=boxes)

    def _stated(self, name: str) -> Quantisation | None:
        return self.graph.output_quantisation if name == self.graph.scores else None

    def _output(self, outputs: dict[str, NDArray[np.generic]], name: str, stated: Quantisation | None) -> Floats:
        """One output as real numbers."""
        quantisation = stated or self._engine.outputs[name].quantisation
        return _dequantised(outputs[name], quantisation)


def open_model(bundle: Bundle, *, entry: str = "features", slots: int) -> Model:
    """Open the graph of a bundle for `slots` concurrent calls.

    Raises BundleError where the bundle has no such entry or contradicts its graph, EngineError where the graph cannot
    be run, MissingExtra where the engine's library is absent.
    """
    graph = bundle.graph(entry)
    engine = open_engine(bundle.read(graph.file), graph, slots=slots, name=f"{bundle.path}: {graph.file}")
    wanted = [(graph.input, engine.inputs), (graph.scores, engine.outputs)]
    if graph.embedding is not None:
        wanted.append((graph.embedding, engine.outputs))
    if bundle.manifest.detector is not None:
        wanted += [(name, engine.outputs) for name in outputs_of(bundle.manifest.detector)]
    for name, ports in wanted:
        if name not in ports:
            raise BundleError(f"{bundle.path}: {graph.file} has no tensor {name!r} (it has: {', '.join(ports)})")
    return Model(bundle, graph, engine)


def _preparation(bundle: Bundle, graph: Graph, engine: Engine) -> Prepare:
    """From what callers give to what the graph takes."""
    manifest = bundle.manifest
    port = engine.inputs[graph.input]
    if manifest.image is not None:
        prepare = _image_preparation(manifest.image)
    elif manifest.sound is not None:
        prepare = _sound_preparation(bundle, manifest.sound, graph)
    else:
        prepare = _as_float32
    quantisation = graph.input_quantisation or port.quantisation
    rank, stored = len(port.shape), np.dtype(port.dtype)

    def fitted(items: NDArray[np.generic]) -> NDArray[np.generic]:
        ready = prepare(items)
        if ready.dtype != stored:
            ready = _quantised(ready, quantisation, stored)
        # A spectrogram [n, bands, frames] goes into a graph that wants one channel [n, 1, bands, frames].
        if manifest.kind is BundleKind.SOUND_CLASSIFIER and ready.ndim == rank - 1 and rank == 4:
            ready = ready[:, np.newaxis]
        return np.ascontiguousarray(ready)

    return fitted


def _as_float32(items: NDArray[np.generic]) -> NDArray[np.generic]:
    return items.astype(np.float32, copy=False)


def _image_preparation(image: ImageInput) -> Prepare:
    """Pixels as they are, as int8, or normalised as float32; channels where the graph wants them."""
    if image.dtype not in ("uint8", "int8", "float32"):
        raise BundleError(f"an image input of dtype {image.dtype!r}: it must be uint8, int8 or float32")
    mean = np.asarray(image.mean, np.float32)
    std = np.asarray(image.std, np.float32)

    def prepare(items: NDArray[np.generic]) -> NDArray[np.generic]:
        if items.dtype != np.uint8 or items.shape[1:] != (image.height, image.width, 3):
            raise EngineError(
                f"images of {items.dtype} {items.shape[1:]}, where uint8 {(image.height, image.width, 3)} go"
            )
        pixels: NDArray[np.generic] = items
        if image.grey_input:
            pixels = _grey(items)
        if image.dtype == "int8":
            pixels = (pixels.astype(np.int16) - 128).astype(np.int8)
        elif image.dtype == "float32":
            pixels = (pixels.astype(np.float32) / np.float32(255) - mean) / std
        return pixels.transpose(0, 3, 1, 2) if image.channels_first else pixels

    return prepare


def _grey(items: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Luma of ITU-R BT.601 in all three channels."""
    luma = items.astype(np.float32) @ np.asarray((0.299, 0.587, 0.114), np.float32)
    return np.repeat(np.rint(luma).astype(np.uint8)[..., np.newaxis], 3, axis=-1)


def _sound_preparation(bundle: Bundle, sound: SoundInput, graph: Graph) -> Prepare:
    """Samples as they are, or through the bundle's front end; only the entry "features" stands behind one."""
    front_end = _front_end(bundle, sound) if graph.entry == "features" else None

    def prepare(items: NDArray[np.generic]) -> NDArray[np.generic]:
        if items.shape[1:] != (sound.samples,):
            raise EngineError(f"windows of {items.shape[1:]} samples, where ({sound.samples},) go")
        samples = items.astype(np.float32, copy=False)
        return samples if front_end is None else front_end(samples)

    return prepare


def _front_end(bundle: Bundle, sound: SoundInput) -> FrontEnd | None:
    spec = sound.front_end
    if spec is None:
        return None
    if isinstance(spec, LogMelFrontEnd):
        from katydid.models.sound.spectrogram import LogMel

        log_mel: FrontEnd = LogMel(spec, bundle.arrays())
        return log_mel
    if isinstance(spec, BirdNetFrontEnd):
        from katydid.models.sound.birdnet import BirdNetSpectrogram

        branches: FrontEnd = BirdNetSpectrogram(bundle.arrays(), spec.precision)
        return branches
    raise BundleError(f"{bundle.path}: an unknown front end {spec!r}")


def _quantised(
    real: NDArray[np.generic], quantisation: Quantisation | None, stored: np.dtype[np.generic]
) -> NDArray[np.generic]:
    """real → stored = real / scale + zero_point, rounded and held within the type; a plain cast between floats."""
    if np.issubdtype(stored, np.floating):
        return real.astype(stored)
    if quantisation is None or not np.issubdtype(stored, np.integer):
        raise EngineError(
            f"the graph takes {stored}, items are {real.dtype}, and nothing says how one becomes the other"
        )
    bounds = np.iinfo(stored.name)
    levels = np.rint(real.astype(np.float32) / np.float32(quantisation.scale)) + quantisation.zero_point
    integers: NDArray[np.generic] = np.clip(levels, bounds.min, bounds.max).astype(stored)
    return integers


def _dequantised(stored: NDArray[np.generic], quantisation: Quantisation | None) -> Floats:
    if np.issubdtype(stored.dtype, np.floating):
        return stored.astype(np.float32, copy=False)
    if quantisation is None:
        raise EngineError(f"the graph gives {stored.dtype} without a scale")
    return np.float32(quantisation.scale) * (stored.astype(np.float32) - np.float32(quantisation.zero_point))


def _rows(values: Floats) -> Floats:
    """[n, …, d] → [n, d]: the mean over the rows (frames of a clip, positions of a map) that the graph gave."""
    if values.ndim < 2:
        return values.reshape(len(values), -1)
    flat = values.reshape(len(values), -1, values.shape[-1])
    return flat[:, 0] if flat.shape[1] == 1 else flat.mean(axis=1, dtype=np.float32)


def _joined(parts: list[Seen]) -> Seen:
    def column(arrays: list[Floats | None]) -> Floats | None:
        present = [array for array in arrays if array is not None]
        return np.concatenate(present) if present else None

    return Seen(
        scores=np.concatenate([part.scores for part in parts]),
        logits=column([part.logits for part in parts]),
        embedding=column([part.embedding for part in parts]),
        boxes=column([part.boxes for part in parts]),
    )


def _activated(raw: Floats, activation: Activation) -> Floats:
    if activation is Activation.SIGMOID:
        return _sigmoid(raw)
    if activation is Activation.SOFTMAX:
        return _softmax(raw)
    # Dequantised outputs and float32 sums may step over the ends by an ulp.
    return np.clip(raw, 0.0, 1.0)


def _sigmoid(x: Floats) -> Floats:
    """Without overflow on either side."""
    small = np.exp(-np.abs(x))
    held: Floats = np.where(x >= 0, np.float32(1), small) / (1 + small)
    return held


def _softmax(x: Floats) -> Floats:
    power = np.exp(x - x.max(axis=-1, keepdims=True))
    shares: Floats = power / power.sum(axis=-1, keepdims=True)
    return shares


def _calibrated(
    values: NDArray[np.floating], calibration: Calibration, activation: Activation, *, logits: bool
) -> Floats:
    given: Floats = values.astype(np.float32, copy=False)
    if not logits and given.size and (given.min() < 0 or given.max() > 1):
        raise ValueError("scores lie in 0..1; pass logits=True for logits")
    temperature, bias = np.float32(calibration.temperature), np.float32(calibration.bias)
    if activation is Activation.SOFTMAX:
        given = given if logits else np.log(np.maximum(given, np.float32(EDGE)))
        return _softmax(given / temperature)
    if not logits:
        held = np.clip(given, np.float32(EDGE), np.float32(1 - EDGE))
        given = np.log(held / (1 - held))
    return _sigmoid(given / temperature + bias)
