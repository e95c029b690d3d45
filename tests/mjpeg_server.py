"""A camera on loopback: JPEGs over HTTP (multipart/x-mixed-replace), which can go away and come back on its port."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
from numpy.typing import NDArray

from loopback_camera import LoopbackCamera

Pixels = NDArray[np.uint8]


def noisy(k: int, level: int = 100, size: tuple[int, int] = (320, 240)) -> Pixels:
    """A grey wall as a camera shows it: every picture has its own noise, of 3 levels either way."""
    noise = np.random.default_rng(k).integers(-3, 4, (size[1], size[0], 1))
    return np.repeat(np.clip(noise + level, 0, 255), 3, axis=2).astype(np.uint8)


def jpeg(pixels: Pixels) -> bytes:
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())


class MjpegServer(LoopbackCamera):
    """Sends pictures to whoever asks; k counts over the server's life."""

    def __init__(self, picture: Callable[[int], bytes], *, fps: float = 20.0, login: str = "") -> None:
        super().__init__(picture, fps=fps, login=login)
        self.sent: list[tuple[float, bytes]] = []
        """(monotonic time, bytes) of what went out."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/video"

    def _listening(self) -> ThreadingHTTPServer:
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

        return ThreadingHTTPServer(("127.0.0.1", self.port), Handler)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        began, k = time.monotonic(), 0
        while self.going.is_set():
            data = self.picture(len(self.sent))
            self.sent.append((time.monotonic(), data))
            try:
                handler.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
                handler.wfile.write(data + b"\r\n")
            except OSError:
                return
            k += 1
            time.sleep(max(began + k / self.fps - time.monotonic(), 0))
