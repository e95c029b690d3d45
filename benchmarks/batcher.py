"""How much of a device the micro-batcher uses, and what waiting costs, on a device that is simulated.

    python benchmarks/batcher.py

The device takes t(b) = 1.8 + 0.12 b ms for a batch of b and runs one batch at a time; the next is cut when it is free.
Time is simulated; what the batcher itself costs is measured and added. "Fixed wait" is the usual other rule: a batch
leaves when it is full or when its oldest item has waited 20 ms.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from katydid.models.batching import Batch, Batcher

CAP = 64
SLOTS = 1
FIXED_WAIT_S = 0.020
LOADS = (0.05, 0.30, 0.60, 0.90)
SATURATION_LIMIT = 0.92


def device_seconds(size: int) -> float:
    """Time of one batch."""
    return 1.8e-3 + 0.12e-3 * size


CAPACITY = CAP / device_seconds(CAP)
"""Items a second at full batches: the roofline."""


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    items: int
    seconds: float
    """From the first arrival to the last answer."""
    waits: np.ndarray[tuple[int], np.dtype[np.float64]]
    """Seconds from arrival to answer, by item."""
    batches: int

    @property
    def share(self) -> float:
        """Throughput over the roofline."""
        return self.items / self.seconds / CAPACITY


def measured(call: Callable[[], object]) -> float:
    """Seconds of CPU that a call to the batcher takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def free(call: Callable[[], object]) -> float:
    """The same at no cost: simulated time alone, for tests that must not depend on the machine."""
    call()
    return 0.0


def greedy(arrivals: Sequence[float], *, cost: Callable[[Callable[[], object]], float] = measured) -> Result:
    """Run the arrivals (seconds, ascending) through the batcher; a full queue makes arrivals wait."""
    batcher: Batcher[float] = Batcher(slots=SLOTS, cap=CAP, max_items=4 * CAP, max_bytes=1 << 30)
    coming = deque(arrivals)
    now, host_free, device_free, batches = arrivals[0], arrivals[0], arrivals[0], 0
    finishing: list[tuple[float, int, Batch[float]]] = []
    waits: list[float] = []

    def spend(call: Callable[[], object]) -> None:
        """The host's own work takes time too, one call after the other."""
        nonlocal host_free
        host_free = max(host_free, now) + cost(call)

    def take() -> Batch[float] | None:
        taken: list[Batch[float] | None] = []
        spend(lambda: taken.append(batcher.take()))
        return taken[0]

    while coming or finishing:
        due = coming[0] if coming and batcher.has_room(0) else np.inf
        now = max(now, min(due, finishing[0][0] if finishing else np.inf))
        while finishing and finishing[0][0] <= now:
            ended, _, done = heapq.heappop(finishing)
            spend(partial(batcher.succeeded, done))
            waits += [ended - arrived for arrived in done.items]
        while coming and coming[0] <= now and batcher.has_room(0):
            spend(partial(batcher.submit, coming.popleft()))
        while (batch := take()) is not None:
            device_free = max(device_free, host_free) + device_seconds(len(batch))
            batches += 1
            heapq.heappush(finishing, (device_free, batches, batch))
    return Result(len(waits), now - arrivals[0], np.asarray(waits), batches)


def fixed_wait(arrivals: Sequence[float]) -> Result:
    """The other rule, at no cost of its own."""
    device_free, batches, waits, at = 0.0, 0, [], 0
    while at < len(arrivals):
        leaves = arrivals[at] + FIXED_WAIT_S
        full = arrivals[at + CAP - 1] if at + CAP <= len(arrivals) else np.inf
        start = max(min(leaves, full), device_free)
        size = int(np.searchsorted(arrivals[at : at + CAP], start, side="right"))
        device_free = start + device_seconds(size)
        waits += [device_free - arrived for arrived in arrivals[at : at + size]]
        at, batches = at + size, batches + 1
    return Result(len(waits), device_free - arrivals[0], np.asarray(waits), batches)


def saturated(count: int) -> list[float]:
    """Everything is there from the start."""
    return [0.0] * count


def poisson(load: float, count: int, *, seed: int = 1) -> list[float]:
    """Arrivals at random, at `load` of the roofline."""
    gaps = np.random.default_rng(seed).exponential(1 / (load * CAPACITY), count)
    return [float(moment) for moment in np.cumsum(gaps)]


def bursty(load: float, count: int, *, burst: int = 40, seed: int = 1) -> list[float]:
    """Forty at once, bursts at random, at `load` of the roofline on average."""
    gaps = np.random.default_rng(seed).exponential(burst / (load * CAPACITY), -(-count // burst))
    return [float(moment) for moment in np.repeat(np.cumsum(gaps), burst)[:count]]


def lines(count: int = 40_000) -> Iterator[str]:
    """The report."""
    full = greedy(saturated(count))
    yield f"saturated: {full.share:.1%} of the fake device's roofline (limit {SATURATION_LIMIT:.0%})"
    yield f"the batcher's own cost: {own_cost(count) * 1e6:.1f} µs an item in full batches"
    yield "load   arrivals   greedy mean / p99 ms   fixed wait mean / p99 ms   items a batch"
    for name, arrive in (("Poisson", poisson), ("bursts", bursty)):
        for load in LOADS:
            moments = arrive(load, count)
            ours, other = greedy(moments), fixed_wait(moments)
            figures = [
                1e3 * number
                for result in (ours, other)
                for number in (result.waits.mean(), np.quantile(result.waits, 0.99))
            ]
            yield (
                f"{load:4.0%}   {name:8}   {figures[0]:8.1f} / {figures[1]:5.1f}       "
                f"{figures[2]:8.1f} / {figures[3]:5.1f}            {ours.items / ours.batches:6.1f}"
            )


def own_cost(count: int) -> float:
    """Seconds an item that passes through in batches of 64."""
    batcher: Batcher[int] = Batcher(slots=1, cap=CAP, max_items=CAP, max_bytes=1 << 30)
    start = time.perf_counter()
    for first in range(0, count, CAP):
        for item in range(first, first + CAP):
            batcher.submit(item)
        batch = batcher.take()
        assert batch is not None
        batcher.succeeded(batch)
    return (time.perf_counter() - start) / count


if __name__ == "__main__":
    for line in lines():
        print(line)
