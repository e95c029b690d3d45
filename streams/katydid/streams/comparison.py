"""Truth beside result, for a station whose truth is known: what was there, what was found, what was made up.

The unit for sound is the clip: a species counts once in a clip, however often it calls. The unit for pictures is the
insect in a frame: a box counts where it overlaps a true one by at least `IOU`, each true box once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import pyarrow as pa

from katydid.models.outcome import Verdict
from katydid.sensors.sources.simulated import Truth

IOU = 0.3

Pair = tuple[str, str]
"""(file, scientific name)."""


class SpeciesRow(msgspec.Struct, frozen=True, kw_only=True):
    """One species over all clips."""

    species: str
    there: int
    """Clips that hold its song."""
    found: int
    """Of these, clips in which it was named and accepted."""
    genus_only: int
    """Of the rest, clips in which its genus was named and accepted."""
    for_review: int
    """Of the rest, clips in which it or its genus was named, and left for a person to review."""
    made_up: int
    """Clips without its song in which it was named and accepted."""
    mean_probability: float | None
    """Over the accepted detections that are right; None where there is none."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    species: tuple[SpeciesRow, ...]
    """Those that are there first, then those that were made up; each by name."""
    insects: int
    """True boxes in all frames."""
    insects_found: int
    insects_made_up: int
    frames: int

    @property
    def score(self) -> float:
        """F1 over (clip, species): 2 · right / (there + named), 0..1; 0 where nothing is there and nothing named."""
        right = sum(row.found for row in self.species)
        total = sum(row.there + row.found + row.made_up for row in self.species)
        return 2 * right / total if total else 0.0


def compare(truth: Sequence[Truth], detections: pa.Table) -> Comparison:
    """Hold a simulated station's truth against what a store says: DETECTION rows of the same files."""
    rows = detections.to_pylist()
    frames = {row.file for row in truth if row.kind == "frame" and not row.note}
    insects, found, made_up = _boxes(truth, [row for row in rows if row["kind"] == "frame"])
    return Comparison(
        species=tuple(_species(truth, rows)),
        insects=insects,
        insects_found=found,
        insects_made_up=made_up,
        frames=len(frames),
    )


def _named(rows: Sequence[dict[str, object]], verdict: Verdict) -> dict[Pair, list[float]]:
    """(file, name) of the organisms that were named in clips with this verdict → confidences."""
    found: dict[Pair, list[float]] = defaultdict(list)
    for row in rows:
        if row["kind"] == "clip" and row["decision"] == verdict.value and row["rank"] != "none":
            number = row["probability"] if row["probability"] is not None else row["score"]
            found[str(row["file"]), str(row["taxon"])].append(float(str(number)))
    return found


def _species(truth: Sequence[Truth], rows: Sequence[dict[str, object]]) -> Iterable[SpeciesRow]:
    there = {(row.file, row.taxon) for row in truth if row.kind == "clip" and row.taxon}
    confidences, doubted = _named(rows, Verdict.ACCEPTED), set(_named(rows, Verdict.REVIEW))
    named = set(confidences)
    real = sorted({name for _, name in there})
    invented = sorted({name for _, name in named} - set(real) - {genus(name) for name in real})
    for name in [*real, *invented]:
        yield _row(name, there, doubted, confidences)
    yield from _invented_genera(real, there, named)


def _row(name: str, there: set[Pair], doubted: set[Pair], confidences: dict[Pair, list[float]]) -> SpeciesRow:
    named = set(confidences)
    files = {file for file, species in there if species == name}
    found = {file for file in files if (file, name) in named}
    by_genus = {file for file in files - found if (file, genus(name)) in named}
    rest = files - found - by_genus
    right = [number for file in found for number in confidences[file, name]]
    return SpeciesRow(
        species=name,
        there=len(files),
        found=len(found),
        genus_only=len(by_genus),
        for_review=len({file for file in rest if (file, name) in doubted or (file, genus(name)) in doubted}),
        made_up=len({file for file, species in named if species == name} - files),
        mean_probability=float(np.mean(right)) if right else None,
    )


def _invented_genera(real: Sequence[str], there: set[Pair], named: set[Pair]) -> Iterable[SpeciesRow]:
    """A genus answer in a clip that holds no species of it is made up too."""
    true_genera = {(file, genus(name)) for file, name in there}
    for name in sorted({genus(species) for species in real}):
        wrong = {file for file, species in named if species == name} - {file for file, g in true_genera if g == name}
        if wrong:
            yield SpeciesRow(
                species=name, there=0, found=0, genus_only=0, for_review=0, made_up=len(wrong), mean_probability=None
            )


def genus(name: str) -> str:
    """The first word of a scientific name."""
    return name.partition(" ")[0]


def _boxes(truth: Sequence[Truth], rows: Sequence[dict[str, object]]) -> tuple[int, int, int]:
    """(true boxes, of these found, boxes that fit none) over all frames."""
    there = sum(row.kind == "frame" and row.box_x is not None for row in truth)
    given = sum(each["box_x"] is not None for each in rows)
    found = sum(1 for _ in matched_boxes(truth, rows))
    return there, found, given - found


def matched_boxes(
    truth: Sequence[Truth], rows: Sequence[dict[str, object]]
) -> Iterable[tuple[Truth, dict[str, object]]]:
    """True boxes with the detections that fit them, one to one within each frame, the best overlaps first."""
    given: dict[str, list[dict[str, object]]] = defaultdict(list)
    for each in rows:
        if each["box_x"] is not None:
            given[str(each["file"])].append(each)
    true: dict[str, list[Truth]] = defaultdict(list)
    for row in truth:
        if row.kind == "frame" and row.box_x is not None and row.file in given:
            true[row.file].append(row)
    for file, boxes in true.items():
        found = given[file]
        sides = ("box_x", "box_y", "box_w", "box_h")
        overlap = _iou(
            np.array([[getattr(one, side) or 0.0 for side in sides] for one in boxes]),
            np.array([[float(str(one[side])) for side in sides] for one in found]),
        )
        yield from ((boxes[row], found[column]) for row, column in _best_first(overlap))


def _best_first(overlap: np.ndarray) -> Iterable[tuple[int, int]]:
    """Row and column of overlaps of at least IOU, one to one, the best first; `overlap` is used up."""
    while overlap.size and overlap.max() >= IOU:
        row, column = np.unravel_index(int(overlap.argmax()), overlap.shape)
        overlap[row, :], overlap[:, column] = -1.0, -1.0
        yield int(row), int(column)


def _iou(true: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Intersection over union, [true, given]; both [n, 4] as x, y, w, h."""
    a, b = true[:, None, :], given[None, :, :]
    w = np.minimum(a[..., 0] + a[..., 2], b[..., 0] + b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    h = np.minimum(a[..., 1] + a[..., 3], b[..., 1] + b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    inside = np.clip(w, 0, None) * np.clip(h, 0, None)
    return np.asarray(inside / (a[..., 2] * a[..., 3] + b[..., 2] * b[..., 3] - inside))
