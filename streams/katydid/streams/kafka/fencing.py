"""Two live workers with one instance id push each other out of the group every second or two, for ever, and neither
dies: each delivers everything again and again. A static member has no other reason to be handed partitions so often."""

from __future__ import annotations

from collections import deque

TIMES = 5
WITHIN_S = 30.0


class Fencing:
    """Counts rebalances."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=TIMES)

    def noted(self, now: float) -> bool:
        """A rebalance began; True where there were five in half a minute (`now` in seconds)."""
        self._times.append(now)
        return len(self._times) == TIMES and now - self._times[0] <= WITHIN_S


def words(instance_id: str) -> str:
    """What to do."""
    return (
        f"partitions were handed out {TIMES} times in {WITHIN_S:g} s: another live worker seems to have the instance "
        f"id {instance_id!r} too. Give each its own (kafka.instance_id or --instance), or none"
    )
