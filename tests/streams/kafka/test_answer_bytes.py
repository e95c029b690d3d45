"""How much a broker's answer may hold. That larger messages come all the same, test_hostile_through_kafka.py shows."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from aiokafka import AIOKafkaConsumer, conn  # type: ignore[import-untyped]
from aiokafka.consumer import fetcher  # type: ignore[import-untyped]
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from katydid.streams.kafka import app
from katydid.streams.kafka.configuration import Configuration


def test_the_consumer_of_a_worker_asks_for_small_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    default = inspect.signature(AIOKafkaConsumer).parameters["fetch_max_bytes"].default
    plain = SimpleNamespace(_fetch_max_bytes=default)
    monkeypatch.setattr(AIOKafkaConsumerThread, "_create_worker_consumer", lambda self, transport: plain)
    made = object.__new__(app.FrugalThread)._create_worker_consumer(Mock())
    assert made._fetch_max_bytes == app.ANSWER_BYTES < default / 10
    assert made._consumer_timeout == app.LOOK_S


def test_that_thread_is_the_one_that_faust_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = Mock()
    monkeypatch.setattr(app, "FrugalThread", thread)
    assert app.RestlessConsumer._new_consumer_thread(Mock()) is thread.return_value


def test_the_client_takes_both_from_where_they_are_set() -> None:
    start = inspect.getsource(AIOKafkaConsumer.start)
    assert "fetch_max_bytes=self._fetch_max_bytes" in start and "fetcher_timeout=self._consumer_timeout" in start
    assert "self._fetch_max_bytes," in inspect.getsource(fetcher.Fetcher)


async def test_the_clients_reader_lets_a_whole_answer_come_without_stopping_its_socket(tmp_path: Path) -> None:
    before = conn.READER_LIMIT
    try:
        for limit, stops in ((2**16, True), (_limit_of_a_worker(tmp_path), False)):
            reader, socket = asyncio.StreamReader(limit=limit), Mock()
            reader.set_transport(socket)
            reader.feed_data(bytes(app.ANSWER_BYTES))
            assert socket.pause_reading.called == stops
    finally:
        conn.READER_LIMIT = before
    assert "READER_LIMIT = 2**16" in inspect.getsource(conn)
    assert "StreamReader(limit=READER_LIMIT" in inspect.getsource(conn.AIOKafkaConnection.connect)


def _limit_of_a_worker(scratch: Path) -> int:
    app.make_app(Configuration(), scratch)
    return int(conn.READER_LIMIT)
