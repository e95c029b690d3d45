"""What a push says of itself: how it stands, once in a while and at its end; and never at the cost of a capture."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("confluent_kafka", reason="needs the kafka extra")

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, NewTopic

from hostile_files import encoded, photo
from katydid.sensors.capture import Health
from katydid.sensors.sources.folder import FolderSource
from katydid.sensors.sources.live_folder import LiveFolder
from katydid.sensors.sources.live_health import LiveCounts, LiveNotes
from katydid.sensors.sources.protocol import Position, Taken
from katydid.sensors.uplink.health import PushHealth
from katydid.sensors.uplink.journal import PushJournal
from katydid.sensors.uplink.kafka import KafkaUplink, KafkaUplinkSettings
from katydid.sensors.uplink.pushing import Push, PushProgress
from mock_cluster import MockCluster, cluster
from servers.kafka import KafkaServer

__all__ = ["cluster"]

HEALTH = "katydid.health"


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "card"
    folder.mkdir()
    for number in range(5):
        (folder / f"IMG_{number}.jpg").write_bytes(encoded(photo(96 + number), "JPEG"))
    return folder


def push(card: Path, cluster: MockCluster, notes: list[str], every_s: float = 3600.0) -> PushProgress:
    source = FolderSource(card, zone="UTC")
    with PushJournal(card.with_name("pushed.sqlite")) as journal:
        return Push(
            source,
            KafkaUplink(KafkaUplinkSettings(servers=cluster.servers)),
            watch=lambda progress: None,
            notify=notes.append,
            journal=journal,
            health=PushHealth("moor", card, total=source.scan().files, every_s=every_s),
        ).run()


class Slow(FolderSource):
    """Rests after each capture, as one that is followed does between two looks."""

    rest: Callable[[], None]

    def captures(self, settled: Callable[[Position], bool]) -> Iterator[Taken]:
        for taken in super().captures(settled):
            yield taken
            self.rest()


def readings(cluster: MockCluster) -> list[Health]:
    messages = cluster.messages(HEALTH)
    assert {message.key() for message in messages} <= {b"moor"}
    return [msgspec.json.decode(message.value() or b"", type=Health) for message in messages]


def test_at_its_end_a_push_says_what_it_sent_and_that_nothing_waits(card: Path, cluster: MockCluster) -> None:
    cluster.create_topic(HEALTH)
    notes: list[str] = []
    before = time.time_ns()
    done = push(card, cluster, notes)
    (reading,) = readings(cluster)
    assert (reading.pushed_bytes, reading.backlog, reading.oldest_waiting_s) == (done.acknowledged_bytes, 0, 0.0)
    assert before <= reading.at <= time.time_ns()
    assert reading.storage_free_bytes and reading.storage_free_bytes > 0
    assert reading.last_capture_id and reading.version
    push(card, cluster, notes)
    second = max(readings(cluster), key=lambda each: each.at)
    assert (second.pushed_bytes, second.backlog, second.last_capture_id) == (0, 0, None)
    assert notes == []


def test_while_it_works_it_says_so_as_often_as_it_is_asked_to(card: Path, cluster: MockCluster) -> None:
    cluster.create_topic(HEALTH)
    source = Slow(card, zone="UTC")
    health = PushHealth("moor", card, total=5, every_s=0.001)
    pushing = Push(
        source,
        KafkaUplink(KafkaUplinkSettings(servers=cluster.servers)),
        watch=lambda progress: None,
        notify=lambda words: None,
        health=health,
    )
    source.rest = lambda: pushing.rest(0.25)
    pushing.run()
    found = sorted(readings(cluster), key=lambda each: each.at)
    assert len(found) >= 3
    backlogs = [each.backlog or 0 for each in found]
    assert backlogs[0] > 0 and backlogs == sorted(backlogs, reverse=True) and backlogs[-1] == 0


def test_live_sources_that_capture_into_the_folder_are_told_of_under_their_own_names(
    card: Path, cluster: MockCluster
) -> None:
    cluster.create_topic(HEALTH)
    with LiveFolder(card, "hedge") as folder:
        LiveNotes(folder, "a microphone", LiveCounts(kept=7, reconnects=2, away_s=4.5)).write()
    (card / "meadow").mkdir()
    (card / "meadow" / ".health.json").write_text('{"health": 3}', encoding="utf-8")  # Not one of ours.
    push(card, cluster, [])
    (message,) = (message for message in cluster.messages(HEALTH) if message.key() == b"hedge")
    reading = msgspec.json.decode(message.value() or b"", type=Health)
    assert (reading.sensor_id, reading.captured, reading.reconnects, reading.blind_s) == ("hedge", 7, 2, 4.5)
    assert len(cluster.messages(HEALTH)) == 2


def test_a_topic_that_may_not_be_written_is_said_once_and_every_capture_arrives(
    card: Path, cluster: MockCluster
) -> None:
    cluster.create_topic(HEALTH)
    cluster.topic_error(HEALTH, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    notes: list[str] = []
    assert push(card, cluster, notes, every_s=0.0).acknowledged == 5
    (note,) = notes
    assert "no health readings are sent" in note and "may not write to katydid.health" in note


def test_the_oldest_that_waits_and_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    health = PushHealth("moor", None, total=10, every_s=60.0)
    health.taken("a")
    now[0] = 130.0
    health.taken("b")
    now[0] = 150.0
    first = health.reading(pushed_bytes=0, done=0)
    assert (first.backlog, first.oldest_waiting_s, first.storage_free_bytes) == (10, 50.0, None)
    assert not health.due()
    health.acknowledged("a", None)
    now[0] = 210.0
    assert health.due()
    second = health.reading(pushed_bytes=7, done=9)
    assert (second.backlog, second.oldest_waiting_s, second.last_capture_id) == (1, 80.0, "a")


def test_the_clock_is_told_by_the_acknowledgement_that_was_quickest_and_only_where_the_broker_stamps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    health = PushHealth("moor", None)
    for name, waited_s in (("a", 4.0), ("b", 0.5), ("c", 2.0)):
        now[0] = 1000.0 + waited_s
        health.acknowledged(name, 900_000)  # The broker's clock is 100 s behind.
    assert health.reading(pushed_bytes=0, done=0).clock_offset_s == pytest.approx(100.5)
    health.acknowledged("d", None)
    assert health.reading(pushed_bytes=0, done=0).clock_offset_s is None


def test_a_real_broker_that_stamps_with_its_own_time_tells_how_far_this_clock_is(
    card: Path, kafka_server: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, admin = f"frames.{secrets.token_hex(4)}", AdminClient({"bootstrap.servers": kafka_server.bootstrap})
    made = admin.create_topics([NewTopic(topic, 1, 1, config={"message.timestamp.type": "LogAppendTime"})])
    made[topic].result(30)
    sent: list[Health] = []
    uplink = KafkaUplink(KafkaUplinkSettings(servers=(kafka_server.bootstrap,), frames=topic))
    monkeypatch.setattr(uplink, "report", lambda reading, failed: sent.append(reading))
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 3600.0)
    Push(
        FolderSource(card, zone="UTC"),
        uplink,
        watch=lambda progress: None,
        notify=lambda words: None,
        health=PushHealth("moor", card),
    ).run()
    (reading,) = sent
    assert reading.clock_offset_s is not None and 3599.9 <= reading.clock_offset_s < 3630.0
