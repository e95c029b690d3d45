"""How much a broker's answer may hold. That larger messages come all the same, test_hostile_through_kafka.py shows."""

from __future__ import annotations

import inspect
from pathlib import Path
from unittest.mock import Mock

import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from katydid.streams.kafka.app import ANSWER_BYTES, FrugalThread, make_app
from katydid.streams.kafka.configuration import Configuration


async def test_the_consumer_of_a_worker_asks_for_small_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:9")  # Never started: nobody is there.
    default = inspect.signature(AIOKafkaConsumer).parameters["fetch_max_bytes"].default
    assert consumer._fetch_max_bytes == default > 10 * ANSWER_BYTES
    monkeypatch.setattr(AIOKafkaConsumerThread, "_create_worker_consumer", lambda self, transport: consumer)
    app = make_app(Configuration(), tmp_path)
    hooks = dict.fromkeys(("callback", "on_partitions_revoked", "on_partitions_assigned"), Mock())
    thread = app.transport.create_consumer(**hooks)._new_consumer_thread()  # type: ignore[attr-defined]
    assert isinstance(thread, FrugalThread)
    assert thread._create_worker_consumer(app.transport)._fetch_max_bytes == ANSWER_BYTES
    await consumer.stop()
