"""The store of a worker, by the scheme of its URL. A missing package is named with the extra that brings it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from katydid.streams.kafka.configuration import Configuration
from katydid.streams.kafka.errors import ConfigurationError
from katydid.streams.sink import Arrival, Sink
from katydid.streams.store import open_store

Poison = Callable[[Arrival, str], None]


def open_sink(configuration: Configuration, poison: Poison) -> Sink | None:
    """The store of `sink.url`; None where outcomes go to their topic alone. Raises StoreError, ConfigurationError."""
    url = configuration.sink.url
    if not url:
        return None
    if url.startswith("duckdb:"):
        return open_store(duckdb_path(url))
    from katydid.streams.store.influx import open_influx

    return open_influx(url, token=configuration.secrets.influx_token, poison=poison)


def duckdb_path(url: str) -> Path:
    """The file of duckdb:///PATH. Raises ConfigurationError."""
    parts = urlsplit(url)
    if parts.scheme != "duckdb" or parts.netloc or not parts.path.strip("/"):
        raise ConfigurationError(f"{url!r} names no file: write duckdb:///PATH, with three slashes")
    return Path(unquote(parts.path))
