"""Ten thousand bursts of ten frames, each burst within one second of its camera's clock, on a real InfluxDB: counted
where the points lie, and asked for one by one, not only as the sums that a writer remembers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from influx_servers import Server, rows, url_of
from katydid.sensors.capture import Kind
from katydid.streams.sink import Arrival
from katydid.streams.store import OutcomeFilter, Window
from katydid.streams.store.influx import open_influx

BURSTS, FRAMES, AT_ONCE = 10_000, 10, 500
SECOND = 10**9
MIDNIGHT = 1_749_945_600 * SECOND
EVER = "time >= -9223372036854775806 AND time < 9223372036854775806"


@pytest.mark.slow
@pytest.mark.servers
def test_of_ten_thousand_bursts_with_equal_seconds_no_point_is_lost(
    influx_server: Server, make: Callable[..., Arrival]
) -> None:
    bucket = influx_server.new_bucket()

    def points(measurement: str, field: str) -> int:
        found = rows(influx_server, bucket, f'SELECT count("{field}") FROM "{measurement}" WHERE {EVER}')
        return int(str(found[0][1]))

    ids: list[str] = []
    with open_influx(url_of(influx_server, bucket), token=influx_server.token) as store:
        for start in range(0, BURSTS, AT_ONCE):
            batch = [
                make(burst * FRAMES + frame, taxa=("Noctua pronuba",), kind=Kind.FRAME, at_s=burst)
                for burst in range(start, start + AT_ONCE)
                for frame in range(FRAMES)
            ]
            ids += [arrival.outcome.capture_id for arrival in batch]
            store.write(batch)
    assert len(set(ids)) == BURSTS * FRAMES
    for measurement, field in (("capture", "evidence"), ("identity", "lies_at"), ("detection", "score")):
        assert points(measurement, field) == BURSTS * FRAMES, measurement
    with open_influx(url_of(influx_server, bucket), token=influx_server.token) as store:
        assert store.known(ids) == set(ids)
        second = Window(start=MIDNIGHT + 7_777 * SECOND, end=MIDNIGHT + 7_778 * SECOND)
        burst = store.outcomes(OutcomeFilter(window=second))
        assert burst["capture_id"].to_pylist() == sorted(ids[77_770:77_780])
        assert set(burst["captured_at"].cast("int64").to_pylist()) == {second.start}
        assert store.sensors()["captures"].to_pylist() == store.sensors()["detections"].to_pylist() == [100_000]
