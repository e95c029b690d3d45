"""The Kafka host: one process of `katydid worker`. The pipeline of the embedded host runs in it unchanged.

    configuration ─▶ preflight ─▶ models, store, producer ─▶ pipeline ─▶ Faust app with three agents

It ends in one of these ways:

    told to stop        what was taken is finished, written and acknowledged: 0
    told to stop, late  the watchdog ends it: 75; the same, sooner and in order, where the store or the broker is away
    the unexpected      ends it before any further acknowledgement: the error's exit code, 1 for a bug

In all of them what was acknowledged is durable, and what was not comes again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from katydid.models.library import default_library
from katydid.models.model import Model
from katydid.sensors.limits import Limits
from katydid.sensors.references import References
from katydid.sensors.scratch import scratch_folder
from katydid.streams.chosen import chosen_bundles, open_models
from katydid.streams.context import Situator
from katydid.streams.kafka import watchdog
from katydid.streams.kafka.agents import Intake
from katydid.streams.kafka.app import PlainWorker, WorkerApp, make_app
from katydid.streams.kafka.configuration import Configuration
from katydid.streams.kafka.deadletters import DeadLetters
from katydid.streams.kafka.errors import BrokerAway, BrokerError
from katydid.streams.kafka.fencing import Fencing, words
from katydid.streams.kafka.liveness import Verdict, judge
from katydid.streams.kafka.metrics import Metrics, Observed
from katydid.streams.kafka.observer import Observer
from katydid.streams.kafka.outcomes import WorkerSink
from katydid.streams.kafka.preflight import preflight
from katydid.streams.kafka.producing import DurableProducer
from katydid.streams.kafka.pulse import PulseTaker
from katydid.streams.kafka.status import StatusServer
from katydid.streams.kafka.stores import GIVE_UP, give_up_after, health_keeper, kept_frames, open_sink, what_ended
from katydid.streams.kafka.watch import Watch
from katydid.streams.pipeline import Pipeline
from katydid.streams.process import settle_process

_log = logging.getLogger(__name__)


def run_worker(configuration: Configuration) -> None:
    """Work until told to stop. Raises ConfigurationError, ModelError, StoreError, BrokerError and
    ScratchUnusable before it starts; what happens after that ends the process with a documented code."""
    settle_process()
    preflight(configuration, _log.info)
    with ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder("katydid-worker-", _log.info))
        Host(configuration, scratch, stack).run()


class Host:
    """Puts the parts together. Made by `run_worker`."""

    def __init__(self, configuration: Configuration, scratch: Path, stack: ExitStack) -> None:
        self._configuration = configuration
        self.metrics = Metrics()
        self._models, situator = _models(configuration, self.metrics, stack)
        self._producer = producer = DurableProducer(configuration)
        stack.callback(producer.close)
        topics = configuration.topics
        media = configuration.media
        references = References(
            media.stores,
            scratch=scratch / "media",
            tries=media.tries,
            wait_s=media.wait_s,
            pause=lambda seconds: self.intake.given_up.wait(seconds),
        )
        self.intake = Intake(
            lambda: self.pipeline,
            DeadLetters(producer, topics.deadletters),
            references,
            self.metrics,
            failed=self._fail,
            media_at_once=media.at_once,
        )
        stack.callback(self.intake.close)
        self._store = open_sink(configuration, self.intake.poison)
        self.intake.keep_health = health_keeper(self._store)
        observe = self.metrics.observe_stage
        self._sink = WorkerSink(producer, topics.outcomes, self._store, observe, self.intake.too_large)
        stack.callback(self._sink.close)
        self.pipeline = self._pipeline(situator)
        self.app = self._app(scratch)
        self._pulse = PulseTaker(self.app, self.pipeline, self._sink)
        self._observer = Observer(configuration, self.metrics, self._pulse.assigned)
        self._started = time.monotonic()
        self._was_alive = True
        self._watch = Watch(
            settled=lambda: self.pipeline.drain(0.0) and not self.intake.deliveries,
            gauge=self._gauge,
            part=self._part,
            fail=self._fail,
            blind_s=configuration.kafka.alive_s,
        )
        self._fencing = Fencing().listen()
        self._stack = stack

    def run(self) -> None:
        """Until told to stop."""
        self._serve_status()
        self.pipeline.start()
        self._watch.start()
        self._observer.start()
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        worker = PlainWorker(self.app, loop=loop, quiet=True, redirect_stdouts=False)
        _log.info(
            "worker of group %s starts at %s", self._configuration.kafka.group, self._configuration.kafka.bootstrap
        )
        try:
            worker.execute_from_commandline()
        except SystemExit as end:
            if end.code not in (0, None):  # Faust has said what crashed it long before, and Python's own end says more.
                self._fail(worker.crash_reason or end)
        except Exception as error:  # noqa: BLE001 - the supervising loop: Faust ends with what crashed it
            self._fail(error)
        self._watch.close()
        self._observer.close()
        self.pipeline.close()
        _log.info("stopped")

    # ------------------------------------------------------------------ parts

    def _pipeline(self, situator: Situator) -> Pipeline:
        return Pipeline(
            self._models,
            self._sink,
            self._configuration.pipeline.settings(),
            identify=self._configuration.models.identify,
            limits=Limits(),
            situate=situator,
            durable=self.intake.durable,
            refused=self.intake.refused,
            earlier=kept_frames(self._store),
        )

    def _app(self, scratch: Path) -> WorkerApp:
        app = make_app(self._configuration, scratch)
        app.stopping = self._stop
        app.revoking = self._revoke
        topics = self._configuration.topics
        captures, health = self.intake.captures, self.intake.health
        for name, agent in ((topics.frames, captures), (topics.clips, captures), (topics.health, health)):
            topic = app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
            app.agent(topic, name=f"katydid.{name}", concurrency=1)(_guarded(agent, self._fail))
        return app

    def _serve_status(self) -> None:
        settings = self._configuration.metrics
        if settings.port is None:
            return
        server = StatusServer(settings.host, settings.port, self.metrics.registry, self.verdict, self._gauge)
        server.start()
        self._stack.callback(server.close)
        _log.info("metrics at http://%s:%d/metrics", settings.host, server.port)

    def verdict(self) -> Verdict:
        """What /healthz and /readyz say; also sets the gauges that are read, not counted."""
        pulse = self._pulse.take(self._started)
        kafka = self._configuration.kafka
        return judge(pulse, time.monotonic(), kafka.alive_s, kafka.group)

    # ------------------------------------------------------------------ ends

    async def _stop(self) -> None:
        """Told to stop: what was taken is finished and written at once. Faust waits for its acknowledgements, and the
        watchdog for Faust."""
        _log.info("told to stop")
        within_s = self._configuration.kafka.stop_s
        watchdog.arm(within_s)
        self.intake.stopping = True
        self.pipeline.hurry()
        self._producer.hurry(GIVE_UP * within_s)
        self._watch.told_to_stop(GIVE_UP * within_s)
        asyncio.get_running_loop().call_later(GIVE_UP * within_s, self.intake.given_up.set)
        self._stack.callback(give_up_after(self._store, within_s))

    def _revoke(self) -> None:
        """A rebalance begins (the consumer's thread). Faust waits until what was taken is acknowledged: giving some of
        it back would leave a gap, and Faust forgets what it has committed and commits past it."""
        self.metrics.rebalances.inc()
        instance = self._configuration.kafka.instance_id
        if self._fencing.noted(time.monotonic()) and instance:
            watchdog.fail_stop(BrokerError(words(instance)))

    def _fail(self, error: BaseException) -> None:
        """End the process now, from any thread."""
        watchdog.fail_stop(what_ended(error, stopping=self.intake.stopping))

    def _part(self) -> None:
        """Told to stop, and all that was taken is durable, but Faust waits for its broker: end in order without it."""
        self.pipeline.close(raising=False)
        self._stack.close()
        self._fail(BrokerAway("told to stop while the broker is away: the last offsets could not be committed in time"))

    def _gauge(self) -> None:
        metrics, progress, verdict = self.metrics, self.pipeline.progress(), self.verdict()
        metrics.alive.set(verdict.alive)
        metrics.partitions.set(len(self._pulse.assigned()))
        metrics.in_flight.set(progress.taken - progress.durable)
        metrics.in_flight_bytes.set(progress.bytes_in_flight)
        metrics.cpu.set(progress.cpu_s)
        self._gauge_oldest()
        writing = self._sink.writing_since
        metrics.writing.set(0.0 if writing is None else time.monotonic() - writing)
        if self._was_alive and not verdict.alive and not self.intake.stopping:
            _log.error("not alive: %s", verdict.words)
        self._was_alive = verdict.alive

    def _gauge_oldest(self) -> None:
        oldest = dict.fromkeys(self._configuration.topics.inputs(), 0.0)
        now = time.time()
        for delivery in self.intake.deliveries.waiting():
            topic = delivery.lane[0]
            oldest[topic] = max(oldest.get(topic, 0.0), now - delivery.at_ms / 1000)
        for topic, age in oldest.items():
            self.metrics.oldest.labels(topic).set(age)


def _models(configuration: Configuration, metrics: Metrics, stack: ExitStack) -> tuple[Sequence[Model], Situator]:
    settings = configuration.models
    library = default_library(settings.directory)
    slots = configuration.pipeline.settings().workers
    models = open_models(chosen_bundles(library, settings.names), slots=slots)
    situator = Situator.open(library, settings.place, settings.identify, slots=slots)
    for model in (*models, *situator.models()):
        stack.callback(model.close)
    metrics.describe(models)
    return [Observed(model, metrics) for model in models], situator


def _guarded(agent: Callable[[Any], Any], fail: Callable[[BaseException], None]) -> Callable[[Any], Any]:
    """Faust would log what an agent raises, and go on with the next message."""

    async def guarded(stream: Any) -> None:
        try:
            await agent(stream)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - the supervising loop: nothing more is acknowledged
            fail(error)

    return guarded
