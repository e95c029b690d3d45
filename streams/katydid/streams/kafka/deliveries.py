"""Acknowledgements leave in the order in which the messages came, partition by partition. Pure: no threads, no clock.

Faust commits past a gap of one, so a message may be acknowledged only after all before it on its partition. Captures
are settled in that order by the pipeline already; health readings and dead letters are settled on their own, and wait
here for their turn.

A message may come again after a rebalance while it is still under way. What becomes of the first settles both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

Lane = tuple[str, int]
"""Topic and partition."""


@dataclass(eq=False, slots=True)
class Delivery:
    """One message on its way, from its agent to its acknowledgement."""

    lane: Lane
    offset: int
    at_ms: int
    """When it was written to the topic, ms since 1970."""
    acknowledge: Callable[[], object]
    settled: bool = False
    again: bool = False
    """The same message is under way already."""


@dataclass(slots=True)
class Deliveries:
    """All messages on their way. Called from one thread."""

    _lanes: dict[Lane, deque[Delivery]] = field(default_factory=dict)
    _highest: dict[Lane, int] = field(default_factory=dict)
    """Offsets above it are new."""
    _again: dict[tuple[Lane, int], list[Delivery]] = field(default_factory=dict)
    """Those that wait for the first of their message."""

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def take(self, delivery: Delivery) -> Delivery:
        """A place in the queue of its partition."""
        lane = self._lanes.setdefault(delivery.lane, deque())
        highest = self._highest.get(delivery.lane, -1)
        if delivery.offset <= highest and self.first(delivery.lane, delivery.offset) is not None:
            delivery.again = True
            self._again.setdefault((delivery.lane, delivery.offset), []).append(delivery)
        self._highest[delivery.lane] = max(highest, delivery.offset)
        lane.append(delivery)
        return delivery

    def settle(self, delivery: Delivery) -> list[Delivery]:
        """Its outcome is durable: acknowledges all that need wait no longer, in order, and returns them."""
        lane = self._lanes.get(delivery.lane, deque())
        for each in (delivery, *self._again.pop((delivery.lane, delivery.offset), ())):
            each.settled = True
        released: list[Delivery] = []
        while lane and lane[0].settled:
            released.append(lane.popleft())
            released[-1].acknowledge()
        if not lane:
            self._lanes.pop(delivery.lane, None)
            self._highest.pop(delivery.lane, None)
        return released

    def forget(self, delivery: Delivery) -> None:
        """Nobody works on it any more: neither it nor those that wait for it are acknowledged, and when the message
        comes again it is a new one."""
        for each in (delivery, *self._again.pop((delivery.lane, delivery.offset), ())):
            lane = self._lanes.get(each.lane)
            if lane is not None and each in lane:
                lane.remove(each)
                if not lane:
                    self._lanes.pop(each.lane)
                    self._highest.pop(each.lane, None)

    def first(self, lane: Lane, offset: int) -> Delivery | None:
        """The first delivery of an offset that is not settled."""
        for delivery in self._lanes.get(lane, ()):
            if delivery.offset == offset and not delivery.settled:
                return delivery
        return None

    def waiting(self) -> Iterator[Delivery]:
        """The oldest message of each partition that has any. Any thread may ask: it looks at a copy."""
        for lane in list(self._lanes.values()):
            with suppress(IndexError):  # Emptied meanwhile.
                yield lane[0]
