"""The one thread that writes: finished outcomes go to the sink in batches, by count or by time, then are acknowledged.
While there is a backlog they are gathered for longer: fewer and larger batches cost less.

Acknowledgement follows durability: `durable` is called for an arrival only after `Sink.write` has returned for the
batch that holds it. When the sink fails nothing of the batch is acknowledged, and nothing after it is written.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from katydid.streams.sink import Arrival, Sink

Durable = Callable[[Sequence[Arrival]], None]


class Writer:
    """Owns the thread. `durable` and `failed` are called from it."""

    def __init__(
        self,
        sink: Sink,
        *,
        commit_items: int,
        commit_s: float,
        gather_s: float,
        behind: Callable[[int], bool],
        durable: Durable,
        failed: Callable[[Exception], None],
    ) -> None:
        """`behind` says whether there is a backlog when so many outcomes are queued; it may be called from any thread
        and takes no lock. `gather_s` holds while it says so, and `commit_s` else."""
        self._sink = sink
        self._commit_items = commit_items
        self._commit_s = commit_s
        self._gather_s = gather_s
        self._behind = behind
        self._durable = durable
        self._failed = failed
        self._changed = threading.Condition()
        self._waiting: deque[Arrival] = deque()
        self._oldest = 0.0
        self._flush = False
        self._closing = False
        self._halted = False
        self._thread = threading.Thread(target=self._run, name="katydid-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, arrivals: Sequence[Arrival]) -> None:
        """Queue outcomes, in the order in which they may be written."""
        if not arrivals:
            return
        with self._changed:
            if not self._waiting:
                self._oldest = time.monotonic()
            self._waiting.extend(arrivals)
            if len(self._waiting) == len(arrivals) or self._due():
                self._changed.notify()

    def flush(self) -> None:
        """Write what is queued now: nothing will come soon that would be worth a wait."""
        with self._changed:
            self._flush = True
            self._changed.notify()

    def halt(self) -> None:
        """Write nothing more: something failed that nobody expected."""
        with self._changed:
            self._halted = True
            self._changed.notify()

    def close(self) -> None:
        """Write what is queued (unless halted) and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                self._sink.write(batch)
                if self._halted:
                    return
                self._durable(batch)
            except Exception as error:  # noqa: BLE001 - a supervising loop: the pipeline stops and raises it to its host
                self.halt()
                self._failed(error)
                return

    def _next_batch(self) -> list[Arrival]:
        """What to write next; empty when there is nothing more to come."""
        with self._changed:
            while not self._halted and not self._due():
                if self._closing:
                    break
                age = time.monotonic() - self._oldest
                self._changed.wait(max(0.0, self._longest_s(age) - age) if self._waiting else None)
            if self._halted:
                return []
            count = min(len(self._waiting), self._commit_items)
            batch = [self._waiting.popleft() for _ in range(count)]
            if self._waiting:
                self._oldest = time.monotonic()
            else:
                self._flush = False
            return batch

    def _due(self) -> bool:
        if not self._waiting:
            return False
        if self._closing or self._flush or len(self._waiting) >= self._commit_items:
            return True
        age = time.monotonic() - self._oldest
        return age >= self._longest_s(age)

    def _longest_s(self, age: float) -> float:
        """How long the oldest may wait that has waited `age` seconds. A backlog is asked about only when it matters."""
        late = age >= self._commit_s and self._behind(len(self._waiting))
        return self._gather_s if late else self._commit_s
