"""What stands between the workers and the store: passes everything on, or answers in its place, or lets it wait.

A real HTTP server on loopback in a thread of its own, so that the store's client meets real answers.
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self

from aiohttp import ClientError, ClientSession, ClientTimeout, web

LOOPBACK = "127.0.0.1"
LARGEST_BODY = 64 * 2**20
HOP_BY_HOP = frozenset({"connection", "host", "keep-alive", "transfer-encoding", "content-length", "content-encoding"})


class StoreFront:
    """Passes requests on to `target` ("http://HOST:PORT"); `url` is its own address.

    `answer(503)` answers every write with 503 until `pass_on()`; `answer(400, times=1)` only the next one;
    `delay(2.0)` lets every write wait that many seconds. `hits` counts the writes that met a fault.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.url = ""
        self.hits = 0
        self.unreached = 0
        """Requests that found no store, since the start."""
        self.failed = 0
        """Writes that the store itself answered with 500 or more, since the start."""
        self._lock = threading.Lock()
        self._status: int | None = None
        self._left: int | None = None
        self._delay_s = 0.0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-front", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10.0):
            raise TimeoutError("the front of the store did not start within 10 s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)

    def answer(self, status: int, times: int | None = None) -> None:
        """Answer writes with `status` instead of the store; `times`: only so many of them."""
        with self._lock:
            self._status, self._left, self.hits = status, times, 0

    def delay(self, seconds: float) -> None:
        """Let every write wait."""
        with self._lock:
            self._delay_s, self.hits = seconds, 0

    def pass_on(self) -> None:
        """No fault any more."""
        with self._lock:
            self._status, self._left, self._delay_s = None, None, 0.0

    # ------------------------------------------------------------------ inside the thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._stop())
        self._loop.close()

    async def _start(self) -> None:
        self._session = ClientSession(timeout=ClientTimeout(total=60.0), auto_decompress=False)
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://{LOOPBACK}:{port}"

    async def _stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    def _fault(self) -> tuple[int | None, float]:
        """What the next write meets: a status instead of the store's, and a wait."""
        with self._lock:
            status, wait = self._status, self._delay_s
            if status is not None and self._left is not None:
                self._left -= 1
                if self._left == 0:
                    self._status = None
            self.hits += status is not None or wait > 0
            return status, wait

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.path == "/api/v2/write":
            status, wait = self._fault()
            await asyncio.sleep(wait)
            if status is not None:
                return web.json_response({"code": "fault", "message": f"made to answer {status}"}, status=status)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        if "Content-Encoding" in request.headers:
            headers["Content-Encoding"] = request.headers["Content-Encoding"]
        try:
            async with self._session.request(
                request.method, f"{self.target}{request.path_qs}", data=body, headers=headers
            ) as answer:
                content = await answer.read()
                self.failed += answer.status >= 500
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
                if "Content-Encoding" in answer.headers:
                    kept["Content-Encoding"] = answer.headers["Content-Encoding"]
                return web.Response(status=answer.status, body=content, headers=kept)
        except (ClientError, TimeoutError):
            self.unreached += 1
            return web.Response(status=503, text="the store does not answer")
