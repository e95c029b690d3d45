"""The store of a worker, by the scheme of its URL. A missing package is named with the extra that brings it.

Stores differ in what they can besides keeping outcomes: one on a server also keeps health readings, and waits while
its server is away.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from katydid.sensors.capture import Health
from katydid.sensors.errors import MediaStoreDown
from katydid.streams.earlier import Load
from katydid.streams.errors import StoreUnreachable
from katydid.streams.kafka.configuration import Configuration
from katydid.streams.kafka.errors import BrokerAway, ConfigurationError, StoreAway
from katydid.streams.sink import Arrival, Sink
from katydid.streams.store import DuckDBStore, open_store

Poison = Callable[[Arrival, str], None]

GIVE_UP = 0.25
"""The share of `stop_s` in which a store or broker that is away may come back when the worker is told to stop: the rest
is for ending in order."""


@runtime_checkable
class KeepsHealth(Sink, Protocol):
    """A store that also keeps what sensors say of themselves."""

    def write_health(self, readings: Iterable[Health]) -> None: ...


@runtime_checkable
class Waits(Sink, Protocol):
    """A store that waits while its server is away, until it is told not to."""

    def stop(self) -> None: ...


def open_sink(configuration: Configuration, poison: Poison) -> Sink | None:
    """The store of `sink.url`; None where outcomes go to their topic alone. Raises StoreError, ConfigurationError."""
    url = configuration.sink.url
    if not url:
        return None
    if url.startswith("duckdb:"):
        store = open_store(duckdb_path(url))
        store.keep_following()
        return store
    from katydid.streams.store.influx import open_influx

    sites = configuration.sink.sites
    return open_influx(url, token=configuration.secrets.influx_token, poison=poison, sites=sites)


def kept_frames(store: Sink | None) -> Load | None:
    """Where a restarted worker finds the frames that those of a camera are compared with; None where the store keeps
    none, and the first of each camera after a restart are compared with fewer."""
    return store.earlier_frames if isinstance(store, DuckDBStore) else None


def duckdb_path(url: str) -> Path:
    """The file of duckdb:///PATH. Raises ConfigurationError."""
    parts = urlsplit(url)
    if parts.scheme != "duckdb" or parts.netloc or not parts.path.strip("/"):
        raise ConfigurationError(f"{url!r} names no file: write duckdb:///PATH, with three slashes")
    return Path(unquote(parts.path))


def health_keeper(store: Sink | None) -> Callable[[Health], None] | None:
    """Keeps one reading, durable when it returns; None where the store keeps none."""
    if not isinstance(store, KeepsHealth):
        return None
    write = store.write_health
    return lambda reading: write((reading,))


def give_up_after(store: Sink | None, stop_s: float) -> Callable[[], None]:
    """A stop began that may take `stop_s` seconds: after a part of it a store that is away is waited for no longer,
    and raises StoreUnreachable. One that answers notices nothing. Call what is returned when the stop is over: a
    thread that lives on while the interpreter ends keeps DuckDB's module alive, which complains on stderr."""
    if not isinstance(store, Waits):
        return lambda: None
    timer = threading.Timer(GIVE_UP * stop_s, store.stop)
    timer.name = "katydid-give-up"
    timer.daemon = True
    timer.start()

    def over() -> None:
        timer.cancel()
        timer.join()

    return over


def what_ended(error: BaseException, *, stopping: bool) -> BaseException:
    """The error that ends the process: a store or broker that is away is no fault of a worker that was told to stop."""
    if stopping and isinstance(error, StoreUnreachable):
        return StoreAway(f"{error}. {_NOTHING_LOST}")
    if stopping and isinstance(error, BrokerAway | MediaStoreDown):
        return type(error)(f"{error}. {_NOTHING_LOST}")
    return error


_NOTHING_LOST = "What was acknowledged is durable, the rest comes again"
