"""A folder as a source: every frame and clip below it, in a stable order, each as one capture.

Nothing here raises for a file: what cannot be opened, is empty or over the limits becomes a capture with `refusal`
set. Only a root that cannot be listed at all raises SourceError.

What a file is is told by its first bytes. A file whose name promises a medium and whose bytes are none is a refused
capture; a file that is no medium by name and by content (tables, notes) is counted as other and left alone. Hidden
files and folders, folders of results (`*.katydid`) and what the caller excludes are not entered; links are followed
once, so a loop ends.

Files are sorted by folder and name, digits by their value ("IMG_9" before "IMG_10"). With `follow`, the folder is
looked through again and again until `stop` is set, and a file is taken when two looks found it with the same size and
date: until then it is still being written.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo
from pathlib import Path

import msgspec

from katydid.sensors import clock, metadata, signature
from katydid.sensors.capture import Capture, Kind, MediaRef, Place
from katydid.sensors.errors import OverLimit, SourceError
from katydid.sensors.limits import Limits, check_bytes
from katydid.sensors.sources.assembly import Assembly
from katydid.sensors.sources.protocol import Position, Taken

RESULTS_SUFFIX = ".katydid"
_UNREADABLE = "unreadable"
"""The reason of a refusal that another run may not meet again."""
_PIECE = 1 << 20
_LOOK_EVERY_S = 2.0
_REST = 4.0
"""A look that takes long is followed by a rest of as many times that: a fifth of one core at most."""
_DIGITS = re.compile(r"(\d+)")


class FolderScan(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder holds, counted by names and sizes alone."""

    files: int
    """Files that will become captures, as far as their names tell."""
    bytes: int
    other_files: int = 0
    """Files that are no medium by their name."""
    unreadable_folders: int = 0


class _File(msgspec.Struct, frozen=True):
    """A file found below the root."""

    path: Path
    name: str
    """Below the root, "/" between parts, always encodable as UTF-8."""
    size: int
    date_ns: int

    @property
    def mark(self) -> str:
        return f"{self.size}-{self.date_ns}"


class FolderSource:
    """A `Source` over the files below `root`.

    `sensor` names the sensor of files that carry no serial number; else it is the first folder below the root (unless
    that is the DCIM of a camera's card), else `name` (what the store remembers of the root), else the root's own name.
    `zone` is an IANA name or offset for readings without one; `place` stands in where a file has none. `wait` is
    called between two looks with the stop event and seconds, and `now_ns` for the present; both are there for tests.
    """

    def __init__(
        self,
        root: Path,
        *,
        sensor: str | None = None,
        name: str | None = None,
        zone: str | None = None,
        place: Place | None = None,
        limits: Limits | None = None,
        follow: bool = False,
        stop: threading.Event | None = None,
        exclude: Sequence[Path] = (),
        machine_zone: tzinfo | None = None,
        now_ns: Callable[[], int] | None = None,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
    ) -> None:
        self.root = root
        self.limits = limits or Limits()
        self.other_files = 0
        self.unreadable_folders: tuple[str, ...] = ()
        self._assembly = Assembly(
            name=encodable(name or root.resolve().name) or "sensor",
            sensor=encodable(sensor) if sensor else None,
            zone=zone,
            place=place,
            machine_zone=machine_zone,
            now_ns=now_ns,
        )
        self._follow = follow
        self._stop = stop or threading.Event()
        self._exclude = frozenset(path.resolve() for path in exclude)
        self._wait = wait
        if zone:
            clock.find_zone(zone)

    def scan(self) -> FolderScan:
        """Count what is there, without opening a file. Raises SourceError where the root cannot be listed."""
        files = list(self._walk())
        media = [each for each in files if signature.kind_by_name(each.path.name)]
        return FolderScan(
            files=len(media),
            bytes=sum(each.size for each in media),
            other_files=len(files) - len(media),
            unreadable_folders=len(self.unreadable_folders),
        )

    def captures(self, settled: Callable[[Position], bool]) -> Iterator[Taken]:
        """Every file whose position `settled` does not know, as a capture. Ends when `stop` is set."""
        if self._follow:
            yield from self._followed(settled)
            return
        self.other_files = 0
        for file in self._walk():
            if self._stop.is_set():
                return
            yield from self._taken(file, settled)

    def durable(self, position: Position) -> None:
        """Nothing to do: a folder keeps its files, and the store keeps the positions."""

    # Looking

    def _followed(self, settled: Callable[[Position], bool]) -> Iterator[Taken]:
        before: dict[str, str] = {}
        done: dict[str, str] = {}
        while not self._stop.is_set():
            started = time.monotonic()
            seen: dict[str, str] = {}
            for file in self._walk():
                if self._stop.is_set():
                    return
                seen[file.name] = file.mark
                if done.get(file.name) != file.mark and before.get(file.name) == file.mark:
                    done[file.name] = file.mark
                    yield from self._taken(file, settled)
            before = seen
            took = time.monotonic() - started
            self._wait(self._stop, max(_LOOK_EVERY_S, _REST * took))

    def _walk(self) -> Iterator[_File]:
        """All regular files below the root, sorted; each real folder once."""
        self.unreadable_folders = ()
        entered: set[tuple[int, int]] = set()
        todo: list[tuple[Path, str]] = [(self.root, "")]
        while todo:
            folder, below = todo.pop()
            try:
                found = folder.stat()
                entries = sorted(os.scandir(folder), key=lambda entry: _order(entry.name))
            except OSError as exc:
                self._cannot_list(folder, below, exc)
                continue
            if (found.st_dev, found.st_ino) in entered and found.st_ino:
                continue
            entered.add((found.st_dev, found.st_ino))
            folders: list[tuple[Path, str]] = []
            for entry in entries:
                name = below + encodable(entry.name)
                path = folder / entry.name
                if self._left_out(path, entry):
                    continue
                if _is_folder(entry):
                    folders.append((path, name + "/"))
                else:
                    yield from _regular(entry, path, name)
            todo.extend(reversed(folders))

    def _left_out(self, path: Path, entry: os.DirEntry[str]) -> bool:
        name = entry.name
        hidden = name.startswith(".") or name.lower() in ("thumbs.db", "desktop.ini")
        results = name.lower().endswith(RESULTS_SUFFIX)
        if hidden or results:
            return True
        # Resolving costs more than all the rest: only what may be excluded by its name, or is a link, is.
        may_be = any(name == each.name for each in self._exclude) or (bool(self._exclude) and entry.is_symlink())
        return may_be and _resolved(path) in self._exclude

    def _cannot_list(self, folder: Path, below: str, exc: OSError) -> None:
        if not below:
            raise SourceError(f"the folder {encodable(str(folder))} cannot be read: {exc.strerror or exc}") from exc
        self.unreadable_folders = (*self.unreadable_folders, below)

    # Taking

    def _taken(self, file: _File, settled: Callable[[Position], bool]) -> Iterator[Taken]:
        position = Position(source="folder", partition=file.name, mark=file.mark)
        if settled(position):
            return
        capture = self._capture(file)
        if capture is None:
            self.other_files += 1
            return
        if capture.refusal.startswith(_UNREADABLE):
            # A card that was pulled, a right that was missing: told once, and tried again by every later run.
            position = msgspec.structs.replace(position, mark=f"{file.mark}-{_UNREADABLE}")
            if settled(position):
                return
        yield Taken(capture=capture, position=position)

    def _capture(self, file: _File) -> Capture | None:
        """The file as a capture, refused where it cannot be used; None where it is no medium at all."""
        named = signature.kind_by_name(file.path.name)
        try:
            found = _media_type(file.path)
            kind = signature.READABLE.get(found) or named
            if kind is None:
                return None
            check_bytes(file.size, self.limits, kind)
            payload, digest, length = _content(file.path, self.limits.inline_bytes)
            if not length:  # All empty files have one digest, and each is a capture of its own.
                return self._refused(file, named, "empty_file: the file has no bytes")
        except OSError as exc:
            return self._refused(file, named, f"{_UNREADABLE}: {exc.strerror or 'the file cannot be opened'}")
        except OverLimit as exc:
            return self._refused(file, named, f"{exc.reason}: {exc}")
        facts = metadata.read(file.path if payload is None else payload, kind, file.path.name)
        ref = None if payload is not None else MediaRef(url=_url(file.path), sha256=digest, length=length)
        return self._assembly.capture(
            file.name, kind, facts,
            media_type=found, sha256=digest, length=length, date_ns=file.date_ns, payload=payload, ref=ref,
        )  # fmt: skip

    def _refused(self, file: _File, named: Kind | None, refusal: str) -> Capture | None:
        if named is None:
            return None
        return self._assembly.refused(file.name, named, refusal, size=file.size, date_ns=file.date_ns)


def encodable(name: str) -> str:
    """A file name that UTF-8 can hold: bytes that were no UTF-8 are written as "\\xff"."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return name


def _url(path: Path) -> str:
    """The absolute path as text; as a file URL where the path holds bytes that are no UTF-8."""
    absolute = path.resolve()
    return str(absolute) if encodable(str(absolute)) == str(absolute) else absolute.as_uri()


def _order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Digits by value, the rest by code point: the same on every machine."""
    parts = _DIGITS.split(name)
    numbered = ((0, int(part[:18]), part) if index % 2 else (1, 0, part) for index, part in enumerate(parts))
    return (*numbered, (1, 0, name))


def _resolved(path: Path) -> Path | None:
    """The real path; None for a loop of links, which Python 3.11 and 3.12 raise on."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _regular(entry: os.DirEntry[str], path: Path, name: str) -> Iterator[_File]:
    """The file, if it is one: a pipe or a device would block, and a broken link has no bytes that could be refused."""
    try:
        found = entry.stat()
    except OSError:
        return
    if stat.S_ISREG(found.st_mode):
        yield _File(path, name, found.st_size, found.st_mtime_ns)


def _media_type(path: Path) -> str:
    with path.open("rb") as file:
        return signature.media_type(file.read(signature.HEAD_BYTES))


def _content(path: Path, inline_bytes: int) -> tuple[bytes | None, str, int]:
    """(bytes where they are few, sha256, length) of a file, read once."""
    with path.open("rb") as file:
        # No more is asked for than is there: the buffer for a read is made, and paid for, at the size that is asked.
        wanted = min(os.fstat(file.fileno()).st_size, inline_bytes) + 1
        piece = file.read(wanted)
        if len(piece) == wanted <= inline_bytes:  # It grew meanwhile.
            piece += file.read(inline_bytes + 1 - wanted)
        digest = hashlib.sha256(piece)
        if len(piece) <= inline_bytes:
            return piece, digest.hexdigest(), len(piece)
        length = len(piece)
        while more := file.read(_PIECE):
            digest.update(more)
            length += len(more)
    return None, digest.hexdigest(), length
