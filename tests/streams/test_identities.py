"""Individuals held beside the truth, with cases that are counted by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from katydid.sensors.sources.simulated import Truth
from katydid.streams.identities import Identities, identities
from katydid.streams.store.columns import DETECTION, OCCURRENCE

Sighting = tuple[int, str, float]
"""(frame, individual, where it is from the left)"""


def truth_of(*sightings: Sighting) -> list[Truth]:
    return [
        Truth(file=f"cam/{n}.jpg", kind="frame", taxon="moth", individual=who, box_x=x, box_y=0.1, box_w=0.1, box_h=0.1)
        for n, who, x in sightings
    ]


def detections_of(*boxes: tuple[int, float]) -> pa.Table:
    """Each detection's id is "frame:place"."""
    rows = [
        {
            "file": f"cam/{n}.jpg",
            "kind": "frame",
            "detection_id": f"{n}:{x}",
            **dict(zip(("box_x", "box_y", "box_w", "box_h"), (x, 0.1, 0.1, 0.1), strict=True)),
        }
        for n, x in boxes
    ]
    return pa.Table.from_pylist([{name: row.get(name) for name in DETECTION.names} for row in rows], schema=DETECTION)


def occurrences_of(*tracks: Sequence[str]) -> pa.Table:
    rows = [{"kind": "frame", "occurrence_id": str(n), "detection_ids": list(track)} for n, track in enumerate(tracks)]
    return pa.Table.from_pylist([{name: row.get(name) for name in OCCURRENCE.names} for row in rows], schema=OCCURRENCE)


TWO_MOTHS = truth_of((1, "a", 0.1), (2, "a", 0.1), (1, "b", 0.5), (2, "b", 0.5))
ALL_FOUND = detections_of((1, 0.1), (2, 0.1), (1, 0.5), (2, 0.5))


def test_who_is_one_occurrence_and_shares_it_with_nobody_is_counted_once() -> None:
    found = identities(TWO_MOTHS, ALL_FOUND, occurrences_of(["1:0.1", "2:0.1"], ["1:0.5", "2:0.5"]))
    assert found == Identities(there=2, counted=2, once=2, split=0, joined=0, missed=0)


def test_a_right_number_with_wrong_identities_is_seen_through() -> None:
    found = identities(TWO_MOTHS, ALL_FOUND, occurrences_of(["1:0.1", "2:0.5"], ["1:0.5", "2:0.1"]))
    assert found == Identities(there=2, counted=2, once=0, split=2, joined=2, missed=0)


def test_who_is_never_found_is_missed_and_a_box_that_fits_none_is_counted() -> None:
    found = identities(TWO_MOTHS, detections_of((1, 0.1), (2, 0.9)), occurrences_of(["1:0.1"], ["2:0.9"]))
    assert found == Identities(there=2, counted=2, once=1, split=0, joined=0, missed=1)


def test_individuals_of_two_cameras_are_two_whatever_they_are_called() -> None:
    other = [*truth_of((1, "a", 0.1)), Truth(file="two/1.jpg", kind="frame", individual="a", box_x=0.1, box_w=0.1)]
    assert identities(other, detections_of(), occurrences_of()).there == 2
