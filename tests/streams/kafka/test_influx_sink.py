"""A worker that keeps its outcomes in InfluxDB: what that store can besides, and its end while the store is away."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from fake_influx import FakeInflux, Fault, running_fake
from influx_servers import url_of
from kafka_workers import StartWorker, Worker, clip, message, settings
from katydid.models.outcome import Outcome, Status
from katydid.sensors.capture import MediaRef
from katydid.sensors.envelope import Envelope, pack
from katydid.sensors.media_store import object_url, open_media_store
from katydid.streams.cli import run_command
from katydid.streams.kafka.consuming import record_of
from katydid.streams.kafka.records import outcome_record, read_deadletter, read_outcome
from katydid.streams.sink import Arrival
from katydid.streams.store import OutcomeFilter
from katydid.streams.store.influx import open_influx
from mock_broker import MockBroker, until
from worker_pages import metric

WRITE = "/api/v2/write"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeInflux]:
    with running_fake() as started:
        monkeypatch.setenv("KATYDID_INFLUX_TOKEN", started.token)
        yield started


def statuses(fake: FakeInflux, url: str) -> dict[str, str]:
    """Capture → status, as the store tells them."""
    with open_influx(url, token=fake.token) as store:
        rows = store.outcomes(OutcomeFilter()).select(["capture_id", "status"]).to_pylist()
    found = {row["capture_id"]: row["status"] for row in rows}
    assert len(found) == len(rows)
    return found


def test_a_refused_outcome_gives_way_when_its_dead_letter_is_retried(
    broker: MockBroker, start: StartWorker, fake: FakeInflux, tmp_path: Path
) -> None:
    whole, large = clip(7), tmp_path / "large.wav"
    large.write_bytes(whole.payload or b"")
    (tmp_path / "media").mkdir()
    shelf = open_media_store((tmp_path / "media").as_uri())
    reference = MediaRef(url=object_url(shelf.url, whole.sha256), sha256=whole.sha256, length=whole.length)
    broker.write("katydid.clips", [pack(msgspec.structs.replace(whole, payload=None, payload_ref=reference))])
    url = url_of(fake, fake.new_bucket())
    worker = start(sink=url, more=f'[media]\nstores = ["{shelf.url}"]\ntries = 1')
    until(lambda: broker.settled("katydid.clips") and broker.count("katydid.deadletters") == 1, "the refused one")
    assert statuses(fake, url) == {whole.capture_id: Status.REFUSED}

    shelf.put(large, whole.sha256, whole.length)
    assert run_command(["deadletters", "retry", "--all", "--config", str(tmp_path / "worker-0.toml")]) == 0
    until(lambda: broker.count("katydid.outcomes") == 2 and broker.settled("katydid.clips"), "the retried one")
    assert worker.stop() == 0
    (status,) = statuses(fake, url).values()
    assert status in (Status.IDENTIFIED, Status.EMPTY)


def test_a_store_that_lost_outcomes_is_filled_again_from_their_topic(
    broker: MockBroker, start: StartWorker, fake: FakeInflux, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broker.write("katydid.clips", [message(number) for number in range(20)])
    bucket = fake.new_bucket()
    url = url_of(fake, bucket)
    worker = start(sink=url)
    until(lambda: broker.settled("katydid.clips"), "every offset committed")
    assert worker.stop() == 0
    with open_influx(url, token=fake.token) as store:
        whole = store.content_hash()

    for points in fake.buckets[bucket].points.values():
        for key in list(points)[::3]:
            del points[key]
    assert len(statuses(fake, url)) < 20
    assert run_command(["store", "refill", url, "--config", str(tmp_path / "worker-0.toml")]) == 0
    assert "20 outcomes of the topic were read; 7 of them were not in the store before" in capsys.readouterr().out
    with open_influx(url, token=fake.token) as store:
        assert store.content_hash() == whole


def test_health_readings_are_kept_and_one_that_cannot_be_is_a_dead_letter(
    broker: MockBroker, start: StartWorker, fake: FakeInflux
) -> None:
    good = b'{"sensor_id":"recorder-0","at":5,"battery_v":3.5}'
    endless = b'{"sensor_id":"recorder-0","at":6,"storage_free_bytes":%d}' % 2**63
    for value in (endless, good):
        broker.write_raw("katydid.health", value, b"recorder-0", partition=0)
    bucket = fake.new_bucket()
    worker = start(sink=url_of(fake, bucket))
    until(lambda: broker.settled("katydid.health"), "both readings settled")
    tags = (("sensor", "recorder-0"), ("site", "recorder-0"))
    assert fake.buckets[bucket].points["sensor_health"] == {(tags, 5): {"battery_v": 3.5}}
    (letter,) = broker.read("katydid.deadletters", 1)
    whence = read_deadletter(record_of(letter))
    assert whence is not None and (whence.reason, letter.value()) == ("unstored", endless)
    assert worker.stop() == 0
    assert worker.words.rstrip().endswith("stopped")


def test_told_to_stop_while_the_store_is_away_it_ends_before_the_watchdog_and_loses_nothing(
    broker: MockBroker, start: StartWorker, fake: FakeInflux
) -> None:
    url = url_of(fake, fake.new_bucket())
    worker = start(sink=url)
    worker.port()
    fake.faults.extend(Fault(503) for _ in range(10_000))
    broker.write("katydid.clips", [message(number) for number in range(20)])
    until(lambda: (WRITE, 503) in fake.requests, "a write that was not taken")
    assert worker.stop() == 75
    assert "not stopped after" not in worker.words
    assert "stopped while InfluxDB gave no good answer" in worker.words
    assert not broker.settled("katydid.clips")

    fake.faults.clear()
    again = start(sink=url)
    until(lambda: broker.settled("katydid.clips"), "every offset committed")
    assert again.stop() == 0
    assert set(statuses(fake, url)) == {f"{number:032x}" for number in range(20)}


def test_one_that_is_kept_from_the_topic_of_outcomes_ends_so_too(
    broker: MockBroker, bundle_path: Path, fake: FakeInflux, make: Callable[..., Arrival], tmp_path: Path
) -> None:
    path, url = tmp_path / "katydid.toml", url_of(fake, fake.new_bucket())
    path.write_text(settings(broker, bundle_path), encoding="utf-8")
    keeper = Worker(path, tmp_path / "keeper.log", "--sink", url)
    try:
        keeper.port()
        fake.faults.extend(Fault(503) for _ in range(10_000))
        record = outcome_record("katydid.outcomes", make(1).outcome)
        envelope = Envelope(key=record.key or b"", value=record.value or b"", headers=record.headers)
        broker.write("katydid.outcomes", [envelope])
        until(lambda: (WRITE, 503) in fake.requests, "a write that was not taken")
        assert keeper.stop() == 75
    finally:
        keeper.stop(signal.SIGKILL)
    assert "not stopped after" not in keeper.words
    assert "stopped while InfluxDB gave no good answer" in keeper.words


def test_what_a_kept_store_refuses_for_ever_is_a_dead_letter_with_its_outcome_and_is_counted(
    broker: MockBroker, bundle_path: Path, fake: FakeInflux, make: Callable[..., Arrival], tmp_path: Path
) -> None:
    good = [make(number).outcome for number in range(3)]
    endless = msgspec.structs.replace(make(3).outcome, captured_at=2**63)  # Fits in JSON, and in no line.
    for outcome in (good[0], endless, *good[1:]):
        write(broker, outcome)
    path, url = tmp_path / "katydid.toml", url_of(fake, fake.new_bucket())
    path.write_text(settings(broker, bundle_path), encoding="utf-8")
    keeper = Worker(path, tmp_path / "keeper.log", "--sink", url)
    try:
        until(lambda: broker.settled("katydid.outcomes", "katydid.store"), "every offset committed")
        assert metric(keeper, "katydid_unstored_total") == metric(keeper, "katydid_dead_letters_total") == 1
        assert keeper.stop() == 0
    finally:
        keeper.stop(signal.SIGKILL)
    assert set(statuses(fake, url)) == {outcome.capture_id for outcome in good}
    (letter,) = (record_of(each) for each in broker.read("katydid.deadletters", 1))
    whence = read_deadletter(letter)
    assert whence is not None and "does not fit" in whence.message
    assert (whence.reason, whence.topic, whence.capture_id) == ("unstored", "katydid.outcomes", endless.capture_id)
    assert read_outcome(letter) == endless


def sites(fake: FakeInflux, bucket: str, measurement: str) -> set[tuple[str, str]]:
    tagged = (dict(tags) for tags, _ in fake.buckets[bucket].points[measurement])
    return {(tags["sensor"], tags["site"]) for tags in tagged}


def test_sites_of_the_configuration_are_those_of_workers_kept_stores_and_refills(
    broker: MockBroker, start: StartWorker, fake: FakeInflux, tmp_path: Path
) -> None:
    broker.write("katydid.clips", [message(number) for number in range(10)])
    broker.write_raw("katydid.health", b'{"sensor_id":"recorder-0","at":5,"battery_v":3.5}', b"recorder-0")
    ours, kept, filled = fake.new_bucket(), fake.new_bucket(), fake.new_bucket()
    named = '[sink.sites]\n"recorder-0" = "Heath"\n"recorder-1" = "Heath"'
    worker = start(sink=url_of(fake, ours), more=named)
    until(lambda: broker.settled("katydid.clips") and broker.settled("katydid.health"), "every offset committed")
    assert worker.stop() == 0
    path = tmp_path / "worker-0.toml"
    keeper = Worker(path, tmp_path / "keeper.log", "--sink", url_of(fake, kept))
    until(lambda: broker.settled("katydid.outcomes", "katydid.store"), "every outcome kept")
    assert keeper.stop() == 0
    assert run_command(["store", "refill", url_of(fake, filled), "--config", str(path)]) == 0
    expected = {("recorder-0", "Heath"), ("recorder-1", "Heath")} | {
        (f"recorder-{n}", f"recorder-{n}") for n in (2, 3, 4)
    }
    assert sites(fake, ours, "capture") == sites(fake, kept, "capture") == sites(fake, filled, "capture") == expected
    assert sites(fake, ours, "sensor_health") == {("recorder-0", "Heath")}


def write(broker: MockBroker, outcome: Outcome) -> None:
    record = outcome_record("katydid.outcomes", outcome)
    envelope = Envelope(key=record.key or b"", value=record.value or b"", headers=record.headers)
    broker.write("katydid.outcomes", [envelope], partition=0)
