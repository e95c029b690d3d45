"""Looks at a running worker from outside: what it has, and when something last worked."""

from __future__ import annotations

import time
from typing import Any

from katydid.streams.kafka.app import WorkerApp
from katydid.streams.kafka.liveness import Pulse
from katydid.streams.kafka.outcomes import WorkerSink
from katydid.streams.pipeline import Pipeline

Partition = tuple[str, int]


class PulseTaker:
    """Any thread may ask."""

    def __init__(self, app: WorkerApp, pipeline: Pipeline, sink: WorkerSink) -> None:
        self._app = app
        self._pipeline = pipeline
        self._sink = sink
        self._seen: tuple[int, float] = (0, 0.0)
        self._advanced: float | None = None
        self._last_fetch: float | None = None
        self._had: frozenset[Partition] = frozenset()
        self._assigned_at: float | None = None

    def assigned(self) -> frozenset[Partition]:
        """Topic and partition of what this worker has now."""
        consumer = self._consumer()
        if consumer is None or consumer._closed:
            return frozenset()
        return frozenset((tp.topic, tp.partition) for tp in consumer.assignment())

    def take(self, started: float) -> Pulse:
        """The pulse now."""
        assigned = self.assigned()
        if assigned != self._had:
            self._had, self._assigned_at = assigned, time.monotonic()
        return Pulse(
            started=started,
            partitions=len(assigned),
            assigned=self._assigned_at,
            fetched=self._fetched(),
            committed=self._app.committed_at,
            advanced=self._advance(),
            writing=self._sink.writing_since,
        )

    def _consumer(self) -> Any:
        """aiokafka's consumer inside Faust's thread; None before there is one."""
        thread = getattr(self._app._consumer, "_thread", None)
        return getattr(thread, "_consumer", None)

    def _fetched(self) -> float | None:
        """When a fetch last brought an answer (also an empty one), on the monotonic clock. aiokafka forgets it when
        partitions are handed out anew."""
        consumer = self._consumer()
        subscription = None if consumer is None else consumer._subscription.subscription
        assignment = None if subscription is None else subscription.assignment
        if assignment is None:
            return self._last_fetch
        stamps = [assignment.state_value(tp).timestamp for tp in assignment.tps]
        known = [stamp for stamp in stamps if stamp]
        if known:
            found = time.monotonic() - max(0.0, time.time() - max(known) / 1000)
            self._last_fetch = max(found, self._last_fetch or found)
        return self._last_fetch

    def _advance(self) -> float | None:
        progress = self._pipeline.progress()
        now = (progress.durable, progress.cpu_s)
        if now != self._seen:
            self._seen, self._advanced = now, time.monotonic()
        return self._advanced
