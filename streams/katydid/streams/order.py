"""Outcomes leave in the order in which their captures came, queue by queue. Pure: no threads, no clock.

A position says "everything up to here is settled", so an outcome may reach the sink only after all earlier ones of its
partition. A folder has one partition for each file, so nothing waits there; a topic's partition is a queue. The frames
of a camera that are compared with those before them are a queue as well: what is durable of it has no gaps.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from katydid.sensors.sources.protocol import Position
from katydid.streams.sink import Arrival

Queue = tuple[str, str]
"""Of a partition (source, partition), or of a camera ("", sensor id)."""


@dataclass(eq=False, slots=True)
class Turn:
    queues: tuple[Queue, ...]
    arrival: Arrival | None = None


@dataclass(slots=True)
class InOrder:
    """Takes positions as they come and outcomes as they finish; gives back what may be written."""

    _queues: dict[Queue, deque[Turn]] = field(default_factory=dict)

    def take(self, position: Position, camera: str | None = None) -> Turn:
        """A place in the queue of this position's partition, and of the camera if there is one."""
        partition = (position.source, position.partition)
        turn = Turn((partition,) if camera is None else (partition, ("", camera)))
        for queue in turn.queues:
            self._queues.setdefault(queue, deque()).append(turn)
        return turn

    def finish(self, turn: Turn, arrival: Arrival) -> list[Arrival]:
        """Note the outcome of a turn; returns all that need wait no longer, in order (often just this one)."""
        turn.arrival = arrival
        released: list[Arrival] = []
        candidates = [turn]
        for one in candidates:  # Grows while it is walked through: what was behind a released one may be next.
            if one.arrival is not None and all(self._is_first(one, queue) for queue in one.queues):
                released.append(one.arrival)
                candidates.extend(self._behind(one))
        return released

    def _is_first(self, turn: Turn, queue: Queue) -> bool:
        waiting = self._queues.get(queue)
        return waiting is not None and waiting[0] is turn

    def _behind(self, turn: Turn) -> list[Turn]:
        """Take a turn out of its queues; returns who is first there now."""
        first = []
        for queue in turn.queues:
            waiting = self._queues[queue]
            waiting.popleft()
            if waiting:
                first.append(waiting[0])
            else:
                del self._queues[queue]
        return first
