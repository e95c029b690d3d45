"""One bucket of one server, through influxdb-client's async API.

The client lives on an event loop in a thread of its own, so that its callers may be plain functions in any thread.
Only this file imports influxdb-client.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, TypeVar

import msgspec

from katydid.models.errors import MissingExtra
from katydid.streams.errors import StoreUnreachable
from katydid.streams.store.influx.addresses import Address
from katydid.streams.store.influx.answers import NoAnswer, Refusal

if TYPE_CHECKING:
    from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync

T = TypeVar("T")
Row = Mapping[str, object]
Take = Callable[[list[Row]], None]

TIMEOUT_S = 60.0
"""For one request, whole. A query that takes longer is given up, and the server is told so by the closed connection."""
ROWS_AT_ONCE = 5_000
"""Rows in one piece of an answer."""
_PASSES = re.compile(
    r"context canceled|context deadline exceeded|timeout|timed out|engine closed|(engine|store|shard) is closed", re.I
)
"""Errors inside of an answer that are the server's troubles of the moment (it is being stopped, or too busy), and no
word about the question. A question that cannot be parsed is answered with status 400 before anything else."""


class _Series(msgspec.Struct):
    columns: list[str]
    values: list[list[object]]
    tags: dict[str, str] = {}


class _Result(msgspec.Struct):
    series: list[_Series] = []
    error: str = ""


class _Answer(msgspec.Struct):
    results: list[_Result] = []
    error: str = ""


class _Complaint(msgspec.Struct):
    """What an error's body says, in the words of /api/v2 or of /query."""

    message: str = ""
    error: str = ""


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_complaint = msgspec.json.Decoder(_Complaint).decode


class Connection:
    """Requests to one bucket. `run` drives the coroutines of this class from any other thread."""

    def __init__(self, address: Address, token: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.address = address
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="katydid-influx", daemon=True)
        self._thread.start()
        try:
            self._client = self.run(_client(address, token, timeout_s))
        except BaseException:
            self._end_loop()
            raise

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Wait for a coroutine on the client's loop; it is cancelled when the waiting is interrupted. Raises what it
        raises, and StoreUnreachable when the connection is closed meanwhile or was before."""
        if self._loop.is_closed():
            work.close()
            raise StoreUnreachable(f"{self.address} was closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError as error:
            raise StoreUnreachable(f"{self.address} was closed meanwhile; nothing of it was acknowledged") from error
        except BaseException:
            future.cancel()
            raise

    def call_soon(self, act: Callable[[], object]) -> None:
        """Have the loop call something, from any thread; nothing where the connection is closed."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act)

    def close(self) -> None:
        """Let go of server and thread; what still runs is cancelled. Closing twice is no error."""
        if not self._loop.is_closed():
            self.run(self._let_go())
            self._end_loop()

    async def _let_go(self) -> None:
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._client.close()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def write(self, body: bytes) -> None:
        """Lines; durable when it returns. Raises Refusal, NoAnswer, and StoreUnreachable for a success that is not
        InfluxDB's own (204): a proxy has answered in its place, and nothing was stored."""
        if not await _answered(self._client.write_api().write(self.address.bucket, self.address.org, body)):
            raise not_influx("a write without its 204")

    async def ask(self, query: str) -> list[Row]:
        """All rows of an InfluxQL query: columns and tags by name. Raises Refusal, NoAnswer, StoreUnreachable."""
        found: list[Row] = []
        await self.ask_in_pieces(query, found.extend)
        return found

    async def ask_in_pieces(self, query: str, take: Take) -> None:
        """As `ask`, handing over some thousand rows at a time, so that an answer of any size fits. The piece is
        taken on the loop's thread. Raises Refusal, NoAnswer, StoreUnreachable."""
        form = [("db", self.address.bucket), ("epoch", "ns"), ("q", query)]
        form += [("chunked", "true"), ("chunk_size", str(ROWS_AT_ONCE))]
        await _answered(self._stream(form, take))

    async def api(self, method: str, path: str, query: Sequence[tuple[str, str]] = (), body: object = None) -> bytes:
        """A request to the server's API; JSON in and out. Raises Refusal, NoAnswer."""
        return await _answered(self._request(method, path, query, body))

    async def _request(self, method: str, path: str, query: Sequence[tuple[str, str]], body: object) -> bytes:
        api, url = self._client.api_client, self.address.server + path
        headers = dict(api.default_headers)
        response = await api.request(method, url, query_params=list(query), headers=headers, body=body)
        return bytes(response.data)

    async def _stream(self, form: list[tuple[str, str]], take: Take) -> None:
        api, url = self._client.api_client, self.address.server + "/query"
        headers = {**api.default_headers, "Content-Type": "application/x-www-form-urlencoded"}
        query = [("org", self.address.org)]
        response = await api.request(
            "POST", url, query_params=query, headers=headers, post_params=form, _preload_content=False
        )
        async with response:
            if response.status != 200:
                raise Refusal(response.status, _complaint(await response.read()))
            rest = b""
            async for piece in response.content.iter_any():
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    take_line(line, take)
            take_line(rest, take)


async def _client(address: Address, token: str, timeout_s: float) -> InfluxDBClientAsync:
    try:
        from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
    except ImportError as error:
        raise MissingExtra("influxdb-client", "kafka", "keep outcomes in InfluxDB") from error
    return InfluxDBClientAsync(address.server, token, address.org, timeout=int(timeout_s * 1_000))


def take_line(line: bytes, take: Take) -> None:
    """One piece of an answer, a line of JSON. Raises NoAnswer or Refusal for an error that comes after the status was
    sent, StoreUnreachable for what is no answer of InfluxDB."""
    if not line.strip():
        return
    try:
        answer = _decode_answer(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise not_influx(repr(line[:60].decode("utf-8", "backslashreplace"))) from error
    for said in (answer.error, *(result.error for result in answer.results)):
        if said:
            raise NoAnswer(said) if _PASSES.search(said) else Refusal(400, said)
    for result in answer.results:
        for series in result.series:
            take([{**series.tags, **dict(zip(series.columns, row, strict=True))} for row in series.values])


def not_influx(what: str) -> StoreUnreachable:
    """Something answers with success that is not InfluxDB."""
    return StoreUnreachable(
        f"the answer is not InfluxDB's ({what}): does a proxy or login page answer in its place? See sink.url"
    )


async def _answered(request: Awaitable[T]) -> T:
    """The client's errors in our words."""
    from aiohttp import ClientError
    from influxdb_client.rest import ApiException

    try:
        return await request
    except ApiException as error:
        if error.status is None:
            raise NoAnswer(str(error.reason)) from error
        raise Refusal(error.status, _complaint(error.body or b""), _seconds(error.headers)) from error
    except (ClientError, TimeoutError, OSError) as error:
        raise NoAnswer(str(error) or type(error).__name__) from error


def _complaint(body: bytes) -> str:
    try:
        said = _decode_complaint(body)
    except msgspec.DecodeError:
        return body.decode("utf-8", "replace").strip()
    return said.message or said.error


def _seconds(headers: Mapping[str, str] | None) -> float | None:
    """Retry-After, where it is a number."""
    try:
        return float(headers["Retry-After"]) if headers and "Retry-After" in headers else None
    except ValueError:
        return None
