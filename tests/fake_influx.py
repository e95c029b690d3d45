"""An InfluxDB 2 for tests that takes writes and answers as the real one was measured to, over real HTTP on loopback.

    is      the write table of the design: which request gets which status, and what of it is then stored;
            one type of a field in each shard; the questions that Katydid asks (rows, sums by a tag, field keys);
            faults on demand: any status, with or without having stored, connections that are cut, answers that hang
    is not  a database: everything lies in memory, and InfluxQL is read as the SQL that our questions also are

The parser of lines is its own and shares nothing with the encoder it checks. `tests/streams/store/influx/` replays the
same tests on a real server.
"""

from __future__ import annotations

import asyncio
import gzip
import math
import re
import sqlite3
import threading
import uuid
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from aiohttp import web

Fields = dict[str, object]
Key = tuple[tuple[tuple[str, str], ...], int]
"""Tags and time."""

ORG = "katydid"
DAY_NS = 86_400 * 10**9


class Unparsable(ValueError):
    """A line that is none."""


@dataclass
class Fault:
    """What the next request gets instead of its answer."""

    status: int | None
    """None: the connection is cut without an answer."""
    stored: bool = False
    """Whether the request was carried out all the same."""
    path: str = "/api/v2/write"
    retry_after: str | None = None
    page: str = ""
    """What is answered instead of JSON, as a proxy does."""
    hangs_s: float = 0.0
    """How long nothing happens before."""
    after: int = 0
    """How many requests to the path are answered as ever before it."""


@dataclass
class Bucket:
    """One bucket."""

    name: str
    retention_s: int = 0
    shard_group_s: int = 30 * 86_400
    points: dict[str, dict[Key, Fields]] = field(default_factory=dict)
    types: dict[tuple[int, str, str], type] = field(default_factory=dict)
    """(shard, measurement, field) → type."""


@dataclass
class FakeInflux:
    """The server's state; made and started by `running_fake`."""

    url: str = ""
    org: str = ORG
    token: str = "operator"
    reader_token: str = "reader"
    writer_token: str = "writer"
    buckets: dict[str, Bucket] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    requests: list[tuple[str, int]] = field(default_factory=list)
    """Path and status of each answer; 0 for a connection that was cut."""

    def new_bucket(self, *, retention_s: int = 0, shard_group_s: int = 30 * 86_400) -> str:
        """An empty bucket; its name."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.buckets[name] = Bucket(name, retention_s, shard_group_s)
        return name

    def fail(self, *statuses: int | None, stored: bool = False, path: str = "/api/v2/write") -> None:
        """The next requests to the path fail like that."""
        self.faults.extend(Fault(status, stored=stored, path=path) for status in statuses)

    # -- requests -----------------------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request, with the fault that is due for its path."""
        fault = next((each for each in self.faults if each.path == request.path), None)
        if fault is not None and fault.after:
            fault.after -= 1
            fault = None
        if fault is None:
            return self._noted(request, await self._answer(request))
        self.faults.remove(fault)
        if fault.hangs_s:
            await asyncio.sleep(fault.hangs_s)
        if fault.stored:
            await self._answer(request)
        if fault.status is None:
            self.requests.append((request.path, 0))
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if fault.page:
            return self._noted(request, web.Response(status=fault.status, text=fault.page, content_type="text/html"))
        headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
        return self._noted(request, _said(fault.status, "a fault on demand", headers))

    def _noted(self, request: web.Request, response: web.Response) -> web.Response:
        self.requests.append((request.path, response.status))
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        match request.method, request.path:
            case "GET", "/ping":
                return web.Response(status=204)
            case "POST", "/api/v2/write":
                return self._write(request, await request.read())
            case "POST", "/query":
                form = await request.post()
                return self._query(request, str(form["db"]), str(form["q"]))
            case "GET", "/api/v2/buckets":
                return self._list(request)
            case "PATCH", _:
                rules = (await request.json())["retentionRules"][0]
                self.buckets[request.path.rsplit("/", 1)[1]].shard_group_s = rules["shardGroupDurationSeconds"]
                return web.json_response({})
            case _:
                return _said(404, "path not found")

    def _write(self, request: web.Request, body: bytes) -> web.Response:
        refused = self._not_allowed(request, writing=True)
        if refused is not None:
            return refused
        bucket = self.buckets.get(request.query["bucket"])
        if bucket is None or request.query["org"] != self.org:
            return _said(404, f'bucket "{request.query["bucket"]}" not found')
        if request.query.get("precision", "ns") not in ("ns", "us", "ms", "s"):
            return _said(400, "invalid precision; valid precision units are ns, us, ms, and s")
        try:
            text = (gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body).decode()
        except (OSError, EOFError, zlib.error):
            return _said(500, "gzip: invalid header")
        return _stored(bucket, text)

    def _query(self, request: web.Request, name: str, query: str) -> web.Response:
        refused = self._not_allowed(request, writing=False)
        if refused is not None:
            return refused
        if name not in self.buckets:
            return _said(404, "database not found")
        return web.json_response({"results": list(results(self.buckets[name], query))})

    def _list(self, request: web.Request) -> web.Response:
        refused = self._not_allowed(request, writing=False)
        bucket = self.buckets.get(request.query["name"])
        if refused is not None or bucket is None:
            return refused or _said(404, "bucket not found")
        rule = {"type": "expire", "everySeconds": bucket.retention_s, "shardGroupDurationSeconds": bucket.shard_group_s}
        return web.json_response({"buckets": [{"id": bucket.name, "name": bucket.name, "retentionRules": [rule]}]})

    def _not_allowed(self, request: web.Request, *, writing: bool) -> web.Response | None:
        token = request.headers.get("Authorization", "").removeprefix("Token ")
        if token not in (self.token, self.reader_token, self.writer_token):
            return _said(401, "unauthorized access")
        if token == (self.reader_token if writing else self.writer_token):
            return _said(403, "insufficient permissions")
        return None


@contextmanager
def running_fake() -> Iterator[FakeInflux]:
    """A fake server on a free port of loopback, in a thread of its own."""
    fake, loop = FakeInflux(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> web.AppRunner:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", fake.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, auto_decompress=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def end() -> None:
        await runner.cleanup()
        hanging = asyncio.all_tasks() - {asyncio.current_task()}
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)

    runner = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield fake
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _said(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"code": "error", "message": message}, status=status, headers=headers)


# -- writing ----------------------------------------------------------------------------------------------------


def _stored(bucket: Bucket, text: str) -> web.Response:
    """All of the lines, none for a line that does not parse, or those that fit."""
    points, bad = [], []
    for line in _split(text):
        if not line or line.startswith("#"):
            continue
        try:
            points.append(parse(line))
        except Unparsable as error:
            bad.append(f"unable to parse '{line}': {error}")
    if bad:
        return _said(400, "\n".join(bad))
    dropped = [why for point in points if (why := _store(bucket, *point))]
    if dropped:
        # The count is not to be trusted: the real server says 0 for points that it has not stored, and the reverse.
        return _said(422, f"failure writing points to database: partial write: {dropped[0]} dropped=0")
    return web.Response(status=204)


def _store(bucket: Bucket, measurement: str, tags: dict[str, str], fields: Fields, at: int) -> str:
    """Why the point was not stored, or ""."""
    if bucket.retention_s:
        import time

        if at < time.time_ns() - bucket.retention_s * 10**9:
            return "points beyond retention policy"
    shard = at // (bucket.shard_group_s * 10**9)
    for name, value in fields.items():
        if bucket.types.get((shard, measurement, name), type(value)) is not type(value):
            return f'field type conflict: input field "{name}" on measurement "{measurement}"'
    bucket.types |= {(shard, measurement, name): type(value) for name, value in fields.items()}
    key = (tuple(sorted(tags.items())), at)
    bucket.points.setdefault(measurement, {}).setdefault(key, {}).update(fields)
    return ""


def _split(text: str) -> Iterator[str]:
    """Lines end at a newline that lies outside of quotes."""
    start, quoted, escaped = 0, False, False
    for place, letter in enumerate(text):
        if escaped:
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == '"':
            quoted = not quoted
        elif letter == "\n" and not quoted:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def parse(line: str) -> tuple[str, dict[str, str], Fields, int]:
    """Measurement, tags, fields, time of a line. Raises Unparsable."""
    if "\r" in line:
        raise Unparsable("invalid field format")
    head, rest = _until(line, " ")
    names = _parts(head, ",")
    tags = dict(_pair(part) for part in names[1:])
    if not names[0] or "time" in tags or any(not value for value in tags.values()):
        raise Unparsable("missing measurement, or missing tag value, or time as a tag")
    body, rest = _until(rest, " ", quotes=True)
    fields: Fields = {}
    for part in _parts(body, ",", quotes=True):
        name, value = _until(part, "=")
        fields[_plain(name)] = _value(value)
    if not re.fullmatch(r"-?\d+", rest) or not -(2**63) + 2 <= int(rest) <= 2**63 - 2:
        raise Unparsable("bad timestamp")
    return _plain(names[0]), tags, fields, int(rest)


def _until(text: str, end: str, *, quotes: bool = False) -> tuple[str, str]:
    """Before and after the first `end` that is not escaped (nor quoted)."""
    quoted = escaped = False
    for place, letter in enumerate(text):
        if escaped:
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == '"' and quotes:
            quoted = not quoted
        elif letter == end and not quoted:
            return text[:place], text[place + 1 :]
    if quoted:
        raise Unparsable("unbalanced quotes")
    return text, ""


def _parts(text: str, end: str, *, quotes: bool = False) -> list[str]:
    parts = []
    while text:
        part, text = _until(text, end, quotes=quotes)
        parts.append(part)
    return parts or [""]


def _pair(text: str) -> tuple[str, str]:
    name, value = _until(text, "=")
    return _plain(name), _plain(value)


def _plain(text: str) -> str:
    return re.sub(r"\\([ ,=])", r"\1", text)


def _value(text: str) -> object:
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if re.fullmatch(r"-?\d+i", text):
        if not -(2**63) <= int(text[:-1]) < 2**63:
            raise Unparsable("value out of range")
        return int(text[:-1])
    if text in ("t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"):
        return text[0] in "tT"
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text) and math.isfinite(float(text)):
        return float(text)
    raise Unparsable(f"invalid number {text}")


# -- reading ----------------------------------------------------------------------------------------------------

_LITERAL = re.compile(r"'((?:[^'\\]|\\.)*)'")
_SELECT = re.compile(
    r'SELECT (?P<columns>.+?) FROM "(?P<name>\w+)" WHERE (?P<where>.+?)(?: GROUP BY (?P<by>.+?))?(?: fill\(none\))?'
    r"(?P<order> ORDER BY time(?: DESC)?)?(?P<limit> LIMIT \d+)?"
)
_KINDS = {str: "string", float: "float", int: "integer", bool: "boolean"}
_COLUMN = {str: "TEXT", float: "REAL", int: "INTEGER", bool: "INTEGER"}


def results(bucket: Bucket, queries: str) -> Iterator[dict[str, object]]:
    """The answer to each statement."""
    literals: list[str] = []

    def put_aside(found: re.Match[str]) -> str:
        literals.append(re.sub(r"\\(.)", r"\1", found[1]))
        return "?"

    for number, query in enumerate(_LITERAL.sub(put_aside, queries).split(";")):
        mine, literals = literals[: query.count("?")], literals[query.count("?") :]
        yield {"statement_id": number, "series": list(answers(bucket, query, mine))}


def answers(bucket: Bucket, query: str, literals: list[str]) -> Iterator[dict[str, object]]:
    """The series of an answer; literals stand in the query as question marks."""
    if query == "SHOW MEASUREMENTS":
        if bucket.points:
            yield {"name": "measurements", "columns": ["name"], "values": [[name] for name in sorted(bucket.points)]}
        return
    if query.startswith("SHOW FIELD KEYS FROM "):
        yield from _field_keys(bucket, query.split('"')[1])
        return
    found = _SELECT.fullmatch(query)
    assert found is not None, f"the fake knows no such question: {query}"
    points = bucket.points.get(found["name"])
    if points:
        yield from _selected(bucket, found, points, literals)


def _field_keys(bucket: Bucket, measurement: str) -> Iterator[dict[str, object]]:
    kinds = {(name, _KINDS[kind]) for (_, each, name), kind in bucket.types.items() if each == measurement}
    if kinds:
        yield {"name": measurement, "columns": ["fieldKey", "fieldType"], "values": sorted(map(list, kinds))}


def _selected(
    bucket: Bucket, found: re.Match[str], points: dict[Key, Fields], literals: list[str]
) -> Iterator[dict[str, object]]:
    by = found["by"] or ""
    tags = re.findall(r'"(\w+)"', by)
    time = _HOUR if "time(1h)" in by else "0" if by else "time"
    query = f"SELECT {', '.join([*tags, f'{time} AS time', found['columns']])} FROM rows WHERE {found['where']}"
    if by:
        query += f" GROUP BY {', '.join([*tags, time] if time == _HOUR else tags)}"
    query += (found["order"] or "") + (found["limit"] or "")
    with closing(sqlite3.connect(":memory:")) as connection:
        _make_table(bucket, found["name"], points, connection)
        cursor = connection.execute(query, literals)
        names = [each[0] for each in cursor.description or []]
        rows = [list(row) for row in cursor.fetchall()]
    series: dict[tuple[str, ...], list[list[object]]] = {}
    for row in rows:
        series.setdefault(tuple(row[: len(tags)]), []).append(row[len(tags) :])
    for key, values in series.items():
        about = {"tags": dict(zip(tags, key, strict=True))} if tags else {}
        yield {"name": found["name"], **about, "columns": names[len(tags) :], "values": values}


_HOUR = "time - ((time % 3600000000000) + 3600000000000) % 3600000000000"


def _make_table(bucket: Bucket, name: str, points: dict[Key, Fields], connection: sqlite3.Connection) -> None:
    kinds = {each: _COLUMN[kind] for (_, measurement, each), kind in bucket.types.items() if measurement == name}
    tags = sorted({tag for key in points for tag, _ in key[0]} | {"sensor", "site", "model", "taxon"} - set(kinds))
    declared = [f'"{tag}" TEXT' for tag in tags] + [f'"{each}" {kind}' for each, kind in kinds.items()]
    connection.execute(f"CREATE TABLE rows (time INTEGER, {', '.join(declared)})")
    made = [
        [at, *(dict(key).get(tag) for tag in tags), *(fields.get(each) for each in kinds)]
        for (key, at), fields in points.items()
    ]
    connection.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(made[0]))})", made)
