"""Where outcomes go: a Sink keeps them; a Store is a sink that can also be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from katydid.models.image.earlier import Reduced
from katydid.models.outcome import Outcome, Status
from katydid.sensors.sources.protocol import Position


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One outcome with the position that it settles."""

    outcome: Outcome
    position: Position
    frame: Reduced | None = None
    """Of a frame that later ones are compared with. A store that outlives the process keeps the newest of each camera
    in the same transaction."""


class Sink(Protocol):
    """Keeps outcomes."""

    def write(self, arrivals: Sequence[Arrival]) -> None:
        """Durable when it returns, all or nothing. An outcome whose capture_id is already there is not written
        again (its position is), but for a refusal, which gives way to what is none; so writing a batch twice leaves
        the same store. Called from one thread."""

    def close(self) -> None:
        """Flush and let go."""


def one_each(arrivals: Sequence[Arrival]) -> dict[str, Arrival]:
    """Capture id → the arrival that counts, in the order of arrival: the first, but a refusal gives way to a later one
    that is none. Both come in one batch where a topic is read from its beginning after a retry."""
    chosen = {arrival.outcome.capture_id: arrival for arrival in arrivals}
    if len(chosen) < len(arrivals):
        preferred = [arrival for arrival in arrivals if arrival.outcome.status is not Status.REFUSED]
        for arrival in (*reversed(arrivals), *reversed(preferred)):
            chosen[arrival.outcome.capture_id] = arrival
    return chosen
