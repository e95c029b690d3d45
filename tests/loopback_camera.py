"""What the cameras on loopback have in common: they come, go away, and come back on the same port."""

from __future__ import annotations

import base64
import socketserver
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self


class LoopbackCamera(ABC):
    """Sends `picture(k)`, k = 0, 1, 2 …, `fps` times a second while it is there."""

    def __init__(self, picture: Callable[[int], bytes], *, fps: float = 20.0, login: str = "") -> None:
        self.picture, self.fps = picture, fps
        self.wanted = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
        self.port = 0
        self.going = threading.Event()
        self._server: socketserver.TCPServer | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it is."""

    @abstractmethod
    def _listening(self) -> socketserver.TCPServer:
        """A server that is bound to `port`, 0 for any."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """On a free port the first time, and on the same one again."""
        self.going.set()
        self._server = self._listening()
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Gone: streams break off, and nothing listens."""
        self.going.clear()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
