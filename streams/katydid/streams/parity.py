"""Does the same capture give the same answer, whatever the batch, the host or the engine? Measured on trial items that
are the same on every machine (`katydid doctor --parity`).

| check | two ways |
|---|---|
| batch 1 and 32 | the same items one by one, and in one call |
| live and replayed | captures through the pipeline in both lanes, where they share batches, and each by itself |
| engines | the graph that runs against the one that it was made from, where a bundle has both |
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.models.batching import Lane
from katydid.models.bundle import Bundle
from katydid.models.identify import identify
from katydid.models.manifest import BundleKind
from katydid.models.model import Model, open_model
from katydid.models.outcome import Outcome
from katydid.models.settings import IdentifySettings
from katydid.models.verifying import compare, trial_items
from katydid.sensors.capture import Capture, Clock, ClockSource, Kind
from katydid.sensors.limits import Limits
from katydid.sensors.sources.protocol import Position, Taken
from katydid.streams.pipeline import Pipeline
from katydid.streams.sink import Arrival
from katydid.streams.tunables import PipelineSettings

TOLERANCE = 1e-5
"""Largest difference of a score between two ways on one float engine."""
ITEMS = 32
CAPTURES = 8


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One check of one bundle."""

    bundle: str
    check: str
    items: int
    largest: float
    """Largest difference of any score, 0..1."""
    labels_differ: int
    """Items whose label differs although the lead is larger than the tolerance."""
    tolerance: float = TOLERANCE

    @property
    def passed(self) -> bool:
        return self.largest <= self.tolerance and self.labels_differ == 0


def differences(bundle: Bundle) -> Iterator[Difference]:
    """All checks that fit a bundle, as they are done. Raises what `open_model` does."""
    model = open_model(bundle, slots=2)
    try:
        yield _batches(bundle, model)
        if bundle.manifest.kind is not BundleKind.PRIOR:
            yield _hosts(bundle, model)
    finally:
        model.close()
    if (other := compare(bundle)) is not None:
        yield Difference(
            bundle=bundle.manifest.model,
            check="engines: what runs and its original",
            items=other.items,
            largest=other.largest_difference,
            labels_differ=other.top_differs,
            tolerance=5e-3,
        )


def _batches(bundle: Bundle, model: Model) -> Difference:
    items = trial_items(bundle, ITEMS)
    alone = np.concatenate([model.infer(items[n : n + 1]).scores for n in range(len(items))])
    together = model.infer(items).scores
    # A detector's scores are [n, boxes, classes].
    alone, together = alone.reshape(len(items), -1), together.reshape(len(items), -1)
    return Difference(
        bundle=bundle.manifest.model,
        check=f"batch 1 and {ITEMS}",
        items=len(items),
        largest=float(np.abs(alone - together).max()),
        labels_differ=_labels_differ(alone, together),
    )


def _labels_differ(one: NDArray[np.float32], other: NDArray[np.float32]) -> int:
    best = one.max(axis=1)
    lead = best - one[np.arange(len(one)), other.argmax(axis=1)]
    return int((lead > TOLERANCE).sum())


def _hosts(bundle: Bundle, model: Model) -> Difference:
    """The same captures by themselves and through the pipeline, where they share batches."""
    captures = [_capture(bundle, item, number) for number, item in enumerate(trial_items(bundle, CAPTURES))]
    settings = IdentifySettings(min_probability=0.05)
    alone = {each.capture_id: identify(each, [model], settings, Limits()) for each in captures}
    pairs = [
        (alone[outcome.capture_id], outcome)
        for lane in Lane
        for outcome in _through_pipeline(model, captures, settings, lane)
    ]
    return Difference(
        bundle=bundle.manifest.model,
        check="live, replayed, and by itself",
        items=len(captures),
        largest=max((_largest(one, other) for one, other in pairs), default=0.0),
        labels_differ=sum(_names(one) != _names(other) for one, other in pairs) + 2 * len(captures) - len(pairs),
    )


class _Kept:
    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def write(self, arrivals: Sequence[Arrival]) -> None:
        self.outcomes += [arrival.outcome for arrival in arrivals]

    def close(self) -> None:
        """Nothing to let go of."""


def _through_pipeline(
    model: Model, captures: Sequence[Capture], settings: IdentifySettings, lane: Lane
) -> list[Outcome]:
    sink = _Kept()
    with Pipeline([model], sink, PipelineSettings.for_this_machine(2), identify=settings) as pipeline:
        for number, capture in enumerate(captures):
            taken = Taken(capture=capture, position=Position(source="parity", partition="", offset=number))
            pipeline.put_wait(taken, lane=lane)
    return sink.outcomes


def _largest(one: Outcome, other: Outcome) -> float:
    if len(one.detections) != len(other.detections):
        return 1.0
    pairs = zip(one.detections, other.detections, strict=True)
    return max((abs(first.confidence - second.confidence) for first, second in pairs), default=0.0)


def _names(outcome: Outcome) -> list[str]:
    return [detection.taxon.taxon_id if detection.taxon else "" for detection in outcome.detections]


def _capture(bundle: Bundle, item: NDArray[np.generic], number: int) -> Capture:
    sound = bundle.manifest.sound
    payload = _png(item) if sound is None else _wav(item, sound.sample_rate)
    return Capture(
        capture_id=f"{number:032x}",
        sensor_id="parity",
        kind=Kind.FRAME if sound is None else Kind.CLIP,
        captured_at=number,
        clock=Clock(source=ClockSource.NONE),
        media_type="image/png" if sound is None else "audio/wav",
        payload=payload,
        sha256="0" * 64,
        length=len(payload),
    )


def _png(pixels: NDArray[np.generic]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _wav(samples: NDArray[np.generic], rate: int) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype="FLOAT")
    return buffer.getvalue()
