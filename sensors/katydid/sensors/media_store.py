"""Where media over 8 MiB are put, so that a message can refer to them.

A **media store** is a folder or bucket that producers and workers share, named by a URL:

    file:///mnt/media       a shared folder; needs no package
    s3://bucket/media       S3, or what speaks like it; needs fsspec and s3fs
    memory://media          fsspec's own, for tests; and any other file system that fsspec knows

Objects are content-addressed, STORE/ab/abcd… (64 digits), so the same media are there once however often they are sent,
and nothing is overwritten with something else. An object is there whole or not at all: in a folder it is written under
a temporary name, flushed to the disk and renamed; a bucket shows an object when its upload has ended. What a reader
gets was verified: its length and its digest. `references.py` says which references are followed at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, cast
from urllib.parse import unquote_to_bytes

from katydid.sensors.capture import MediaRef
from katydid.sensors.errors import MediaStoreDown, MediaStoreError, SourceError, Undecodable

FILE_URL = "file://"
_PIECE = 1 << 20
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(\S+)")
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
"""What fsspec needs for a kind of URL."""


class MediaStore(Protocol):
    """One folder or bucket of content-addressed media."""

    url: str
    """Without a slash at its end."""

    def put(self, media: Path, sha256: str, length: int) -> MediaRef:
        """Keep a file's bytes; durable when it returns.

        Raises MediaStoreDown, and SourceError where the file does not hold these bytes (any more).
        """

    def fetch(self, sha256: str, length: int, scratch: Path) -> Path:
        """A local file with these media, verified; copied into `scratch` where the store is no folder.

        Raises FileNotFoundError, MediaStoreDown, and Undecodable("changed").
        """


def open_media_store(url: str) -> MediaStore:
    """The store of a URL. Raises MediaStoreError: no URL, an unknown kind, or a package that is not installed."""
    found = _URL.fullmatch(url.rstrip("/"))
    if found is None:
        raise MediaStoreError(f"{url!r} is no media store: give a URL such as file:///mnt/media or s3://bucket/media")
    if found[1] == "file":
        return FolderStore(found[0])
    return RemoteStore(found[0], _file_system(found[1], found[0]))


def object_url(store_url: str, sha256: str) -> str:
    """The one URL that a store gives to a digest."""
    return f"{store_url}/{sha256[:2]}/{sha256}"


class FolderStore:
    """A `MediaStore` in a folder of this machine or of the network. `url` is file:///FOLDER."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.root = local_path(url)
        if not self.root.is_absolute():
            raise MediaStoreError(f"{url!r} is no whole path: write file:///FOLDER, with three slashes")

    def put(self, media: Path, sha256: str, length: int) -> MediaRef:
        """See `MediaStore`: temporary name, flush, rename, flush of the folder."""
        path = self._path(sha256)
        try:
            if not path.is_file() or path.stat().st_size != length:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._write(media, path, sha256, length)
            _flush_folder(path.parent)  # Also of what another producer put there a moment ago.
            _flush_folder(self.root)
        except OSError as exc:
            raise MediaStoreDown(f"the media store {self.url} cannot be written: {exc.strerror or exc}") from exc
        return MediaRef(url=object_url(self.url, sha256), sha256=sha256, length=length)

    def fetch(self, sha256: str, length: int, scratch: Path) -> Path:
        """See `MediaStore`. Read where it lies: nothing is copied."""
        path = self._path(sha256)
        try:
            with path.open("rb") as file:
                _verify(_pieces(file), sha256, length)
        except FileNotFoundError:
            if not self.root.is_dir():  # A share that is not mounted, rather than an object that is not there.
                raise MediaStoreDown(f"the media store {self.url} is not there: is it mounted?") from None
            raise
        except OSError as exc:
            raise MediaStoreDown(f"the media store {self.url} cannot be read: {exc.strerror or exc}") from exc
        return path

    def _path(self, sha256: str) -> Path:
        return self.root / sha256[:2] / sha256

    def _write(self, media: Path, path: Path, sha256: str, length: int) -> None:
        temporary = path.with_name(f".{sha256}.{secrets.token_hex(8)}")
        try:
            with _source(media) as source, temporary.open("xb") as file:
                _copy(source, file, sha256, length, media)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


class FileSystem(Protocol):
    """What is used of fsspec's file systems."""

    def info(self, path: str) -> dict[str, object]: ...
    def put_file(self, lpath: str, rpath: str) -> None: ...
    def open(self, path: str, mode: str) -> contextlib.AbstractContextManager[BinaryIO]: ...
    def makedirs(self, path: str, exist_ok: bool) -> None: ...
    def invalidate_cache(self) -> None: ...


class RemoteStore:
    """A `MediaStore` through fsspec."""

    def __init__(self, url: str, files: FileSystem) -> None:
        self.url = url
        self._files = files

    def put(self, media: Path, sha256: str, length: int) -> MediaRef:
        """See `MediaStore`. The digest is verified before the upload, the length of the object after it."""
        url = object_url(self.url, sha256)
        with _answering(self.url):
            if self._length(url) != length:
                with _source(media) as source:
                    _copy(source, None, sha256, length, media)
                self._files.makedirs(url.rpartition("/")[0], exist_ok=True)
                self._files.put_file(str(media), url)
                if self._length(url) != length:
                    raise MediaStoreDown(f"the media store {self.url} kept another length than was sent")
        return MediaRef(url=url, sha256=sha256, length=length)

    def fetch(self, sha256: str, length: int, scratch: Path) -> Path:
        """See `MediaStore`: a copy in `scratch`, under the digest."""
        scratch.mkdir(parents=True, exist_ok=True)
        copy = scratch / f"{sha256}.{secrets.token_hex(8)}"
        url = object_url(self.url, sha256)
        try:
            with _answering(self.url):
                if self._length(url) is None:
                    raise FileNotFoundError(url)
                with self._files.open(url, "rb") as source, copy.open("xb") as file:
                    _verify(_pieces(source), sha256, length, file)
        except BaseException:
            copy.unlink(missing_ok=True)
            raise
        return copy

    def _length(self, url: str) -> int | None:
        """Bytes of an object; None where there is none."""
        self._files.invalidate_cache()  # Listings are kept otherwise, and an object that came since is not seen.
        try:
            return int(cast(int, self._files.info(url)["size"]))
        except FileNotFoundError:
            return None


def local_path(url: str) -> Path:
    """The path of a file URL, or of a plain path."""
    if url.startswith(FILE_URL):
        return Path(os.fsdecode(unquote_to_bytes(url.removeprefix(FILE_URL))))
    return Path(url)


def _file_system(kind: str, url: str) -> FileSystem:
    try:
        fsspec = importlib.import_module("fsspec")
        return cast(FileSystem, fsspec.filesystem(kind))
    except ValueError as exc:
        raise MediaStoreError(f"{url}: no kind of store is called {kind!r}; there are file, s3 and others") from exc
    except ImportError as exc:
        package = "fsspec" if exc.name == "fsspec" else _PACKAGES.get(kind, str(exc))
        raise MediaStoreError(f"{url}: media stores of this kind need a package: pip install {package}") from exc


@contextlib.contextmanager
def _answering(url: str) -> Iterator[None]:
    """What goes wrong between here and a store that is no folder: its clients raise their own kinds of error."""
    try:
        yield
    except FileNotFoundError:
        raise
    except PermissionError as exc:
        raise MediaStoreDown(f"the media store {url} refuses: check its key and secret, and what they may do") from exc
    except _failures() as exc:
        raise MediaStoreDown(f"the media store {url} does not answer as it should: {exc}") from exc


def _failures() -> tuple[type[Exception], ...]:
    """OSError, and the base errors of the clients that are installed."""
    found: list[type[Exception]] = [OSError]
    for module, name in (("botocore.exceptions", "BotoCoreError"), ("aiohttp", "ClientError")):
        with contextlib.suppress(ImportError):
            found.append(getattr(importlib.import_module(module), name))
    return tuple(found)


@contextlib.contextmanager
def _source(media: Path) -> Iterator[BinaryIO]:
    """The file that is put: where it cannot be opened, that is no fault of the store."""
    try:
        file = media.open("rb")
    except OSError as exc:
        raise SourceError(f"{media} cannot be read any more: {exc.strerror or exc}") from exc
    with file:
        yield file


def _copy(source: BinaryIO, file: BinaryIO | None, sha256: str, length: int, media: Path) -> None:
    try:
        _verify(_pieces(source), sha256, length, file)
    except Undecodable as exc:
        raise SourceError(f"{media} changed while it was read: it will be taken again when it rests") from exc


def _verify(pieces: Iterator[bytes], sha256: str, length: int, file: BinaryIO | None = None) -> None:
    """Copy the pieces into `file`, no more than `length` bytes. Raises Undecodable("changed") where they are others."""
    digest, count = hashlib.sha256(), 0
    for piece in pieces:
        count += len(piece)
        if count > length:
            break
        digest.update(piece)
        if file is not None:
            file.write(piece)
    if count != length or digest.hexdigest() != sha256:
        raise Undecodable("changed", "the media are not those that were sent: their length or digest differs")


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _flush_folder(folder: Path) -> None:
    """Make a rename durable. Windows cannot open folders, and needs no flush of them."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
