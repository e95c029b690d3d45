"""Take in somebody else's classifier or detector: one TFLite or ONNX file and its label list become a bundle.

Shapes, dtypes and quantisation are read from the graph; whether it looks or listens shows in the shape of its input.
What no graph says is asked for: the sample rate of sound, what a float image graph wants its pixels to be, and whether
outputs outside 0..1 are one choice (softmax) or many (sigmoid). Nothing of that is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from katydid.models.adding_detector import DetectorWishes, Told, read_detector
from katydid.models.bundle import NAME, Bundle, write_bundle
from katydid.models.engines import Engine, Port, open_engine
from katydid.models.errors import ConversionError, EngineError
from katydid.models.foreign_labels import read_foreign_labels
from katydid.models.labels import write_labels
from katydid.models.manifest import (
    FORMAT,
    Activation,
    BundleKind,
    BundleManifest,
    Graph,
    ImageInput,
    Label,
    Resize,
    SoundInput,
)

MAX_BATCH = 32
"""Cap for graphs that leave the batch open; the host's own cap is usually lower."""
SAME_IN_A_BATCH = 1e-3
PROBES = 4
"""Deterministic items that the graph is run on, to see what it gives."""
MANY_CLASSES = 10
TFLITE_MARK = b"TFL3"
"""File identifier of the flatbuffer schema, at bytes 4..8."""

PIXELS = {
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "signed": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "raw": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""What a float image graph takes: 0..1, -1..1, 0..255, or ImageNet's normalisation; as mean and std of pixel / 255."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What is said about a graph that the graph does not say itself. None or "": not said."""

    kind: BundleKind | None = None
    """IMAGE_CLASSIFIER or SOUND_CLASSIFIER; read from the input's shape where not said."""
    detector: DetectorWishes | None = None
    """It finds boxes in frames."""
    sample_rate: int | None = None
    """Hertz; needed for sound."""
    window_s: float | None = None
    """Seconds in one window; needed for sound graphs that leave the length open."""
    hop_s: float | None = None
    """Seconds from one window to the next; a whole window where not said."""
    size: tuple[int, int] | None = None
    """(height, width) in pixels; needed for image graphs that leave them open."""
    pixels: str | None = None
    """A word of `PIXELS`; needed for float image graphs."""
    resize: Resize = Resize.STRETCH
    activation: Activation | None = None
    """Needed where the outputs lie outside 0..1."""
    scores: str | None = None
    """The output with the scores; needed where several fit the label list."""
    embedding: str | None = None
    """The output with the embedding, where there is one."""
    version: str = "1"
    title: str = ""
    licence: str = "not stated"
    credit: str = ""
    citation: str = ""
    uses: str = "Not stated: ask whoever made the model."


@dataclass
class _Reading:
    """What a graph and the wishes make together."""

    file: str
    engine: Engine
    wishes: Wishes
    labels: tuple[Label, ...]
    input: str
    port: Port
    image: ImageInput | None = None
    sound: SoundInput | None = None
    told: Told | None = None
    """Of a detector."""
    outputs: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    """What it gave for the probes."""
    max_batch: int = 1


def add_model(
    file: Path, *, labels: Path, name: str, directory: Path, wishes: Wishes | None = None, replace: bool = False
) -> Bundle:
    """Make a bundle of `file` and `labels` in `directory` / `name`, and open it.

    Raises ConversionError where the graph cannot be taken in or something must be said about it, EngineError where it
    does not run, BundleError where the labels are no list or the bundle is there already (unless `replace`).
    """
    if not NAME.fullmatch(name):
        raise ConversionError(f"{name!r} is no name for a bundle: lower case letters and digits, joined by hyphens")
    data, engine_name = _read_graph(file)
    words = _read(labels)
    graph = Graph(file=file.name, engine=engine_name, input="", scores="", max_batch=MAX_BATCH)
    engine = open_engine(data, graph, slots=1, name=str(file))
    try:
        reading = _read_input(file.name, engine, wishes or Wishes(), read_foreign_labels(words, str(labels)))
        manifest = _manifest(name, engine_name, reading)
    finally:
        engine.close()
    contents = {
        manifest.graphs[0].file: data,
        manifest.labels: write_labels(reading.labels),
        "card.md": _card(manifest, file.name).encode(),
    }
    return write_bundle(directory / name, manifest, contents, replace=replace)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConversionError(f"{path} cannot be read: {error.strerror or error}") from error


def _read_graph(file: Path) -> tuple[bytes, str]:
    """The bytes of a graph, and the engine for them, by content."""
    data = _read(file)
    if data[4:8] == TFLITE_MARK:
        return data, "litert"
    if file.suffix.lower() == ".onnx":
        return data, "onnx"
    raise ConversionError(f"{file}: neither a TensorFlow Lite file nor named .onnx; those two can be added")


def _read_input(file: str, engine: Engine, wishes: Wishes, labels: tuple[Label, ...]) -> _Reading:
    if len(engine.inputs) != 1:
        raise ConversionError(
            f"{file}: the graph has {len(engine.inputs)} inputs ({', '.join(engine.inputs)}), not one"
        )
    ((name, port),) = engine.inputs.items()
    kind = BundleKind.IMAGE_CLASSIFIER if wishes.detector else wishes.kind or _kind(file, port)
    reading = _Reading(file, engine, wishes, labels, name, port)
    if kind is BundleKind.IMAGE_CLASSIFIER:
        reading.image = _image_input(file, port, wishes)
    elif kind is BundleKind.SOUND_CLASSIFIER:
        reading.sound = _sound_input(file, port, wishes)
    else:
        raise ConversionError(
            f"a {kind} cannot be added from a file; classifiers of images and sound, and detectors can"
        )
    reading.outputs, reading.max_batch = _tried(reading)
    if wishes.detector is not None:
        reading.told = _told(reading, wishes.detector)
    return reading


def _told(reading: _Reading, wishes: DetectorWishes) -> Told:
    """Where a detector's boxes stand, from what it gave for the probes, as real numbers."""
    if reading.image is None:
        raise ConversionError(f"{reading.file}: a detector looks at images; this graph takes {_shape(reading.port)}")
    real = {name: _real(reading.engine.outputs[name], values) for name, values in reading.outputs.items()}
    return read_detector(reading.file, real, reading.image, len(reading.labels), reading.wishes.scores, wishes)


def _real(port: Port, values: NDArray[np.generic]) -> NDArray[np.float64]:
    """An output as real numbers, dequantised where the graph says how."""
    raw = values.astype(np.float64)
    if port.quantisation is None:
        return raw
    real: NDArray[np.float64] = port.quantisation.scale * (raw - port.quantisation.zero_point)
    return real


def _kind(file: str, port: Port) -> BundleKind:
    if len(port.shape) == 4:
        return BundleKind.IMAGE_CLASSIFIER
    if len(port.shape) in (1, 2):
        return BundleKind.SOUND_CLASSIFIER
    raise ConversionError(f"{file}: an input of shape {_shape(port)} is neither an image nor samples of sound")


def _image_input(file: str, port: Port, wishes: Wishes) -> ImageInput:
    if len(port.shape) != 4 or 3 not in (port.shape[1], port.shape[3]):
        raise ConversionError(f"{file}: an image input has three channels, this one is {_shape(port)}")
    channels_first = port.shape[3] != 3
    height, width = port.shape[2:4] if channels_first else port.shape[1:3]
    if height is None or width is None:
        if wishes.size is None:
            raise ConversionError(
                f"{file}: the graph leaves its image size open ({_shape(port)}): say --size HEIGHT WIDTH"
            )
        height, width = wishes.size
    if port.dtype not in ("uint8", "int8", "float32"):
        raise ConversionError(f"{file}: images of {port.dtype} are not supported (uint8, int8 and float32 are)")
    if port.dtype == "float32" and wishes.pixels not in PIXELS:
        raise ConversionError(f"{file}: what should its float pixels be? Say --pixels {' | '.join(PIXELS)}")
    mean, std = PIXELS[wishes.pixels or "unit"] if port.dtype == "float32" else PIXELS["unit"]
    return ImageInput(
        height=height,
        width=width,
        dtype=port.dtype,
        channels_first=channels_first,
        mean=mean,
        std=std,
        resize=wishes.resize,
    )


def _sound_input(file: str, port: Port, wishes: Wishes) -> SoundInput:
    if len(port.shape) not in (1, 2):
        raise ConversionError(f"{file}: a sound input is samples, [n, samples]; this one is {_shape(port)}")
    if wishes.sample_rate is None:
        raise ConversionError(f"{file}: the graph takes sound but does not say at which rate: say --sample-rate HERTZ")
    samples = port.shape[-1]
    if samples is None:
        if wishes.window_s is None:
            raise ConversionError(f"{file}: the graph takes sound of any length: say --window SECONDS")
        samples = round(wishes.window_s * wishes.sample_rate)
    seconds = samples / wishes.sample_rate
    return SoundInput(
        sample_rate=wishes.sample_rate,
        samples=samples,
        hop_s=wishes.hop_s or seconds,
        high_hz=wishes.sample_rate / 2,
        min_samples=max(1, samples // 4),
    )


def _tried(reading: _Reading) -> tuple[dict[str, NDArray[np.generic]], int]:
    """What the graph gives for the probes, and the batch that it may be given.

    Graphs that cannot be run in batches, or answer otherwise in one (rows of several items mixed, statistics over the
    batch), run item by item.
    """
    probes, engine = _probe(reading), reading.engine
    alone = engine.infer({reading.input: probes[:1]})
    if len(probes) == 1:
        return alone, 1
    try:
        together = engine.infer({reading.input: probes})
    except EngineError:
        return alone, 1
    same = all(np.allclose(together[name][:1], alone[name], atol=SAME_IN_A_BATCH, rtol=1e-4) for name in alone)
    return (together, engine.max_batch) if same else (alone, 1)


def _probe(reading: _Reading) -> NDArray[np.generic]:
    """Deterministic noise as the graph takes it: [n, …]."""
    random = np.random.default_rng(0)
    shape: tuple[int, ...]
    if reading.image is not None:
        image = reading.image
        size = (image.height, image.width)
        shape = (3, *size) if image.channels_first else (*size, 3)
    else:
        assert reading.sound is not None
        shape = (reading.sound.samples,)
    count = min(PROBES, reading.engine.max_batch)
    if np.issubdtype(np.dtype(reading.port.dtype), np.integer):
        bounds = np.iinfo(reading.port.dtype)
        return random.integers(bounds.min, bounds.max, (count, *shape), dtype=reading.port.dtype, endpoint=True)
    return random.uniform(-0.5, 0.5, (count, *shape)).astype(reading.port.dtype)


def _manifest(name: str, engine: str, reading: _Reading) -> BundleManifest:
    wishes, told = reading.wishes, reading.told
    scores = _scores(reading) if told is None else told.scores
    graph = Graph(
        file=f"model.{'tflite' if engine == 'litert' else 'onnx'}",
        engine=engine,
        input=reading.input,
        scores=scores,
        embedding=_embedding(reading),
        max_batch=reading.max_batch,
        input_quantisation=reading.port.quantisation,
        output_quantisation=reading.engine.outputs[scores].quantisation,
    )
    return BundleManifest(
        format=FORMAT,
        name=name,
        version=wishes.version,
        title=wishes.title or f"{name} ({len(reading.labels)} classes)",
        kind=_kind_of(reading),
        graphs=(graph,),
        image=reading.image,
        sound=reading.sound,
        detector=None if told is None else told.detector,
        activation=_activation(reading, scores),
        licence=wishes.licence,
        credit=wishes.credit or f"{name}, from the file {reading.file}",
        citation=wishes.citation,
        uses=wishes.uses,
        files={},
    )


def _kind_of(reading: _Reading) -> BundleKind:
    if reading.told is not None:
        return BundleKind.DETECTOR
    return BundleKind.SOUND_CLASSIFIER if reading.image is None else BundleKind.IMAGE_CLASSIFIER


def _scores(reading: _Reading) -> str:
    """The output with as many numbers an item as there are labels."""
    widths = {name: array.shape[-1] for name, array in reading.outputs.items()}
    said = reading.wishes.scores
    if said is not None and said not in widths:
        raise ConversionError(f"{reading.file}: no output {said!r}; there are {_widths(widths)}")
    fitting = [name for name, width in widths.items() if width == len(reading.labels) and said in (None, name)]
    if not fitting:
        raise ConversionError(
            f"{reading.file}: the label list has {len(reading.labels)} lines, but the outputs are {_widths(widths)}"
        )
    if len(fitting) > 1:
        raise ConversionError(f"{reading.file}: which output holds the scores? Say --scores {' | '.join(fitting)}")
    return fitting[0]


def _embedding(reading: _Reading) -> str | None:
    said = reading.wishes.embedding
    if said is not None and said not in reading.outputs:
        raise ConversionError(f"{reading.file}: no output {said!r}; there are {', '.join(reading.outputs)}")
    return said


def _activation(reading: _Reading, scores: str) -> Activation:
    """As said; else NONE, where what the graph gave for the probes lies in 0..1."""
    if reading.wishes.activation is not None:
        return reading.wishes.activation
    if reading.told is not None:
        raw = reading.told.values.astype(np.float64)
    else:
        raw = _real(reading.engine.outputs[scores], reading.outputs[scores])
    within = bool(np.isfinite(raw).all() and raw.min() >= -1e-6 and raw.max() <= 1 + 1e-6)
    # A few logits may lie in 0..1 by chance; many do not.
    many = raw.shape[-1] if reading.told is None else raw[0].size
    if within and (many >= MANY_CLASSES or np.allclose(raw.sum(axis=-1), 1, atol=0.02)):
        return Activation.NONE
    if within:
        raise ConversionError(
            f"{reading.file}: are its few outputs scores already, or logits? Say --activation none, softmax or sigmoid"
        )
    raise ConversionError(
        f"{reading.file}: its outputs lie outside 0..1 ({raw.min():.3g} to {raw.max():.3g}), so they are logits: "
        "say --activation softmax (one class is right) or --activation sigmoid (several may be)"
    )


def _widths(widths: dict[str, int]) -> str:
    return ", ".join(f"{name!r} with {width}" for name, width in widths.items())


def _shape(port: Port) -> str:
    return f"[{', '.join('?' if size is None else str(size) for size in port.shape)}]"


def _card(manifest: BundleManifest, file: str) -> str:
    """What is known of a model that comes without a card of ours."""
    if manifest.image is not None:
        takes = f"images of {manifest.image.height} x {manifest.image.width} pixels, {manifest.image.dtype}"
    else:
        assert manifest.sound is not None
        seconds = manifest.sound.samples / manifest.sound.sample_rate
        takes = f"{seconds:.3f} s of sound at {manifest.sound.sample_rate} Hz"
    return (
        f"# {manifest.title}\n\n"
        f"Made by `katydid models add` from `{file}`, a model of somebody else.\n\n"
        f"- Takes {takes}.\n"
        f"- Licence: {manifest.licence}.\n"
        f"- Credit: {manifest.credit}.\n"
        f"- May be used for: {manifest.uses}\n"
        "- How good it is: not measured here. Its scores are not calibrated, so probabilities stay empty.\n"
    )
