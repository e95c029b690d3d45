"""Files that are there whole or not at all: written beside their place, then moved onto it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from katydid.streams.errors import ExportError


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yields a path in the same folder to write to; what is there in the end replaces `path` in one step.

    On an error `path` stays as it was and nothing is left beside it. With `durable` the bytes are on the disk before
    the name is: for one file of a hundred thousand that can be made again, leave it. Raises ExportError for the
    system's errors.
    """
    beside = path.with_name(f".{path.name[:80]}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        if durable:
            with beside.open("rb+") as file:
                os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
