"""What a source is: an iterator of captures that is told what is durable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from katydid.sensors.capture import Capture


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """How far a source has been read: kept in the same transaction as the outcome it belongs to.

    A file of a folder: source "folder", partition the path below the folder, offset 0, mark "SIZE-MTIME_NS".
    A Kafka record: source "kafka:TOPIC", partition its number, offset its offset.
    """

    source: str
    partition: str
    offset: int = 0
    mark: str = ""
    """What makes a second look unnecessary while it is unchanged; "" where the offset says it all."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """One capture with the position that its outcome settles."""

    capture: Capture
    position: Position


class Source(Protocol):
    """Yields captures, each sensor's in order. Bad input is yielded too, with `capture.refusal` set: never raised."""

    def captures(self, settled: Callable[[Position], bool]) -> Iterator[Taken]:
        """Captures whose position `settled` does not know yet; what it knows is skipped before it is opened."""

    def durable(self, position: Position) -> None:
        """The outcome at this position has been kept."""
