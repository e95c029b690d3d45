"""The same capture twice (a card that was copied two times, a file under another name) is identified once.

Of copies in one run the first in the folder's order is identified, and the others wait until it is durable; so which
name an outcome carries does not depend on which thread was faster, or on when a run was killed. Copies of what the
store holds are settled at once.

Nearly all captures are new, and asking the store costs as much as decoding one. So a Bloom filter of constant size
answers first. Its hashes are cut from the capture ids themselves, whose last 80 bits are a BLAKE2b digest.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from enum import Enum
from typing import Protocol

import msgspec

from katydid.sensors.sources.protocol import Taken
from katydid.streams.sink import Arrival

_BITS = 23
"""A filter of 2**23 bits, 1 MiB: with a million captures 3 in 100 are asked about in vain."""
_HASHES = 3


class Known(Protocol):
    """What is asked of a store."""

    def known(self, capture_ids: Iterable[str]) -> set[str]:
        """Those of the ids that have an outcome."""


class Copy(Enum):
    """What a capture is to this run."""

    NEW = "new"
    STORED = "stored"
    """Its outcome is durable already."""
    WAITS = "waits"
    """The one that came first is under way; `settled_by` gives this one back."""


class Seen:
    """Ids that may have been seen; never forgets one, and sometimes claims one too many."""

    def __init__(self) -> None:
        self._bits = bytearray(2**_BITS // 8)

    def add(self, capture_id: str) -> None:
        for place in _places(capture_id):
            self._bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, capture_id: str) -> bool:
        return all(self._bits[place >> 3] & (1 << (place & 7)) for place in _places(capture_id))


class Duplicates:
    """Tells new captures from copies. `look` is called by the reader's thread, `settled_by` by the writer's."""

    def __init__(self, store: Known, stored: Iterable[str] = ()) -> None:
        self._store = store
        self._seen = Seen()
        for capture_id in stored:
            self._seen.add(capture_id)
        self._under_way: dict[str, list[Taken]] = {}
        self._lock = threading.Lock()
        self.count = 0
        """Copies so far."""

    def look(self, taken: Taken) -> Copy:
        """What this capture is. A new one is under way from here on."""
        capture_id = taken.capture.capture_id
        with self._lock:
            if (waiting := self._under_way.get(capture_id)) is not None:
                waiting.append(_without_bytes(taken))
                self.count += 1
                return Copy.WAITS
            if capture_id in self._seen and self._store.known([capture_id]):
                self.count += 1
                return Copy.STORED
            self._seen.add(capture_id)
            self._under_way[capture_id] = []
            return Copy.NEW

    def settled_by(self, arrival: Arrival) -> list[Taken]:
        """The copies that waited for this outcome, which is durable now."""
        with self._lock:
            return self._under_way.pop(arrival.outcome.capture_id, [])


def _without_bytes(taken: Taken) -> Taken:
    """All that a copy waits for is its position: a thousand copies of one photo must not lie in memory."""
    return msgspec.structs.replace(taken, capture=msgspec.structs.replace(taken.capture, payload=None))


def _places(capture_id: str) -> list[int]:
    digest = int(capture_id[12:], 16)
    return [(digest >> (_BITS * n)) & (2**_BITS - 1) for n in range(_HASHES)]
