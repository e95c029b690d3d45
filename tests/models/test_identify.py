"""One capture in, one outcome out."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from katydid.models.bundle import write_bundle
from katydid.models.decide import gates
from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.engines.protocol import Arrays, Port, Running
from katydid.models.errors import BundleError
from katydid.models.identify import Look, LookFailed, Question, identification, identify
from katydid.models.image.earlier import Reduced
from katydid.models.labels import write_labels
from katydid.models.manifest import (
    Activation,
    BundleKind,
    BundleManifest,
    Graph,
    ImageInput,
    Label,
    NearestNeighbours,
    Role,
    SoundInput,
    Thresholds,
)
from katydid.models.model import Model, open_model
from katydid.models.outcome import Outcome, Status, Verdict
from katydid.models.settings import GateSettings, IdentifySettings
from katydid.sensors import images
from katydid.sensors.capture import Capture, Clock, ClockSource, Kind, MediaRef
from katydid.sensors.limits import Limits

RATE = 8000
SETTINGS, LIMITS = IdentifySettings(), Limits()
Samples = NDArray[np.float32]


@dataclass
class Scripted:
    """An engine that answers with what a test says of the items."""

    answer: Callable[[NDArray[np.generic]], NDArray[np.float32]]
    shape: tuple[int, ...]
    dtype: str
    classes: int
    max_batch: int = 32
    slots: int = 1

    @property
    def inputs(self) -> dict[str, Port]:
        return {"input": Port(shape=(None, *self.shape), dtype=self.dtype)}

    @property
    def outputs(self) -> dict[str, Port]:
        port = Port(shape=(None, self.classes), dtype="float32")
        return {"scores": port, "embedding": Port(shape=(None, 2), dtype="float32")}

    def infer(self, inputs: Arrays) -> Arrays:
        rows = np.stack([self.answer(item) for item in inputs["input"]])
        return {"scores": rows[:, : self.classes], "embedding": rows[:, self.classes :]}

    def describe(self) -> Running:
        return Running(engine="scripted", provider="test", version="1")

    def close(self) -> None: ...


def taxon(index: int, name: str) -> Label:
    genus = (("genus", name.split()[0]),)
    return Label(index=index, taxon_id=f"name:{name}", name=name, rank="species", higher=genus)


LABELS = (
    taxon(0, "Gryllus campestris"),
    taxon(1, "Apis mellifera"),
    Label(index=2, taxon_id="name:nothing", name="nothing", rank="none", role=Role.BACKGROUND),
    Label(index=3, taxon_id="name:Engine", name="Engine", rank="none", role=Role.NOISE),
)


def scripted(
    directory: Path,
    answer: Callable[[NDArray[np.generic]], Sequence[float]],
    *,
    kind: BundleKind,
    name: str = "scripted",
    seconds: float = 1.0,
    side: int = 32,
    activation: Activation = Activation.NONE,
    neighbours: NearestNeighbours | None = None,
    embedding: tuple[float, float] = (1.0, 0.0),
) -> Model:
    """A real bundle around a scripted engine; its scores are what the activation makes of `answer`."""
    sound, image = None, None
    shape: tuple[int, ...] = (side, side, 3)
    if kind is BundleKind.SOUND_CLASSIFIER:
        shape = (round(seconds * RATE),)
        sound = SoundInput(sample_rate=RATE, samples=shape[0], hop_s=seconds, low_hz=100.0)
    else:
        image = ImageInput(height=side, width=side)
    graph = Graph(file="g", engine="onnx", input="input", scores="scores", embedding="embedding", max_batch=32)
    manifest = BundleManifest(
        format=1, name=name, version="1", title="", kind=kind, graphs=(graph,), image=image, sound=sound,
        activation=activation, thresholds=Thresholds(report=0.1, accept=0.5), neighbours=neighbours,
        licence="CC0-1.0", credit="", uses="", files={},
    )  # fmt: skip
    arrays = io.BytesIO()
    np.savez(arrays, neighbours=np.array([[1.0, 0.0]], dtype=np.float32))
    contents = {"g": b"", "labels.csv": write_labels(LABELS), "arrays.npz": arrays.getvalue()}
    bundle = write_bundle(directory / name, manifest, contents)

    def row(item: NDArray[np.generic]) -> NDArray[np.float32]:
        return np.array([*answer(item), *embedding], dtype=np.float32)

    dtype = "float32" if sound else "uint8"
    return Model(bundle, graph, Scripted(row, shape, dtype, len(LABELS)))


def loud(item: NDArray[np.generic]) -> Sequence[float]:
    """A cricket where it is loud."""
    level = float(np.abs(item.astype(np.float64)).max())
    return (0.9 if level > 0.4 else 0.2 if level > 0.2 else 0.0, 0.0, 0.99, 0.0)


def wav(samples: Samples, rate: int = RATE, subtype: str = "FLOAT", container: str = "WAV") -> bytes:
    """Encoded [frames] or [frames, channels]."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype)
    return file.getvalue()


def tones(*levels: float, rate: int = RATE) -> Samples:
    """One second of a tone at each level."""
    wave = np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    return np.concatenate([level * wave for level in levels]).astype(np.float32)


def capture(payload: bytes, kind: Kind = Kind.CLIP, *, name: str = "a", refusal: str = "") -> Capture:
    return Capture(
        capture_id=(name * 32)[:32], sensor_id="s", kind=kind, captured_at=0, clock=Clock(source=ClockSource.NONE),
        media_type="", payload=payload, sha256="0" * 64, length=len(payload), refusal=refusal,
    )  # fmt: skip


def look(question: Question) -> Look:
    """What is asked of a model, and not of earlier frames."""
    assert isinstance(question, Look)
    return question


def spans(outcome: Outcome) -> list[tuple[float, float]]:
    return [(d.span.start_s, d.span.end_s) for d in outcome.detections if d.span]


@pytest.fixture
def cricket(tmp_path: Path) -> Model:
    return scripted(tmp_path, loud, kind=BundleKind.SOUND_CLASSIFIER)


# Sound


def test_a_song_is_one_detection_with_its_time_band_and_effort(cricket: Model) -> None:
    outcome = identify(capture(wav(tones(0, 0.5, 0.3, 0.6, 0, 0))), [cricket], SETTINGS, LIMITS)
    assert outcome.status is Status.IDENTIFIED
    (song,) = outcome.detections
    assert song.taxon is not None and song.taxon.name == "Gryllus campestris"
    assert spans(outcome) == [(1.0, 4.0)]
    assert song.span is not None and (song.span.low_hz, song.span.high_hz) == (100.0, RATE / 2)
    assert song.score == pytest.approx(0.9)
    assert song.probability is None, "the bundle has no calibration"
    assert song.decision.verdict is Verdict.ACCEPTED
    assert (outcome.effort.seconds, outcome.effort.sample_rate, outcome.effort.channels) == (6.0, RATE, 1)
    assert [(ran.bundle, ran.engine) for ran in outcome.ran] == [("scripted-1", "scripted")]


def test_two_songs_are_two_detections_with_ids_of_their_own(cricket: Model) -> None:
    outcome = identify(capture(wav(tones(0.5, 0, 0, 0.5))), [cricket], SETTINGS, LIMITS)
    assert spans(outcome) == [(0.0, 1.0), (3.0, 4.0)]
    assert [d.ordinal for d in outcome.detections] == [0, 1]
    assert len({d.detection_id for d in outcome.detections}) == 2


def test_an_event_ends_with_the_recording(cricket: Model) -> None:
    outcome = identify(capture(wav(tones(0, 0.5, 0.5)[: int(2.25 * RATE)])), [cricket], SETTINGS, LIMITS)
    assert spans(outcome) == [(1.0, 2.25)]


def test_a_clip_shorter_than_a_window_is_heard(cricket: Model) -> None:
    outcome = identify(capture(wav(tones(0.5)[:1000])), [cricket], SETTINGS, LIMITS)
    assert spans(outcome) == [(0.0, 0.125)]


def test_silence_is_effort_without_a_detection(cricket: Model) -> None:
    outcome = identify(capture(wav(tones(0, 0))), [cricket], SETTINGS, LIMITS)
    assert (outcome.status, outcome.detections, outcome.effort.seconds) == (Status.EMPTY, (), 2.0)
    level = next(measure for measure in outcome.quality if measure.name == "rms_dbfs")
    assert level.passed is False


def test_what_is_heard_in_silence_or_behind_clipping_is_unidentifiable(tmp_path: Path) -> None:
    always = scripted(tmp_path, lambda _: (0.9, 0, 0, 0), kind=BundleKind.SOUND_CLASSIFIER)
    (silent,) = identify(capture(wav(tones(0.0))), [always], SETTINGS, LIMITS).detections
    assert silent.decision.verdict is Verdict.UNIDENTIFIABLE
    assert silent.decision.reason == "silent: -200 dBFS under -90"
    square = np.sign(tones(1.0)).astype(np.float32)
    (clipped,) = identify(capture(wav(square)), [always], SETTINGS, LIMITS).detections
    assert clipped.decision.reason.startswith("clipped: ")
    assert clipped.taxon is not None and clipped.score == pytest.approx(0.9), "name and numbers stay"


def test_engines_and_wind_are_written_where_labels_stand_side_by_side_but_not_where_they_exclude(
    tmp_path: Path,
) -> None:
    clip = capture(wav(tones(0.5, 0.5)))
    side_by_side = scripted(tmp_path, lambda _: (0.2, 0, 0, 0.8), kind=BundleKind.SOUND_CLASSIFIER, name="labels")
    found = identify(clip, [side_by_side], SETTINGS, LIMITS)
    assert [(d.taxon.name, d.taxon.rank) for d in found.detections if d.taxon] == [
        ("Engine", "none"),
        ("Gryllus campestris", "species"),
    ]
    exclusive = scripted(
        tmp_path, lambda _: (1, 0, 0, 4), kind=BundleKind.SOUND_CLASSIFIER, name="softmax",
        activation=Activation.SOFTMAX,
    )  # fmt: skip
    empty = identify(clip, [exclusive], SETTINGS, LIMITS)
    assert empty.status is Status.EMPTY
    assert ("softmax.noise_seconds", 2.0) in [(measure.name, measure.value) for measure in empty.quality]


def test_what_is_far_from_all_training_is_an_unknown(tmp_path: Path) -> None:
    gate = NearestNeighbours(reject_above=0.3)
    stranger = scripted(
        tmp_path, lambda _: (0.9, 0, 0, 0), kind=BundleKind.SOUND_CLASSIFIER, neighbours=gate, embedding=(0.0, 1.0)
    )
    (detection,) = identify(capture(wav(tones(0.5))), [stranger], SETTINGS, LIMITS).detections
    assert detection.taxon is not None and (detection.taxon.name, detection.taxon.rank) == ("Unknown", "none")
    assert detection.decision.verdict is Verdict.UNIDENTIFIABLE
    assert "distance 1.00 over 0.30" in detection.decision.reason
    assert detection.alternatives[0].taxon.name == "Gryllus campestris"


def test_a_gate_that_cannot_work_is_an_error_of_the_bundle_and_not_passed_over(tmp_path: Path) -> None:
    gate = NearestNeighbours(embeddings="elsewhere", reject_above=0.3)
    broken = scripted(tmp_path, loud, kind=BundleKind.SOUND_CLASSIFIER, neighbours=gate)
    with pytest.raises(BundleError, match="elsewhere"):
        identify(capture(wav(tones(0.5))), [broken], SETTINGS, LIMITS)


def test_several_bundles_hear_one_clip_whatever_order_they_are_given_in(tmp_path: Path) -> None:
    models = [
        scripted(tmp_path, loud, kind=BundleKind.SOUND_CLASSIFIER, name=name, seconds=seconds)
        for name, seconds in (("b", 1.0), ("a", 3.0))
    ]
    clip = capture(wav(tones(0.5, 0, 0, 0)))
    outcome = identify(clip, models, SETTINGS, LIMITS)
    assert [(d.model, d.span.end_s) for d in outcome.detections if d.span] == [("a-1", 3.0), ("b-1", 1.0)]
    assert outcome == identify(clip, models[::-1], SETTINGS, LIMITS)


def test_a_slower_recorder_is_resampled_and_its_band_ends_at_its_own_limit(cricket: Model) -> None:
    outcome = identify(capture(wav(tones(0.5, 0, rate=4000), 4000)), [cricket], SETTINGS, LIMITS)
    (song,) = outcome.detections
    assert song.span is not None and (song.span.start_s, song.span.end_s, song.span.high_hz) == (0.0, 1.0, 2000.0)


def test_without_a_sound_model_no_effort_is_claimed() -> None:
    outcome = identify(capture(wav(tones(0.5))), [], SETTINGS, LIMITS)
    assert (outcome.status, outcome.effort.seconds) == (Status.EMPTY, 0.0)
    assert "no sound model" in outcome.message


def test_overlapping_windows_are_pooled_per_second(tmp_path: Path) -> None:
    """3 s windows each second, a call in second 3. All three windows over second 3 have it, two of three over second 4
    (odds 9, 9, 0: 0.857), one of two over second 5 (0.818), none over second 6; release at 0.7 x 0.88."""
    model = scripted(tmp_path, loud, kind=BundleKind.SOUND_CLASSIFIER, seconds=3.0)
    settings = IdentifySettings(overlap_s=2.0, min_probability=0.88)
    outcome = identify(capture(wav(tones(0, 0, 0, 0.5, 0, 0, 0))), [model], settings, LIMITS)
    assert spans(outcome) == [(3.0, 6.0)]
    (song,) = outcome.detections
    assert song.score == pytest.approx(0.9, abs=1e-6)


# Bad input


def test_what_its_source_refused_stays_refused(cricket: Model) -> None:
    outcome = identify(capture(b"", refusal="unreadable: permission denied"), [cricket], SETTINGS, LIMITS)
    assert (outcome.status, outcome.reason) == (Status.REFUSED, "unreadable")
    assert outcome.message == "permission denied"


@pytest.mark.parametrize("payload", [b"", b"RIFF", b"not sound at all" * 100])
def test_rubbish_is_a_refused_outcome(cricket: Model, payload: bytes) -> None:
    outcome = identify(capture(payload), [cricket], SETTINGS, LIMITS)
    assert outcome.status is Status.REFUSED and outcome.reason and outcome.message


def test_a_recording_that_breaks_in_the_middle_is_refused_and_says_how_much_could_be_read(cricket: Model) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 20 * RATE).astype(np.float32)
    whole = wav(noise, subtype="PCM_16", container="FLAC")
    outcome = identify(capture(whole[: len(whole) // 2]), [cricket], SETTINGS, LIMITS)
    assert (outcome.status, outcome.reason, outcome.detections) == (Status.REFUSED, "truncated", ())
    seconds = float(outcome.message.rsplit("; ", 1)[1].split(" s ")[0])
    assert 8.0 <= seconds <= 10.0


def test_samples_that_are_no_numbers_are_refused(cricket: Model) -> None:
    samples = tones(0.5)
    samples[100] = np.nan
    assert identify(capture(wav(samples)), [cricket], SETTINGS, LIMITS).reason == "not_finite"


def test_items_that_no_engine_can_run_end_in_a_refused_outcome(cricket: Model) -> None:
    steps = identification(capture(wav(tones(0.5))), [cricket], SETTINGS, LIMITS)
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.throw(LookFailed("the device ran out of memory with one window"))
    assert (end.value.value.status, end.value.value.reason) == (Status.REFUSED, "model_failed")
    assert "out of memory" in end.value.value.message


def test_a_file_that_has_gone_is_refused(cricket: Model, tmp_path: Path) -> None:
    for kind in Kind:
        ref = MediaRef(url=str(tmp_path / "gone"), sha256="0" * 64, length=1)
        gone = msgspec.structs.replace(capture(b"", kind), payload=None, payload_ref=ref)
        assert identify(gone, [cricket], SETTINGS, LIMITS).reason == "unreadable"


# Alone and in company


def noise_clips(n: int) -> list[Capture]:
    random = np.random.default_rng(5)
    lengths = random.integers(1000, 6 * RATE, n)
    return [
        capture(wav(random.normal(0, 0.1, length).astype(np.float32)), name=f"{index:x}")
        for index, length in enumerate(lengths)
    ]


def in_company(captures: Sequence[Capture], models: Sequence[Model]) -> list[Outcome]:
    """All at once, the looks of all in one batch."""
    running = {index: identification(c, models, SETTINGS, LIMITS) for index, c in enumerate(captures)}
    looks: dict[int, Look] = {index: look(next(steps)) for index, steps in running.items()}
    outcomes: dict[int, Outcome] = {}
    while looks:
        order = sorted(looks, reverse=True)
        seen = looks[order[0]].model.infer(np.concatenate([looks[index].items for index in order]))
        at = 0
        for index in order:
            n = len(looks[index].items)
            part = type(seen)(
                scores=seen.scores[at : at + n],
                embedding=None if seen.embedding is None else seen.embedding[at : at + n],
            )
            at += n
            try:
                looks[index] = look(running[index].send(part))
            except StopIteration as end:
                outcomes[index] = end.value
                del looks[index]
    return [outcomes[index] for index in range(len(captures))]


@pytest.mark.parametrize("max_batch", [1, 32])
def test_alone_and_with_others_in_any_batch_a_capture_has_the_same_outcome(tmp_path: Path, max_batch: int) -> None:
    one = open_model(
        placeholder_bundle(tmp_path, kind=BundleKind.SOUND_CLASSIFIER, sample_rate=RATE, max_batch=32), slots=1
    )
    other = Model(one.bundle, msgspec.structs.replace(one.graph, max_batch=max_batch), one._engine)
    captures = noise_clips(12)
    alone = [identify(c, [one], SETTINGS, LIMITS) for c in captures]
    assert in_company(captures, [other]) == alone
    assert sum(len(outcome.detections) for outcome in alone) > 12


@pytest.mark.parametrize("at_once", [1, 2, 7])
def test_no_more_windows_than_allowed_are_asked_for_at_once_and_it_changes_nothing(
    cricket: Model, at_once: int
) -> None:
    clip = capture(wav(tones(*[0.5, 0.0, 0.3] * 7)))
    steps = identification(clip, [cricket], IdentifySettings(windows_at_once=at_once), LIMITS)
    asked, sizes = look(next(steps)), []
    try:
        while True:
            sizes.append(len(asked.items))
            asked = look(steps.send(cricket.infer(asked.items)))
    except StopIteration as end:
        outcome: Outcome = end.value
    assert max(sizes) <= at_once and sum(sizes) == 21
    assert outcome.detections == identify(clip, [cricket], SETTINGS, LIMITS).detections


@pytest.mark.slow
def test_half_an_hour_costs_no_more_memory_than_two_minutes(cricket: Model, tmp_path: Path) -> None:
    def peak(seconds: int) -> int:
        file = tmp_path / f"{seconds}.flac"
        with soundfile.SoundFile(file, "w", RATE, 1, "PCM_16") as sound:
            minute = np.random.default_rng(1).normal(0, 0.05, 60 * RATE)
            for _ in range(seconds // 60):
                sound.write(minute)
        ref = MediaRef(url=str(file), sha256="0" * 64, length=file.stat().st_size)
        clip = msgspec.structs.replace(capture(b""), payload=None, payload_ref=ref)
        tracemalloc.start()
        outcome = identify(clip, [cricket], SETTINGS, LIMITS)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert outcome.effort.seconds == seconds
        return highest

    # 28 minutes more are 54 MB of samples; what may grow are two numbers a second of sound, and the detections.
    assert peak(1800) - peak(120) <= 2**20


# Frames


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert done
    return bytes(data)


def trap_sheet(insects: Sequence[tuple[int, int, int]], level: int = 210) -> NDArray[np.uint8]:
    """1920 x 1080, insects as ellipses: x, y, half length; legs make them sharp."""
    pixels = np.full((1080, 1920, 3), level, dtype=np.uint8)
    for x, y, size in insects:
        cv2.ellipse(pixels, (x, y), (size, size // 2), 0, 0, 360, (60, 50, 40), -1)
        cv2.line(pixels, (x - size // 2, y - size), (x + size // 2, y + size), (40, 40, 40), 3)
    return pixels


def bee(item: NDArray[np.generic]) -> Sequence[float]:
    """A bee in what is not white all over."""
    return (0.0, 0.8, 0.2, 0.0) if float(item.astype(np.float64).std()) > 5 else (0.0, 0.05, 0.95, 0.0)


@pytest.fixture
def bees(tmp_path: Path) -> Model:
    return scripted(tmp_path, bee, kind=BundleKind.IMAGE_CLASSIFIER, name="bees")


SHEET = ((300, 300, 40), (1000, 700, 60), (1600, 400, 30))


def test_each_insect_on_a_sheet_is_a_detection_with_its_box(bees: Model) -> None:
    outcome = identify(capture(jpeg(trap_sheet(SHEET)), Kind.FRAME), [bees], SETTINGS, LIMITS)
    assert (outcome.effort.frames, outcome.effort.width, outcome.effort.height) == (1, 1920, 1080)
    assert len(outcome.detections) == 3
    for x, y, size in SHEET:
        near = [
            d
            for d in outcome.detections
            if d.box
            and abs((d.box.x + d.box.w / 2) * 1920 - x) < size / 2
            and abs((d.box.y + d.box.h / 2) * 1080 - y) < size / 2
        ]
        assert len(near) == 1 and near[0].taxon is not None and near[0].taxon.name == "Apis mellifera"
        assert near[0].decision.verdict is Verdict.ACCEPTED
    assert [ran.bundle for ran in outcome.ran] == ["settled-1", "bees-1"]


def test_an_empty_sheet_is_empty_and_no_model_is_asked(bees: Model) -> None:
    steps = identification(capture(jpeg(trap_sheet(())), Kind.FRAME), [bees], SETTINGS, LIMITS)
    assert isinstance(next(steps), Reduced)
    with pytest.raises(StopIteration) as end:
        steps.send(())
    assert (end.value.value.status, end.value.value.effort.frames) == (Status.EMPTY, 1)


def test_without_an_image_model_what_sits_there_is_found_and_not_named() -> None:
    outcome = identify(capture(jpeg(trap_sheet(SHEET)), Kind.FRAME), [], SETTINGS, LIMITS)
    assert outcome.status is Status.IDENTIFIED and len(outcome.detections) == 3
    for detection in outcome.detections:
        assert detection.taxon is None and detection.box is not None
        assert detection.decision.verdict is Verdict.UNIDENTIFIABLE
        assert detection.decision.reason == "no image model is installed"
        assert detection.model == "settled-1"


def test_a_find_that_every_model_calls_background_stays_once_without_a_name(tmp_path: Path) -> None:
    models = [
        scripted(tmp_path, lambda _: (0, 0, 0.95, 0.0), kind=BundleKind.IMAGE_CLASSIFIER, name=name)
        for name in ("a", "b")
    ]
    outcome = identify(capture(jpeg(trap_sheet(SHEET[:1])), Kind.FRAME), models, SETTINGS, LIMITS)
    (detection,) = outcome.detections
    assert detection.taxon is None
    assert detection.decision.reason == "a-1: background wins (0.95); b-1: background wins (0.95)"


def test_specks_are_found_and_not_looked_at(bees: Model) -> None:
    frame = capture(jpeg(trap_sheet([(600, 500, 30)])), Kind.FRAME)
    settings = IdentifySettings(gates=GateSettings(min_crop_px=200))
    steps = identification(frame, [bees], settings, LIMITS)
    assert isinstance(next(steps), Reduced)
    with pytest.raises(StopIteration) as end:
        steps.send(())
    (detection,) = end.value.value.detections
    assert detection.decision.verdict is Verdict.UNIDENTIFIABLE
    assert detection.decision.reason.startswith("too small: ")


def test_a_restless_frame_is_looked_at_whole(bees: Model) -> None:
    meadow = np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    frame = np.asarray(cv2.resize(meadow, (800, 600), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)
    outcome = identify(capture(jpeg(frame), Kind.FRAME), [bees], SETTINGS, LIMITS)
    (detection,) = outcome.detections
    assert detection.box is None and detection.taxon is not None and detection.taxon.name == "Apis mellifera"


def test_a_whole_frame_that_shows_background_is_empty_and_says_so(bees: Model) -> None:
    outcome = identify(capture(jpeg(trap_sheet(())), Kind.FRAME), [bees], IdentifySettings(region="whole"), LIMITS)
    assert outcome.status is Status.EMPTY
    (background,) = [measure.value for measure in outcome.quality if measure.name == "bees.background"]
    assert background == pytest.approx(0.95)


def test_in_the_dark_nothing_is_identifiable(tmp_path: Path) -> None:
    sure = scripted(tmp_path, lambda _: (0.0, 0.9, 0, 0), kind=BundleKind.IMAGE_CLASSIFIER)
    night = np.full((600, 800, 3), 2, dtype=np.uint8)
    outcome = identify(capture(jpeg(night), Kind.FRAME), [sure], IdentifySettings(region="whole"), LIMITS)
    (detection,) = outcome.detections
    assert detection.decision.verdict is Verdict.UNIDENTIFIABLE
    assert detection.decision.reason == "too dark: mean grey level 2 under 8"


def test_a_blurred_frame_is_unidentifiable(tmp_path: Path) -> None:
    sure = scripted(tmp_path, lambda _: (0.0, 0.9, 0, 0), kind=BundleKind.IMAGE_CLASSIFIER)
    ramp = np.repeat(np.tile(np.linspace(20, 220, 800).astype(np.uint8), (600, 1))[:, :, None], 3, axis=2)
    outcome = identify(capture(jpeg(ramp), Kind.FRAME), [sure], IdentifySettings(region="whole"), LIMITS)
    assert outcome.detections[0].decision.reason.startswith("blurred: sharpness ")


@pytest.mark.parametrize("side", [160, gates.SHARPNESS_PX])
def test_what_a_model_sees_and_how_sharp_it_is_do_not_depend_on_each_other(tmp_path: Path, side: int) -> None:
    """At 224 both are resized in one pass."""
    sure = scripted(tmp_path, lambda _: (0.0, 0.9, 0, 0), kind=BundleKind.IMAGE_CLASSIFIER, side=side)
    data = jpeg(np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8))
    steps = identification(capture(data, Kind.FRAME), [sure], IdentifySettings(region="whole"), LIMITS)
    asked = look(next(steps))
    pixels = images.decode(data, LIMITS, side).pixels
    assert (asked.items[0] == images.resize(pixels, side, side)).all()
    with pytest.raises(StopIteration) as end:
        steps.send(sure.infer(asked.items))
    (sharpness,) = [measure for measure in end.value.value.quality if measure.name == "sharpness"]
    assert sharpness == gates.sharpness(pixels, GateSettings())


def test_a_truncated_frame_is_refused(bees: Model) -> None:
    data = jpeg(trap_sheet(SHEET))
    outcome = identify(capture(data[: len(data) // 2], Kind.FRAME), [bees], SETTINGS, LIMITS)
    assert (outcome.status, outcome.reason) == (Status.REFUSED, "truncated")


def test_sound_models_do_not_look_at_frames_nor_image_models_listen(cricket: Model, bees: Model) -> None:
    frame = identify(capture(jpeg(trap_sheet(SHEET)), Kind.FRAME), [cricket, bees], SETTINGS, LIMITS)
    assert "scripted-1" not in [ran.bundle for ran in frame.ran]
    clip = identify(capture(wav(tones(0.5))), [cricket, bees], SETTINGS, LIMITS)
    assert [ran.bundle for ran in clip.ran] == ["scripted-1"]


def test_real_recordings_of_every_sort_have_one_outcome_each(tmp_path: Path, shared_data: Path) -> None:
    model = open_model(placeholder_bundle(tmp_path, kind=BundleKind.SOUND_CLASSIFIER), slots=1)
    files = sorted((shared_data / "soundscapes" / "opensoundscape").rglob("*.*"))
    sounds = [file for file in files if file.suffix.lower() in (".wav", ".mp3", ".flac", ".ogg")]
    assert len(sounds) >= 10
    for file in sounds:
        outcome = identify(capture(file.read_bytes()), [model], SETTINGS, LIMITS)
        assert outcome.status in Status
        for start, end in spans(outcome):
            assert 0.0 <= start < end <= outcome.effort.seconds
