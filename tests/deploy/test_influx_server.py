"""The InfluxDB that tests and first tries run on: it is set up, keeps what it acknowledged, and hangs when told."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable

import psutil
import pytest

from servers.errors import ServerFailed
from servers.influx import InfluxServer
from servers.ports import is_free

pytestmark = pytest.mark.servers
WITHIN_S = 30.0
THIRTY_DAYS_S = 2_592_000


def call(server: InfluxServer, path: str, body: bytes, token: str, *, within_s: float = WITHIN_S) -> tuple[int, str]:
    """The status and the text of the answer to a POST."""
    headers = {"Authorization": f"Token {token}", "Content-Type": "application/vnd.flux", "Accept": "application/csv"}
    request = urllib.request.Request(server.url + path, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=within_s) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def write(server: InfluxServer, bucket: str, line: str, token: str | None = None, **options: float) -> int:
    path = f"/api/v2/write?org={server.org}&bucket={bucket}&precision=ns"
    return call(server, path, line.encode(), token or server.token, **options)[0]


def values(server: InfluxServer, bucket: str) -> list[str]:
    """The column _value of everything in a bucket."""
    flux = f'from(bucket: "{bucket}") |> range(start: 0) |> keep(columns: ["_value"])'
    status, text = call(server, f"/api/v2/query?org={server.org}", flux.encode(), server.token)
    assert status == 200, text
    return [row.split(",")[3] for row in text.split("\r\n")[1:] if row]


def test_what_is_written_is_read(influx_server: InfluxServer) -> None:
    bucket = influx_server.new_bucket()

    assert write(influx_server, bucket, "detection,site=a p=0.5 1700000000000000000") == 204

    assert values(influx_server, bucket) == ["0.5"]


def test_buckets_are_each_tests_own(influx_server: InfluxServer) -> None:
    first, second = influx_server.new_bucket(), influx_server.new_bucket()

    write(influx_server, first, "detection,site=a p=0.5 1700000000000000000")

    assert values(influx_server, second) == []


def test_buckets_keep_in_shard_groups_of_thirty_days(influx_server: InfluxServer) -> None:
    assert influx_server.shard_group_s("katydid") == THIRTY_DAYS_S
    assert influx_server.shard_group_s(influx_server.new_bucket()) == THIRTY_DAYS_S


def test_a_token_has_the_rights_that_it_was_given_and_no_others(influx_server: InfluxServer) -> None:
    bucket, other = influx_server.new_bucket(), influx_server.new_bucket()
    line = "detection,site=a p=0.5 1700000000000000000"
    writer = influx_server.new_token(bucket, write=True)
    reader = influx_server.new_token(bucket, read=True)

    assert write(influx_server, bucket, line, writer) == 204
    assert write(influx_server, bucket, line, reader) == 403
    assert write(influx_server, other, line, writer) == 403


def test_a_kill_and_a_restart_lose_nothing_that_was_acknowledged(
    new_influx_server: Callable[..., InfluxServer],
) -> None:
    server = new_influx_server()
    server.start()
    bucket, killed = server.new_bucket(), server.pid
    assert write(server, bucket, "detection,site=a p=0.25 1700000000000000000") == 204

    server.kill()
    assert not psutil.pid_exists(killed)
    server.start()

    assert values(server, bucket) == ["0.25"]


def test_a_suspended_server_answers_again_once_resumed(new_influx_server: Callable[..., InfluxServer]) -> None:
    server = new_influx_server()
    server.start()
    bucket, line = server.new_bucket(), "detection,site=a p=0.25 1700000000000000000"

    server.suspend()
    with pytest.raises(TimeoutError):
        write(server, bucket, line, within_s=0.5)
    server.resume()

    assert write(server, bucket, line) == 204


def test_a_terminated_server_frees_its_port(new_influx_server: Callable[..., InfluxServer]) -> None:
    server = new_influx_server()
    server.start()

    server.terminate()

    assert not server.running
    assert is_free(server.port)


def test_a_taken_port_is_named(new_influx_server: Callable[..., InfluxServer], influx_server: InfluxServer) -> None:
    second = new_influx_server(port=influx_server.port)

    with pytest.raises(ServerFailed, match=f"port {influx_server.port} of 127.0.0.1 is taken"):
        second.start()
