"""Lines, until they are durable or refused for ever.

Lines that are answered with 400, 413 or 422 are halved, and both halves sent, down to the poison lines: those are
refused and all others stored. Every other answer is the business of `patience.py`.

After 422 some of the lines have been stored, and its `dropped=` count cannot be trusted. Sending them again changes
nothing, because a point is known by its measurement, tags and time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from katydid.streams.store.influx.answers import Refusal
from katydid.streams.store.influx.patience import Insistence

LINES, BYTES = 5_000, 2**20
"""Most in one request. The client's HTTP library copies larger bodies in one piece, and warns of it."""
IN_FLIGHT = 4
"""Requests at a time."""


@dataclass(frozen=True)
class Refused:
    """A line that the server will never take."""

    index: int
    """Its place among the lines that were given."""
    reason: str


class Writer:
    """Writes lines through `send`, which raises Refusal or NoAnswer. Lives on one event loop."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]], insistence: Insistence) -> None:
        self._send = send
        self._insist = insistence.insist
        self._slots = asyncio.Semaphore(IN_FLIGHT)

    async def write(self, lines: Sequence[bytes]) -> list[Refused]:
        """Durable when it returns, but for the lines that it returns. Raises StoreUnusable, StoreUnreachable; then
        any of the lines may have been stored."""
        tasks = [asyncio.create_task(self._piece(start, lines[start:end])) for start, end in requests(lines)]
        try:
            settled = await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        return [refused for piece in settled for refused in piece]

    async def _piece(self, start: int, lines: Sequence[bytes]) -> list[Refused]:
        async with self._slots:
            return [Refused(start + refused.index, refused.reason) for refused in await self._settle(lines)]

    async def _settle(self, lines: Sequence[bytes]) -> list[Refused]:
        """Send, and where the lines are refused, each half of them."""
        body = b"\n".join(lines)
        try:
            await self._insist(lambda: self._send(body))
        except Refusal as refusal:
            if len(lines) == 1:
                return [Refused(0, f"InfluxDB answers {refusal}")]
            middle = len(lines) // 2
            first, second = await self._settle(lines[:middle]), await self._settle(lines[middle:])
            return first + [Refused(middle + refused.index, refused.reason) for refused in second]
        return []


def requests(lines: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Start and end of each request: at most LINES, and BYTES but for a line that is longer by itself."""
    start = size = 0
    for place, line in enumerate(lines):
        if place > start and (place - start >= LINES or size + len(line) > BYTES):
            yield start, place
            start, size = place, 0
        size += len(line) + 1
    if start < len(lines):
        yield start, len(lines)
