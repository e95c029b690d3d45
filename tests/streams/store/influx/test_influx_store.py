"""The InfluxDB store: what it leaves when a server, a line or a moment is bad. What it shares with the DuckDB store
is tested in tests/contract."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fake_influx import FakeInflux, Fault
from influx_servers import HURRY, Server, post_lines, rows, url_of
from katydid.models.outcome import Measure, Status
from katydid.sensors.capture import Fact, Health
from katydid.streams.errors import StoreUnreachable, StoreUnusable
from katydid.streams.sink import Arrival
from katydid.streams.store import By, OutcomeFilter, Window, open_store
from katydid.streams.store.influx import InfluxStore, Patience, open_influx

Make = Callable[..., Arrival]
EVERYTHING = OutcomeFilter()
EVER = "time >= -9223372036854775806 AND time < 9223372036854775806"
QUERY = "/query"


def with_(arrival: Arrival, **changes: object) -> Arrival:
    return msgspec.structs.replace(arrival, outcome=msgspec.structs.replace(arrival.outcome, **changes))


def points(server: Server, bucket: str, measurement: str, field: str) -> list[list[object]]:
    return rows(server, bucket, f'SELECT "{field}" FROM "{measurement}" WHERE {EVER} ORDER BY time')


# -- the same however often --------------------------------------------------------------------------------------


def test_a_capture_that_is_written_three_times_leaves_the_same_points(
    store: InfluxStore, server: Server, bucket: str, make: Make
) -> None:
    night = [make(n, taxa=("Parus major", "Erithacus rubecula"), at_s=n * 600) for n in range(20)]
    store.write(night)

    def everything() -> list[list[list[object]]]:
        fields = (("capture", "evidence"), ("identity", "lies_at"), ("detection", "score"), ("effort_1h", "captures"))
        return [points(server, bucket, *each) for each in (*fields, ("activity_1h", "sum_confidence"))]

    once = everything()
    assert [len(found) for found in once] == [20, 20, 40, 4, 8]
    store.write(night)
    store.write(night[7:12])
    assert everything() == once


def test_the_order_and_the_batches_of_writing_do_not_show(
    store: InfluxStore, server: Server, bucket: str, make: Make
) -> None:
    night = [make(n, taxa=("Parus major",), confidences=(0.1 + n / 300,), at_s=n * 300) for n in range(24)]
    with open_influx(url_of(server, server.new_bucket()), token=server.token) as other:
        store.write(night)
        for arrival in reversed(night):
            other.write([arrival])
        assert other.content_hash() == store.content_hash()
        assert other.activity(Window(), By.HOUR) == store.activity(Window(), By.HOUR)
        assert other.sensors() == store.sensors()


def test_the_first_outcome_of_a_capture_stays_and_a_later_one_mixes_nothing_into_it(
    store: InfluxStore, server: Server, bucket: str, make: Make
) -> None:
    first = make(1, taxa=("Parus major", "Turdus merula"), confidences=(0.9, 0.8))
    other = make(1, taxa=("Erithacus rubecula",), confidences=(0.1,))
    store.write([first])
    store.write([other])
    assert store.outcome(first.outcome.capture_id) == first.outcome
    assert store.detections(EVERYTHING)["taxon"].to_pylist() == ["Parus major", "Turdus merula"]
    assert [value for _, value in points(server, bucket, "detection", "score")].count(0.1) == 0
    assert sum(store.activity(Window(), By.HOUR)["detections"].to_pylist()) == 2


@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize("stored", [False, True])
def test_a_batch_that_was_cut_off_at_any_step_is_completed_when_it_comes_again(
    fake: FakeInflux, make: Make, step: int, stored: bool
) -> None:
    """By another worker, as after a kill, whose models would even have said something else."""
    bucket = fake.new_bucket()
    before = make(0, taxa=("Parus major",), confidences=(0.5,))
    one = make(1, taxa=("Parus major", "Turdus merula"), confidences=(0.9, 0.8), at_s=60)
    other = make(1, taxa=("Erithacus rubecula",), at_s=60)
    with open_influx(url_of(fake, bucket), token=fake.token, patience=HURRY) as store:
        store.write([before])
        fake.faults.append(Fault(401, stored=stored, after=step))
        with pytest.raises(StoreUnusable):
            store.write([one])
        assert not fake.faults
    kept = one if step or stored else other
    with open_influx(url_of(fake, bucket), token=fake.token) as store, open_store(None) as duckdb:
        store.write([other])
        duckdb.write([before, kept])
        assert store.content_hash() == duckdb.content_hash()
        assert store.detection(kept.outcome.detections[0].detection_id) == kept.outcome
        assert store.detections(EVERYTHING) == duckdb.detections(EVERYTHING)
        assert store.detections(OutcomeFilter(min_confidence=0.6)) == duckdb.detections(
            OutcomeFilter(min_confidence=0.6)
        )
        assert store.sensors() == duckdb.sensors()
        counts = [each.activity(Window(), By.HOUR)["detections"].to_pylist() for each in (store, duckdb)]
        assert counts[0] == counts[1]


def test_ten_frame_bursts_with_equal_seconds_lose_no_frame(store: InfluxStore, make: Make) -> None:
    burst = [make(n * 10 + k, taxa=("Parus major",), at_s=n) for n in range(100) for k in range(10)]
    store.write(burst)
    assert store.sensors()["captures"].to_pylist() == [1_000]
    assert store.outcomes(EVERYTHING).num_rows == 1_000
    assert sum(store.activity(Window(), By.HOUR)["detections"].to_pylist()) == 1_000


@pytest.mark.slow
@pytest.mark.servers
def test_ten_thousand_ten_frame_bursts_lose_no_frame_on_the_real_server(influx_server: Server, make: Make) -> None:
    with open_influx(url_of(influx_server, influx_server.new_bucket()), token=influx_server.token) as store:
        for start in range(0, 10_000, 500):
            store.write([make(n * 10 + k, at_s=n) for n in range(start, start + 500) for k in range(10)])
        assert store.sensors()["captures"].to_pylist() == [100_000]


# -- hours -------------------------------------------------------------------------------------------------------


def test_two_workers_that_write_the_same_hour_by_turns_leave_the_sums_of_both(
    store: InfluxStore, server: Server, bucket: str, make: Make
) -> None:
    hour = [make(n, taxa=("Parus major",), confidences=(n / 40,), at_s=n * 60) for n in range(1, 31)]
    with open_influx(url_of(server, bucket), token=server.token) as other, open_store(None) as duckdb:
        for start in range(0, 30, 3):
            (store if start % 2 else other).write(hour[start : start + 3])
        duckdb.write(hour)
        mine, theirs = (each.activity(Window(), By.HOUR).to_pylist() for each in (store, duckdb))
        assert [mine[0][name] for name in ("detections", "captures", "max_confidence")] == [30, 30, 0.75]
        assert mine[0]["mean_confidence"] == pytest.approx(theirs[0]["mean_confidence"], rel=1e-12)


def test_a_refusal_that_another_worker_let_give_way_is_seen_in_the_sums(
    store: InfluxStore, server: Server, bucket: str, make: Make
) -> None:
    """Then there are as many captures as this worker remembers, and yet one detection more."""
    mended, later = make(1, taxa=("Parus major",)), make(2, taxa=("Parus major",), at_s=60)
    store.write([make(0, taxa=("Parus major",), at_s=30), make(1, status=Status.REFUSED, reason="missing")])
    with open_influx(url_of(server, bucket), token=server.token) as other:
        other.write([mended])
    store.write([later])
    assert store.activity(Window(), By.HOUR)["detections"].to_pylist() == [3]


def test_an_hour_that_one_worker_fills_is_not_read_again(fake: FakeInflux, make: Make) -> None:
    with open_influx(url_of(fake, fake.new_bucket()), token=fake.token) as store:
        store.write([make(0, taxa=("Parus major",))])
        asked = []
        for number in range(1, 4):
            before = len(fake.requests)
            store.write([make(number, taxa=("Parus major",), at_s=number)])
            asked.append([path for path, _ in fake.requests[before:]].count(QUERY))
        assert asked == [2, 2, 2]  # what is known, and the effort
        assert store.activity(Window(), By.HOUR)["detections"].to_pylist() == [4]


@pytest.mark.parametrize("year", [1904, 1969, 1970, 2200])
def test_clocks_that_are_years_off_are_kept_and_counted(store: InfluxStore, make: Make, year: int) -> None:
    at_s = datetime(year, 3, 1, 5, 59, 59, tzinfo=UTC).timestamp() - datetime(2025, 6, 15, tzinfo=UTC).timestamp()
    one = make(1, taxa=("Parus major",), at_s=at_s)
    early = with_(one, capture_id=f"{max(0, one.outcome.captured_at // 10**6):012x}" + "0" * 20)
    with open_store(None) as duckdb:
        store.write([early])
        duckdb.write([early])
        assert store.activity(Window(), By.HOUR) == duckdb.activity(Window(), By.HOUR)
        assert store.outcomes(EVERYTHING) == duckdb.outcomes(EVERYTHING)
        assert store.sensors() == duckdb.sensors()
    assert store.known([early.outcome.capture_id]) == {early.outcome.capture_id}


# -- values ------------------------------------------------------------------------------------------------------

AWKWARD = st.text(st.characters(), max_size=12) | st.text(st.sampled_from("%\\\n\r\t ,=\"'25\x00\x7fé🦗"), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=4)
@given(st.lists(st.tuples(AWKWARD, AWKWARD, AWKWARD), min_size=4, max_size=8))
def test_whatever_a_sensor_a_file_and_a_taxon_are_called_they_come_back_as_in_duckdb(
    server: Server, make: Make, names: list[tuple[str, str, str]]
) -> None:
    night = [
        with_(make(n, taxa=(taxon or "a",), at_s=n * 60), sensor_id=sensor, file=file)
        for n, (sensor, file, taxon) in enumerate(names)
    ]
    url = url_of(server, server.new_bucket())
    with open_influx(url, token=server.token) as store, open_store(None) as duckdb:
        store.write(night)
        duckdb.write(night)
        assert store.content_hash() == duckdb.content_hash()
        assert store.sensors() == duckdb.sensors()
        assert store.activity(Window(), By.DAY).to_pylist() == duckdb.activity(Window(), By.DAY).to_pylist()
        rows = duckdb.detections(EVERYTHING).to_pylist()
        for sensor, taxon in ((rows[0]["sensor_id"], rows[0]["taxon"]), (rows[-1]["sensor_id"], rows[-1]["taxon"])):
            chosen = OutcomeFilter(sensors=(sensor,), taxa=(taxon,))
            assert store.outcomes(chosen) == duckdb.outcomes(chosen)
            assert store.outcomes(chosen).num_rows > 0


def test_an_outcome_of_any_size_is_kept_whole(store: InfluxStore, make: Make) -> None:
    facts = tuple(Fact(name=f"note_{n}", value="🦗ü%41\r\n" * 500, read_from="guano") for n in range(40))
    long, short = with_(make(1, taxa=("Parus major",) * 60), facts=facts), make(2, at_s=1)
    store.write([long, short])
    assert store.detection(long.outcome.detections[59].detection_id) == long.outcome
    assert store.outcomes(EVERYTHING)["capture_id"].to_pylist() == [long.outcome.capture_id, short.outcome.capture_id]


def test_a_measure_that_is_no_number_is_kept(store: InfluxStore, make: Make) -> None:
    one = with_(make(1), quality=(Measure(name="snr", value=math.inf),))
    store.write([one])
    assert store.outcome(one.outcome.capture_id) == one.outcome


def test_captures_without_a_reading_of_time_are_found_too(store: InfluxStore, make: Make) -> None:
    timeless = []
    for number in range(3):
        one = make(number, taxa=("Parus major",), at_s=number * 10**7)
        detection = msgspec.structs.replace(
            one.outcome.detections[0], detection_id="0" * 12 + one.outcome.detections[0].detection_id[12:]
        )
        timeless.append(with_(one, capture_id="0" * 12 + one.outcome.capture_id[12:], detections=(detection,)))
    store.write(timeless)
    store.write(timeless)
    assert store.known(one.outcome.capture_id for one in timeless) == {one.outcome.capture_id for one in timeless}
    assert store.detection(timeless[2].outcome.detections[0].detection_id) == timeless[2].outcome
    assert store.outcomes(EVERYTHING).num_rows == 3


def test_a_site_can_be_given_to_a_sensor(server: Server, bucket: str, make: Make) -> None:
    with open_influx(url_of(server, bucket), token=server.token, sites={"SM4-1": "Heath"}) as store:
        store.write([make(1, taxa=("Parus major",)), make(2, sensor="SM4-2")])
    found = rows(server, bucket, f'SELECT "status", "site" FROM "capture" WHERE {EVER} ORDER BY time')
    assert {str(site) for _, _, site in found} == {"Heath", "SM4-2"}


def test_what_a_sensor_says_of_itself_is_kept(store: InfluxStore, server: Server, bucket: str) -> None:
    store.write_health([Health(sensor_id="SM4-1", at=5, battery_v=4), Health(sensor_id="SM4-1", at=6)])
    assert points(server, bucket, "sensor_health", "battery_v") == [[5, 4]]
    assert rows(server, bucket, 'SHOW FIELD KEYS FROM "sensor_health"') == [["battery_v", "float"]]


# -- poison ------------------------------------------------------------------------------------------------------


def test_an_outcome_that_cannot_be_kept_is_handed_over_with_the_reason_and_the_others_are_kept(
    server: Server, bucket: str, make: Make
) -> None:
    refused: list[tuple[str, str]] = []

    def poison(arrival: Arrival, reason: str) -> None:
        refused.append((arrival.outcome.capture_id, reason))

    batch = [make(n, taxa=("Parus major",), at_s=n) for n in range(32)]
    batch[5] = make(5, taxa=("Parus major",), confidences=(math.nan,), at_s=5)
    with open_influx(url_of(server, bucket), token=server.token, poison=poison) as store:
        store.write(batch)
        assert refused == [(batch[5].outcome.capture_id, "detection.confidence: nan is no finite number")]
        assert store.outcomes(EVERYTHING).num_rows == 31
        assert store.sensors()["captures"].to_pylist() == [31]


def test_lines_that_the_server_refuses_are_found_among_the_others(server: Server, bucket: str, make: Make) -> None:
    """A type conflict that came after the check at start: in one hour, of one sensor."""
    refused: list[str] = []
    batch = [make(n, taxa=("Parus major",), at_s=n) for n in range(32)]
    with open_influx(
        url_of(server, bucket),
        token=server.token,
        poison=lambda arrival, reason: refused.append(reason),
        patience=HURRY,
    ) as store:
        at = batch[0].outcome.captured_at
        assert post_lines(server, bucket, b"capture,sensor=other,site=other parts=1.5 %d" % at)[0] == 204
        store.write(batch)
        assert len(refused) == 32
        assert all("InfluxDB answers 422" in reason and "conflict" in reason for reason in refused)
        assert store.known(one.outcome.capture_id for one in batch) == set()


def test_without_anyone_to_hand_it_to_an_outcome_that_cannot_be_kept_is_an_error(
    store: InfluxStore, make: Make
) -> None:
    with pytest.raises(StoreUnusable, match=r"1\.wav cannot be kept: a whole number of the outcome does not fit"):
        store.write([make(0), with_(make(1), captured_at=2**70)])


# -- a server in trouble -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [503, 429, 500, None])
@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("path", ["/api/v2/write", QUERY])
def test_a_server_in_trouble_is_waited_for_and_nothing_is_lost_or_doubled(
    fake: FakeInflux, make: Make, status: int | None, stored: bool, path: str
) -> None:
    bucket = fake.new_bucket()
    with open_influx(url_of(fake, bucket), token=fake.token, patience=HURRY) as store:
        fake.fail(*[status] * 3, stored=stored, path=path)
        store.write([make(n, taxa=("Parus major",), at_s=n) for n in range(5)])
        assert not fake.faults
        assert store.retries == 3
        assert store.outcomes(EVERYTHING).num_rows == 5
        assert store.activity(Window(), By.HOUR)["detections"].to_pylist() == [5]


def test_500_for_ever_ends_the_write_and_poisons_nothing(fake: FakeInflux, make: Make) -> None:
    refused: list[str] = []
    bucket = fake.new_bucket()
    with open_influx(
        url_of(fake, bucket), token=fake.token, poison=lambda arrival, reason: refused.append(reason), patience=HURRY
    ) as store:
        fake.fail(*[500] * 99)
        with pytest.raises(StoreUnusable, match="whether its disk is full"):
            store.write([make(1)])
        fake.faults.clear()
        store.write([make(1)])
        assert (refused, store.outcomes(EVERYTHING).num_rows) == ([], 1)


def test_a_token_that_was_taken_away_stops_the_write_with_what_to_do(fake: FakeInflux, make: Make) -> None:
    with open_influx(url_of(fake, fake.new_bucket()), token=fake.token, patience=HURRY) as store:
        fake.fail(401)
        with pytest.raises(StoreUnusable, match="KATYDID_INFLUX_TOKEN"):
            store.write([make(1)])


@pytest.mark.parametrize("end", ["stop", "close"])
def test_a_write_that_waits_is_let_go_when_the_store_is_stopped_or_closed(
    fake: FakeInflux, make: Make, end: str
) -> None:
    store = open_influx(url_of(fake, fake.new_bucket()), token=fake.token, patience=Patience(3_600, 3_600))
    fake.fail(*[503] * 99)
    raised: list[StoreUnreachable] = []

    def write() -> None:
        with pytest.raises(StoreUnreachable) as caught:
            store.write([make(1)])
        raised.append(caught.value)

    writing = threading.Thread(target=write)
    writing.start()
    deadline = time.monotonic() + 20
    while ("/api/v2/write", 503) not in fake.requests and time.monotonic() < deadline:
        time.sleep(0.005)
    getattr(store, end)()
    writing.join(20)
    assert len(raised) == 1
    store.close()
    with pytest.raises(StoreUnreachable, match="was closed"):
        store.sensors()


def test_reads_say_that_the_server_does_not_answer(fake: FakeInflux) -> None:
    with open_influx(url_of(fake, fake.new_bucket()), token=fake.token) as store:
        fake.fail(None, path=QUERY)
        with pytest.raises(StoreUnreachable, match=r"does not answer .* is InfluxDB running"):
            store.sensors()


@pytest.mark.servers
def test_what_was_acknowledged_survives_a_kill(new_influx_server: Callable[[], Server], make: Make) -> None:
    server = new_influx_server()
    server.start()  # type: ignore[attr-defined]
    bucket = server.new_bucket()
    night = [make(n, taxa=("Parus major",), at_s=n) for n in range(500)]
    with open_influx(url_of(server, bucket), token=server.token) as store:
        store.write(night)
        server.kill()  # type: ignore[attr-defined]
        server.start()  # type: ignore[attr-defined]
        with open_store(None) as duckdb:
            duckdb.write(night)
            assert store.content_hash() == duckdb.content_hash()
        assert store.sensors()["detections"].to_pylist() == [500]


def test_an_hour_that_began_before_a_bucket_deletes_is_no_end_of_a_worker(fake: FakeInflux, make: Make) -> None:
    """Two captures in one hour, and a bucket that takes nothing older than what lies between them."""
    poisoned: list[str] = []
    old, new = make(1, at_s=600), make(2, at_s=2_400)
    age_s = (time.time_ns() - new.outcome.captured_at) // 10**9
    url = url_of(fake, fake.new_bucket(retention_s=age_s + 900))
    with open_influx(
        url, token=fake.token, patience=HURRY, poison=lambda arrival, why: poisoned.append(arrival.outcome.capture_id)
    ) as store:
        store.write([old, new])
        assert poisoned == [old.outcome.capture_id]
        assert store.outcomes(EVERYTHING).column("capture_id").to_pylist() == [new.outcome.capture_id]
        assert store.unfollowed() == 1
