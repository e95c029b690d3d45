"""What the topics still hold, identified again by other models or settings, into a store beside the first one.

One capture has one outcome in a store, so another model's outcomes need a store of their own: PATH.MODEL.duckdb beside
a DuckDB file, another bucket of an InfluxDB. No group, no agent: a reader, the pipeline, a store. Killed and started
again it leaves out what its store holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from katydid.models.library import default_library
from katydid.models.model import Model
from katydid.sensors.capture import Capture
from katydid.sensors.references import References
from katydid.sensors.scratch import scratch_folder
from katydid.sensors.sources.protocol import Position, Taken
from katydid.streams.chosen import chosen_bundles, open_models
from katydid.streams.context import Situator
from katydid.streams.kafka.ahead import fetched_ahead
from katydid.streams.kafka.configuration import Configuration
from katydid.streams.kafka.consuming import all_messages
from katydid.streams.kafka.errors import ConfigurationError
from katydid.streams.kafka.intake import Dead, capture_of, taken_from
from katydid.streams.kafka.stores import duckdb_path, kept_frames, open_sink
from katydid.streams.pipeline import Pipeline, Progress
from katydid.streams.process import settle_process
from katydid.streams.sink import Arrival, Sink
from katydid.streams.store import DuckDBStore

WATCH_S = 0.2


@dataclass(slots=True)
class Replayed:
    """How a replay ended."""

    progress: Progress
    stored_before: int = 0
    """Captures whose outcome the store held already."""
    dead: int = 0
    """Messages that are no captures."""


def beside(url: str, models: Sequence[str]) -> str:
    """The store beside a DuckDB file, for another model's outcomes. Raises ConfigurationError for other stores."""
    if not url.startswith("duckdb:"):
        raise ConfigurationError(
            "one store holds one outcome of a capture: name another with --sink, for example another bucket"
        )
    path = duckdb_path(url)
    name = "+".join(Path(model).name for model in models)
    return f"duckdb://{path.with_name(f'{path.stem}.{name}{path.suffix}').as_posix()}"


def replay(
    configuration: Configuration, from_ms: int, until_ms: int | None, watch: Callable[[Progress], None]
) -> Replayed:
    """Identify what the topics of frames and clips hold between two times (ms since 1970), into `sink.url`.

    Raises ModelError, StoreError, BrokerError.
    """
    settle_process()
    with ExitStack() as stack:
        store = open_sink(configuration, _refused)
        assert store is not None, "the command line asks for a sink"
        stack.callback(store.close)
        models, situator = _models(configuration, stack)
        media = _Media(configuration, stack.enter_context(scratch_folder("katydid-replay-")))
        pipeline = Pipeline(
            models,
            store,
            configuration.pipeline.settings(),
            identify=configuration.models.identify,
            situate=situator,
            durable=media.release,
            earlier=kept_frames(store),
        )
        done = Replayed(pipeline.progress())
        with pipeline:
            captures = _captures(configuration, store, from_ms, until_ms, done)
            for taken in fetched_ahead(captures, media.local, configuration.media.at_once):
                _put(pipeline, taken, watch)
            pipeline.hurry()
            while not pipeline.drain(WATCH_S):
                watch(pipeline.progress())
        done.progress = pipeline.progress()
        return done


class _Media:
    """Large media of captures under way, on this machine."""

    def __init__(self, configuration: Configuration, scratch: Path) -> None:
        media = configuration.media
        self._references = References(media.stores, scratch=scratch, tries=media.tries, wait_s=media.wait_s)
        self._under_way: dict[Position, Capture] = {}

    def local(self, taken: Taken) -> Taken:
        """The capture as decoders can open it. Raises MediaStoreDown."""
        capture = self._references.local(taken.capture)
        if capture.payload_ref is not None:
            self._under_way[taken.position] = msgspec.structs.replace(capture, payload=None)
        return Taken(capture=capture, position=taken.position)

    def release(self, arrivals: Sequence[Arrival]) -> None:
        """These outcomes are durable: their copies can go."""
        for arrival in arrivals:
            if (capture := self._under_way.pop(arrival.position, None)) is not None:
                self._references.release(capture)


def _put(pipeline: Pipeline, taken: Taken, watch: Callable[[Progress], None]) -> None:
    while not pipeline.put_wait(taken, WATCH_S):
        watch(pipeline.progress())
    watch(pipeline.progress())


def _captures(
    configuration: Configuration, store: Sink, from_ms: int, until_ms: int | None, done: Replayed
) -> Iterator[Taken]:
    topics = configuration.topics
    for topic in (topics.frames, topics.clips):
        for message in all_messages(configuration, topic, from_ms=from_ms):
            if until_ms is not None and message.at_ms >= until_ms:
                continue
            try:
                capture = capture_of(message)
            except Dead:
                done.dead += 1
                continue
            if isinstance(store, DuckDBStore) and store.known([capture.capture_id]):
                done.stored_before += 1
                continue
            yield taken_from(message, capture)


def _models(configuration: Configuration, stack: ExitStack) -> tuple[list[Model], Situator]:
    settings = configuration.models
    library = default_library(settings.directory)
    slots = configuration.pipeline.settings().workers
    models = open_models(chosen_bundles(library, settings.names), slots=slots)
    situator = Situator.open(library, settings.place, settings.identify, slots=slots)
    for model in (*models, *situator.models()):
        stack.callback(model.close)
    return models, situator


def _refused(arrival: Arrival, words: str) -> None:
    raise ConfigurationError(f"the store refuses the outcome of capture {arrival.outcome.capture_id}: {words}")
