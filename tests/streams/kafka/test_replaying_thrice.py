"""A simulated day through a real Kafka three times: InfluxDB and DuckDB stay what they were, and answer alike.

Twice more by setting the group back to the beginning, and then by pushing the day again. Occurrences, which a day makes
besides outcomes, are not asked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from confluent_kafka import Consumer, TopicPartition

from contract_stores import KeptStore
from influx_servers import url_of
from kafka_sites import Site, kept_by_the_keeper
from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.manifest import BundleKind
from katydid.sensors.sources.simulated import Night, SimulatedSource, Station
from katydid.sensors.uplink.kafka import KafkaUplink, KafkaUplinkSettings
from katydid.sensors.uplink.pushing import Push
from katydid.streams.store import By, OutcomeFilter, Window, open_store
from katydid.streams.store.influx import open_influx
from mock_broker import DEADLINE_S, until
from servers.influx import InfluxServer
from servers.kafka import KafkaServer

pytestmark = pytest.mark.slow

DAY = Night(
    seed=3, start_hour=0.0, hours=24.0, clip_every_s=900.0, clip_s=3.0, frame_every_s=900.0, frame_size=(320, 240)
)
"""A clip and a frame every quarter of an hour, the first and the last included; broken ones among them."""
EVERYTHING = OutcomeFilter()


@dataclass(frozen=True)
class Kept:
    """All that a store says of a day."""

    content_hash: str
    answers: tuple[pa.Table, ...]
    details: tuple[object, ...]


def _without_occurrences(activity: pa.Table) -> tuple[pa.Table, pa.Table]:
    """What was detected, and the effort. Occurrences are followed when there is time, and what is followed may have a
    row of its own."""
    found = activity.drop_columns(["occurrences"])
    effort = ["sensor_id", "bin_start", "effort_s", "effort_frames", "captures", "refused"]
    hours = found.select(effort).group_by(effort).aggregate([])
    return found.filter(pc.field("detections") > 0), hours.sort_by(
        [("bin_start", "ascending"), ("sensor_id", "ascending")]
    )


def told(store: KeptStore) -> Kept:
    """Its content hash and the five reads, `detection` for every one there is."""
    detections = store.detections(EVERYTHING)
    reads = [store.outcomes(EVERYTHING), detections, store.latest(50), store.sensors()]
    for by in By:
        reads += _without_occurrences(store.activity(Window(), by))
    return Kept(store.content_hash(), tuple(reads), tuple(map(store.detection, detections["detection_id"].to_pylist())))


def alike(one: Kept, other: Kept) -> None:
    """The same in everything; sums of floats may differ in their last digits, by the order of adding."""
    assert one.content_hash == other.content_hash
    assert one.details == other.details
    for mine, theirs in zip(one.answers, other.answers, strict=True):
        assert mine.schema == theirs.schema
        for left, right in zip(mine.to_pylist(), theirs.to_pylist(), strict=True):
            assert left == {
                name: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
                for name, value in right.items()
            }


class Day:
    """The site, with one worker for InfluxDB and a keeper of DuckDB, which both are ended before anybody looks."""

    def __init__(self, site: Site, url: str, token: str) -> None:
        self.site, self._url, self._token = site, url, token
        self._duckdb = site.folder / "kept.duckdb"

    def push(self) -> int:
        """Produce the day; how many captures it has."""
        topics = self.site.configuration.topics
        uplink = KafkaUplink(
            KafkaUplinkSettings(servers=(self.site.bootstrap,), frames=topics.frames, clips=topics.clips)
        )
        push = Push(SimulatedSource(Station(DAY)), uplink, watch=lambda _: None, notify=lambda _: None)
        return push.run().acknowledged

    def worked_off(self) -> None:
        """Start both, and end them when all is done."""
        worker, keeper = self.site.start(), self.site.start("--sink", f"duckdb://{self._duckdb}")
        until(self.site.settled, "every offset committed", DEADLINE_S * 2)
        assert worker.stop() == 0, worker.words[-2000:]
        until(lambda: kept_by_the_keeper(self.site), "the keeper has all of it")
        assert keeper.stop() == 0, keeper.words[-2000:]

    def back_to_the_beginning(self) -> None:
        """Nothing of it runs: the group's offsets are set to the first message of every partition."""
        settings = {"bootstrap.servers": self.site.bootstrap, "group.id": self.site.name, "enable.auto.commit": False}
        consumer = Consumer(settings)
        starts = [
            TopicPartition(self.site.topic(name), n, 0) for name in ("frames", "clips", "health") for n in range(3)
        ]
        consumer.commit(offsets=starts, asynchronous=False)
        consumer.close()
        assert not self.site.settled()

    def influxdb(self) -> Kept:
        with open_influx(self._url, token=self._token) as store:
            return told(store)

    def duckdb(self) -> Kept:
        with open_store(self._duckdb, read_only=True) as store:
            return told(store)


@pytest.fixture
def day(kafka_server: KafkaServer, influx_server: InfluxServer, tmp_path: Path) -> Iterator[Day]:
    bundles = [
        placeholder_bundle(tmp_path / "models", name=name, kind=kind).path
        for name, kind in (("ears", BundleKind.SOUND_CLASSIFIER), ("eyes", BundleKind.IMAGE_CLASSIFIER))
    ]
    url = url_of(influx_server, influx_server.new_bucket())
    site = Site(tmp_path, kafka_server.bootstrap, bundles, sink=url, token=influx_server.token)
    yield Day(site, url, influx_server.token)
    site.close()


def test_a_day_that_is_replayed_three_times_leaves_both_stores_as_they_were_and_alike(day: Day) -> None:
    captures = day.push()
    assert captures == 2 * 97
    day.worked_off()
    once = day.influxdb()
    outcomes, detections = once.answers[0], once.answers[1]
    assert outcomes.num_rows == captures and detections.num_rows > 50
    assert set(outcomes["status"].to_pylist()) >= {"identified", "refused"}
    alike(day.duckdb(), once)

    repeats: list[Callable[[], object]] = [day.back_to_the_beginning, day.back_to_the_beginning, day.push]
    for number, again in enumerate(repeats, 2):
        again()
        day.worked_off()
        assert len(day.site.messages("outcomes")) == number * captures, "it was not worked off again"
        alike(day.influxdb(), once)
        alike(day.duckdb(), once)
