"""Findings on influxdb-client and on a real InfluxDB 2 that docs/decisions/0012-influxdb-without-transactions.md rests
on, beside those of test_influx_write_table.py: the day one of them stops being true, this fails."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest

pytest.importorskip("influxdb_client", reason="needs the kafka extra")

from influxdb_client import InfluxDBClient, Point, WriteOptions

from fake_influx import FakeInflux
from influx_servers import Server, post_lines, rows
from servers.influx import InfluxServer

AT = 1_749_945_600_123_456_789
EVER = "time >= -9223372036854775806 AND time < 9223372036854775806"


def values(server: Server, bucket: str, what: str = '"f"') -> list[list[object]]:
    return rows(server, bucket, f'SELECT {what} FROM "m" WHERE {EVER} ORDER BY time')


@pytest.mark.filterwarnings("ignore")  # The client's threads complain in ways of their own.
@pytest.mark.parametrize(("bad", "token"), [("m f=NaN 1", None), ("m f=1.5 1", "wrong")])
def test_the_clients_batching_writer_loses_what_is_refused_without_a_word(
    server: Server, bucket: str, bad: str, token: str | None
) -> None:
    with (
        InfluxDBClient(server.url, server.token if token is None else token, org=server.org) as client,
        client.write_api(WriteOptions(batch_size=10, flush_interval=50, max_retries=0)) as writer,
    ):
        writer.write(bucket, record=[bad, f"m f=2.5 {AT}"])
        writer.flush()
    assert values(server, bucket) == []


@pytest.mark.filterwarnings("ignore")
def test_flush_of_the_clients_batching_writer_waits_for_nothing(fake: FakeInflux) -> None:
    """What was written is durable at some later time; nobody is told when."""
    bucket = fake.new_bucket()
    with (
        InfluxDBClient(fake.url, fake.token, org=fake.org) as client,
        client.write_api(WriteOptions(batch_size=1_000, flush_interval=60_000)) as writer,
    ):
        writer.write(bucket, record=f"m f=2.5 {AT}")
        writer.flush()
        assert values(fake, bucket) == []


def test_a_probability_of_exactly_one_is_an_integer_to_the_client() -> None:
    assert Point("m").field("p", 1).to_line_protocol() == "m p=1i"


@pytest.mark.servers
def test_the_client_cuts_times_to_microseconds(influx_server: InfluxServer) -> None:
    bucket = influx_server.new_bucket()
    assert post_lines(influx_server, bucket, b"m f=1.5 %d" % AT)[0] == 204
    query = f'from(bucket: "{bucket}") |> range(start: 0) |> map(fn: (r) => ({{r with exact: int(v: r._time)}}))'
    with InfluxDBClient(influx_server.url, influx_server.token, org=influx_server.org) as client:
        (record,) = client.query_api().query(query)[0].records
    assert record["_time"].microsecond == 123_456
    assert record["exact"] == AT


@pytest.mark.servers
@pytest.mark.parametrize(
    "tag", [b"a\\", b"a\\\\", b"a\nb"], ids=["a backslash at the end", "two of them", "a line feed"]
)
def test_a_tag_that_ends_in_a_backslash_or_holds_a_line_feed_is_refused(
    influx_server: InfluxServer, tag: bytes
) -> None:
    bucket = influx_server.new_bucket()
    assert post_lines(influx_server, bucket, b"m,sensor=%s f=1.5 1" % tag)[0] == 400
    assert values(influx_server, bucket) == []


@pytest.mark.servers
def test_an_escaped_line_feed_in_a_tag_comes_back_with_its_escape(influx_server: InfluxServer) -> None:
    bucket = influx_server.new_bucket()
    assert post_lines(influx_server, bucket, b"m,sensor=a\\\nb f=1.5 1")[0] == 204
    assert values(influx_server, bucket, '"f", "sensor"') == [[1, 1.5, "a\\\nb"]]


@pytest.mark.servers
def test_a_point_outside_of_retention_is_refused_and_the_others_are_stored(influx_server: InfluxServer) -> None:
    bucket = influx_server.new_bucket()
    shorten(influx_server, bucket, 24 * 3_600)
    now = time.time_ns()
    status, said = post_lines(influx_server, bucket, b"m f=1.5 %d\nm f=2.5 1" % now)
    assert status == 422 and "retention" in said
    assert values(influx_server, bucket) == [[now, 1.5]]


@pytest.mark.servers
def test_a_token_that_may_only_write_may_delete(influx_server: InfluxServer) -> None:
    """So devices get no token, and no way to the server's port."""
    bucket = influx_server.new_bucket()
    token = influx_server.new_token(bucket, write=True)
    assert post_lines(influx_server, bucket, b"m f=1.5 %d" % AT, token=token)[0] == 204
    everything = {"start": "1970-01-01T00:00:00Z", "stop": "2100-01-01T00:00:00Z"}
    assert call(influx_server, "POST", f"/api/v2/delete?org=katydid&bucket={bucket}", everything, token) == 204
    assert values(influx_server, bucket) == []


@pytest.mark.servers
def test_metrics_need_no_token(influx_server: InfluxServer) -> None:
    assert call(influx_server, "GET", "/metrics", None, "") == 200


@pytest.mark.servers
def test_a_body_of_60_mb_is_taken(influx_server: InfluxServer) -> None:
    bucket = influx_server.new_bucket()
    body = b"\n".join(b'm f=1.5,t="%s" %d' % (b"x" * 60_000, at) for at in range(1_000))
    assert len(body) > 60_000_000
    assert post_lines(influx_server, bucket, body)[0] == 204
    assert values(influx_server, bucket, 'count("f")')[0][1] == 1_000


def shorten(server: InfluxServer, bucket: str, seconds: int) -> None:
    """Let a bucket keep its points for so long."""
    found = json.loads(_answer(server, "GET", f"/api/v2/buckets?name={bucket}", None, server.token)[1])
    rules = {"retentionRules": [{"type": "expire", "everySeconds": seconds, "shardGroupDurationSeconds": 3_600}]}
    assert call(server, "PATCH", f"/api/v2/buckets/{found['buckets'][0]['id']}", rules, server.token) == 200


def call(server: InfluxServer, method: str, path: str, body: object, token: str) -> int:
    return _answer(server, method, path, body, token)[0]


def _answer(server: InfluxServer, method: str, path: str, body: object, token: str) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Token {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.status, answer.read()
