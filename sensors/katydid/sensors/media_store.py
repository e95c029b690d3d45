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
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, cast
from urllib.parse import unquote_to_bytes

from katydid.sensors.capture import MediaRef
from katydid.sensors.errors import MediaStoreDown, MediaStoreError, SourceError, Undecodable
from katydid.sensors.scratch import no_room

FILE_URL = "file://"
_PIECE = 1 << 20
Keep = Callable[[bytes], object]
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
                _copy(source, file.write, sha256, length, media)
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
        copy = scratch / f"{sha256}.{secrets.token_hex(8)}"
        url = object_url(self.url, sha256)
        try:
            with _answering(self.url):
                if self._length(url) is None:
                    raise FileNotFoundError(url)
                with self._files.open(url, "rb") as source, _copying(copy) as keep:
                    _verify(_pieces(source), sha256, length, keep)
        except BaseException:
            with contextlib.suppress(OSError):  # It may not even have been made.
                copy.unlink()
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
    except ImportError as exc:
        package = "fsspec" if exc.name == "fsspec" else _PACKAGES.get(kind, str(exc))
        raise MediaStoreError(f"{url}: media stores of this kind need a package: pip install {package}") from exc
    except Exception as exc:
        if not _of_a_client(exc):
            raise
        if "Protocol not known" in str(exc):
            words = f"no kind of store is called {kind!r}; there are file, s3 and others"
        else:
            words = f"a store of this kind cannot be used as this machine is set up: {_said(exc)}"
        raise MediaStoreError(f"{url}: {words}") from exc


@contextlib.contextmanager
def _answering(url: str) -> Iterator[None]:
    """What goes wrong between here and a store that is no folder: its clients raise their own kinds of error."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as exc:
        if not _of_a_client(exc):
            raise
        if _refuses(exc):
            check = f"check its key and secret, and what they may do ({_said(exc)})"
            raise MediaStoreDown(f"the media store {url} refuses: {check}") from exc
        raise MediaStoreDown(f"the media store {url} does not answer as it should: {_said(exc)}") from exc


def _of_a_client(exc: Exception) -> bool:
    """Whether that is what a store's client may raise, and no error of ours or of Python's.

    There are as many kinds as there are clients, which need not be installed, and few are OSError: gcsfs has HttpError,
    ChecksumError, google.auth's errors, and ValueError and RuntimeError for a request that Google calls bad; adlfs has
    azure.core's AzureError, and ValueError where no account is said; s3fs botocore's and aiohttp's. So ValueError and
    RuntimeError are theirs where they were raised in their code.
    """
    foreign = type(exc).__module__.partition(".")[0] not in ("builtins", "katydid")
    if foreign or isinstance(exc, OSError | EOFError):
        return True
    return isinstance(exc, ValueError | RuntimeError) and _raised_by_a_client(exc)


def _raised_by_a_client(exc: Exception) -> bool:
    """Whether it came through code that is neither ours nor Python's own."""
    frames = (frame for frame, _ in traceback.walk_tb(exc.__traceback__))
    packages = {str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame in frames}
    return bool(packages - {"katydid"} - sys.stdlib_module_names)


def _refuses(exc: Exception) -> bool:
    """Whether the service knows us and says no, or does not know us; each client tells it in its own way."""
    codes = [str(getattr(exc, name, None)) for name in ("code", "status", "status_code")]
    forbidden = isinstance(exc, OSError) and str(exc).startswith("Forbidden")  # gcsfs
    return isinstance(exc, PermissionError) or forbidden or "401" in codes or "403" in codes


_ASKED = re.compile(r"(?<=\S)\?[^\s'\"<>]+")


def _said(exc: Exception) -> str:
    """In one line; some say nothing but their name. What stands behind the "?" of an address may be a key."""
    words = _ASKED.sub("?…", " ".join(str(exc).split()))
    return words if isinstance(exc, OSError) and words else f"{type(exc).__name__}: {words}".rstrip(": ")


@contextlib.contextmanager
def _copying(copy: Path) -> Iterator[Keep]:
    """A new file of this machine. Where it cannot be written, that is no fault of the store, and passes when captures
    before it are done: MediaStoreDown too, with other words."""
    with _room():
        copy.parent.mkdir(parents=True, exist_ok=True)
        file = copy.open("xb", buffering=0)

    def keep(piece: bytes) -> None:
        left = memoryview(piece)
        with _room():
            while left:
                left = left[file.write(left) :]

    with file:
        yield keep


@contextlib.contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise MediaStoreDown(no_room(exc)) from exc


@contextlib.contextmanager
def _source(media: Path) -> Iterator[BinaryIO]:
    """The file that is put: where it cannot be opened, that is no fault of the store."""
    try:
        file = media.open("rb")
    except OSError as exc:
        raise SourceError(f"{media} cannot be read any more: {exc.strerror or exc}") from exc
    with file:
        yield file


def _copy(source: BinaryIO, keep: Keep | None, sha256: str, length: int, media: Path) -> None:
    try:
        _verify(_pieces(source), sha256, length, keep)
    except Undecodable as exc:
        raise SourceError(f"{media} changed while it was read: it will be taken again when it rests") from exc


def _verify(pieces: Iterator[bytes], sha256: str, length: int, keep: Keep | None = None) -> None:
    """Hand on the pieces, no more than `length` bytes. Raises Undecodable("changed") where they are others."""
    digest, count = hashlib.sha256(), 0
    for piece in pieces:
        count += len(piece)
        if count > length:
            break
        digest.update(piece)
        if keep is not None:
            keep(piece)
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
