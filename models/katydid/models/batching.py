"""When to cut a batch: a state machine without clock, thread or lock of its own. The host drives it under its own lock.

Rules

- **Greedy.** A batch leaves as soon as a slot is free and something waits, with whatever waits, up to `cap`. While
  the slots are busy items gather by themselves; with t(b) = 1.8 + 0.12 b ms this beats any fixed delay at every load.
- **Lanes.** Live before backfill; but a lane that waited through `patience` batches heads the next one, so backfill
  is never starved. Within a lane the first in is the first out. What is left of a batch is filled from the others.
- **Bounds.** At most `max_items` and `max_bytes` are inside (waiting or running); `submit` says no and the host waits.
- **Bisection.** A failing batch is cut in two and its halves run before anything new, alone, until the bad item stands
  by itself and fails alone: one in 32 costs ten more runs, and the other 31 come out right.

Every item that enters leaves exactly once: entered = out + failed + expired + inside.

    submit ─▶ lanes ─▶ take ─▶ running ─▶ succeeded ─▶ out
                ▲       ▲         └──────▶ failed ──▶ halves ─▶ (take)   or, alone, failed
                └ expire┴ expire
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Lane(IntEnum):
    """Who goes first."""

    LIVE = 0
    BACKFILL = 1


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    item: T
    nbytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Batch(Generic[T]):
    """Items that run together. Hand it back to `succeeded` or `failed`."""

    entries: tuple[_Entry[T], ...]

    @property
    def items(self) -> list[T]:
        return [entry.item for entry in self.entries]

    def __len__(self) -> int:
        return len(self.entries)


@dataclass(frozen=True, slots=True)
class Counts:
    """Since the start, but for `waiting`, `running` and `nbytes`, which are now."""

    entered: int
    out: int
    failed: int
    expired: int
    waiting: int
    running: int
    nbytes: int
    batches: int
    """Runs that were started, retries among them."""


class Batcher(Generic[T]):
    """Cuts batches for one model with `slots` concurrent runs of at most `cap` items."""

    def __init__(self, *, slots: int, cap: int, max_items: int, max_bytes: int, patience: int = 4) -> None:
        if min(slots, cap, max_items, max_bytes, patience) < 1:
            raise ValueError("slots, cap, max_items, max_bytes and patience are at least 1")
        self._slots, self._cap = slots, cap
        self._max_items, self._max_bytes = max_items, max_bytes
        self._patience = patience
        self._lanes: dict[Lane, deque[_Entry[T]]] = {lane: deque() for lane in Lane}
        self._passed_over = dict.fromkeys(Lane, 0)
        self._halves: deque[Batch[T]] = deque()
        self._running: set[Batch[T]] = set()
        self._inside = self._nbytes = 0
        self._entered = self._out = self._failed = self._expired = self._batches = 0

    def has_room(self, nbytes: int) -> bool:
        """True where `submit` takes an item of so many bytes. One item above the bound is let in when it is alone."""
        return not self._inside or (self._inside < self._max_items and self._nbytes + nbytes <= self._max_bytes)

    def submit(self, item: T, *, nbytes: int = 0, lane: Lane = Lane.LIVE) -> bool:
        """Take an item in; False where there is no room, and nothing changed."""
        if not self.has_room(nbytes):
            return False
        self._lanes[lane].append(_Entry(item, nbytes))
        self._entered += 1
        self._inside += 1
        self._nbytes += nbytes
        return True

    def take(self) -> Batch[T] | None:
        """The next batch to run; None where no slot is free or nothing waits."""
        if len(self._running) >= self._slots:
            return None
        batch = self._halves.popleft() if self._halves else self._gather()
        if batch is None:
            return None
        self._running.add(batch)
        self._batches += 1
        return batch

    def succeeded(self, batch: Batch[T]) -> None:
        """The batch ran: its items are out. Raises KeyError for a batch that is not running."""
        self._running.remove(batch)
        self._out += len(batch)
        self._leave(batch.entries)

    def failed(self, batch: Batch[T]) -> list[T]:
        """The batch did not run. Returns the item that failed for good, if it was alone; else its halves run next.

        Raises KeyError for a batch that is not running.
        """
        self._running.remove(batch)
        if len(batch) == 1:
            self._failed += 1
            self._leave(batch.entries)
            return batch.items
        middle = len(batch) // 2
        self._halves.appendleft(Batch(batch.entries[middle:]))
        self._halves.appendleft(Batch(batch.entries[:middle]))
        return []

    def expire(self, gone: Callable[[T], bool]) -> list[T]:
        """Drop the waiting items that `gone` names (too late, nobody wants them); those that run are not touched."""
        dropped: list[_Entry[T]] = []

        def kept(entries: tuple[_Entry[T], ...]) -> tuple[_Entry[T], ...]:
            flags = [gone(entry.item) for entry in entries]
            dropped.extend(entry for entry, flag in zip(entries, flags, strict=True) if flag)
            return tuple(entry for entry, flag in zip(entries, flags, strict=True) if not flag)

        halves = [Batch(kept(half.entries)) for half in self._halves]
        self._halves = deque(half for half in halves if len(half))
        for lane, entries in self._lanes.items():
            self._lanes[lane] = deque(kept(tuple(entries)))
        self._expired += len(dropped)
        self._leave(tuple(dropped))
        return [entry.item for entry in dropped]

    def counts(self) -> Counts:
        """Where things stand."""
        running = sum(map(len, self._running))
        return Counts(
            entered=self._entered,
            out=self._out,
            failed=self._failed,
            expired=self._expired,
            waiting=self._inside - running,
            running=running,
            nbytes=self._nbytes,
            batches=self._batches,
        )

    def _gather(self) -> Batch[T] | None:
        """Up to `cap` waiting items: a lane whose patience ran out first, then the lanes in their order."""
        chosen: list[_Entry[T]] = []
        served = set()
        for lane in sorted(Lane, key=lambda lane: (self._passed_over[lane] < self._patience, lane)):
            waiting = self._lanes[lane]
            while waiting and len(chosen) < self._cap:
                chosen.append(waiting.popleft())
                served.add(lane)
        for lane in Lane:
            self._passed_over[lane] = self._passed_over[lane] + 1 if self._lanes[lane] and lane not in served else 0
        return Batch(tuple(chosen)) if chosen else None

    def _leave(self, entries: tuple[_Entry[T], ...]) -> None:
        self._inside -= len(entries)
        self._nbytes -= sum(entry.nbytes for entry in entries)


NEARLY_AS_FAST = 0.98
"""A smaller batch is taken where it reaches this share of the best throughput: latency is worth the rest."""


def profiled_cap(seconds: Mapping[int, float], budget_s: float) -> int:
    """The cap for a model whose batch of b items was measured to take `seconds[b]`.

    Of the sizes within the latency budget the smallest that is nearly as fast an item as the best of them; the
    smallest size measured where none is within the budget. Raises ValueError where nothing was measured.
    """
    if not seconds:
        raise ValueError("no batch was measured")
    within = {size: size / spent for size, spent in seconds.items() if spent <= budget_s}
    if not within:
        return min(seconds)
    best = max(within.values())
    return min(size for size, rate in within.items() if rate >= NEARLY_AS_FAST * best)
