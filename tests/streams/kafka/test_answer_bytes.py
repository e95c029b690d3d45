"""How much a broker's answer may hold. That larger messages come all the same, test_hostile_through_kafka.py shows."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]
from aiokafka.consumer import fetcher  # type: ignore[import-untyped]
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from katydid.streams.kafka import app


def test_the_consumer_of_a_worker_asks_for_small_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    default = inspect.signature(AIOKafkaConsumer).parameters["fetch_max_bytes"].default
    plain = SimpleNamespace(_fetch_max_bytes=default)
    monkeypatch.setattr(AIOKafkaConsumerThread, "_create_worker_consumer", lambda self, transport: plain)
    made = object.__new__(app.FrugalThread)._create_worker_consumer(Mock())
    assert made._fetch_max_bytes == app.ANSWER_BYTES < default / 10


def test_that_thread_is_the_one_that_faust_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = Mock()
    monkeypatch.setattr(app, "FrugalThread", thread)
    assert app.RestlessConsumer._new_consumer_thread(Mock()) is thread.return_value


def test_the_client_takes_the_size_from_where_it_is_set() -> None:
    assert "fetch_max_bytes=self._fetch_max_bytes" in inspect.getsource(AIOKafkaConsumer.start)
    assert "self._fetch_max_bytes," in inspect.getsource(fetcher.Fetcher)
