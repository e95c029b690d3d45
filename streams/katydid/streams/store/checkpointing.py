"""Folding the write-ahead log into the file while nobody writes.

A commit is durable in the log, and what it wrote stays in memory until a checkpoint. DuckDB makes checkpoints inside
the commit that crosses its threshold, and nobody can write meanwhile: in a busy store that is a commit of half a
second. So a thread of our own makes them earlier, in the pauses between two batches, and DuckDB's own threshold is
only the last resort of a store that never rests.

A pause shows how long it was when it is over. So the last few pauses tell how long the one that begins will be, and
the last checkpoints how long the next one takes: one that fits begins at once, as the pause does, and grows no larger
than fits. Without a rhythm, or where nothing fits, a checkpoint waits until nobody has written for a while.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

LEAST_BYTES = 4_000_000
"""Of Arrow rows; about two thousand outcomes. Each checkpoint leaves a row group, and many small ones read slowly."""
AFTER_BYTES = 16_000_000
"""About eight thousand outcomes, folded in 50 ms. Gathering 32 MB won a fifteenth of the time, and memory swung by
35 MB."""
PAUSE_S = 0.02
"""So long must nobody have written where there is no rhythm."""
PAUSES = 4
"""So many pauses make a rhythm; the shortest of them counts."""
SPARE = 1.25
"""A checkpoint may take so much longer than the last ones did."""


class Rhythm:
    """How long the pauses between two writes are, and how long checkpoints take."""

    def __init__(self) -> None:
        self._pauses: deque[float] = deque(maxlen=PAUSES)
        self._s_per_byte = 0.05 / AFTER_BYTES

    @property
    def pause_s(self) -> float:
        """Seconds that the pause which begins now will have at least, by the last ones; 0 where that is not known."""
        return min(self._pauses) if len(self._pauses) == PAUSES else 0.0

    @property
    def quiet_s(self) -> float:
        """Seconds without a write after which a pause is longer than the usual ones."""
        return max(PAUSE_S, 2 * self.pause_s)

    def paused(self, seconds: float) -> None:
        """A pause has ended."""
        self._pauses.append(seconds)

    def folded(self, nbytes: int, seconds: float) -> None:
        """A checkpoint has ended."""
        self._s_per_byte = (self._s_per_byte + seconds / nbytes) / 2

    def fits(self, waiting: int, batch: int) -> bool:
        """Whether what waits is folded within the pause that begins, and a batch more would not be or need not wait."""
        if waiting < LEAST_BYTES or not self._in_time(waiting):
            return False
        return waiting >= AFTER_BYTES or not self._in_time(waiting + batch)

    def _in_time(self, nbytes: int) -> bool:
        return nbytes * self._s_per_byte * SPARE <= self.pause_s


class Checkpointer:
    """Calls `checkpoint` in pauses, from a thread that starts when there is first something to do."""

    def __init__(self, checkpoint: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._checkpoint = checkpoint
        self._clock = clock
        self._changed = threading.Condition()
        self._rhythm = Rhythm()
        self._paused_at: float | None = None
        self._waiting_bytes = 0
        self._fits = False
        self._writes = 0
        self._closed = False
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None

    def writing(self) -> None:
        """Note that a batch is about to be written."""
        with self._changed:
            if self._paused_at is not None:
                self._rhythm.paused(self._clock() - self._paused_at)
                self._paused_at = None

    def wrote(self, nbytes: int) -> None:
        """Note a committed batch. Raises what the last checkpoint failed with."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            self._waiting_bytes += nbytes
            self._writes += 1
            self._paused_at = self._clock()
            self._fits = self._rhythm.fits(self._waiting_bytes, nbytes)
            if self._closed or not (self._fits or self._waiting_bytes >= AFTER_BYTES):
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
        while nbytes := self._due():
            begin = self._clock()
            try:
                self._checkpoint()
            except Exception as error:  # noqa: BLE001 - a supervising loop: the next write raises it, nothing is lost
                self._failure = error
                return
            with self._changed:
                self._rhythm.folded(nbytes, self._clock() - begin)

    def _due(self) -> int:
        """Wait for a pause with enough to fold; returns how many bytes, 0 when closed."""
        with self._changed:
            while not self._closed:
                if not self._fits and self._waiting_bytes < AFTER_BYTES:
                    self._changed.wait()
                    continue
                before = self._writes
                if not self._fits:
                    self._changed.wait(self._rhythm.quiet_s)
                if not self._closed and (self._fits or before == self._writes):
                    nbytes, self._waiting_bytes, self._fits = self._waiting_bytes, 0, False
                    return nbytes
            return 0
