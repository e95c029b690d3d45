"""One capture in, one outcome out: the whole story, from top to bottom.

    identification(capture, models, settings, limits)
      │
      ├─ refused by its source?          → refused
      ├─ a clip:   for each sound bundle: read it in blocks, mix, resample, cut into windows
      │              ⇄ look at up to `windows_at_once` of them
      │              pool per second, follow events, answer at each event's peak, gates
      ├─ a frame:  decode reduced ⇄ which frames were before it?
      │              propose crops: what sits on a plain ground, what moved on a restless one; else take it whole
      │              ⇄ look at each with each image bundle
      │              answer, gates
      ├─ the media turn out broken       → refused, with the reason
      └─ detections, effort, what ran    → identified, or empty

`identification` is a generator: it yields a `Look` (these items, this model) and is sent what the model saw, or it
yields a frame's `Reduced` and is sent those of the frames before it. So a host can batch the looks of many captures, on
whatever device, and this file knows nothing of batches, threads or clocks: the outcome depends on the arguments and
the replies alone. `identify` drives it for one capture.

A recording is read once for each bundle that hears it. Reading it once for all would have every bundle wait for the
slowest and hold its windows meanwhile, and decoding is cheap beside any model: 2 of 19 ms a window with BirdNET.
"""

from __future__ import annotations

import functools
import importlib.metadata
import weakref
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.models.decide import gates
from katydid.models.decide.decision import Answer, Judge, Names, Reading, unidentifiable
from katydid.models.decide.novelty import Neighbours
from katydid.models.errors import BundleError, ModelError
from katydid.models.image import classify
from katydid.models.image.earlier import Earlier, Reduced, reduced
from katydid.models.image.localise import Proposal
from katydid.models.image.locating import WHOLE, Located, locate
from katydid.models.image.masking import covers, hidden
from katydid.models.image.suppression import suppressed
from katydid.models.image.views import Views
from katydid.models.manifest import BundleKind, Resize, SoundInput
from katydid.models.model import Model, Seen
from katydid.models.outcome import NO_EFFORT, Box, Detection, Effort, Measure, Outcome, Ran, Span, Status, outcome_of
from katydid.models.settings import GateSettings, IdentifySettings
from katydid.models.sound.level import Levels
from katydid.models.sound.listening import Heard, Listening
from katydid.models.sound.windows import Grid, Windows, grid_for, resampled
from katydid.sensors import audio, images
from katydid.sensors.capture import Capture, Kind
from katydid.sensors.errors import RefusedMedia, Undecodable
from katydid.sensors.identity import detection_id
from katydid.sensors.limits import Limits
from katydid.sensors.references import open_media

BLOCK_SAMPLES = 1 << 20
"""Samples of all channels together that are decoded at a time: 4 MiB."""

LOCALISER_SHORT_SIDE = 160
"""Frames are decoded at no less than twice this for localisers: 320 by 480 is a portrait of 2 by 3."""

SAME = 0.5
"""Boxes of two detectors that overlap by more than this (intersection over union) are of one insect."""

_KINDS = {
    BundleKind.SOUND_CLASSIFIER: Kind.CLIP,
    BundleKind.IMAGE_CLASSIFIER: Kind.FRAME,
    BundleKind.DETECTOR: Kind.FRAME,
}


@dataclass(frozen=True)
class Look:
    """A question to a host: what does `model` see in `items`? float32 [n, samples] or uint8 [n, height, width, 3]."""

    model: Model
    items: NDArray[np.generic]


class LookFailed(ModelError):
    """Thrown into an identification by its host: no engine can run these items. Ends in a refused outcome."""


Question = Look | Reduced
"""What a host is asked: a look; or, with a frame's `Reduced`, for those of the frames before it."""
Reply = Seen | Earlier
"""What the model saw; or the earlier frames of the same camera, oldest first (none where a host keeps none)."""
Steps = Generator[Question, Reply, "Findings"]


@dataclass(frozen=True)
class Found:
    """A detection before it has its number."""

    model: str
    digest: str
    answer: Answer
    quality: tuple[Measure, ...]
    box: Box | None = None
    span: Span | None = None


@dataclass(frozen=True)
class Findings:
    """What looking at the media came to."""

    effort: Effort
    found: tuple[Found, ...] = ()
    quality: tuple[Measure, ...] = ()
    ran: tuple[Ran, ...] = ()
    message: str = ""
    earlier: int = 0


def identify(
    capture: Capture,
    models: Sequence[Model],
    settings: IdentifySettings,
    limits: Limits,
    before: Sequence[Reduced] = (),
) -> Outcome:
    """The outcome of one capture that came after the frames `before`, oldest first; each look answered on the spot.
    Raises EngineError where a model cannot run."""
    steps = identification(capture, models, settings, limits)
    try:
        question = next(steps)
        while True:
            reply = tuple(before) if isinstance(question, Reduced) else question.model.infer(question.items)
            question = steps.send(reply)
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome


def identification(
    capture: Capture, models: Sequence[Model], settings: IdentifySettings, limits: Limits
) -> Generator[Question, Reply, Outcome]:
    """Yield questions, be sent the replies, end with the outcome. Of `models`, those for this kind of media look, in
    the order of their names. Bad input ends as a refused outcome, never as an exception."""
    if capture.refusal:
        reason, _, message = capture.refusal.partition(": ")
        return _refused(capture, settings, reason, message)
    fitting = sorted(
        (model for model in models if _KINDS.get(model.bundle.manifest.kind) is capture.kind),
        key=lambda model: (model.bundle.manifest.model, model.bundle.digest),
    )
    try:
        path = _listen if capture.kind is Kind.CLIP else _watch
        findings = yield from path(capture, fitting, settings, limits)
    except RefusedMedia as refusal:
        return _refused(capture, settings, refusal.reason, str(refusal))
    except LookFailed as failure:
        return _refused(capture, settings, "model_failed", str(failure))
    return _outcome(capture, settings, findings)


# Sound


def _listen(capture: Capture, models: Sequence[Model], settings: IdentifySettings, limits: Limits) -> Steps:
    """Each bundle hears the whole recording."""
    found: list[Found] = []
    quality: list[Measure] = []
    effort = Effort()
    for model in models:
        with audio.open_sound(open_media(capture), limits) as reader:
            levels = Levels(reader.header.sample_rate)
            heard, measures = yield from _hear(model, reader, levels, settings)
        found += heard
        quality += measures
        effort = _sound_effort(reader.header, levels)
    if models:
        quality = [*_clip_quality(levels, settings.gates), *quality]
        return Findings(effort=effort, found=tuple(found), quality=tuple(quality), ran=_ran(models))
    return _unheard(capture, limits)


def _hear(
    model: Model, reader: audio.SoundReader, levels: Levels, settings: IdentifySettings
) -> Generator[Question, Reply, tuple[list[Found], list[Measure]]]:
    """One bundle, one recording: windows, looks, events."""
    header, sound = reader.header, _sound_input(model)
    grid = grid_for(sound, settings.overlap_s)
    blocks = levels.through(reader.blocks(_block_frames(header, grid)))
    windows = Windows(resampled(blocks, header.sample_rate, grid.rate), grid, settings.windows_at_once)
    knowledge = _knowledge(model)
    judge = Judge(knowledge.names, model.bundle.manifest, settings, model.calibrated)
    listening = Listening(judge, grid, len(model.bundle.labels))
    far = knowledge.neighbours is not None
    try:
        for batch in windows.batches():
            seen = yield from _look(model, batch.samples)
            listening.hear(batch.first, seen.scores, knowledge.distances(seen))
    except RefusedMedia as refusal:
        message = f"{refusal}; {levels.seconds:.1f} s before that could be read"
        raise type(refusal)(refusal.reason, message) from refusal
    events = listening.finish(windows.total, far=far)
    found = [_found_sound(model, sound, header, levels, event, settings) for event in events]
    name = model.bundle.manifest.name
    return found, [
        Measure(name=f"{name}.{role.value}_seconds", value=float(seconds))
        for role, seconds in sorted(listening.silent.items())
        if seconds
    ]


def _block_frames(header: audio.SoundHeader, grid: Grid) -> int:
    """How much is decoded at a time: a window, so that windows side by side need not be put together; a second at
    least."""
    window = -(-grid.samples * header.sample_rate // grid.rate)
    return max(1, min(max(window, header.sample_rate), BLOCK_SAMPLES // header.channels))


def _found_sound(
    model: Model,
    sound: SoundInput,
    header: audio.SoundHeader,
    levels: Levels,
    event: Heard,
    settings: IdentifySettings,
) -> Found:
    """An event with its place in the recording and its gates."""
    nyquist = header.sample_rate / 2
    top = sound.sample_rate / 2 if sound.high_hz is None else sound.high_hz
    span = Span(
        start_s=float(event.first),
        end_s=min(float(event.last + 1), levels.seconds),
        low_hz=sound.low_hz,
        high_hz=min(top, nyquist),
    )
    quality = (
        gates.clipping(levels.clipped_share(event.first, event.last), settings.gates),
        gates.level(levels.rms_dbfs(event.first, event.last), settings.gates),
    )
    return _gated(model, event.answer, quality, span=span)


def _unheard(capture: Capture, limits: Limits) -> Findings:
    """No bundle hears: the recording is still checked to its end, and no effort is claimed."""
    with audio.open_sound(open_media(capture), limits) as reader:
        header = reader.header
        for _ in reader.blocks(max(1, BLOCK_SAMPLES // header.channels)):
            pass
    effort = Effort(channels=header.channels, sample_rate=header.sample_rate)
    return Findings(effort=effort, message="no sound model is installed: nothing was listened for")


def _sound_effort(header: audio.SoundHeader, levels: Levels) -> Effort:
    return Effort(seconds=levels.seconds, channels=header.channels, sample_rate=header.sample_rate)


def _clip_quality(levels: Levels, bounds: GateSettings) -> tuple[Measure, ...]:
    last = int(levels.seconds) + 1
    return gates.clipping(levels.clipped_share(0, last), bounds), gates.level(levels.rms_dbfs(0, last), bounds)


def _sound_input(model: Model) -> SoundInput:
    sound = model.bundle.manifest.sound
    if sound is None:
        raise ModelError(f"{model.bundle.path}: a sound bundle without a sound input")
    return sound


# Frames


def _watch(capture: Capture, models: Sequence[Model], settings: IdentifySettings, limits: Limits) -> Steps:
    """Each bundle looks at the whole frame, or at each crop that a localiser or a detector proposes."""
    detectors, models = _detectors(models, settings)
    data = _frame_bytes(capture)
    frame = images.decode(data, limits, _short_side((*detectors, *models)))
    grey = gates.grey(frame.pixels)
    located = yield from _located(capture, frame, grey, detectors, settings)
    quality = (gates.exposure(grey, settings.gates), *located.measures)
    if located.crops is None:
        found, noted = yield from _whole(frame, grey, models, settings, quality)
    else:
        # Only where something is there, and has to be named, is the frame decoded in full.
        closer = located.crops and (models or not detectors) and frame.pixels.shape[1] < frame.full_width
        full = images.decode(data, limits) if closer else frame
        found, noted = (yield from _crops(full, located.crops, models, settings, quality[0])), []
    seen = located.looked and (bool(models) or located.crops is not None)
    effort = Effort(frames=int(seen), width=frame.full_width, height=frame.full_height)
    return Findings(
        effort=effort,
        found=tuple(found),
        quality=(*quality, *noted),
        ran=(*located.ran, *_ran(models)),
        message=located.message if models or located.crops is not None else _UNSEEN,
        earlier=located.earlier,
    )


_COMPARED = ("auto", "crops", "motion", "both")
"""`IdentifySettings.region`s under which what has changed since earlier frames counts."""
_UNSEEN = "no image model is installed, and the ground is too restless to look for insects without"


def _located(
    capture: Capture,
    frame: images.Frame,
    grey: NDArray[np.uint8],
    detectors: Sequence[Model],
    settings: IdentifySettings,
) -> Generator[Question, Reply, Located]:
    """Where to look. Every frame that the motion localiser may see is handed out: it may be the background of later
    ones."""
    if detectors:
        return (yield from _detected(capture, frame, detectors, settings))
    if settings.region == "whole":
        return WHOLE
    small = reduced(capture, grey)
    if settings.region not in _COMPARED:
        return locate(small, (), settings)
    before = yield small
    assert isinstance(before, tuple)
    return locate(small, before, settings)


@dataclass(frozen=True, kw_only=True)
class Sighting(Proposal):
    """A box that a detector found and names by itself, as far as its own classes go."""

    model: Model
    answer: Answer


def compares(models: Sequence[Model], settings: IdentifySettings) -> bool:
    """Whether these models' frames are compared with those before them: a host need keep none otherwise."""
    return settings.region in _COMPARED and not _detectors(models, settings)[0]


def _detectors(models: Sequence[Model], settings: IdentifySettings) -> tuple[list[Model], list[Model]]:
    """The detectors that look, and the classifiers. Where the settings say where to look, no detector is asked."""
    kinds = [model.bundle.manifest.kind is BundleKind.DETECTOR for model in models]
    others = [model for model, detects in zip(models, kinds, strict=True) if not detects]
    asked = settings.region in ("auto", "crops")
    return [model for model, detects in zip(models, kinds, strict=True) if detects and asked], others


def _detected(
    capture: Capture, frame: images.Frame, detectors: Sequence[Model], settings: IdentifySettings
) -> Generator[Question, Reply, Located]:
    """Where detectors find something, but for what lies in the mask; of two boxes for one thing the surer."""
    found: list[Sighting] = []
    for model in detectors:
        found += yield from _sightings(model, frame.pixels, settings)
    mask = hidden(settings.masks, capture.sensor_id, frame.pixels.shape)
    found = [one for one in found if mask is None or not covers(mask, one.box)]
    if len(detectors) > 1:
        corners = np.array([(b.x, b.y, b.x + b.w, b.y + b.h) for b in (one.box for one in found)], np.float32)
        scores = np.array([one.score for one in found], np.float32)
        found = [found[index] for index in suppressed(corners.reshape(-1, 4), scores, SAME)]
    return Located(crops=tuple(found), ran=_ran(detectors))


def _sightings(
    model: Model, pixels: NDArray[np.uint8], settings: IdentifySettings
) -> Generator[Question, Reply, list[Sighting]]:
    """What one detector finds, the surest first, each with the surest of its own names."""
    manifest = model.bundle.manifest
    if manifest.image is None or manifest.detector is None:
        raise ModelError(f"{model.bundle.path}: a detector without an input or a word on its boxes")
    views = Views(pixels, manifest.image, manifest.detector)
    for items in views.batches(settings.windows_at_once):
        seen = yield from _look(model, items)
        if seen.boxes is None:
            raise ModelError(f"{model.bundle.path}: a detector that gives no boxes")
        views.keep(seen.boxes, seen.scores)
    judge = Judge(_knowledge(model).names, manifest, settings, model.calibrated)

    def enough(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
        sure = model.calibrated(scores)
        return np.asarray((scores if sure is None else sure).max(axis=1) >= judge.report)

    found = []
    for corners, scores in zip(*views.found(enough), strict=True):
        left, top, right, bottom = map(float, corners)
        box = Box(x=left, y=top, w=right - left, h=bottom - top)
        for answer in judge.reading(scores.astype(np.float64), None).answers[:1]:
            found.append(Sighting(box=box, score=answer.score, by=manifest.model, model=model, answer=answer))
    return found


def _whole(
    frame: images.Frame,
    grey: NDArray[np.uint8],
    models: Sequence[Model],
    settings: IdentifySettings,
    quality: tuple[Measure, ...],
) -> Generator[Question, Reply, tuple[list[Found], list[Measure]]]:
    """One look a bundle. Where none names anything, the frame is empty, and the measures say what won."""
    side = gates.SHARPNESS_PX
    square = None
    if min(grey.shape) > side and any(_stretches_to(model, side) for model in models):
        square, grey = images.shrink_with_grey(frame.pixels, grey, side, side)
    sharpness = gates.sharpness(grey, settings.gates)
    found: list[Found] = []
    noted = [sharpness]
    for model in models:
        picture = square if square is not None and _stretches_to(model, side) else frame.pixels
        (reading,) = yield from _readings(model, [picture], settings)
        found += [_gated(model, answer, (quality[0], sharpness)) for answer in reading.answers]
        if reading.silent is not None:
            name = f"{model.bundle.manifest.name}.{reading.silent.value}"
            noted.append(Measure(name=name, value=reading.confidence))
    return found, noted


def _stretches_to(model: Model, side: int) -> bool:
    """Whether a bundle takes whole pictures as a square of this side."""
    image = model.bundle.manifest.image
    return image is not None and image.resize is Resize.STRETCH and image.height == image.width == side


def _crops(
    frame: images.Frame,
    crops: Sequence[Proposal],
    models: Sequence[Model],
    settings: IdentifySettings,
    exposure: Measure,
) -> Generator[Question, Reply, list[Found]]:
    """Each crop is a detection: by each bundle that names it, else one without a name. Specks are not looked at."""
    found: list[Found] = []
    for start in range(0, len(crops), settings.windows_at_once):
        some = crops[start : start + settings.windows_at_once]
        # What a detector found and nobody else looks at needs no pixels.
        pixels = [_cut(frame, crop) if models or not isinstance(crop, Sighting) else None for crop in some]
        measures = [
            _crop_quality(frame, crop.box, cut, exposure, settings) for crop, cut in zip(some, pixels, strict=True)
        ]
        large = [index for index, quality in enumerate(measures) if quality[1].passed]
        readings: dict[int, list[tuple[Model, Reading]]] = {index: [] for index in range(len(some))}
        for model in models if large else ():
            shown = [cut for index in large if (cut := pixels[index]) is not None]
            answered = yield from _readings(model, shown, settings)
            for index, reading in zip(large, answered, strict=True):
                readings[index].append((model, reading))
        for index, crop in enumerate(some):
            found += _found_crop(crop, readings[index], measures[index])
    return found


def _readings(
    model: Model, pictures: Sequence[NDArray[np.uint8]], settings: IdentifySettings
) -> Generator[Question, Reply, list[Reading]]:
    """What one bundle makes of some pictures, uint8 [H, W, 3] each."""
    manifest, knowledge = model.bundle.manifest, _knowledge(model)
    if manifest.image is None:
        raise ModelError(f"{model.bundle.path}: an image bundle without an image input")
    image = manifest.image
    seen = yield from _look(model, np.stack([classify.at_input(picture, image) for picture in pictures]))
    judge = Judge(knowledge.names, manifest, settings, model.calibrated)
    distances = knowledge.distances(seen)
    return [
        judge.reading(scores, None if distances is None else float(distances[index]))
        for index, scores in enumerate(seen.scores.astype(np.float64))
    ]


def _cut(frame: images.Frame, crop: Proposal) -> NDArray[np.uint8]:
    height, width = frame.pixels.shape[:2]
    return classify.crop(frame.pixels, classify.surroundings(crop.box, width, height, crop.context))


def _crop_quality(
    frame: images.Frame, box: Box, pixels: NDArray[np.uint8] | None, exposure: Measure, settings: IdentifySettings
) -> tuple[Measure, ...]:
    """The frame's exposure, the crop's size, and its sharpness where it is cut out and large enough to have one."""
    size = gates.crop_size(round(box.w * frame.full_width), round(box.h * frame.full_height), settings.gates)
    if pixels is None or not size.passed:
        return exposure, size
    return exposure, size, gates.sharpness(pixels, settings.gates)


def _found_crop(crop: Proposal, readings: Sequence[tuple[Model, Reading]], quality: tuple[Measure, ...]) -> list[Found]:
    named = [_gated(model, answer, quality, box=crop.box) for model, reading in readings for answer in reading.answers]
    if named:
        return named
    if isinstance(crop, Sighting):
        # It was seen well enough to be found: size and sharpness are for classifiers.
        seen = (quality[0], *(msgspec.structs.replace(each, bound=None, passed=None) for each in quality[1:]))
        return [_gated(crop.model, crop.answer, seen, box=crop.box)]
    reason = gates.why_not(quality) or "; ".join(_no_name(model, reading) for model, reading in readings)
    decision = unidentifiable(reason or "no image model is installed")
    nameless = Answer(taxon=None, score=crop.score, probability=None, lineage=(), alternatives=(), decision=decision)
    return [Found(model=crop.by, digest="", answer=nameless, quality=quality, box=crop.box)]


def _no_name(model: Model, reading: Reading) -> str:
    what = "nothing is sure enough" if reading.silent is None else f"{reading.silent.value} wins"
    return f"{model.bundle.manifest.model}: {what} ({reading.confidence:.2f})"


def _frame_bytes(capture: Capture) -> bytes:
    media = open_media(capture)
    if isinstance(media, bytes):
        return media
    try:
        return media.read_bytes()
    except OSError as exc:
        raise Undecodable("unreadable", f"the file cannot be read: {exc.strerror}") from exc


def _short_side(models: Iterable[Model]) -> int:
    """Decoding keeps twice this: enough for every bundle's input and for the localiser."""
    sides = [LOCALISER_SHORT_SIDE]
    for model in models:
        manifest = model.bundle.manifest
        if manifest.image is None:
            continue
        if manifest.detector is not None and manifest.detector.tiles is not None:
            # Tiles are cut at this scale as it is.
            sides.append(-(-max(manifest.detector.tiles.short_sides) // 2))
        else:
            sides.append(min(manifest.image.height, manifest.image.width))
    return max(sides)


# What both have in common


def _look(model: Model, items: NDArray[np.generic]) -> Generator[Question, Reply, Seen]:
    """Ask what a model sees."""
    seen = yield Look(model, items)
    assert isinstance(seen, Seen)
    return seen


@dataclass(frozen=True)
class Knowledge:
    """What a bundle's labels and arrays come to; made once a model."""

    names: Names
    neighbours: Neighbours | None

    def distances(self, seen: Seen) -> NDArray[np.float64] | None:
        """To the nearest training embedding, [n]; None where the bundle has no such gate."""
        if self.neighbours is None or seen.embedding is None:
            return None
        return self.neighbours.distances(seen.embedding)


_known: weakref.WeakKeyDictionary[Model, Knowledge] = weakref.WeakKeyDictionary()
"""A cache, filled from the bundle alone: which thread fills it makes no difference."""


def _knowledge(model: Model) -> Knowledge:
    knowledge = _known.get(model)
    if knowledge is None:
        names = Names(model.bundle.manifest, model.bundle.labels)
        knowledge = _known[model] = Knowledge(names, _neighbours(model))
    return knowledge


def _neighbours(model: Model) -> Neighbours | None:
    """The training embeddings of a bundle that has a gate for the unknown; a gate that cannot work is an error."""
    gate = model.bundle.manifest.neighbours
    if gate is None:
        return None
    embeddings = model.bundle.arrays().get(gate.embeddings)
    if embeddings is None or model.graph.embedding is None:
        what = f"array {gate.embeddings!r}" if embeddings is None else "embedding output"
        raise BundleError(f"{model.bundle.path}: the gate for the unknown needs the {what}, which is missing")
    return Neighbours(embeddings, gate.nearest)


def _gated(
    model: Model, answer: Answer, quality: tuple[Measure, ...], *, box: Box | None = None, span: Span | None = None
) -> Found:
    """A failed gate leaves name and numbers, and makes the decision."""
    reason = gates.why_not(quality)
    if reason is not None:
        answer = Answer(
            taxon=answer.taxon,
            score=answer.score,
            probability=answer.probability,
            lineage=answer.lineage,
            alternatives=answer.alternatives,
            decision=unidentifiable(reason),
        )
    bundle = model.bundle
    return Found(model=bundle.manifest.model, digest=bundle.digest, answer=answer, quality=quality, box=box, span=span)


def _ran(models: Iterable[Model]) -> tuple[Ran, ...]:
    return tuple(
        Ran(
            bundle=model.bundle.manifest.model,
            bundle_digest=model.bundle.digest,
            engine=model.running.engine,
            provider=model.running.provider,
            entry=model.entry,
        )
        for model in models
    )


def _outcome(capture: Capture, settings: IdentifySettings, findings: Findings) -> Outcome:
    detections = tuple(
        Detection(
            detection_id=detection_id(capture.capture_id, found.digest, ordinal),
            ordinal=ordinal,
            model=found.model,
            model_digest=found.digest,
            taxon=found.answer.taxon,
            box=found.box,
            span=found.span,
            score=found.answer.score,
            probability=found.answer.probability,
            lineage=found.answer.lineage,
            alternatives=found.answer.alternatives,
            quality=found.quality,
            decision=found.answer.decision,
        )
        for ordinal, found in enumerate(findings.found)
    )
    status = Status.IDENTIFIED if detections else Status.EMPTY
    return _told(capture, settings, status, detections=detections, findings=findings)


def _refused(capture: Capture, settings: IdentifySettings, reason: str, message: str) -> Outcome:
    findings = Findings(effort=NO_EFFORT, message=message)
    return _told(capture, settings, Status.REFUSED, reason=reason, findings=findings)


def _told(
    capture: Capture,
    settings: IdentifySettings,
    status: Status,
    *,
    findings: Findings,
    reason: str = "",
    detections: tuple[Detection, ...] = (),
) -> Outcome:
    return outcome_of(
        capture,
        status,
        reason=reason,
        message=findings.message,
        effort=findings.effort,
        quality=findings.quality,
        detections=detections,
        earlier_frames=findings.earlier,
        ran=findings.ran,
        settings_digest=settings.digest(),
        katydid_version=_version(),
    )


@functools.cache
def _version() -> str:
    return importlib.metadata.version("katydid")
