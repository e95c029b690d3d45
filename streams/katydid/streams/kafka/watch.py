"""A thread that looks at a running worker once a second, and ends it where nothing else would.

what stops the pipeline              stops the process, also while no message comes
the gauges cannot be read            told with its traceback, and tried again: they only count, and captures go on.
                                     Where it stays so, nobody can tell any more whether the worker lives: it ends
told to stop, everything durable,    Faust waits a minute for its broker, and then says 0: the last commit is given
and Faust does not end               up, and what was not committed comes again
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

EVERY_S = 1.0
STOPPING_S = 0.25
"""The same when told to stop: then it has an end to see. A look costs 0.3 ms."""

_log = logging.getLogger(__name__)


class Watch:
    """Runs from `start` until `close`, or until it has ended the process."""

    def __init__(
        self,
        *,
        settled: Callable[[], bool],
        gauge: Callable[[], None],
        part: Callable[[], None],
        fail: Callable[[BaseException], None],
        blind_s: float,
    ) -> None:
        """`settled` says whether everything that was taken is durable and acknowledged, and raises what stopped the
        pipeline; `gauge` sets the gauges; `part` and `fail` end the process, in order and at once. `blind_s`: longest
        that `gauge` may go on raising."""
        self._settled = settled
        self._gauge = gauge
        self._part = part
        self._fail = fail
        self._blind_s = blind_s
        self._blind_since: float | None = None
        self._idle_since: float | None = None
        self._within_s: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="katydid-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Faust has ended: end the thread."""
        self._over.set()
        self._thread.join()

    def told_to_stop(self, within_s: float) -> None:
        """From now on an end that is due is waited for so long and no longer. Any thread."""
        self._within_s = within_s

    def _run(self) -> None:
        while not self._over.wait(EVERY_S if self._within_s is None else STOPPING_S):
            try:
                settled = self._settled()
            except BaseException as error:  # noqa: BLE001 - the supervising loop: nothing more is acknowledged
                self._fail(error)
                return
            if self._due(time.monotonic(), settled):
                self._part()
                return
            if not self._look(time.monotonic()):
                return

    def _due(self, now: float, settled: bool) -> bool:
        """Whether all that was to be done is done, and Faust has not ended for too long."""
        if self._within_s is None or not settled:
            self._idle_since = None
            return False
        self._idle_since = now if self._idle_since is None else self._idle_since
        return now - self._idle_since >= self._within_s

    def _look(self, now: float) -> bool:
        """Set the gauges; False where the process was ended because it has been impossible for too long."""
        try:
            self._gauge()
        except Exception as error:  # noqa: BLE001 - the supervising loop: counting must not stop captures
            if self._blind_since is None:
                self._blind_since = now
                _log.exception("the worker goes on, but its gauges cannot be read; if this lasts, it ends")
            if now - self._blind_since >= self._blind_s:
                self._fail(error)
                return False
        else:
            self._blind_since = None
        return True
