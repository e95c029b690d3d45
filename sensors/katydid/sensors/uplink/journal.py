"""What was acknowledged: a small SQLite file beside the folder, so that a second push sends only what is new.

One row a file of the source, with the mark under which it was acknowledged (size and date) and the cluster that did: a
folder may be pushed to two clusters, and a cluster that was made anew gets everything again. A position is written
after the broker has the capture, never before, and at most half a second later; a process that is killed in between
sends these captures again, with the same ids.

Also kept: which name, sensor, zone and place the first push gave, since ids hang on the first two and later runs must
give the same.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from katydid.sensors.errors import SourceError
from katydid.sensors.sources.protocol import Position

NAME = "pushed.sqlite"
_COMMIT_EVERY_S = 0.5
_COMMIT_ROWS = 1000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS acknowledged (
    cluster TEXT NOT NULL, source TEXT NOT NULL, partition TEXT NOT NULL, mark TEXT NOT NULL, "offset" INTEGER NOT NULL,
    PRIMARY KEY (cluster, source, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS remembered (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class JournalUnusable(SourceError):
    """The file cannot be opened or written: no fault of the capture whose acknowledgement was to be noted."""


class PushJournal:
    """A journal; a context manager. One process at a time: a second one raises JournalUnusable."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pending: list[tuple[str, str, str, str, int]] = []
        self._committed = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._rows = sqlite3.connect(path, timeout=0.0, isolation_level=None)
            # Exclusive: a second push would send everything twice; and so the write-ahead log needs no shared memory,
            # which network folders do not have.
            self._rows.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._rows.execute("PRAGMA journal_mode=WAL")
            self._rows.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as exc:
            raise JournalUnusable(self._why(exc)) from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is pending and let go of the file."""
        try:
            self.flush()
        finally:
            self._rows.close()

    def count(self, cluster: str) -> int:
        """How many positions a cluster has acknowledged."""
        (count,) = self._rows.execute("SELECT count(*) FROM acknowledged WHERE cluster = ?", (cluster,)).fetchone()
        return int(count)

    def has(self, cluster: str, position: Position) -> bool:
        """Whether a cluster has acknowledged this position with this mark and offset."""
        found = self._rows.execute(
            'SELECT mark, "offset" FROM acknowledged WHERE cluster = ? AND source = ? AND partition = ?',
            (cluster, position.source, position.partition),
        ).fetchone()
        return bool(found == (position.mark, position.offset))

    def acknowledge(self, cluster: str, position: Position) -> None:
        """Note a position, durable after the next `flush`, which comes by itself within half a second of use."""
        self._pending.append((cluster, position.source, position.partition, position.mark, position.offset))
        if len(self._pending) >= _COMMIT_ROWS:
            self.flush()

    def tick(self) -> None:
        """Write what is pending, if it has waited for half a second."""
        if self._pending and time.monotonic() - self._committed >= _COMMIT_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Write what is pending. Raises JournalUnusable where the disk is full or the file is gone."""
        self._committed = time.monotonic()
        if not self._pending:
            return
        try:
            self._rows.execute("BEGIN")
            self._rows.executemany("INSERT OR REPLACE INTO acknowledged VALUES (?, ?, ?, ?, ?)", self._pending)
            self._rows.execute("COMMIT")
        except sqlite3.Error as exc:
            raise JournalUnusable(self._why(exc)) from exc
        self._pending.clear()

    def remembered(self, name: str, given: str | None) -> str | None:
        """What is given now, kept for later runs; else what an earlier run gave."""
        if given is not None:
            self._rows.execute("INSERT OR REPLACE INTO remembered VALUES (?, ?)", (name, given))
            return given
        found = self._rows.execute("SELECT value FROM remembered WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def _why(self, exc: Exception) -> str:
        if "locked" in str(exc):
            return f"another push has {self.path}: wait for it, or end it"
        return f"{self.path}, which notes what was sent, cannot be used ({exc}): say another place with --state FILE"
