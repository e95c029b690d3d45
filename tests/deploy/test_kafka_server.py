"""The broker that tests run on: it comes up, keeps what it acknowledged over a kill, and hangs when told."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import psutil
import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from servers.errors import ServerFailed
from servers.kafka import KafkaServer
from servers.ports import is_free
from servers.proxy import Proxy

pytestmark = pytest.mark.servers
WITHIN_S = 60.0
QUIET: dict[str, str | int | float | bool] = {"log_level": 0}


def new_topic(server: KafkaServer) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({**QUIET, **server.client_settings()})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(WITHIN_S)
    return name


def send(settings: dict[str, str], topic: str, values: list[bytes]) -> list[str]:
    """Produce with acknowledgement; what was refused or not acknowledged in time."""
    failed: list[str] = []
    producer = Producer(
        {**settings, **QUIET, "message.timeout.ms": int(WITHIN_S * 1000), "message.max.bytes": 12_582_912}
    )
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _message: failed.append(str(error)) if error else None)
    assert producer.flush(WITHIN_S) == 0
    return failed


def received(settings: dict[str, str], topic: str, count: int) -> list[bytes]:
    consumer = Consumer({**settings, **QUIET, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    values: list[bytes] = []
    deadline = time.monotonic() + WITHIN_S
    while len(values) < count and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            values.append(message.value() or b"")
    consumer.close()
    return values


def test_what_is_sent_is_received_up_to_twelve_mebibytes(kafka_server: KafkaServer) -> None:
    topic, settings = new_topic(kafka_server), kafka_server.client_settings()
    large = bytes(12_582_912 - 1024)

    assert send(settings, topic, [b"small", large]) == []

    assert received(settings, topic, 2) == [b"small", large]


def test_a_topic_that_nobody_made_is_not_made_by_asking(kafka_server: KafkaServer) -> None:
    admin = AdminClient({**QUIET, **kafka_server.client_settings()})

    admin.list_topics("nobody-made-this", timeout=WITHIN_S)

    assert "nobody-made-this" not in admin.list_topics(timeout=WITHIN_S).topics


def test_a_kill_and_a_restart_lose_nothing_that_was_acknowledged(new_kafka_server: Callable[..., KafkaServer]) -> None:
    server = new_kafka_server()
    server.start()
    topic, settings = new_topic(server), server.client_settings()
    values = [str(number).encode() for number in range(500)]
    assert send(settings, topic, values) == []
    killed = server.pid

    server.kill()
    assert not server.running
    assert not psutil.pid_exists(killed)
    server.start()

    assert received(settings, topic, 500) == values
    assert server.pid != killed


def test_a_suspended_broker_answers_again_once_resumed_and_ends_when_terminated(
    new_kafka_server: Callable[..., KafkaServer],
) -> None:
    server = new_kafka_server()
    server.start()
    settings = {**QUIET, **server.client_settings()}

    server.suspend()
    with pytest.raises(KafkaException):
        AdminClient(settings).list_topics(timeout=1.0)
    assert server.running

    server.resume()
    AdminClient(settings).list_topics(timeout=WITHIN_S)

    server.suspend()
    pid = server.pid
    server.terminate()
    assert not psutil.pid_exists(pid)
    assert is_free(server.port)


def test_clients_that_come_through_the_proxy_stay_with_it(new_kafka_server: Callable[..., KafkaServer]) -> None:
    with Proxy() as proxy:
        server = new_kafka_server(proxy_port=proxy.port)
        server.start()
        proxy.target = server.behind_proxy
        topic = new_topic(server)
        through = {"bootstrap.servers": f"127.0.0.1:{proxy.port}"}

        assert send(through, topic, [bytes(500_000)]) == []
        assert proxy.forwarded > 500_000

        proxy.cut()
        assert send(server.client_settings(), topic, [b"past the cut"]) == []
        assert received(server.client_settings(), topic, 2) == [bytes(500_000), b"past the cut"]


def test_a_taken_port_is_named(new_kafka_server: Callable[..., KafkaServer], kafka_server: KafkaServer) -> None:
    second = new_kafka_server(port=kafka_server.port)

    with pytest.raises(ServerFailed, match=f"port {kafka_server.port} of 127.0.0.1 is taken"):
        second.start()


def test_a_broker_that_ends_while_starting_says_why(new_kafka_server: Callable[..., KafkaServer]) -> None:
    server = new_kafka_server()
    server.start()
    server.terminate()
    identity = server.folder / "data" / "meta.properties"
    identity.write_text(identity.read_text().replace("node.id=1", "node.id=7"))

    with pytest.raises(ServerFailed, match=r"(?s)ended instead of starting.*Stored node id 7"):
        server.start()
