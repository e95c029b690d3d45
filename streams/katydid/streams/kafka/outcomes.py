"""The worker's sink: every batch of outcomes goes to its topic and into the store, and is durable in both when `write`
returns. Both may be given the same batch again: outcomes are known by their ids."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from katydid.streams.kafka.errors import MessageTooLarge
from katydid.streams.kafka.producing import DurableProducer
from katydid.streams.kafka.records import Record, outcome_record
from katydid.streams.sink import Arrival, Sink

Observe = Callable[[str, float], None]
"""Told how many seconds a step took: "store", "topic"."""
TooLarge = Callable[[Arrival, str], None]
"""Told of an arrival whose outcome its topic will never take, and why; durable when it returns."""


class WorkerSink:
    """A `Sink` over a topic and, where there is one, a store. Called from the pipeline's writer thread."""

    def __init__(
        self,
        producer: DurableProducer,
        topic: str,
        store: Sink | None,
        observe: Observe,
        too_large: TooLarge | None = None,
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._store = store
        self._observe = observe
        self._too_large = too_large
        self.writing_since: float | None = None
        """While a batch is being written: since when (monotonic clock)."""

    def write(self, arrivals: Sequence[Arrival]) -> None:
        """See `Sink`, but for what was handed to `too_large`. Raises what the store raises, BrokerError, BrokerAway,
        and MessageTooLarge where there is nobody to hand it to."""
        self.writing_since = began = time.monotonic()
        if self._store is not None:
            self._store.write(arrivals)
        stored = time.monotonic()
        self._send([(arrival, outcome_record(self._topic, arrival.outcome)) for arrival in arrivals])
        self._observe("store", stored - began)
        self._observe("topic", time.monotonic() - stored)
        self.writing_since = None

    def _send(self, sending: Sequence[tuple[Arrival, Record]]) -> None:
        """Halved where something in it is too large, down to what is: one outcome must not stop a partition. What is
        sent twice by that is one outcome to whoever reads."""
        try:
            self._producer.send([record for _, record in sending])
        except MessageTooLarge as error:
            if self._too_large is None:
                raise
            if len(sending) > 1:
                middle = len(sending) // 2
                self._send(sending[:middle])
                self._send(sending[middle:])
                return
            ((arrival, record),) = sending
            kept = "no store is configured that keeps it" if self._store is None else "the store has it"
            self._too_large(arrival, f"the outcome has {len(record.value or b''):,} bytes: {error}; {kept}")

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()
