"""A camera on loopback: JPEGs over HTTP (multipart/x-mixed-replace), which can go away and come back on its port."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def noisy(k: int, level: int = 100, size: tuple[int, int] = (320, 240)) -> Pixels:
    """A grey wall as a camera shows it: every picture has its own noise, of 3 levels either way."""
    noise = np.random.default_rng(k).integers(-3, 4, (size[1], size[0], 1))
    return np.repeat(np.clip(noise + level, 0, 255), 3, axis=2).astype(np.uint8)


def jpeg(pixels: Pixels) -> bytes:
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())


class MjpegServer:
    """Sends `picture(k)`, k = 0, 1, 2 … over the server's life, to whoever asks, `fps` times a second."""

    def __init__(self, picture: Callable[[int], bytes], *, fps: float = 20.0, login: str = "") -> None:
        self.picture, self.fps = picture, fps
        self.wanted = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
        self.sent: list[tuple[float, bytes]] = []
        """(monotonic time, bytes) of what went out."""
        self.port = 0
        self._going = threading.Event()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/video"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """On a free port the first time, and on the same one again."""
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if camera.wanted and self.headers.get("Authorization") != camera.wanted:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                    self.end_headers()
                    return
                camera._serve(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._going.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Gone: streams break off, and nothing listens."""
        self._going.clear()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        began, k = time.monotonic(), 0
        while self._going.is_set():
            data = self.picture(len(self.sent))
            self.sent.append((time.monotonic(), data))
            try:
                handler.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
                handler.wfile.write(data + b"\r\n")
            except OSError:
                return
            k += 1
            time.sleep(max(began + k / self.fps - time.monotonic(), 0))
