"""A push over a link that is cut, reset, half open and slow: everything arrives, and nothing twice from one process."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka", reason="needs the kafka extra")

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from katydid.sensors.capture import Capture, Clock, ClockSource, Kind
from katydid.sensors.uplink.kafka import KafkaUplink, KafkaUplinkSettings
from servers.kafka import KafkaServer
from servers.proxy import Proxy

_CALL_S = 120.0
SIZE = 50_000


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KafkaServer, Proxy]]:
    """A broker, and the only way to it."""
    from server_fixtures import cannot_be_had
    from servers.errors import ServerMissing

    with Proxy() as proxy:
        try:
            server = KafkaServer(tmp_path_factory.mktemp("behind"), proxy_port=proxy.port)
        except ServerMissing as reason:
            cannot_be_had(reason)
        proxy.target = server.behind_proxy
        server.start()
        try:
            yield server, proxy
        finally:
            server.kill()


@pytest.fixture
def topic(link: tuple[KafkaServer, Proxy]) -> str:
    name = f"frames-{secrets.token_hex(4)}"
    admin = AdminClient({**link[0].client_settings()})
    new = NewTopic(name, 1, 1, config={"max.message.bytes": str(12 << 20)})
    admin.create_topics([new])[name].result(timeout=_CALL_S)
    return name


def capture(number: int) -> Capture:
    media = number.to_bytes(4, "big") + bytes(SIZE - 4)
    return Capture(
        capture_id=f"{number:032x}",
        sensor_id="s",
        kind=Kind.FRAME,
        captured_at=number,
        clock=Clock(source=ClockSource.NONE),
        media_type="image/jpeg",
        payload=media,
        sha256=hashlib.sha256(media).hexdigest(),
        length=len(media),
    )


def arrived(server: KafkaServer, topic: str) -> list[int]:
    """Numbers of the captures that the broker has, in its order."""
    consumer = Consumer({**server.client_settings(), "group.id": "test", "enable.auto.commit": False})
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=_CALL_S)
        consumer.assign([TopicPartition(topic, 0, 0)])
        found: list[int] = []
        while len(found) < end:
            messages = consumer.consume(end - len(found), _CALL_S)
            found += [int.from_bytes((each.value() or b"")[:4], "big") for each in messages]
        return found
    finally:
        consumer.close()


def cut(proxy: Proxy) -> None:
    proxy.cut()


def reset(proxy: Proxy) -> None:
    proxy.reset()


def slow(proxy: Proxy) -> None:
    proxy.bytes_per_s = 2_000_000.0
    proxy.latency_s = 0.05


@pytest.mark.slow
@pytest.mark.parametrize("fault", [cut, reset, slow])
def test_everything_arrives_once_and_in_order(
    fault: Callable[[Proxy], None], link: tuple[KafkaServer, Proxy], topic: str, tmp_path: Path
) -> None:
    server, proxy = link
    settings = KafkaUplinkSettings(servers=(f"127.0.0.1:{proxy.port}",), frames=topic, in_flight_bytes=10 * SIZE)
    uplink = KafkaUplink(settings)
    uplink.connect(lambda seconds, trouble: seconds > _CALL_S)
    acknowledged: list[int] = []
    for number in range(60):
        if number in (20, 40):
            fault(proxy)
            if fault is cut:
                while not uplink.trouble:  # Until it has noticed.
                    uplink.poll(0.1)
                proxy.heal()
        uplink.send(capture(number), lambda number=number: acknowledged.append(number))  # type: ignore[misc]
    while uplink.in_flight:
        uplink.poll(0.1)
    uplink.close(0.0)
    proxy.heal()
    assert acknowledged == list(range(60))
    assert arrived(server, topic) == list(range(60))
