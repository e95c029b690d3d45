"""The process of `katydid worker --sink URL`: no models, one store, kept from the topic of outcomes."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from katydid.streams.errors import StoreUnreachable
from katydid.streams.kafka import watchdog
from katydid.streams.kafka.configuration import Configuration
from katydid.streams.kafka.deadletters import DeadLetters
from katydid.streams.kafka.errors import BrokerAway
from katydid.streams.kafka.keeping import Keeper
from katydid.streams.kafka.metrics import Metrics
from katydid.streams.kafka.producing import DurableProducer
from katydid.streams.kafka.status import StatusServer
from katydid.streams.kafka.stores import GIVE_UP, give_up_after, open_sink, what_ended
from katydid.streams.sink import Sink

_log = logging.getLogger(__name__)


def run_keeper(configuration: Configuration) -> None:
    """Keep the store of `sink.url` until told to stop. Raises ConfigurationError, StoreError, BrokerError."""
    with ExitStack() as stack:
        store = open_sink(configuration, lambda arrival, words: keeper.poisoned(arrival, words))
        assert store is not None, "the command line asks for a sink"
        stack.callback(store.close)
        producer = DurableProducer(configuration)
        stack.callback(producer.close)
        metrics = Metrics()
        letters = DeadLetters(producer, configuration.topics.deadletters)
        keeper = Keeper(configuration, store, letters, metrics)
        settings = configuration.metrics
        if settings.port is not None:
            server = StatusServer(settings.host, settings.port, metrics.registry, keeper.verdict)
            server.start()
            stack.callback(server.close)
            _log.info("metrics at http://%s:%d/metrics", settings.host, server.port)
        _log.info("%s is kept from %s", configuration.sink.url, configuration.topics.outcomes)
        with _told(keeper.stop, store, producer, configuration.kafka.stop_s):
            try:
                keeper.run()
            except (StoreUnreachable, BrokerAway) as error:
                raise what_ended(error, stopping=keeper.stop.is_set()) from error
    _log.info("stopped")


@contextmanager
def _told(stop: threading.Event, store: Sink, producer: DurableProducer, within_s: float) -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM ask for an orderly end; what is away is then not waited for much longer."""
    stopping = ExitStack()

    def told(number: int, frame: FrameType | None) -> None:
        if not stop.is_set():
            watchdog.arm(within_s)
            producer.hurry(GIVE_UP * within_s)
            stopping.callback(give_up_after(store, within_s))
        stop.set()

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stopping.close()
