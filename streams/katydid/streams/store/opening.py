"""Opening a store's file, and DuckDB's errors in our words.

DuckDB reports what the operating system said as text, so the text is what we look at; what no pattern knows is
StoreUnusable with DuckDB's own message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from katydid.streams.errors import StoreBusy, StoreError, StoreFull, StoreReadOnly, StoreUnusable

_BUSY = re.compile(
    r"could not set lock|conflicting lock|being used by another process|different configuration|already attached",
    re.I,
)
_FULL = re.compile(r"no space left|not enough space|disk full|file too large|quota exceeded|enospc|out of disk", re.I)
_READ_ONLY = re.compile(r"read-only|permission denied|access is denied|operation not permitted", re.I)
_PID = re.compile(r"PID (\d+)")

Config = dict[str, str | bool | int | float | list[str]]

CONFIG: Config = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
"""Nothing is ever downloaded."""

MERGES = 8
"""Most runs of small row groups, each of up to 122,880 rows, that `compact` merges at once: a second or two each."""

MEMORY = "1GB"
"""What DuckDB may use; larger sorts go to the disk."""

FILE_CONFIG: Config = {"checkpoint_threshold": "256MB", "memory_limit": MEMORY, "max_vacuum_tasks": 0}
"""What is written stays in memory until a checkpoint. The store makes its own in pauses (`checkpointing.py`); the
threshold is the last resort. Checkpoints do not merge row groups: that would take seconds at a time, and ten times the
work in all."""


def connect(path: Path | None, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open the file (or memory for None). Raises StoreBusy, StoreUnusable, StoreReadOnly, StoreFull."""
    if path is None:
        return duckdb.connect(":memory:", config=CONFIG)
    if read_only and not path.is_file():
        raise StoreUnusable(f"there is no store at {path}: run `katydid run FOLDER` first, or give another path")
    if not read_only:
        _make_folder(path.parent)
    with translated(path):
        return duckdb.connect(str(path), read_only=read_only, config={**CONFIG, **FILE_CONFIG})


def let_go(connection: duckdb.DuckDBPyConnection) -> None:
    """Have DuckDB give up the blocks that it has written and keeps in case someone reads them: 5 MB for ten thousand
    outcomes, up to the limit. The system caches the file anyway. Call it while nothing runs on any connection."""
    with suppress(duckdb.OutOfMemoryException):  # Not all could go; what could is gone.
        connection.execute("SET memory_limit = '8MB'")
    connection.execute(f"SET memory_limit = '{MEMORY}'")


def read_layout(connection: duckdb.DuckDBPyConnection) -> None:
    """Have DuckDB read where the rows of all tables lie: a third of a second and 18 MB for ten million outcomes. The
    first checkpoint would do it else, half a second in which nobody can write."""
    tables = connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall()
    for (table,) in tables:
        connection.execute("SELECT count(*) FROM pragma_storage_info(?)", [table]).fetchall()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreReadOnly(
            f"the folder {folder} cannot be made ({error.strerror}): choose another with --out"
        ) from error


@contextmanager
def translated(path: Path | None) -> Iterator[None]:
    """DuckDB's errors inside become ours."""
    try:
        yield
    except duckdb.Error as error:
        raise translate(error, path) from error


def translate(error: duckdb.Error, path: Path | None) -> StoreError:
    """The error of ours that says what DuckDB met."""
    text, place = str(error), path if path is not None else "the store in memory"
    if _BUSY.search(text):
        pid = _PID.search(text)
        owner = f"another process (pid {pid[1]})" if pid else "another process, or another part of this one,"
        return StoreBusy(f"{place} is open in {owner}: wait until it has ended or stop it, then run again")
    if _FULL.search(text):
        return StoreFull(
            f"no room left for {place}: free some space and run again; what was kept so far is safe ({text})"
        )
    if _READ_ONLY.search(text):
        return StoreReadOnly(f"{place} may not be written here: choose a place that is yours ({text})")
    return StoreUnusable(f"{place} cannot be used as a store: {text}")
