"""Where outcomes go: a Sink keeps them; a Store is a sink that can also be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from katydid.models.outcome import Outcome
from katydid.sensors.sources.protocol import Position


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One outcome with the position that it settles."""

    outcome: Outcome
    position: Position


class Sink(Protocol):
    """Keeps outcomes."""

    def write(self, arrivals: Sequence[Arrival]) -> None:
        """Durable when it returns, all or nothing. An outcome whose capture_id is already there is not written
        again (its position is); so writing a batch twice leaves the same store. Called from one thread."""

    def close(self) -> None:
        """Flush and let go."""
