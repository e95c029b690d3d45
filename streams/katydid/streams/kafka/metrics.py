"""What a worker counts, for Prometheus. docs/metrics.md says of each what it means and when to worry; a test holds the
names there to the names here.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from katydid.models.model import Model, Seen

LATENCY_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 20, 30, 60, 120, 300, 900, 3600)
STAGE_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
ITEMS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """One registry for one worker. Any thread."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.captures = Counter(
            "katydid_captures", "Captures whose outcome is durable.", ["kind", "status"], registry=registry
        )
        self.dead_letters = Counter("katydid_dead_letters", "Messages given up.", ["reason"], registry=registry)
        self.unstored = Counter(
            "katydid_unstored", "Outcomes that the store refused for ever; each is a dead letter.", registry=registry
        )
        self.lost = Counter(
            "katydid_lost_to_retention",
            "Messages that the topic dropped before they were read.",
            ["topic"],
            registry=registry,
        )
        self.health = Counter("katydid_health_readings", "Health readings taken.", registry=registry)
        self.rebalances = Counter(
            "katydid_rebalances", "Times that partitions were handed out anew.", registry=registry
        )
        self._gauges(registry)
        self._histograms(registry)

    def _gauges(self, registry: CollectorRegistry) -> None:
        self.lag = Gauge(
            "katydid_lag_messages", "Messages not committed yet.", ["topic", "partition"], registry=registry
        )
        self.headroom = Gauge(
            "katydid_retention_headroom_messages",
            "Messages between the log's start and the committed offset; at 0 a backlog is being dropped.",
            ["topic", "partition"],
            registry=registry,
        )
        self.oldest = Gauge(
            "katydid_oldest_capture_age_seconds",
            "Age of the oldest message that was taken and is not settled; 0 where there is none.",
            ["topic"],
            registry=registry,
        )
        self.partitions = Gauge("katydid_assigned_partitions", "Partitions that this worker has.", registry=registry)
        self.alive = Gauge("katydid_alive", "1 while /healthz says 200.", registry=registry)
        self.in_flight = Gauge("katydid_in_flight_captures", "Captures taken and not durable.", registry=registry)
        self.in_flight_bytes = Gauge(
            "katydid_in_flight_bytes", "Encoded bytes of captures that are not identified yet.", registry=registry
        )
        self.cpu = Gauge(
            "katydid_identify_cpu_seconds", "CPU time in decoding, models and deciding.", registry=registry
        )
        self.writing = Gauge(
            "katydid_write_age_seconds", "How long the present batch has been written for.", registry=registry
        )
        self.model = Gauge(
            "katydid_model_info",
            "1 for each model, with the engine and provider that really run it.",
            ["model", "engine", "provider"],
            registry=registry,
        )

    def _histograms(self, registry: CollectorRegistry) -> None:
        self.latency = Histogram(
            "katydid_latency_seconds",
            "From the message's time stamp to its durable outcome.",
            ["kind"],
            buckets=LATENCY_S,
            registry=registry,
        )
        self.batch = Histogram(
            "katydid_batch_items", "Items in one call of a model.", ["model"], buckets=ITEMS, registry=registry
        )
        self.stage = Histogram(
            "katydid_stage_seconds",
            "Wall time of a stage: room (waiting to be taken), media (fetching a reference), model, store, topic.",
            ["stage"],
            buckets=STAGE_S,
            registry=registry,
        )

    def observe_stage(self, stage: str, seconds: float) -> None:
        """One stage took so long."""
        self.stage.labels(stage).observe(seconds)

    def describe(self, models: Sequence[Model]) -> None:
        """Publish what really runs."""
        for model in models:
            running = model.running
            self.model.labels(model.bundle.manifest.model, running.engine, running.provider).set(1)


class Observed(Model):
    """A model whose calls are counted."""

    def __init__(self, model: Model, metrics: Metrics) -> None:
        self.__dict__.update(model.__dict__)
        name = model.bundle.manifest.model
        self._items = metrics.batch.labels(name)
        self._seconds = metrics.stage.labels("model")

    def infer(self, items: object) -> Seen:
        """The model's own answer."""
        with self._seconds.time():
            seen = super().infer(items)  # type: ignore[arg-type] # whatever the model takes
        self._items.observe(len(seen.scores))
        return seen
