"""Before a worker starts."""

from __future__ import annotations

from collections.abc import Callable

from katydid.streams.kafka.configuration import Configuration


def preflight(configuration: Configuration, note: Callable[[str], None]) -> None:
    """Not yet."""
