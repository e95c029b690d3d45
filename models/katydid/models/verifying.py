"""Is a bundle what it says, and does its quick graph answer as the original does?

Opening a bundle compares every digest. Where it also carries the graph that it was made from (entry "reference"), both
are run on the same deterministic items, and the largest difference of a score is told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from katydid.models.bundle import Bundle
from katydid.models.errors import BundleError
from katydid.models.manifest import ImageInput, SoundInput
from katydid.models.model import open_model

ITEMS = 16
REFERENCE = "reference"
TOLERANCE = 5e-3
"""Largest difference of a score that passes. BirdNET's quick front end is within 2e-3 at its worst (zero-padded ends),
its exact one within 1e-5; a wrong layer shows as tenths."""


@dataclass(frozen=True)
class Comparison:
    """The features entry against the reference."""

    items: int
    largest_difference: float
    """Of any score of any item, 0..1."""
    top_differs: int
    """Items whose best class differs although its lead is larger than the tolerance."""

    @property
    def passed(self) -> bool:
        return self.largest_difference <= TOLERANCE and not self.top_differs


def compare(bundle: Bundle, *, items: int = ITEMS) -> Comparison | None:
    """Run both entries on the same items; None where the bundle has no reference. Raises what `open_model` does."""
    if not any(graph.entry == REFERENCE for graph in bundle.manifest.graphs):
        return None
    inputs = trial_items(bundle, items)
    quick, original = (_scores(bundle, entry, inputs) for entry in ("features", REFERENCE))
    best = original.max(axis=1)
    lead = best - original[np.arange(len(original)), quick.argmax(axis=1)]
    return Comparison(
        items=len(inputs),
        largest_difference=float(np.abs(quick - original).max()),
        top_differs=int((lead > TOLERANCE).sum()),
    )


def trial_items(bundle: Bundle, count: int) -> NDArray[np.generic]:
    """The same `count` items on every machine, as `Model.infer` takes them."""
    random = np.random.default_rng(2026)
    manifest = bundle.manifest
    if manifest.sound is not None:
        return np.stack([_window(manifest.sound, random) for _ in range(count)])
    if manifest.image is not None:
        return np.stack([_picture(manifest.image, random) for _ in range(count)])
    places = random.uniform((-60, -180, 1), (70, 180, 49), (count, 3))
    return np.floor(places).astype(np.float32)


def _scores(bundle: Bundle, entry: str, items: NDArray[np.generic]) -> NDArray[np.float32]:
    model = open_model(bundle, entry=entry, slots=1)
    try:
        return model.infer(items).scores
    finally:
        model.close()


def _window(sound: SoundInput, random: np.random.Generator) -> NDArray[np.float32]:
    """Three sweeps that pulse, over hiss: something to say for most models of sound."""
    seconds = np.arange(sound.samples) / sound.sample_rate
    top = 0.45 * sound.sample_rate
    mixed = random.uniform(0.001, 0.05) * random.standard_normal(sound.samples)
    for _ in range(3):
        start, end = np.sort(random.uniform(0.02 * top, top, 2))
        phase = np.cumsum(start + (end - start) * seconds / seconds[-1]) / sound.sample_rate
        pulses = np.maximum(0, np.sin(2 * np.pi * random.uniform(0.5, 20) * seconds)) ** 3
        mixed += random.uniform(0.05, 0.3) * pulses * np.sin(2 * np.pi * phase)
    return np.clip(mixed, -1, 1).astype(np.float32)


def _picture(image: ImageInput, random: np.random.Generator) -> NDArray[np.uint8]:
    """Soft coloured waves with grain."""
    y, x = np.mgrid[0 : image.height, 0 : image.width] / max(image.height, image.width)
    layers = []
    for _ in range(3):
        fx, fy, phase = random.uniform(-12, 12), random.uniform(-12, 12), random.uniform(0, 2 * np.pi)
        layers.append(128 + 90 * np.sin(2 * np.pi * (fx * x + fy * y) + phase))
    grained = np.stack(layers, axis=-1) + random.normal(0, 12, (image.height, image.width, 3))
    return np.clip(grained, 0, 255).astype(np.uint8)


def check(bundle: Bundle, comparison: Comparison) -> None:
    """Raises BundleError where the comparison did not pass."""
    if not comparison.passed:
        raise BundleError(
            f"{bundle.path}: the graph that runs differs from the original by up to "
            f"{comparison.largest_difference:.1e} (allowed: {TOLERANCE:.0e}), and names {comparison.top_differs} of "
            f"{comparison.items} items differently: add the model again"
        )
