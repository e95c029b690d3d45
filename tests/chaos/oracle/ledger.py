"""What the broker acknowledged, one id a line, on a file of its own: the one witness that no fault reaches."""

from __future__ import annotations

import threading
from pathlib import Path


class Ledger:
    """Appends from any thread; reads back from another process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", encoding="ascii")
        self._lock = threading.Lock()
        self._ids = set(read_ledger(path))

    def __len__(self) -> int:
        with self._lock:
            return len(self._ids)

    def acknowledged(self, capture_id: str) -> None:
        """The broker has it, on every replica that must have it."""
        with self._lock:
            self._ids.add(capture_id)
            self._file.write(f"{capture_id}\n")
            self._file.flush()

    def ids(self) -> frozenset[str]:
        """All that were acknowledged so far."""
        with self._lock:
            return frozenset(self._ids)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def read_ledger(path: Path) -> list[str]:
    """The ids of a ledger, in the order in which they were acknowledged."""
    return path.read_text(encoding="ascii").split() if path.exists() else []
