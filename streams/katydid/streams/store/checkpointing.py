"""Folding the write-ahead log into the file while nobody writes.

A commit is durable in the log, and what it wrote stays in memory until a checkpoint. DuckDB makes checkpoints inside
the commit that crosses its threshold, and nobody can write meanwhile: in a busy store that is a commit of half a
second. So a thread of our own makes them earlier, in the pauses between two batches, and DuckDB's own threshold is
only the last resort of a store that never rests.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

AFTER_BYTES = 16_000_000
"""Of Arrow rows; about eight thousand outcomes, folded in 50 ms."""
PAUSE_S = 0.02
"""So long must nobody have written."""


class Checkpointer:
    """Calls `checkpoint` in pauses, from a thread that starts when there is first something to do."""

    def __init__(self, checkpoint: Callable[[], None]) -> None:
        self._checkpoint = checkpoint
        self._changed = threading.Condition()
        self._waiting_bytes = 0
        self._writes = 0
        self._closed = False
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None

    def wrote(self, nbytes: int) -> None:
        """Note a committed batch. Raises what the last checkpoint failed with."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            self._waiting_bytes += nbytes
            self._writes += 1
            if self._waiting_bytes < AFTER_BYTES or self._closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="katydid-checkpoint", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """End the thread; a checkpoint under way is waited for."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while self._due():
            try:
                self._checkpoint()
            except Exception as error:  # noqa: BLE001 - a supervising loop: the next write raises it, nothing is lost
                self._failure = error
                return

    def _due(self) -> bool:
        """Wait for a pause with enough to fold; False when closed."""
        with self._changed:
            while not self._closed:
                if self._waiting_bytes < AFTER_BYTES:
                    self._changed.wait()
                    continue
                before = self._writes
                self._changed.wait(PAUSE_S)
                if before == self._writes and not self._closed:
                    self._waiting_bytes = 0
                    return True
            return False
