"""Individuals beside the truth of a simulated station: who was counted once, who several times, who together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import pyarrow as pa

from katydid.sensors.sources.simulated import Truth
from katydid.streams.comparison import matched_boxes


class Identities(msgspec.Struct, frozen=True, kw_only=True):
    """Animals in view of the cameras, and the occurrences that they became."""

    there: int
    """Individuals that are in at least one frame."""
    counted: int
    """Occurrences of frames."""
    once: int
    """Individuals whose found boxes are one occurrence that holds nobody else's."""
    split: int
    """Individuals whose boxes are in several occurrences."""
    joined: int
    """Individuals that share an occurrence with another."""
    missed: int
    """Individuals of which no box was found."""


def identities(truth: Sequence[Truth], detections: pa.Table, occurrences: pa.Table) -> Identities:
    """Hold true individuals against occurrences: DETECTION and OCCURRENCE rows of the same files."""
    there = {name for row in truth if (name := _individual(row)) is not None}
    of_frames = [row for row in occurrences.to_pylist() if row["kind"] == "frame"]
    owner = {detection: row["occurrence_id"] for row in of_frames for detection in row["detection_ids"]}
    claims: dict[tuple[str, str], set[str]] = defaultdict(set)
    holds: dict[str, set[tuple[str, str]]] = defaultdict(set)
    rows = [row for row in detections.to_pylist() if row["kind"] == "frame"]
    for one, row in matched_boxes(truth, rows):
        name, occurrence = _individual(one), owner.get(row["detection_id"])
        if name is not None and occurrence is not None:
            claims[name].add(occurrence)
            holds[occurrence].add(name)
    split = {name for name, some in claims.items() if len(some) > 1}
    joined = {name for some in holds.values() if len(some) > 1 for name in some}
    return Identities(
        there=len(there),
        counted=len(of_frames),
        once=len(claims.keys() - split - joined),
        split=len(split),
        joined=len(joined),
        missed=len(there - claims.keys()),
    )


def _individual(row: Truth) -> tuple[str, str] | None:
    """The camera's folder and the individual's number there; None for a row that is no insect in a frame."""
    if row.kind != "frame" or row.box_x is None:
        return None
    return row.file.rpartition("/")[0], row.individual
