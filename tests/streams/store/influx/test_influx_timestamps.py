"""When points lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.sensors.identity import capture_id, detection_id
from katydid.streams.store.influx.timestamps import (
    EARLIEST,
    HOUR,
    LATEST,
    MILLISECOND,
    SECOND,
    identity_time,
    point_time,
    recorded_ns,
)

MIDNIGHT_MS = 1_749_945_600_000
INSTANTS = st.integers(-(2**63) + SECOND, 2**63 - 1 - SECOND)


def burst(number: int, frames: int = 10) -> list[str]:
    """The ids of frames that a camera wrote down with one and the same second."""
    at = MIDNIGHT_MS + number * 1_000
    return [
        capture_id(
            sensor_id="cam", recorded=f"burst {number}", recorded_ms=at, sequence=frame, sha256=f"{number}/{frame}"
        )
        for frame in range(frames)
    ]


@pytest.mark.parametrize("resolution_s", [1.0, 60.0])
def test_ten_thousand_bursts_of_ten_frames_within_one_second_each_keep_every_frame(resolution_s: float) -> None:
    points, identities = set(), set()
    for number in range(10_000):
        at = (MIDNIGHT_MS + number * 1_000) * MILLISECOND
        ids = burst(number)
        points |= {point_time(at, resolution_s, each) for each in ids}
        identities |= {identity_time(each) for each in ids}
    assert len(points) == 100_000
    assert len(identities) == 100_000


def test_the_detections_of_a_burst_keep_apart_too() -> None:
    at = MIDNIGHT_MS * MILLISECOND
    ids = [detection_id(each, "b" * 64, ordinal) for each in burst(0) for ordinal in range(30)]
    assert len({point_time(at, 1.0, each) for each in ids}) == 300


@given(INSTANTS, st.sampled_from([0.001, 0.5, 1.0, 3600.0]), st.text(max_size=40))
def test_a_point_lies_in_the_second_or_millisecond_of_its_capture_and_so_in_its_hour(
    at: int, resolution_s: float, identifier: str
) -> None:
    step = SECOND if resolution_s >= 1 else MILLISECOND
    placed = point_time(at, resolution_s, identifier)
    assert placed // step == at // step
    assert placed // HOUR == at // HOUR
    assert placed == point_time(at, resolution_s, identifier)


@given(st.integers(-(2**63), 2**63 - 1), st.text(max_size=40))
def test_no_time_and_no_id_gives_a_point_that_influxdb_would_not_take(at: int, identifier: str) -> None:
    assert EARLIEST <= point_time(at, 1.0, identifier) <= LATEST
    assert EARLIEST <= identity_time(identifier) <= LATEST


def test_an_identity_lies_where_the_device_said_whatever_became_of_its_zone() -> None:
    one = burst(0)[0]
    assert recorded_ns(one) == MIDNIGHT_MS * MILLISECOND
    assert 0 <= identity_time(one) - recorded_ns(one) < SECOND


def test_ids_without_a_time_and_no_ids_at_all_have_a_place_at_the_beginning() -> None:
    assert recorded_ns("0" * 32) == 0
    assert recorded_ns("no id of ours") == 0
    assert recorded_ns("f" * 32) == LATEST - SECOND
