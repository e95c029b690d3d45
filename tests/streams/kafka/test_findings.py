"""What the Kafka host rests on, measured once and pinned here: the day Faust or aiokafka behave otherwise, these fail,
and docs/decisions/0010-kafka-host.md wants a second look. Each test states a finding, not a wish.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

import faust
from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]
from confluent_kafka import TopicPartition
from faust.transport.drivers.aiokafka import Consumer as StockConsumer
from faust.transport.drivers.aiokafka import Transport as StockTransport

from katydid.streams.kafka.app import REST_S, RestlessConsumer, make_app
from katydid.streams.kafka.configuration import Configuration, KafkaSettings
from katydid.streams.kafka.observer import Observer
from katydid.streams.kafka.retention import Jumps
from mock_broker import DEADLINE_S, MockBroker
from mock_cluster import reading

COUNT = 20
Agent = Callable[[Any], Awaitable[None]]


@pytest.fixture(scope="module")
def broker() -> Iterator[MockBroker]:
    """One for all: each test has a topic of its own."""
    with MockBroker(()) as found:
        yield found


def topic_of(broker: MockBroker, name: str, values: list[bytes]) -> str:
    """A topic with so many messages on partition 0."""
    broker.create_topic(name)
    for value in values:
        broker.write_raw(name, value, b"key", partition=0)
    return name


def numbers() -> list[bytes]:
    return [str(number).encode() for number in range(COUNT)]


@asynccontextmanager
async def running(
    broker: MockBroker, tmp_path: Path, topic: str, agent: Agent, codec: str = "raw"
) -> AsyncIterator[Any]:
    """A Faust app with one agent and Faust's own consumer; its group has the topic's name."""
    kafka = KafkaSettings(servers=broker.servers, group=topic, session_s=6, heartbeat_s=1, commit_s=0.1)
    app = make_app(Configuration(kafka=kafka), tmp_path)
    app.stopping, app.revoking = _nothing, lambda: None
    app.transport = StockTransport(app.conf.broker_consumer, app)
    kind = bytes if codec == "raw" else None
    source = app.topic(topic, key_type=bytes, value_type=kind, key_serializer="raw", value_serializer=codec)
    app.agent(source, name=topic)(agent)
    await app.start()
    try:
        yield app
    finally:
        await asyncio.wait_for(app.stop(), DEADLINE_S)


async def _nothing() -> None:
    return None


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)


async def committed(broker: MockBroker, topic: str, offset: int) -> None:
    await until(lambda: broker.committed(topic, topic)[0] == offset)


def collecting(into: list[Any]) -> Agent:
    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            into.append(event)

    return agent


async def test_a_fresh_group_commits_past_messages_that_were_never_acknowledged(
    broker: MockBroker, tmp_path: Path
) -> None:
    topic, events = topic_of(broker, "fresh", numbers()), list[Any]()
    async with running(broker, tmp_path, topic, collecting(events)):
        await until(lambda: len(events) == COUNT)
        for event in events[3:]:
            event.ack()
        await committed(broker, topic, COUNT)
        events.clear()


async def test_a_gap_of_one_is_committed_past_and_a_gap_of_two_is_not(broker: MockBroker, tmp_path: Path) -> None:
    topic, events = topic_of(broker, "gaps", numbers()), list[Any]()
    async with running(broker, tmp_path, topic, collecting(events)) as app:
        await until(lambda: len(events) == COUNT)
        for event in events[:5]:
            event.ack()
        await committed(broker, topic, 5)
        for event in events[6:10]:
            event.ack()
        await committed(broker, topic, 10)
        for event in events[12:]:
            event.ack()
        await app.consumer.commit()
        assert broker.committed(topic, topic)[0] == 10
        for event in events[10:12]:
            event.ack()
        await committed(broker, topic, COUNT)
        events[5].ack()  # Or the stop would wait for it.


async def test_faust_waits_for_a_message_that_is_held_and_not_acknowledged_until_it_is_released(
    broker: MockBroker, tmp_path: Path
) -> None:
    topic, events = topic_of(broker, "held", numbers()[:2]), list[Any]()
    async with running(broker, tmp_path, topic, collecting(events)) as app:
        await until(lambda: len(events) == 2)
        events[0].ack()
        waiting = asyncio.create_task(app.consumer.wait_empty())
        done, _ = await asyncio.wait([waiting], timeout=1.5)
        assert not done
        app.consumer.unacked.discard(events[1].message)
        await asyncio.wait_for(waiting, DEADLINE_S)


async def test_take_acknowledges_a_batch_whose_body_raised(broker: MockBroker, tmp_path: Path) -> None:
    topic, used = topic_of(broker, "take", numbers()), list[bytes]()
    raised: list[int] = []

    async def agent(stream: Any) -> None:
        async for batch in stream.take(5, within=0.5):
            if not raised:
                raised.append(len(batch))
                raise ValueError("once")
            used.extend(batch)

    async with running(broker, tmp_path, topic, agent):
        await until(lambda: bool(raised) and broker.committed(topic, topic)[0] >= raised[0])
    assert raised[0] > 0
    assert not set(numbers()[: raised[0]]) & set(used)


async def test_what_a_codec_refuses_is_acknowledged_before_an_agent_sees_it(broker: MockBroker, tmp_path: Path) -> None:
    topic, seen = topic_of(broker, "codec", [b"no json"]), list[Any]()

    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            seen.append(event)

    async with running(broker, tmp_path, topic, agent, codec="json"):
        await committed(broker, topic, 1)
    assert seen == []


@pytest.mark.parametrize(("consumer", "rest"), [(StockConsumer, 1), (RestlessConsumer, REST_S)])
async def test_with_all_buffers_full_faust_sleeps_a_flat_second_and_ours_does_not(consumer: Any, rest: float) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    full = SimpleNamespace(
        flow_active=True,
        app=SimpleNamespace(client_only=False),
        not_waiting_next_records=asyncio.Event(),
        _get_active_partitions=set,
        sleep=sleep,
    )
    assert (await consumer._wait_next_records(full, 1.0))[0] == {}
    assert slept == [rest]


def test_our_consumer_counts_what_we_settled_and_no_message_that_faust_skipped() -> None:
    skipped = SimpleNamespace(value=b"media", acked=False)
    consumer = SimpleNamespace(unacked=_Discarding())
    assert RestlessConsumer.ack(consumer, skipped) is False  # type: ignore[arg-type]
    assert skipped.acked and consumer.unacked.gone == [skipped]


class _Discarding:
    def __init__(self) -> None:
        self.gone: list[object] = []

    def discard(self, message: object) -> None:
        self.gone.append(message)


async def test_faust_serves_tables_and_routes_unless_told_otherwise(tmp_path: Path) -> None:
    stock = faust.App("stock", datadir=tmp_path / "stock", autodiscover=False)
    assert stock.conf.web_tables_enabled and stock.conf.web_router_enabled and stock.conf.web_enabled
    ours = make_app(Configuration(), tmp_path)
    assert not (ours.conf.web_enabled or ours.conf.web_tables_enabled or ours.conf.web_router_enabled)
    assert ours.conf.stream_wait_empty and not ours.conf.topic_allow_declare and ours.conf.topic_disable_leader


def test_what_retention_dropped_before_it_was_read_is_counted_once_and_said(caplog: pytest.LogCaptureFixture) -> None:
    from katydid.streams.kafka.metrics import Metrics

    metrics = Metrics()
    observer = Observer(Configuration(), metrics, frozenset)

    def lost() -> float:
        return metrics.registry.get_sample_value("katydid_lost_to_retention_total", {"topic": "clips"}) or 0.0

    observer._gone(("clips", 0), wanted=500, low=100)
    assert lost() == 0
    for _ in range(3):
        observer._gone(("clips", 0), wanted=500, low=700)
    assert lost() == 200
    observer._gone(("clips", 0), wanted=720, low=750)
    assert lost() == 230
    assert "200 messages were dropped by retention" in caplog.text


def test_what_was_taken_and_is_not_committed_when_retention_drops_it_is_not_lost() -> None:
    from katydid.streams.kafka.metrics import Metrics

    metrics = Metrics()
    Observer(Configuration(), metrics, frozenset)._note(("clips", 0), committed=500, low=750, high=900)
    assert not metrics.registry.get_sample_value("katydid_lost_to_retention_total", {"topic": "clips"})
    assert metrics.registry.get_sample_value("katydid_lag_messages", {"topic": "clips", "partition": "0"}) == 400


async def test_the_client_jumps_over_what_retention_dropped_and_says_from_where(broker: MockBroker) -> None:
    """The mock keeps 5 MiB of a partition. Two of twelve messages were read and committed, and half are gone."""
    topic = topic_of(broker, "dropped", [bytes(1 << 20)] * 12)
    with reading(broker, "dropped") as consumer:
        low, _ = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=DEADLINE_S)
        consumer.commit(offsets=[TopicPartition(topic, 0, 2)], asynchronous=False)
    assert low > 2
    noted: list[None] = []
    jumps = Jumps(lambda: noted.append(None))
    jumps.listen()
    client = AIOKafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, group_id="dropped", auto_offset_reset="earliest"
    )
    await client.start()
    try:
        first = await asyncio.wait_for(client.getone(), DEADLINE_S)
    finally:
        await client.stop()
        jumps.close()
    assert first.offset == low
    assert (jumps.next(), jumps.next(), len(noted)) == (((topic, 0), 2), None, 1)
