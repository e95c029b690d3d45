"""What retention dropped before this worker read it: the client jumps over it with one line at INFO.

That line is the only place where the client says which offset it wanted and could not have, so it is listened to. What
is lost lies between that offset, which is the first that was not delivered, and the first that the log still has. A
test drives the client itself: the day it says it otherwise, that fails.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import cast

FETCHER = "aiokafka.consumer.fetcher"
_SAID = "Fetch offset %s is out of range"

Partition = tuple[str, int]


class Jumps(logging.Handler):
    """Notes every offset that the client wanted to go on from and that was gone; any thread."""

    def __init__(self, noted: Callable[[], object]) -> None:
        super().__init__(logging.INFO)
        self._noted = noted
        self._wanted: deque[tuple[Partition, int]] = deque()

    def listen(self) -> None:
        """From now on. The logger lets the line pass; whether it is written anywhere is for other handlers."""
        logger = logging.getLogger(FETCHER)
        logger.addHandler(self)
        if not logger.isEnabledFor(logging.INFO):
            logger.setLevel(logging.INFO)

    def close(self) -> None:
        """No longer."""
        logging.getLogger(FETCHER).removeHandler(self)
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.msg, str) and record.msg.startswith(_SAID) and isinstance(record.args, tuple):
            wanted, (topic, number) = cast(tuple[int, Partition], record.args)
            self.wanted((topic, number), wanted)
            self._noted()

    def wanted(self, partition: Partition, offset: int) -> None:
        """The client wanted this offset and it was gone."""
        self._wanted.append((partition, offset))

    def next(self) -> tuple[Partition, int] | None:
        """The oldest that was noted and not taken yet."""
        return self._wanted.popleft() if self._wanted else None


class Lost:
    """Counts each lost offset once."""

    def __init__(self) -> None:
        self._until: dict[Partition, int] = {}

    def between(self, partition: Partition, wanted: int, low: int) -> int:
        """How many offsets are lost of a partition whose offset `wanted` was gone while its log starts at `low`."""
        first = max(wanted, self._until.get(partition, wanted))
        if low <= first:  # The log was cut at its end, or all of it was counted before.
            return 0
        self._until[partition] = low
        return low - first
