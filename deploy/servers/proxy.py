"""A TCP proxy on loopback that makes a network's faults: late, slow, in small pieces, silent, reset, cut.

Every fault can be set and taken away while connections are open, from any thread. Faults act on both directions, and on
all connections alike:

==================  ====================================================================================================
``latency_s``       each piece arrives that much later, its order kept; a round trip is longer by twice that
``bytes_per_s``     no direction of a connection carries more
``piece_bytes``     what came as one read leaves in pieces of this size, a millisecond apart
:meth:`half_open`   nothing flows any more, and nobody is told: how a dead peer or a pulled cable looks
:meth:`reset`       open connections end with RST; new ones are welcome
:meth:`cut`         open connections end and new ones are refused, until :meth:`heal`
==================  ====================================================================================================

A Kafka client learns the broker's own address and goes past a proxy: see ``proxy_port`` of
:class:`servers.kafka.KafkaServer`.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from types import TracebackType
from typing import Self, TypeVar

from servers.ports import LOOPBACK, free_ports

READ_BYTES = 64 * 1024
PIECES_IN_FLIGHT = 64
PIECE_PAUSE_S = 0.001
CALL_WITHIN_S = 10.0
# struct linger: on, and for no time at all. Closing then sends RST.
LINGER_NOT = struct.pack("ii", 1, 0)

Answer = TypeVar("Answer")


class Proxy:
    """Listens on ``port`` and forwards to ``target``; both are ports of loopback. A context manager.

    Args:
        target: the server's port; may be set later, and changed.
        port: its own port; a free one where None.
    """

    def __init__(self, target: int = 0, *, port: int | None = None) -> None:
        self.target = target
        self.port = port or free_ports(1)[0]
        self.latency_s = 0.0
        self.bytes_per_s = 0.0
        self.piece_bytes = 0
        self.forwarded = 0
        """Bytes that have gone through, both ways together."""
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()
        self._call(self._listen())

    @property
    def connections(self) -> int:
        """How many connections are open through it now."""
        return len(self._links)

    def half_open(self) -> None:
        """Let nothing through any more, with every connection left open, and new ones accepted but never served."""
        self._call(self._stop_flow())

    def reset(self) -> None:
        """End every open connection with RST, at both ends."""
        self._call(self._end_links(reset=True))

    def cut(self) -> None:
        """End every open connection and refuse new ones."""
        self._call(self._refuse())

    def heal(self) -> None:
        """Take every fault away."""
        self.latency_s, self.bytes_per_s, self.piece_bytes = 0.0, 0.0, 0
        self._call(self._listen())

    def close(self) -> None:
        """End every connection and stop listening, for good."""
        if self._loop.is_closed():
            return
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, work: Coroutine[None, None, Answer]) -> Answer:
        """Do it in the proxy's own thread, which alone touches its connections."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_WITHIN_S)

    async def _listen(self) -> None:
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)

    async def _stop_flow(self) -> None:
        self._flowing.clear()

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._end_links(reset=False)

    async def _end_links(self, *, reset: bool) -> None:
        ended = tuple(self._links)
        for link in ended:
            link.end(reset=reset)
        # They take themselves out of the set: afterwards `connections` is true.
        await asyncio.gather(*(link.task for link in ended if link.task), return_exceptions=True)

    async def _end(self) -> None:
        await self._refuse()
        await asyncio.sleep(0)  # The sockets are closed in the loop's next turn.

    async def _serve(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        """One connection, from its first byte to its end."""
        link = _Link(asyncio.current_task(), near)
        self._links.add(link)
        try:
            await self._join(link, near_reader, near)
        except asyncio.CancelledError:
            pass  # Reset or cut. The task ends here: asyncio would log a cancelled one as a failure of its own.
        finally:
            link.close(reset=False)
            self._links.discard(link)

    async def _join(self, link: _Link, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        """Forward both ways until one end is gone."""
        try:
            await self._flowing.wait()
            far_reader, far = await asyncio.open_connection(LOOPBACK, self.target)
            link.writers.append(far)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(near_reader, far))
                pumps.create_task(self._pump(far_reader, near))
        except* OSError:
            pass  # One end is gone, or was never there: so is the other.

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction of a connection: a line on which pieces wait until they are due."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PIECES_IN_FLIGHT)
        async with asyncio.TaskGroup() as ends:
            ends.create_task(self._take(reader, line))
            ends.create_task(self._give(line, writer))

    async def _take(self, reader: asyncio.StreamReader, line: asyncio.Queue[tuple[float, bytes]]) -> None:
        piece = b"-"
        while piece:
            await self._flowing.wait()
            piece = await reader.read(READ_BYTES)
            await line.put((self._loop.time() + self.latency_s, piece))

    async def _give(self, line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, read = await line.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            if not read:
                await self._flowing.wait()
                writer.write_eof()
                return
            for piece in self._pieces(read):
                await self._flowing.wait()
                writer.write(piece)
                await writer.drain()
                self.forwarded += len(piece)
                await self._pause(len(piece))

    def _pieces(self, read: bytes) -> Iterator[bytes]:
        """What was read, in pieces of the size that is set as each one leaves."""
        at = 0
        while at < len(read):
            size = self.piece_bytes or len(read)
            if self.bytes_per_s:  # In tenths of a second at most, so that a change of speed is soon felt.
                size = min(size, max(1, int(self.bytes_per_s / 10)))
            yield read[at : at + size]
            at += size

    async def _pause(self, sent: int) -> None:
        if self.bytes_per_s:
            await asyncio.sleep(sent / self.bytes_per_s)
        elif self.piece_bytes:
            await asyncio.sleep(PIECE_PAUSE_S)


class _Link:
    """One connection through the proxy: who serves it, and its ends: the client's and, once reached, the server's."""

    def __init__(self, task: asyncio.Task[None] | None, near: asyncio.StreamWriter) -> None:
        self.task = task
        self.writers = [near]

    def close(self, *, reset: bool) -> None:
        """Close both ends without sending what still waits; with ``reset``, by RST."""
        for writer in self.writers:
            end = writer.get_extra_info("socket")
            if reset and end is not None and end.fileno() >= 0:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            writer.transport.abort()

    def end(self, *, reset: bool) -> None:
        """Close both ends and stop serving it, though it may wait for the flow to be restored."""
        self.close(reset=reset)
        if self.task is not None:
            self.task.cancel()
