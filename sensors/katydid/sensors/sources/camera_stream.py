"""A camera's stream: where it is, how it is opened, and one picture of it. OpenCV (with FFmpeg) does the work.

**Addresses.** A number is a device of this machine; `rtsp://`, `rtsps://`, `http://` and `https://` a stream (MJPEG
over HTTP, or what FFmpeg reads); anything else a video file. User and password in an address, and what stands behind
its "?", go to the camera and nowhere else: `Address.shown` is what messages, names and files get.

**Encoded once.** Of a stream of JPEGs the camera's own bytes are kept, byte for byte, and are checked against the
limits before they are decoded at all. Other streams (H.264, a device) come decoded, and are encoded when they are kept.
"""

from __future__ import annotations

import hashlib
import os
import re
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.sensors import images
from katydid.sensors.errors import OverLimit, RefusedMedia, SourceError
from katydid.sensors.limits import Limits

SMALL_WIDTH = 320
"""Of the grey pictures in which motion is looked for, pixels."""
_STREAMS = ("rtsp", "rtsps", "http", "https")
ANSWER_MS = 10_000
"""For how long a network camera is waited for, to open and for each picture."""
_MJPEG = (b"MJPG", b"mjpg", b"JPEG", b"jpeg")
_VALUE = re.compile(r"=[^/]*")
"""Some cameras want /user=…_password=… in the path."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a camera is. Only `shown` and `name` may be written anywhere."""

    target: str | int
    shown: str
    name: str
    """A part for the name of a sensor that has none."""
    live: bool
    network: bool
    size: tuple[int, int] | None = None
    """Width and height to ask a device for; it may give another."""

    def __repr__(self) -> str:
        return f"Address({self.shown})"


class Picture:
    """One picture of a stream: its JPEG as the camera sent it, or pixels BGR uint8 [H, W, 3]."""

    def __init__(self, *, data: bytes | None = None, pixels: NDArray[np.uint8] | None = None) -> None:
        self.data = data
        self.pixels = pixels

    def signature(self) -> bytes:
        """The same for the same picture bit by bit; of pixels every fourth in either direction is looked at."""
        content = (self.data or b"") if self.pixels is None else self.pixels[::4, ::4].tobytes()
        return hashlib.blake2b(content, digest_size=16).digest()

    def grey(self) -> NDArray[np.uint8]:
        """Small and grey, uint8 [h, about 320]. Raises Undecodable."""
        pixels, turn = self.pixels, cv2.COLOR_BGR2GRAY
        if pixels is None:
            pixels, turn = (
                images.decode(self.data or b"", Limits(), short_side=SMALL_WIDTH // 4).pixels,
                cv2.COLOR_RGB2GRAY,
            )
        height = max(round(pixels.shape[0] * SMALL_WIDTH / pixels.shape[1]), 1)
        small = cv2.resize(pixels, (SMALL_WIDTH, height), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(small, turn), dtype=np.uint8)

    def jpeg(self, quality: int) -> bytes:
        """The camera's own JPEG, else one of that quality (1-100)."""
        if self.pixels is None:
            return self.data or b""
        done, encoded = cv2.imencode(".jpg", self.pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            raise SourceError(f"a picture of shape {self.pixels.shape} could not be written as JPEG")
        return bytes(encoded.tobytes())


class Stream:
    """An open stream. `grab` takes the next picture off it, `picture` makes it ready for use."""

    def __init__(self, capture: cv2.VideoCapture, limits: Limits, *, raw: bool) -> None:
        self._capture = capture
        self._limits = limits
        self.raw = raw

    def grab(self) -> bool:
        """The next picture; False where the stream has ended or did not answer for ten seconds."""
        return bool(self._capture.grab())

    def film_s(self) -> float:
        """Of a film: seconds since its start of the picture that was grabbed."""
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000.0

    def picture(self) -> Picture | None:
        """The picture that was grabbed; None where it is broken. Raises OverLimit where it is too large."""
        try:
            found, content = self._capture.retrieve()
        except cv2.error:
            return None
        if not found or content is None:
            return None
        if not self.raw:
            check_size(content.shape[1], content.shape[0], self._limits)
            return Picture(pixels=np.asarray(content, dtype=np.uint8))
        data = bytes(content.tobytes())
        try:
            header = images.probe(data, self._limits)
        except OverLimit:
            raise
        except RefusedMedia:
            return None
        return Picture(data=data) if header.media_type == "image/jpeg" else None

    def close(self) -> None:
        self._capture.release()


def read_address(text: str, *, password: str = "") -> Address:
    """The camera that a user means. `password` goes into an address that has a user and none. Raises SourceError."""
    if text.isascii() and text.isdigit():
        number = int(text)
        return Address(target=number, shown=f"camera {number}", name=f"camera-{number}", live=True, network=False)
    scheme = _SCHEME.match(text)
    if scheme is None:
        path = Path(text)
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-._") or "film"
        return Address(target=str(path), shown=str(path), name=name[:64], live=False, network=False)
    if scheme[1].lower() not in _STREAMS:
        raise SourceError(f"{scheme[1]}:// is no stream that can be read: {', '.join(_STREAMS)} can")
    try:
        return _network(urllib.parse.urlsplit(text), password)
    except ValueError:  # Whose words quote what stands in the address.
        raise SourceError("the address of the camera cannot be read: rtsp://USER@HOST:PORT/PATH is wanted") from None


def _network(parts: urllib.parse.SplitResult, password: str) -> Address:
    if not parts.hostname:
        raise SourceError("the address of the camera names no host: rtsp://USER@HOST:PORT/PATH is wanted")
    if parts.password is None and "@" in parts.path + parts.query + parts.fragment:
        raise SourceError("an '@' stands behind the host of the camera: write / ? # @ in a password as %2F %3F %23 %40")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = f"{host}:{parts.port}" if parts.port else host
    full = parts
    if parts.username and parts.password is None and password:
        full = parts._replace(netloc=f"{parts.username}:{urllib.parse.quote(password, safe='')}@{where}")
    asked = "?…" if parts.query else ""
    return Address(
        target=urllib.parse.urlunsplit(full),
        shown=f"{parts.scheme}://{where}{_VALUE.sub('=…', parts.path)}{asked}",
        name="camera-" + re.sub(r"[^A-Za-z0-9.-]+", "-", parts.hostname).strip("-."),
        live=True,
        network=True,
    )


def open_stream(address: Address, limits: Limits) -> Stream | None:
    """The stream, or None where nothing (usable) answers within ten seconds. Raises OverLimit for too large a picture.

    OpenCV and FFmpeg are told to be silent, for their messages quote the address.
    """
    quiet()
    target = address.target
    if isinstance(target, int):
        capture = cv2.VideoCapture(target)
        if address.size is not None:  # As JPEGs, for what comes uncompressed over USB comes slowly at full size.
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, address.size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, address.size[1])
    else:
        patience: Sequence[int] = (
            [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, ANSWER_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, ANSWER_MS]
            if address.network
            else []
        )
        capture = cv2.VideoCapture(target, cv2.CAP_FFMPEG, patience)
    if not capture.isOpened():
        capture.release()
        return None
    try:
        check_size(int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), limits)
    except OverLimit:
        capture.release()
        raise
    return Stream(capture, limits, raw=address.network and _raw(capture))


def quiet() -> None:
    """OpenCV's log off: it writes addresses with their passwords."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def check_size(width: int, height: int, limits: Limits) -> None:
    """Raise OverLimit where a stream's pictures are larger than a sensor may send."""
    if width * height > limits.max_pixels:
        raise OverLimit("too_many_pixels", f"pictures of {width} x {height} are over {limits.max_pixels:,} pixels")


def _raw(capture: cv2.VideoCapture) -> bool:
    """Ask for the JPEGs themselves, where it is a stream of them."""
    code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
    return code.to_bytes(4, "little") in _MJPEG and bool(capture.set(cv2.CAP_PROP_FORMAT, -1))
