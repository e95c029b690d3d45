"""Loggers of the client libraries: while a broker is away they say the same 75 times a second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

NOISY = ("aiokafka", "faust", "mode", "kafka")
SERVICES = "katydid.streams.kafka.app"
"""Faust names the loggers of its services after the module of their class."""
EVERY_S = 10.0


class AtMostEvery(logging.Filter):
    """Lets a message of the same origin pass once in `seconds`, with how many were held back meanwhile."""

    def __init__(self, seconds: float = EVERY_S, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._passed: dict[tuple[str, int], float] = {}
        self._held: dict[tuple[str, int], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this record is written."""
        origin = (record.pathname, record.lineno)
        now = self._clock()
        with self._lock:
            last = self._passed.get(origin)
            if last is not None and now - last < self._seconds:
                self._held[origin] = self._held.get(origin, 0) + 1
                return False
            self._passed[origin] = now
            held = self._held.pop(origin, 0)
        if held:
            record.msg = f"{record.msg} (and {held} more in {self._seconds:g} s)"
        return True


class Quieted(logging.Handler):
    """Hands records to another handler: those of noisy libraries pass `AtMostEvery` first."""

    def __init__(self, inner: logging.Handler) -> None:
        super().__init__(inner.level)
        self._inner = inner
        self._filter = AtMostEvery()

    def emit(self, record: logging.LogRecord) -> None:
        noisy = record.name.split(".")[0] in NOISY or record.name == SERVICES
        if not noisy or (record.levelno >= logging.WARNING and self._filter.filter(record)):
            self._inner.handle(record)


def set_up(level: int = logging.INFO) -> None:
    """Log to stderr: our own lines as they are, warnings of the client libraries at most every ten seconds."""
    inner = logging.StreamHandler()
    inner.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[Quieted(inner)], force=True)
