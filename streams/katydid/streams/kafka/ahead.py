"""Fetching ahead: several media at once, and their captures handed on in the order in which their messages came.

    message 1 ─▶ fetch ──────────────▶ put 1          one lane: `put 2` waits for `put 1`, whichever was
    message 2 ─▶ fetch ─▶ (waits) ──────────▶ put 2   fetched first
    message 3    waits for room: `at_once` are being fetched or wait for their turn

What waits here are references, a few hundred bytes each, and what they refer to lies on the disk: memory stays bounded.
All of `Ahead` runs on one event loop; `fetched_ahead` is the same for a reader that has none.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from katydid.streams.kafka.deliveries import Lane

T = TypeVar("T")
R = TypeVar("R")


def fetched_ahead(items: Iterable[T], fetch: Callable[[T], R], at_once: int) -> Iterator[R]:
    """What `fetch` makes of each item, in order, while up to `at_once` are being fetched by threads. Raises what
    `fetch` raises, in its turn."""
    under_way: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(at_once, "katydid-media")
    try:
        for item in items:
            under_way.append(pool.submit(fetch, item))
            if len(under_way) >= at_once:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class Ahead:
    """`failed` is told what a fetch or put raised: nothing of that lane is put behind it."""

    def __init__(self, at_once: int, failed: Callable[[BaseException], None]) -> None:
        self._room = asyncio.Semaphore(at_once)
        self._failed = failed
        self._last: dict[Lane, asyncio.Task[bool]] = {}

    async def turn(self, lane: Lane) -> None:
        """Returns when everything that was fetched for this lane is put; CancelledError where that failed."""
        last = self._last.get(lane)
        if last is not None and not await asyncio.shield(last):
            raise asyncio.CancelledError

    async def take(self, lane: Lane, fetch: Callable[[], Awaitable[T]], put: Callable[[T], Awaitable[None]]) -> None:
        """Begin to fetch, as soon as there is room; what comes of it is `put` in its turn."""
        await self._room.acquire()
        task = asyncio.create_task(self._one(self._last.get(lane), fetch, put))
        self._last[lane] = task
        task.add_done_callback(lambda done: self._over(lane, done))

    async def _one(
        self, before: asyncio.Task[bool] | None, fetch: Callable[[], Awaitable[T]], put: Callable[[T], Awaitable[None]]
    ) -> bool:
        """Whether it was put."""
        try:
            found = await fetch()
            if before is not None and not await before:
                return False
            await put(found)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - a supervising loop: the host is told, and nothing follows
            self._failed(error)
            return False
        return True

    def _over(self, lane: Lane, task: asyncio.Task[bool]) -> None:
        self._room.release()
        if self._last.get(lane) is task and not task.cancelled() and task.result():
            del self._last[lane]
