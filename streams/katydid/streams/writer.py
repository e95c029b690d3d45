"""The one thread that writes: finished outcomes go to the sink in batches, by count or by time, then are acknowledged.

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
        self, sink: Sink, *, commit_items: int, commit_s: float, durable: Durable, failed: Callable[[Exception], None]
    ) -> None:
        self._sink = sink
        self._commit_items = commit_items
        self._commit_s = commit_s
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
            if len(self._waiting) == len(arrivals) or len(self._waiting) >= self._commit_items:
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
                self._changed.wait(max(0.0, self._commit_s - age) if self._waiting else None)
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
        return (
            self._closing
            or self._flush
            or len(self._waiting) >= self._commit_items
            or time.monotonic() - self._oldest >= self._commit_s
        )
