"""Where a live source keeps what it captures: whole files, by sensor and day, as any folder source reads them.

    ROOT/meadow/                                         one sensor, one process at a time
    ├── 2026-11-24/                                      the day on the clock of its zone
    │   └── meadow_20261124T200001.123+0100.jpg          when: to the millisecond, with its offset
    ├── .unfinished/                                     what is being written; no folder source enters it
    ├── .health.json                                     how the source is, for people and for `katydid push`
    └── .owner.lock                                      held by the process that captures

A live source has no original that could be read again, so a file is durable before anything else is told of it:
written under `.unfinished`, synced, renamed, and its folder synced. A file that has its final name is whole, whatever
ends the process or the machine. Nothing is ever overwritten: where a clock was set back and a name is taken, the next
file is called "…_2".
"""

from __future__ import annotations

import errno
import filecmp
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from katydid.sensors import scratch
from katydid.sensors.errors import FolderUnwritable, SourceError

UNFINISHED, LOCK, HEALTH = ".unfinished", ".owner.lock", ".health.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HELD = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
"""What a lock says that another process has; anything else comes of a file system without locks."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LiveFolder:
    """The folder of one sensor; a context manager that holds it. Raises SourceError where another process has it, and
    FolderUnwritable where it cannot be written. `zone` is that of names and times, None this machine's."""

    def __init__(self, root: Path, sensor: str, *, zone: tzinfo | None = None) -> None:
        if not is_sensor_name(sensor) or sensor.lower().endswith(".katydid"):
            raise SourceError(
                f"{sensor!r} cannot name a sensor: letters, digits, '-', '_' and '.' are wanted, 64 at most"
            )
        self.root = root
        self.sensor = sensor
        self.directory = root / sensor
        self.zone = zone
        self._lock: BinaryIO | None = None

    def __enter__(self) -> Self:
        with self.writing():
            (self.directory / UNFINISHED).mkdir(parents=True, exist_ok=True)
            self._lock = (self.directory / LOCK).open("ab")
        try:
            scratch.lock(self._lock)
        except OSError as exc:
            self._lock.close()
            if exc.errno not in _HELD:
                raise FolderUnwritable(
                    f"{self.directory} cannot be held against other processes ({exc.strerror or exc}): name a folder "
                    "on a disk of this machine with --out"
                ) from exc
            raise SourceError(
                f"another process captures into {self.directory}: give this one its own name with --sensor"
            ) from exc
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.close()

    def local(self, at_ns: int) -> datetime:
        """The moment (UTC, ns since 1970) on the clock of this folder's zone, to the microsecond."""
        return (_EPOCH + timedelta(microseconds=at_ns // 1000)).astimezone(self.zone)

    def unfinished(self, name: str) -> Path:
        """Where a file of that name grows until it is whole."""
        return self.directory / UNFINISHED / name

    def left_over(self, suffix: str) -> list[Path]:
        """What a process that was killed left unfinished, by name. What is not named by a moment (macOS puts files
        "._…" beside others on some disks) is none of ours."""
        found = (self.directory / UNFINISHED).glob(f"*{suffix}")
        return sorted(path for path in found if path.stem.isascii() and path.stem.lstrip("-").isdigit())

    def write(self, at_ns: int, suffix: str, content: bytes) -> Path:
        """Keep a whole file of that moment; where it lies is returned when it is durable."""
        growing = self.unfinished(f"{at_ns}{suffix}")
        with self.writing():
            try:
                with growing.open("wb") as file:
                    file.write(content)
                    sync(file)
            except BaseException:
                with suppress(OSError):
                    growing.unlink()
                raise
            return self.finish(growing, at_ns, suffix)

    def finish(self, growing: Path, at_ns: int, suffix: str) -> Path:
        """Give a file that is whole and synced its final name."""
        with self.writing():
            final = self.final(at_ns, suffix)
            new_day = not final.parent.exists()
            final.parent.mkdir(exist_ok=True)
            number = 1
            while final.exists():
                if _same(final, growing):  # A film that is read again.
                    growing.unlink()
                    return final
                number += 1
                final = final.with_name(f"{self.final(at_ns, '').name}_{number}{suffix}")
            growing.replace(final)
            _sync_folder(final.parent)
            if new_day:
                _sync_folder(self.directory)
        return final

    def final(self, at_ns: int, suffix: str) -> Path:
        """The name of that moment: local time to the millisecond, and its offset."""
        local = self.local(at_ns)
        moment = f"{local:%Y%m%dT%H%M%S}.{local.microsecond // 1000:03d}{local:%z}"[: len("20261124T200001.123+0100")]
        return self.directory / f"{local:%Y-%m-%d}" / f"{self.sensor}_{moment}{suffix}"

    def note_health(self, content: bytes) -> None:
        """Replace the note of how the source is. One that cannot be written is worth no capture."""
        growing = self.unfinished(HEALTH)
        with suppress(OSError):
            growing.write_bytes(content)
            growing.replace(self.directory / HEALTH)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What the system says about a disk, in words. Raises FolderUnwritable."""
        try:
            yield
        except OSError as exc:
            raise FolderUnwritable(
                f"{self.directory} cannot be written ({exc.strerror or exc}): make room there, or name another folder "
                "with --out. What was captured before is kept."
            ) from exc


def is_sensor_name(name: str) -> bool:
    """Whether it can name a sensor and its folder."""
    return _NAME.fullmatch(name) is not None


def _same(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and filecmp.cmp(one, other, shallow=False)


def sync(file: BinaryIO) -> None:
    """Down to the disk."""
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """The names in it too, where the system can."""
    with suppress(OSError):  # Windows opens no folder.
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
