"""The files of a bundle, in a directory or in a zip: names checked, sizes bounded, read in pieces."""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from katydid.models.errors import BundleError

BUNDLE_FILE = "bundle.json"
MAX_FILES = 4096
MAX_FILE_BYTES = 2 << 30
MAX_BUNDLE_BYTES = 4 << 30
MAX_MANIFEST_BYTES = 4 << 20
PIECE = 1 << 20

SYSTEM_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What file browsers leave behind: never listed, never read, no reason to refuse a bundle."""

UNREADABLE = (
    OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OverflowError, RuntimeError,
    ValueError,
)  # fmt: skip
"""What reading a damaged file or zip raises; RuntimeError is zipfile's word for an encrypted entry or an unknown
compression."""

_SAFE_PART = re.compile(r"[^\x00-\x1f\x7f\\/:*?\"<>|]+")


class BundleFiles(Protocol):
    """What `bundle.py` needs to know about where the files lie."""

    def names(self) -> tuple[str, ...]:
        """Every file with "/" between parts."""

    def size(self, name: str) -> int:
        """Bytes, unpacked."""

    def read(self, name: str) -> bytes:
        """All bytes of one file; BundleError where it is missing, unreadable or too large."""

    def sha256(self, name: str) -> str:
        """64 hexadecimal digits, read in pieces."""


def open_files(path: Path) -> BundleFiles:
    """The files of the bundle at `path`. Raises BundleError where there is none, or where it is out of bounds."""
    if path.is_dir():
        files: BundleFiles = DirectoryFiles(path)
    elif path.is_file():
        files = ZipFiles(path)
    else:
        raise BundleError(f"{path}: there is no bundle here")
    names = files.names()
    if BUNDLE_FILE not in names:
        raise BundleError(f"{path}: no bundle: it has no {BUNDLE_FILE}")
    if len(names) > MAX_FILES or sum(files.size(name) for name in names) > MAX_BUNDLE_BYTES:
        raise BundleError(
            f"{path}: too large for a bundle (at most {MAX_FILES} files and {MAX_BUNDLE_BYTES >> 30} GiB)"
        )
    if files.size(BUNDLE_FILE) > MAX_MANIFEST_BYTES:
        raise BundleError(f"{path}: {BUNDLE_FILE} is larger than {MAX_MANIFEST_BYTES >> 20} MiB")
    return files


def check_name(path: Path, name: str) -> None:
    """Refuse a name that could leave the bundle, or that is no name on some system."""
    parts = name.split("/")
    if name == BUNDLE_FILE or any(part in ("", ".", "..") or not _SAFE_PART.fullmatch(part) for part in parts):
        raise BundleError(f"{path}: {name!r} is no name for a file in a bundle")


class DirectoryFiles:
    """A bundle as a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def names(self) -> tuple[str, ...]:
        found = []
        for folder, _, names in os.walk(self._directory):
            below = Path(folder).relative_to(self._directory)
            found += [(below / name).as_posix() for name in names if name not in SYSTEM_LITTER]
            if len(found) > MAX_FILES:
                break
        return tuple(sorted(found))

    def size(self, name: str) -> int:
        with _translated(self._directory, name):
            return self._place(name).stat().st_size

    def read(self, name: str) -> bytes:
        with _translated(self._directory, name), self._place(name).open("rb") as stream:
            return _read_bounded(self._directory, name, stream)

    def sha256(self, name: str) -> str:
        with _translated(self._directory, name), self._place(name).open("rb") as stream:
            return _digest(self._directory, name, stream)

    def _place(self, name: str) -> Path:
        return self._directory.joinpath(*PurePosixPath(name).parts)


class ZipFiles:
    """A bundle as a zip, read in place. One folder around everything is allowed: it is how people zip a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _translated(path, ""), zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        self._prefix = _folder_around(entries)
        self._entries = {entry.filename.removeprefix(self._prefix): entry for entry in entries}
        if len(self._entries) != len(entries):
            raise BundleError(f"{path}: the zip holds two files of one name")
        for name in self._entries:
            if name != BUNDLE_FILE:
                check_name(path, name)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(name for name in self._entries if name.rpartition("/")[2] not in SYSTEM_LITTER))

    def size(self, name: str) -> int:
        return self._entry(name).file_size

    def read(self, name: str) -> bytes:
        with self._stream(name) as stream:
            return _read_bounded(self._path, name, stream)

    def sha256(self, name: str) -> str:
        with self._stream(name) as stream:
            return _digest(self._path, name, stream)

    def _entry(self, name: str) -> zipfile.ZipInfo:
        if name not in self._entries:
            raise BundleError(f"{self._path}: {name} is missing: fetch or build the bundle again")
        return self._entries[name]

    @contextmanager
    def _stream(self, name: str) -> Iterator[IO[bytes]]:
        entry = self._entry(name)
        with _translated(self._path, name), zipfile.ZipFile(self._path) as archive, archive.open(entry) as stream:
            yield stream


def _folder_around(entries: list[zipfile.ZipInfo]) -> str:
    names = [entry.filename for entry in entries]
    tops = {name.split("/")[0] for name in names}
    if BUNDLE_FILE in names or len(tops) != 1:
        return ""
    folder = tops.pop()
    return "" if folder in ("", "..") else f"{folder}/"


def _read_bounded(path: Path, name: str, stream: IO[bytes]) -> bytes:
    limit = MAX_MANIFEST_BYTES if name == BUNDLE_FILE else MAX_FILE_BYTES
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise BundleError(f"{path}: {name} is larger than {limit >> 20} MiB")
    return data


def _digest(path: Path, name: str, stream: IO[bytes]) -> str:
    digest, total = hashlib.sha256(), 0
    while piece := stream.read(PIECE):
        total += len(piece)
        if total > MAX_FILE_BYTES:
            raise BundleError(f"{path}: {name} is larger than {MAX_FILE_BYTES >> 30} GiB")
        digest.update(piece)
    return digest.hexdigest()


@contextmanager
def _translated(path: Path, name: str) -> Iterator[None]:
    """What the system says about a file, as a BundleError."""
    what = f"{path}: {name}" if name else f"{path}"
    try:
        yield
    except FileNotFoundError as error:
        raise BundleError(f"{what} is missing: fetch or build the bundle again") from error
    except UNREADABLE as error:
        raise BundleError(f"{what} cannot be read: {error}") from error
