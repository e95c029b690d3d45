"""What a bundle says about itself: `bundle.json`, the contract between who makes a model and who runs it.

A bundle is one directory or zip:

    bundle.json            this record, with the SHA-256 of every other file
    labels.csv             index, taxon_id, name, rank, common_name, role, and one column for each higher rank known
    card.md                what it is, how good it is, what it must not be used for
    LICENSE.txt            the licence of the weights
    *.onnx, *.tflite       graphs
    arrays.npz             front-end matrices and windows, embeddings for the unknown (no pickle)

Opening verifies every digest and refuses what does not match (`bundle.py`). The bundle's digest is the SHA-256 of
`bundle.json` exactly as it lies on disk, so it covers everything.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

FORMAT = 1
"""Version of this contract; a reader refuses a higher one."""


class BundleKind(StrEnum):
    IMAGE_CLASSIFIER = "image_classifier"
    SOUND_CLASSIFIER = "sound_classifier"
    DETECTOR = "detector"
    PRIOR = "prior"


class Role(StrEnum):
    """What an output class stands for."""

    TAXON = "taxon"
    NOISE = "noise"
    """Wind, rain, engines: heard, but no animal."""
    BACKGROUND = "background"
    """Nothing there."""
    HUMAN = "human"
    UNKNOWN = "unknown"
    """An organism, but none of the bundle's."""


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """One output class. `higher` holds (rank, name) from genus upwards, as far as known (of a subspecies, its
    species first)."""

    index: int
    taxon_id: str
    name: str
    rank: str
    common_name: str = ""
    role: Role = Role.TAXON
    higher: tuple[tuple[str, str], ...] = ()
    answer_rank: str = ""
    """Where the answer steps back to: "genus" for provisional species, and for those that a model takes for each other
    however sure it is; "" answers at `rank`."""


class Activation(StrEnum):
    """From what the graph gives to a score in 0..1."""

    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"
    NONE = "none"
    """The graph's output, after its own dequantisation, is already a score."""


class Quantisation(msgspec.Struct, frozen=True, kw_only=True):
    """real = scale * (stored - zero_point)."""

    scale: float
    zero_point: int


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """One graph file and the engine it is for."""

    file: str
    engine: str
    """"onnx" or "litert"."""
    input: str
    scores: str
    embedding: str | None = None
    entry: str = "features"
    """"features": the CPU graph behind our front end; "waveform": takes samples or pixels as they are;
    "reference": the original that `models verify` compares with."""
    max_batch: int = 1
    input_quantisation: Quantisation | None = None
    output_quantisation: Quantisation | None = None


class Resize(StrEnum):
    """How a frame or crop becomes the model's square."""

    STRETCH = "stretch"
    CENTRE_CROP = "centre_crop"
    LETTERBOX = "letterbox"


class ImageInput(msgspec.Struct, frozen=True, kw_only=True):
    """What the graph's image input wants: [N, height, width, 3] RGB, or [N, 3, height, width] if channels_first."""

    height: int
    width: int
    dtype: str = "uint8"
    """"uint8" (normalisation in the graph), "int8" (the same, of pixel - 128), or "float32": (pixel / 255 - mean) /
    std."""
    channels_first: bool = False
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    resize: Resize = Resize.STRETCH
    grey_input: bool = False


class LogMelFrontEnd(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="log_mel"):
    """The scipy front end (`sound/spectrogram.py`) from matrices in arrays.npz; runtimes never recompute them."""

    window: str = "window"
    """Name in arrays.npz, float64 [n_fft]."""
    filters: str = "filters"
    """Name in arrays.npz, float64 [bands, n_fft // 2 + 1]."""
    n_fft: int
    hop: int
    centre: bool = True
    power: float = 2.0
    log: str = "ln"
    """"ln" (natural, of the power plus `floor`), "db" (10 log10), or "none"."""
    floor: float = 1e-10
    mean: float = 0.0
    """Subtracted after the logarithm, then divided by `std`."""
    std: float = 1.0
    per_window_peak: bool = False
    """Subtract each window's own maximum after the logarithm (gain of recorders differs)."""


class BirdNetFrontEnd(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="birdnet"):
    """BirdNET 2.4's two-branch spectrogram (`sound/birdnet.py`), matrices in arrays.npz."""

    precision: str = "exact"
    """"exact" (float64) or "fast" (float32)."""


class SoundInput(msgspec.Struct, frozen=True, kw_only=True):
    """What one window is: mono float32 [samples] in -1..1 at `sample_rate`."""

    sample_rate: int
    """Hertz; recordings at another rate are resampled, unless `native_rate`."""
    samples: int
    """Per window."""
    hop_s: float
    """Seconds from one window to the next by default."""
    low_hz: float = 0.0
    """Band that the model listens to; goes into the detections' boxes."""
    high_hz: float | None = None
    front_end: LogMelFrontEnd | BirdNetFrontEnd | None = msgspec.field(default=None)
    min_samples: int = 1
    """A last window with fewer real samples than this is not looked at (the rest is zero-padded)."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """On `confidence`, 0..1."""

    report: float = 0.1
    """Below it nothing is written (the floor that --min-probability overrides)."""
    accept: float = 0.5
    """At or above it a detection is accepted, unless a gate or the prior speaks against it."""
    accept_genus: float | None = None
    """The same for an answer at genus rank, on the summed confidence of its species; None: as `accept`."""
    release: float | None = None
    """Hysteresis: an event goes on down to this; None: report threshold times 0.7."""
    by_label: dict[str, float] = {}
    """taxon_id → accept threshold, where one is known to differ."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How a score becomes a probability. None in the bundle: probabilities stay null."""

    temperature: float = 1.0
    """Softmax: logits / temperature. Sigmoid: sigmoid(logit / temperature + bias)."""
    bias: float = 0.0
    fitted_on: str = ""


class NearestNeighbours(msgspec.Struct, frozen=True, kw_only=True):
    """The gate for the unknown: cosine distance of the embedding to the nearest training embeddings."""

    embeddings: str = "neighbours"
    """Name in arrays.npz, [n, d]: floats or int8, rows of any length but 0, since directions alone count."""
    nearest: int = 1
    """Over how many of the nearest the distance is averaged."""
    reject_above: float
    """Cosine distance (1 - cosine) above which the answer is "unknown"."""


class YoloOutput(msgspec.Struct, frozen=True, kw_only=True, tag_field="shape", tag="yolo"):
    """One tensor, `Graph.scores`, with a row for every anchor: centre x, centre y, width, height, then the scores.

    YOLOv5 gives [n, anchors, 5 + classes], with how sure it is that anything is there before the classes; YOLOv8 and
    later [n, 4 + classes, anchors].
    """

    objectness: bool = False
    """A fifth number stands before the classes, and multiplies them (v5)."""
    anchors_last: bool = False
    """[n, numbers, anchors] (v8); else [n, anchors, numbers] (v5)."""
    relative: bool = False
    """Boxes are shares of the input's width and height; else pixels of it."""


class SsdOutput(msgspec.Struct, frozen=True, kw_only=True, tag_field="shape", tag="ssd"):
    """Boxes that are chosen already: `Graph.scores` [n, k], and the tensors named here."""

    boxes: str
    """[n, k, 4]: the box's upper left and lower right corner."""
    classes: str
    """[n, k]: which class, as a number."""
    count: str | None = None
    """[n]: how many of the k count; None: all."""
    y_first: bool = True
    """Corners are (y, x), as TensorFlow has them; else (x, y)."""
    relative: bool = True
    """Shares of the input's width and height; else pixels of it."""
    first_class: int = 0
    """The number that the first label goes by: 1 where 0 is the background."""


class RtDetrOutput(msgspec.Struct, frozen=True, kw_only=True, tag_field="shape", tag="rt-detr"):
    """`Graph.scores` [n, queries, classes] (mind the activation), and a box for each query."""

    boxes: str
    """[n, queries, 4]: centre x, centre y, width, height, as shares of the input."""


class CentreOutput(msgspec.Struct, frozen=True, kw_only=True, tag_field="shape", tag="centre"):
    """A heat map of centres, `Graph.scores` [n, classes, h, w], and a size and an offset for each of its cells. What
    is no local maximum is no detection."""

    size: str
    """[n, 2, h, w]: width and height, pixels of the input."""
    offset: str
    """[n, 2, h, w]: x and y of the centre from the cell's upper left corner, cells."""


class Tiles(msgspec.Struct, frozen=True, kw_only=True):
    """How a frame becomes the squares that a detector looks at."""

    short_sides: tuple[int, ...]
    """The frame is reduced to each of these lengths of its shorter side, pixels (never enlarged), and cut into tiles of
    the graph's input; several find insects of different sizes."""
    overlap: int = 64
    """Pixels that neighbouring tiles share at least: as large as an insect that must not be cut."""


class Detector(msgspec.Struct, frozen=True, kw_only=True):
    """Where a detector's boxes stand in its outputs, and how frames are cut for it."""

    output: YoloOutput | SsdOutput | RtDetrOutput | CentreOutput
    tiles: Tiles | None = None
    """None: one look at the whole frame, brought to the input's size the way that `ImageInput.resize` says."""
    overlap: float = 0.5
    """Of two boxes that overlap more than this (intersection over union), the surer one stays."""
    most: int = 300
    """Boxes of one look at most, the surest."""
    unasked: bool = True
    """It runs wherever frames are looked at; False: only where it is named with --models."""


class BundleManifest(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    name: str
    """Lower case with hyphens, for example "birdnet"."""
    version: str
    title: str
    kind: BundleKind
    graphs: tuple[Graph, ...]
    labels: str = "labels.csv"
    image: ImageInput | None = None
    sound: SoundInput | None = None
    detector: Detector | None = None
    """For a detector bundle."""
    activation: Activation = Activation.NONE
    thresholds: Thresholds = Thresholds()
    calibration: Calibration | None = None
    neighbours: NearestNeighbours | None = None
    prior_cut: float | None = None
    """For a prior bundle: at or above it a taxon counts as expected."""
    licence: str
    """SPDX identifier or a short name."""
    credit: str
    """One line that the report prints."""
    citation: str = ""
    uses: str
    """What it may be used for, in a sentence."""
    files: dict[str, str]
    """Path in the bundle → SHA-256, for every file but bundle.json."""

    @property
    def model(self) -> str:
        """Name and version as they stand in every detection."""
        return f"{self.name}-{self.version}"
