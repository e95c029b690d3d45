"""Findings that take a real broker, or a broker that goes away: what Faust and aiokafka do by themselves, without what
this project puts around them. Those of test_findings.py are the others."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from mock_broker import MockBroker, until
from servers.kafka import KafkaServer

pytestmark = pytest.mark.slow

FAUST = """
import sys
import faust
servers, topic, folder, instance = sys.argv[1:]
app = faust.App(
    topic, broker=f"kafka://{servers}", store="memory://", datadir=folder, autodiscover=False, web_enabled=False,
    topic_allow_declare=False, topic_disable_leader=True, broker_session_timeout=SESSION_S, broker_heartbeat_interval=1,
    consumer_group_instance_id=instance or None, key_serializer="raw", value_serializer="raw",
    consumer_auto_offset_reset="earliest",
)

@app.agent(app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"))
async def agent(stream):
    async for event in stream.noack().events():
        event.ack()

app.finalize()
faust.Worker(app, loglevel="error").execute_from_commandline()
"""


class Faust:
    """A Faust app as a process, as its documentation has it."""

    def __init__(self, servers: str, topic: str, folder: Path, *, instance: str = "", session_s: int = 6) -> None:
        self._log = folder / f"{uuid.uuid4().hex}.log"
        code = FAUST.replace("SESSION_S", str(session_s))
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, servers, topic, str(folder), instance],
                stdout=log, stderr=log, env={**os.environ, "NO_COLOR": "1"},
            )  # fmt: skip

    @property
    def words(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")


@pytest.fixture
def apps() -> Iterator[list[Faust]]:
    started: list[Faust] = []
    yield started
    for app in started:
        app.process.kill()
        app.process.wait()


def made_topic(server: KafkaServer, partitions: int = 1) -> str:
    name = f"finding-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    admin.create_topics([NewTopic(name, partitions, 1, config={"max.message.bytes": "12582912"})])[name].result(30)
    return name


def members(server: KafkaServer, group: str) -> int | None:
    """How many the group has; None while the broker does not know."""
    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    try:
        return len(admin.describe_consumer_groups([group])[group].result(30).members)
    except KafkaException:
        return None


@pytest.mark.parametrize(("instance", "leaves"), [("", True), ("box-1", False)])
def test_a_static_member_that_is_told_to_stop_leaves_no_word_and_another_one_does(
    kafka_server: KafkaServer, apps: list[Faust], tmp_path: Path, instance: str, leaves: bool
) -> None:
    """So the partitions of a static member stand still for a session after every orderly stop."""
    topic = made_topic(kafka_server)
    apps.append(Faust(kafka_server.bootstrap, topic, tmp_path, instance=instance, session_s=30))
    until(lambda: members(kafka_server, topic) == 1, "it is a member")
    apps[0].process.send_signal(signal.SIGTERM)
    apps[0].process.wait(30)
    until(lambda: members(kafka_server, topic) is not None, "an answer")
    assert members(kafka_server, topic) == (0 if leaves else 1)


async def test_aiokafka_says_the_same_many_times_a_second_while_its_broker_is_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Hence the filter in logs.py."""
    with MockBroker(("away",), partitions=1) as broker, caplog.at_level(logging.INFO, logger="aiokafka"):
        consumer = AIOKafkaConsumer("away", bootstrap_servers=broker.bootstrap, group_id="away")
        await consumer.start()
        broker.down()
        caplog.clear()
        began = time.monotonic()
        while time.monotonic() - began < 5:
            await asyncio.sleep(0.1)
        broker.up()
        await consumer.stop()
    assert len(caplog.records) > 5 * 3
