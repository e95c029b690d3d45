"""`katydid query` on what is no folder: an InfluxDB, or the file of another store."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fake_influx import FakeInflux, running_fake
from influx_servers import url_of
from katydid.streams.cli import run_command
from katydid.streams.sink import Arrival
from katydid.streams.store import open_store
from katydid.streams.store.influx import open_influx
from servers.influx import InfluxServer

Make = Callable[..., Arrival]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeInflux]:
    with running_fake() as started:
        monkeypatch.setenv("KATYDID_INFLUX_TOKEN", started.reader_token)
        yield started


@pytest.fixture
def url(fake: FakeInflux, make: Make) -> str:
    """A store in which two sensors heard one kind each, and one of them nothing once."""
    url = url_of(fake, fake.new_bucket())
    with open_influx(url, token=fake.token) as store:
        store.write(arrivals(make))
    return url


def arrivals(make: Make) -> list[Arrival]:
    return [
        make(1, taxa=("Parus major",), sensor="s1"),
        make(2, taxa=("Parus major",), sensor="s1"),
        make(3, taxa=("Turdus merula",), sensor="s2"),
        make(4, sensor="s2"),
    ]


def rows(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    assert run_command(["query", *words, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_bucket_is_asked_with_a_token_that_may_only_read(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "species", url)
    assert {row["taxon"]: row["detections"] for row in found} == {"Parus major": 2, "Turdus merula": 1}
    assert {row["taxon"] for row in rows(capsys, "latest", url, "-n", "3")} == {"Parus major", "Turdus merula"}
    hours = rows(capsys, "activity", url, "--taxon", "Turdus merula")
    assert [(row["sensor_id"], row["detections"]) for row in hours if row["detections"]] == [("s2", 1)]


def test_a_token_of_a_real_server_that_may_only_read_will_do(
    influx_server: InfluxServer, make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = influx_server.new_bucket()
    url = url_of(influx_server, bucket)
    with open_influx(url, token=influx_server.token) as store:
        store.write(arrivals(make))
    monkeypatch.setenv("KATYDID_INFLUX_TOKEN", influx_server.new_token(bucket, read=True))
    assert {row["taxon"]: row["detections"] for row in rows(capsys, "species", url)} == {
        "Parus major": 2,
        "Turdus merula": 1,
    }
    assert len(rows(capsys, "latest", url)) == 3
    assert sum(int(str(row["detections"])) for row in rows(capsys, "activity", url)) == 3


def test_a_bucket_and_a_file_of_any_name_answer_alike(
    url: str, make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "moor.duckdb"
    with open_store(path) as store:
        store.write(arrivals(make))
    for words in ("species", "activity", "latest"):
        there = rows(capsys, words, url)
        assert there
        assert rows(capsys, words, str(path)) == there
        assert rows(capsys, words, f"duckdb://{path.as_posix()}") == there


def test_what_cannot_be_asked_says_why_and_ends_with_5(
    fake: FakeInflux, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["query", "latest", url_of(fake, "elsewhere")]) == 5
    assert "bucket elsewhere" in capsys.readouterr().err
    assert run_command(["query", "latest", "influx+http://127.0.0.1:9/katydid/katydid"]) == 5
    assert "is InfluxDB running?" in capsys.readouterr().err
    monkeypatch.delenv("KATYDID_INFLUX_TOKEN")
    assert run_command(["query", "latest", url]) == 5
    assert "set KATYDID_INFLUX_TOKEN" in capsys.readouterr().err


def test_the_token_may_lie_in_a_file(
    fake: FakeInflux, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(fake.reader_token + "\n", encoding="utf-8")
    monkeypatch.delenv("KATYDID_INFLUX_TOKEN")
    monkeypatch.setenv("KATYDID_INFLUX_TOKEN_FILE", str(tmp_path / "token"))
    assert len(rows(capsys, "latest", url)) == 3


def test_without_the_extra_it_is_named_and_files_can_be_asked(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("influxdb_client", "influxdb_client.client.influxdb_client_async", "faust", "confluent_kafka"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("KATYDID_INFLUX_TOKEN", "any")
    assert run_command(["query", "latest", "influx+http://127.0.0.1:9/katydid/katydid"]) == 4
    assert "kafka" in capsys.readouterr().err
    with open_store(tmp_path / "moor.duckdb") as store:
        store.write(arrivals(make))
    assert len(rows(capsys, "latest", str(tmp_path / "moor.duckdb"))) == 3


def test_a_bucket_that_nobody_follows_says_so_and_knows_of_no_occurrences(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["query", "occurrences", url, "--csv"]) == 0
    said = capsys.readouterr()
    assert "`katydid store follow`" in said.err
    assert len(said.out.splitlines()) == 1, "the names of the columns"
    assert {row["occurrences"] for row in rows(capsys, "activity", url)} == {None}
