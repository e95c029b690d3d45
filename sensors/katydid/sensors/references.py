"""From a capture to its media: bytes that travel inside it, a file of this machine, or an object in a media store.

Two hosts, two kinds of reference, one place:

    embedded    a folder source refers to a large file by its path. It wrote that reference itself a moment ago, so
                `open_media` opens it as it stands.
    Kafka       a reference comes from somebody else. `References.local` follows it only where it is, letter for letter,
                the URL that one of the allowed stores gives to that digest, so that no path of a stranger is ever
                opened; fetches and verifies the media; and hands on a capture that `open_media` can open.

What cannot be had is a refused capture, never an exception, with one of these reasons:

    not_allowed     the reference points to no store of ours
    missing         it is not there, after the tries that were asked for
    changed         other bytes than those that were sent
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from katydid.sensors.capture import Capture, Kind, MediaRef
from katydid.sensors.errors import MediaStoreDown, RefusedMedia, SourceError, Undecodable
from katydid.sensors.limits import Limits, check_bytes
from katydid.sensors.media_store import MediaStore, local_path, object_url, open_media_store

Pause = Callable[[float], bool]
"""Wait for so many seconds; True where the waiter was told to stop."""


def open_media(capture: Capture) -> bytes | Path:
    """What decoders take: the bytes of a frame, the bytes or the file of a clip.

    A reference is opened as it stands: of what came over a network, only what `References.local` gave is for here.
    Raises Undecodable("unreadable") where the file of a large frame is gone.
    """
    if capture.payload is not None:
        return capture.payload
    if capture.payload_ref is None:
        raise SourceError(f"the capture {capture.capture_id} has neither bytes nor a reference to them")
    path = local_path(capture.payload_ref.url)
    if capture.kind is Kind.CLIP:
        return path
    try:
        return path.read_bytes()
    except OSError as exc:
        raise Undecodable("unreadable", f"the file cannot be read any more: {exc.strerror}") from exc


class References:
    """Follows references into the stores that are allowed, and no others.

    `stores` are their URLs; `scratch` is a folder for copies of media from buckets, which `release` deletes. What is
    not there is asked for `tries` times, after `wait_s` seconds, then twice as many, and so on. Any number of threads
    may use one.
    """

    def __init__(
        self,
        stores: Sequence[str],
        *,
        scratch: Path,
        limits: Limits | None = None,
        tries: int = 5,
        wait_s: float = 1.0,
        pause: Pause | None = None,
    ) -> None:
        self._stores = tuple(open_media_store(url) for url in stores)
        self._scratch = scratch
        self._limits = limits or Limits()
        self._tries = tries
        self._wait_s = wait_s
        self._pause = pause or _sleep

    def local(self, capture: Capture) -> Capture:
        """The capture as `open_media` can open it; as it is, where it refers to nothing.

        What cannot be had is a refused capture. Raises MediaStoreDown where a store does not answer: nothing is wrong
        with the capture then, and the same call later may succeed.
        """
        ref = capture.payload_ref
        if ref is None:
            return capture
        try:
            check_bytes(ref.length, self._limits, capture.kind)
            path = self._fetched(self._store_of(ref), ref)
        except RefusedMedia as refusal:
            return msgspec.structs.replace(
                capture, payload=b"", payload_ref=None, refusal=f"{refusal.reason}: {refusal}"
            )
        return msgspec.structs.replace(capture, payload_ref=msgspec.structs.replace(ref, url=str(path)))

    def release(self, capture: Capture) -> None:
        """The outcome of a capture from `local` is durable: its copy, where there is one, can go."""
        if capture.payload_ref is None:
            return
        path = local_path(capture.payload_ref.url)
        if path.parent == self._scratch:
            with contextlib.suppress(OSError):  # On Windows a file that is still open stays until the next start.
                path.unlink()

    def _store_of(self, ref: MediaRef) -> MediaStore:
        for store in self._stores:
            if ref.url == object_url(store.url, ref.sha256):
                return store
        raise Undecodable("not_allowed", "the reference points to no media store that this worker is allowed to read")

    def _fetched(self, store: MediaStore, ref: MediaRef) -> Path:
        for number in range(1, self._tries + 1):
            try:
                return store.fetch(ref.sha256, ref.length, self._scratch)
            except FileNotFoundError:
                if number < self._tries and self._pause(self._wait_s * 2 ** (number - 1)):
                    raise MediaStoreDown("told to stop while waiting for media that are not there yet") from None
        raise Undecodable("missing", f"the media are not in {store.url}, in {self._tries} looks")


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False
