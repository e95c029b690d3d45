"""Media stores: what is put is there whole, durable and under its digest, and what is fetched is what was sent."""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import sys
from pathlib import Path
from typing import cast

import pytest

from katydid.sensors import media_store
from katydid.sensors.errors import MediaStoreDown, MediaStoreError, SourceError, Undecodable
from katydid.sensors.media_store import MediaStore, open_media_store

MEDIA = bytes(range(256)) * 5_000
DIGEST = hashlib.sha256(MEDIA).hexdigest()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "card" / "night.wav"
    path.parent.mkdir()
    path.write_bytes(MEDIA)
    return path


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    """The two kinds that every machine has: a folder, and fsspec's own through the same code as a bucket."""
    if request.param == "file":
        return open_media_store((tmp_path / "media").as_uri())
    pytest.importorskip("fsspec", reason="needs the kafka extra")
    return open_media_store(f"memory://{tmp_path.name}/media/")


def test_what_is_put_is_fetched_and_its_url_says_the_digest(store: MediaStore, recording: Path, tmp_path: Path) -> None:
    ref = store.put(recording, DIGEST, len(MEDIA))
    assert ref.url == f"{store.url}/{DIGEST[:2]}/{DIGEST}"
    assert (ref.sha256, ref.length) == (DIGEST, len(MEDIA))
    assert store.fetch(DIGEST, len(MEDIA), tmp_path / "scratch").read_bytes() == MEDIA


def test_the_same_media_are_put_once(store: MediaStore, recording: Path) -> None:
    first = store.put(recording, DIGEST, len(MEDIA))
    recording.unlink()  # A second put needs no bytes any more.
    assert store.put(recording, DIGEST, len(MEDIA)) == first


def test_a_file_that_changed_since_its_digest_was_taken_is_not_kept(
    store: MediaStore, recording: Path, tmp_path: Path
) -> None:
    for changed in (MEDIA[:-1] + b"!", MEDIA[:-1], MEDIA + b"!"):
        recording.write_bytes(changed)
        with pytest.raises(SourceError, match="changed"):
            store.put(recording, DIGEST, len(MEDIA))
        with pytest.raises(FileNotFoundError):
            store.fetch(DIGEST, len(MEDIA), tmp_path / "scratch")


def test_a_file_that_is_gone_is_no_fault_of_the_store(store: MediaStore, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        store.put(tmp_path / "gone.wav", DIGEST, len(MEDIA))


def test_what_a_store_does_not_have_is_not_found(store: MediaStore, recording: Path, tmp_path: Path) -> None:
    store.put(recording, DIGEST, len(MEDIA))
    with pytest.raises(FileNotFoundError):
        store.fetch("0" * 64, 1, tmp_path / "scratch")


def test_bytes_that_were_changed_in_the_store_are_refused(store: MediaStore, recording: Path, tmp_path: Path) -> None:
    store.put(recording, DIGEST, len(MEDIA))
    for length, changed in ((len(MEDIA), MEDIA[:-1] + b"!"), (len(MEDIA), MEDIA[:-1]), (10, MEDIA)):
        _overwrite(store, changed)
        with pytest.raises(Undecodable) as refused:
            store.fetch(DIGEST, length, tmp_path / "scratch")
        assert refused.value.reason == "changed"
    assert not list((tmp_path / "scratch").glob("*"))


def _overwrite(store: MediaStore, changed: bytes) -> None:
    if isinstance(store, media_store.FolderStore):
        (store.root / DIGEST[:2] / DIGEST).write_bytes(changed)
        return
    fsspec = importlib.import_module("fsspec")
    fsspec.filesystem("memory").pipe_file(f"{store.url}/{DIGEST[:2]}/{DIGEST}", changed)


def test_a_folder_shows_an_object_whole_or_not_at_all(tmp_path: Path, recording: Path) -> None:
    """What a producer that was killed left behind lies under another name, and the next put is not misled by it."""
    store = open_media_store((tmp_path / "media").as_uri())
    folder = tmp_path / "media" / DIGEST[:2]
    folder.mkdir(parents=True)
    (folder / f".{DIGEST}.0123456789abcdef").write_bytes(MEDIA[:1000])
    with pytest.raises(FileNotFoundError):
        store.fetch(DIGEST, len(MEDIA), tmp_path)
    store.put(recording, DIGEST, len(MEDIA))
    assert store.fetch(DIGEST, len(MEDIA), tmp_path).read_bytes() == MEDIA


def test_a_folder_is_flushed_before_the_object_has_its_name(
    tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_media_store((tmp_path / "media").as_uri())
    named = tmp_path / "media" / DIGEST[:2] / DIGEST
    seen: list[bool] = []
    flush = os.fsync

    def noted(handle: int) -> None:
        seen.append(named.exists())
        flush(handle)

    monkeypatch.setattr(os, "fsync", noted)
    store.put(recording, DIGEST, len(MEDIA))
    assert seen[0] is False and (len(seen) == 3 or os.name == "nt")
    assert all(seen[1:])


def test_a_share_that_is_not_mounted_is_a_store_that_is_down(tmp_path: Path) -> None:
    with pytest.raises(MediaStoreDown, match="mounted"):
        open_media_store((tmp_path / "nowhere").as_uri()).fetch(DIGEST, 1, tmp_path)


def test_a_folder_that_cannot_be_written_is_a_store_that_is_down(tmp_path: Path, recording: Path) -> None:
    (tmp_path / "media").write_bytes(b"a file where a folder should be")
    with pytest.raises(MediaStoreDown, match="cannot be written"):
        open_media_store((tmp_path / "media").as_uri()).put(recording, DIGEST, len(MEDIA))


@pytest.mark.parametrize("url", ["", "media", "/mnt/media", "s3:/bucket", "s3://", "file://", "s3://a bucket"])
def test_what_is_no_url_is_told_how_to_write_one(url: str) -> None:
    with pytest.raises(MediaStoreError, match="file:///"):
        open_media_store(url)


def test_a_path_that_is_not_whole_is_refused() -> None:
    with pytest.raises(MediaStoreError, match="three slashes"):
        open_media_store("file://media/here")


def test_a_kind_of_store_that_nobody_knows_is_named() -> None:
    pytest.importorskip("fsspec", reason="needs the kafka extra")
    with pytest.raises(MediaStoreError, match="'tape'"):
        open_media_store("tape://robot/media")


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec", reason="needs the kafka extra")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MediaStoreError, match="pip install s3fs"):
        open_media_store("s3://bucket/media")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MediaStoreError, match="pip install fsspec"):
        open_media_store("s3://bucket/media")


class Refusing:
    """A file system whose service says no in its own words."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def info(self, path: str) -> dict[str, object]:
        raise self.error

    def put_file(self, lpath: str, rpath: str) -> None:
        raise AssertionError("nothing is sent to a store that does not answer")

    def open(self, path: str, mode: str) -> object:
        raise self.error

    def makedirs(self, path: str, exist_ok: bool) -> None:
        raise AssertionError("nothing is sent to a store that does not answer")

    def invalidate_cache(self) -> None:
        pass


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError("403"), "check its key and secret"),
        (OSError("500 Internal"), "500 Internal"),
        (TimeoutError("slow"), "slow"),
        (ConnectionError("refused"), "refused"),
    ],
)
def test_a_bucket_that_does_not_answer_is_down_not_missing(
    error: Exception, says: str, recording: Path, tmp_path: Path
) -> None:
    store = media_store.RemoteStore("s3://bucket/media", Refusing(error))  # type: ignore[arg-type]
    with pytest.raises(MediaStoreDown, match=says):
        store.fetch(DIGEST, len(MEDIA), tmp_path)
    with pytest.raises(MediaStoreDown, match=says):
        store.put(recording, DIGEST, len(MEDIA))


def of_a_client(module: str, name: str, words: str, **attributes: object) -> Exception:
    """An error of a client that need not be installed, with its own base class: Exception."""
    return cast(Exception, type(name, (Exception,), {"__module__": module, **attributes})(words))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (of_a_client("gcsfs.retry", "HttpError", "Backend Error, 503", code=503), "HttpError: Backend Error, 503"),
        (of_a_client("gcsfs.retry", "HttpError", "Invalid Credentials, 401", code=401), "refuses: check its key"),
        (of_a_client("gcsfs.retry", "ChecksumError", "md5"), "ChecksumError: md5"),
        (of_a_client("google.auth.exceptions", "RefreshError", "no token"), "RefreshError: no token"),
        (OSError("Forbidden: bucket/media"), "refuses: check its key"),
        (ValueError("Bad Request: bucket/media\ninvalid"), "ValueError: Bad Request: bucket/media invalid"),
        (RuntimeError("Internal"), "RuntimeError: Internal"),
        (of_a_client("azure.core.exceptions", "ServiceRequestError", "no route"), "ServiceRequestError: no route"),
        (of_a_client("azure.core.exceptions", "HttpResponseError", "no", status_code=403), "refuses: check its key"),
        (of_a_client("botocore.exceptions", "ClientError", ""), "as it should: ClientError$"),
    ],
)
def test_what_clients_raise_in_kinds_of_their_own_is_a_store_that_is_down(
    error: Exception, says: str, recording: Path, tmp_path: Path
) -> None:
    store = media_store.RemoteStore("gs://bucket/media", Refusing(error))  # type: ignore[arg-type]
    with pytest.raises(MediaStoreDown, match=says):
        store.fetch(DIGEST, len(MEDIA), tmp_path)
    with pytest.raises(MediaStoreDown, match=says):
        store.put(recording, DIGEST, len(MEDIA))


def test_the_key_in_a_signed_address_is_not_repeated(tmp_path: Path) -> None:
    words = "Cannot connect to https://store.example/media/a.wav?sig=s3cr3t&se=2027 [timed out]"
    store = media_store.RemoteStore("az://media", Refusing(OSError(words)))  # type: ignore[arg-type]
    with pytest.raises(MediaStoreDown, match=r"a\.wav\?… \[timed out\]$"):
        store.fetch(DIGEST, len(MEDIA), tmp_path)


def test_an_error_of_ours_is_not_taken_for_one_of_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be waited for, for ever."""
    store = media_store.RemoteStore("gs://bucket/media", Refusing(AttributeError("a bug")))  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        store.fetch(DIGEST, len(MEDIA), tmp_path)
    files = Full()
    monkeypatch.setattr(files, "info", lambda path: {"size": "many"})  # What we make of it is a ValueError.
    with pytest.raises(ValueError, match="many"):
        media_store.RemoteStore("gs://bucket/media", files).fetch(DIGEST, len(MEDIA), tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Must provide either a connection_string or account_name with credentials!!"),
        of_a_client("google.auth.exceptions", "DefaultCredentialsError", "no credentials were found"),
    ],
)
def test_a_store_that_this_machine_is_not_set_up_for_says_what_its_client_says(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs the kafka extra")

    def refuse(kind: str) -> object:
        raise error

    monkeypatch.setattr(fsspec, "filesystem", refuse)
    with pytest.raises(MediaStoreError) as refused:
        open_media_store("az://container/media")
    assert str(error) in str(refused.value) and "no kind of store" not in str(refused.value)


class Full(Refusing):
    """A store that answers; it is this machine that has no room."""

    def __init__(self) -> None:
        super().__init__(AssertionError())

    def info(self, path: str) -> dict[str, object]:
        return {"size": len(MEDIA)}

    def open(self, path: str, mode: str) -> object:
        return io.BytesIO(MEDIA)


def test_no_room_for_a_copy_is_said_of_this_machine_and_not_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "scratch").write_bytes(b"a file where a folder should be")
    store = media_store.RemoteStore("gs://bucket/media", Full())  # type: ignore[arg-type]
    with pytest.raises(MediaStoreDown, match="TMPDIR"):
        store.fetch(DIGEST, len(MEDIA), tmp_path / "scratch")
    assert store.fetch(DIGEST, len(MEDIA), tmp_path / "other").read_bytes() == MEDIA


class Breaking(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise OSError("connection reset")


def test_a_store_that_breaks_off_is_not_said_to_be_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Full()
    monkeypatch.setattr(files, "open", lambda path, mode: Breaking())
    with pytest.raises(MediaStoreDown, match="connection reset") as down:
        media_store.RemoteStore("gs://bucket/media", files).fetch(DIGEST, len(MEDIA), tmp_path)  # type: ignore[arg-type]
    assert "TMPDIR" not in str(down.value)
    assert list(tmp_path.iterdir()) == []
