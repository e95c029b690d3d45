"""The worker's sink: every batch of outcomes goes to its topic and into the store, and is durable in both when `write`
returns. Both may be given the same batch again: outcomes are known by their ids."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from katydid.streams.kafka.producing import DurableProducer
from katydid.streams.kafka.records import outcome_record
from katydid.streams.sink import Arrival, Sink

Observe = Callable[[str, float], None]
"""Told how many seconds a step took: "store", "topic"."""


class WorkerSink:
    """A `Sink` over a topic and, where there is one, a store. Called from the pipeline's writer thread."""

    def __init__(self, producer: DurableProducer, topic: str, store: Sink | None, observe: Observe) -> None:
        self._producer = producer
        self._topic = topic
        self._store = store
        self._observe = observe
        self.writing_since: float | None = None
        """While a batch is being written: since when (monotonic clock)."""

    def write(self, arrivals: Sequence[Arrival]) -> None:
        """See `Sink`. Raises what the store raises, BrokerError and BrokerAway."""
        self.writing_since = began = time.monotonic()
        if self._store is not None:
            self._store.write(arrivals)
        stored = time.monotonic()
        self._producer.send([outcome_record(self._topic, arrival.outcome) for arrival in arrivals])
        self._observe("store", stored - began)
        self._observe("topic", time.monotonic() - stored)
        self.writing_since = None

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()
