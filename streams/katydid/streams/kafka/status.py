"""/metrics, /healthz and /readyz on one small port, from a thread of its own: it answers also when the event loop does
not, and that is when it is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from katydid.streams.kafka.errors import ConfigurationError
from katydid.streams.kafka.liveness import Verdict


class StatusServer:
    """Serves until it is closed. `gauge` sets what is read and not counted, before it is told."""

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        verdict: Callable[[], Verdict],
        gauge: Callable[[], None] = lambda: None,
    ) -> None:
        try:
            self._server = ThreadingHTTPServer((host, port), _handler(registry, verdict, gauge))
        except OSError as error:
            raise ConfigurationError(
                f"metrics cannot be served on {host}:{port} ({error.strerror or error}): choose another metrics.port"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="katydid-status", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def _judged(verdict: Callable[[], Verdict]) -> Verdict:
    """A worker that nobody can look at is not taken for a good one."""
    try:
        return verdict()
    except Exception as error:  # noqa: BLE001 - whoever asks must have an answer
        return Verdict(False, False, f"the worker cannot be looked at: {type(error).__name__}: {error}")


def _told(registry: CollectorRegistry, gauge: Callable[[], None]) -> bytes:
    """The metrics as they are now; counters also where the gauges cannot be read, which `watch.py` tells."""
    with suppress(Exception):
        gauge()
    return generate_latest(registry)


def _handler(
    registry: CollectorRegistry, verdict: Callable[[], Verdict], gauge: Callable[[], None]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, _told(registry, gauge), CONTENT_TYPE_LATEST)
            elif path in ("/healthz", "/readyz"):
                found = _judged(verdict)
                good = found.alive if path == "/healthz" else found.ready
                self._answer(200 if good else 503, (found.words + "\n").encode(), "text/plain; charset=utf-8")
            else:
                self._answer(404, b"/metrics, /healthz, /readyz\n", "text/plain; charset=utf-8")

        def _answer(self, code: int, body: bytes, media_type: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Being asked is no news."""

    return Handler
