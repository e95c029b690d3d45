"""One bucket of one server, through influxdb-client."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from fake_influx import FakeInflux, Fault
from influx_servers import HURRY, Server, post_lines, url_of
from katydid.models.errors import MissingExtra
from katydid.streams.errors import StoreUnreachable
from katydid.streams.sink import Arrival
from katydid.streams.store.influx import open_influx
from katydid.streams.store.influx.answers import NoAnswer, Refusal
from katydid.streams.store.influx.connection import ROWS_AT_ONCE, Connection, Row, take_line
from katydid.streams.store.influx.store import connect

ALL = "time >= -9223372036854775806 AND time < 9223372036854775806 ORDER BY time"


def test_without_the_client_it_names_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("influxdb_client")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "influxdb_client", None)
    with pytest.raises(MissingExtra, match=r"katydid\[kafka\]"):
        connect("influx+http://127.0.0.1:9/o/b", "token")


def test_times_and_whole_numbers_come_back_to_the_nanosecond(server: Server, bucket: str) -> None:
    at, count = 1_749_945_600_123_456_789, 2**63 - 1
    post_lines(server, bucket, b"m,sensor=a f=1.0,n=%di %d" % (count, at))
    connection = connect(url_of(server, bucket), server.token)
    try:
        (row,) = connection.run(connection.ask(f'SELECT "f", "n", "sensor" FROM "m" WHERE {ALL}'))
    finally:
        connection.close()
    assert row == {"time": at, "f": 1, "n": count, "sensor": "a"}


def test_a_long_answer_comes_in_pieces_and_whole(server: Server, bucket: str) -> None:
    count = ROWS_AT_ONCE * 2 + 7
    post_lines(server, bucket, b"\n".join(b"m,sensor=a f=1.5 %d" % n for n in range(count)))
    sizes: list[int] = []
    seen: list[object] = []

    def take(rows: list[Row]) -> None:
        sizes.append(len(rows))
        seen.extend(row["time"] for row in rows)

    connection = connect(url_of(server, bucket), server.token)
    try:
        connection.run(connection.ask_in_pieces(f'SELECT "f" FROM "m" WHERE {ALL}', take))
    finally:
        connection.close()
    assert seen == list(range(count))
    if not isinstance(server, FakeInflux):
        assert max(sizes) <= ROWS_AT_ONCE


def test_several_questions_in_one_request_are_all_answered(server: Server, bucket: str) -> None:
    post_lines(server, bucket, b"m,sensor=a f=1.5 1\nm,sensor=b;c f=2.5 2")
    query = f'SELECT "f" FROM "m" WHERE "sensor" = \'{{}}\' AND {ALL}'
    connection = connect(url_of(server, bucket), server.token)
    try:
        rows = connection.run(connection.ask(";".join(query.format(sensor) for sensor in ("b;c", "nobody", "a"))))
    finally:
        connection.close()
    assert [row["f"] for row in rows] == [2.5, 1.5]


@pytest.mark.parametrize("words", ["timeout", "context canceled", "engine closed", "engine is closed"])
def test_trouble_that_is_told_after_the_status_is_no_answer_and_worth_another_try(words: str) -> None:
    for line in (b'{"error":"%s"}', b'{"results":[{"statement_id":0,"error":"%s"}]}'):
        with pytest.raises(NoAnswer, match=words):
            take_line(line % words.encode(), lambda rows: pytest.fail("there are none"))


def test_a_refusal_that_is_told_after_the_status_is_one() -> None:
    for line in (b'{"error":"unsupported"}', b'{"results":[{"statement_id":0,"error":"unsupported"}]}'):
        with pytest.raises(Refusal, match="unsupported"):
            take_line(line, lambda rows: pytest.fail("there are none"))


PAGE = "<html><body>Please log in</body></html>"


@pytest.mark.parametrize("path", ["/query", "/api/v2/write"])
def test_a_page_of_a_proxy_is_neither_rows_nor_a_durable_write(fake: FakeInflux, path: str) -> None:
    connection = connect(url_of(fake, fake.new_bucket()), fake.token)
    ask = connection.ask("SHOW MEASUREMENTS") if path == "/query" else connection.write(b"m f=1 1")
    fake.faults.append(Fault(200, path=path, page=PAGE))
    try:
        with pytest.raises(StoreUnreachable, match="not InfluxDB's"):
            connection.run(ask)
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/query", "/api/v2/write", "/api/v2/buckets"])
def test_the_checks_at_start_tell_of_a_proxy_that_answers_itself(fake: FakeInflux, path: str) -> None:
    bucket = fake.new_bucket()
    fake.faults.append(Fault(200, path=path, page=PAGE))
    with pytest.raises(StoreUnreachable, match="not InfluxDB's"):
        open_influx(url_of(fake, bucket), token=fake.token)


def test_trouble_inside_of_an_answer_is_waited_out_by_a_write(fake: FakeInflux, make: Callable[..., Arrival]) -> None:
    with open_influx(url_of(fake, fake.new_bucket()), token=fake.token, patience=HURRY) as store:
        fake.faults.append(Fault(200, path="/query", page='{"results":[{"error":"context canceled"}]}'))
        store.write([make(1)])
        assert store.retries == 1


def test_a_question_that_hangs_is_given_up(fake: FakeInflux) -> None:
    bucket = fake.new_bucket()
    fake.faults.append(Fault(204, path="/query", hangs_s=5.0))
    address = connect(url_of(fake, bucket), fake.token)
    connection = Connection(address.address, fake.token, timeout_s=0.2)
    try:
        with pytest.raises(NoAnswer):
            connection.run(connection.ask("SHOW MEASUREMENTS"))
        assert connection.run(connection.ask("SHOW MEASUREMENTS")) == []
    finally:
        connection.close()
        address.close()


def test_closing_twice_is_no_error(fake: FakeInflux) -> None:
    connection = connect(url_of(fake, fake.new_bucket()), fake.token)
    connection.close()
    connection.close()
