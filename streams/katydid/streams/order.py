"""Outcomes leave in the order in which their captures came, partition by partition. Pure: no threads, no clock.

A position says "everything up to here is settled", so an outcome may reach the sink only after all earlier ones of its
partition. A folder has one partition for each file, so nothing waits there; a topic's partition is a queue.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from katydid.sensors.sources.protocol import Position
from katydid.streams.sink import Arrival

Partition = tuple[str, str]


@dataclass(eq=False, slots=True)
class Turn:
    arrival: Arrival | None = None


@dataclass(slots=True)
class InOrder:
    """Takes positions as they come and outcomes as they finish; gives back what may be written."""

    _queues: dict[Partition, deque[Turn]] = field(default_factory=dict)

    def take(self, position: Position) -> Turn:
        """A place in the queue of this position's partition."""
        turn = Turn()
        self._queues.setdefault((position.source, position.partition), deque()).append(turn)
        return turn

    def finish(self, turn: Turn, arrival: Arrival) -> list[Arrival]:
        """Note the outcome of a turn; returns all that need wait no longer, in order (often just this one)."""
        turn.arrival = arrival
        key = (arrival.position.source, arrival.position.partition)
        queue = self._queues[key]
        released: list[Arrival] = []
        while queue and (ready := queue[0].arrival) is not None:
            queue.popleft()
            released.append(ready)
        if not queue:
            del self._queues[key]
        return released
