"""Two live workers with one instance id push each other out of the group every second or two, for ever, and neither
dies: each delivers everything again and again.

Partitions that are handed out often are not enough to tell: when several static members are added one after another,
they are handed out as often. Whoever was pushed out is told so by the broker (UNKNOWN_MEMBER_ID to a heartbeat or
commit), and whoever merely shares partitions with a newcomer is not (REBALANCE_IN_PROGRESS). The client joins again by
itself, and only its log tells of it; a test drives the client, so that it fails the day that the words change.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import Self

TIMES = 5
WITHIN_S = 30.0
PUSHED = 2
"""Of those times. Once may also be a worker that slept through its session while others came."""

COORDINATOR = "aiokafka.consumer.group_coordinator"
_UNKNOWN = "local member_id was not recognized"
_CODES = (25, 82)
"""Kafka's numbers of UNKNOWN_MEMBER_ID and FENCED_INSTANCE_ID."""


class Fencing:
    """Counts rebalances, and how often the broker knew this member no more."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=TIMES)
        self._pushed: deque[float] = deque(maxlen=PUSHED)

    def listen(self) -> Self:
        """Hear what the client says from now on."""
        logging.getLogger(COORDINATOR).addHandler(_Listener(self))
        return self

    def pushed_out(self, now: float) -> None:
        """The broker knows this member no more (`now` in seconds). Any thread."""
        self._pushed.append(now)

    def noted(self, now: float) -> bool:
        """A rebalance began; True where there were five in half a minute (`now` in seconds), and this member was
        pushed out by some of them."""
        self._times.append(now)
        return self._full(self._times, now) and self._full(self._pushed, now)

    @staticmethod
    def _full(times: deque[float], now: float) -> bool:
        return len(times) == times.maxlen and now - times[0] <= WITHIN_S


class _Listener(logging.Handler):
    """Hears the client's coordinator."""

    def __init__(self, fencing: Fencing) -> None:
        super().__init__(logging.WARNING)
        self._fencing = fencing

    def emit(self, record: logging.LogRecord) -> None:
        codes = [getattr(each, "errno", None) for each in record.args or () if isinstance(each, Exception)]
        if _UNKNOWN in str(record.msg) or any(code in _CODES for code in codes):
            self._fencing.pushed_out(time.monotonic())


def words(instance_id: str) -> str:
    """What to do."""
    return (
        f"partitions were handed out {TIMES} times in {WITHIN_S:g} s, and the broker knew this member no more: another "
        f"live worker seems to have the instance id {instance_id!r} too. Give each its own (kafka.instance_id or "
        "--instance), or none"
    )
