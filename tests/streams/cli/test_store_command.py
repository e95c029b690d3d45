"""`katydid store check`, as it is typed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fake_influx import FakeInflux, running_fake
from influx_servers import post_lines, url_of
from katydid.streams.cli import run_command


@pytest.fixture
def fake() -> Iterator[FakeInflux]:
    with running_fake() as started:
        yield started


def test_a_good_store_is_told_line_by_line(
    fake: FakeInflux, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KATYDID_INFLUX_TOKEN", fake.token)
    assert run_command(["store", "check", url_of(fake, fake.new_bucket())]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["good", "server"],
        ["good", "token"],
        ["good", "fields"],
        ["good", "retention"],
        ["good", "shard"],
    ]


def test_what_costs_but_does_not_forbid_is_a_note_and_nothing_is_changed(
    fake: FakeInflux, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KATYDID_INFLUX_TOKEN", fake.token)
    bucket = fake.new_bucket(retention_s=86_400, shard_group_s=86_400)
    assert run_command(["store", "check", url_of(fake, bucket)]) == 0
    shown = capsys.readouterr().out
    assert "note  retention     1 days: older captures are deleted" in shown
    assert "influx bucket update --shard-group-duration 30d" in shown
    assert fake.buckets[bucket].shard_group_s == 86_400


def test_a_store_that_a_worker_could_not_use_ends_with_5(
    fake: FakeInflux, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = fake.new_bucket()
    monkeypatch.setenv("KATYDID_INFLUX_TOKEN", "wrong")
    assert run_command(["store", "check", url_of(fake, bucket)]) == 5
    assert "wrong  token" in capsys.readouterr().out
    monkeypatch.setenv("KATYDID_INFLUX_TOKEN", fake.token)
    post_lines(fake, bucket, b"capture,sensor=a effort_s=1i 1")
    assert run_command(["store", "check", url_of(fake, bucket)]) == 5
    assert "field effort_s of capture has type integer, and should be float" in capsys.readouterr().out


def test_without_a_token_it_says_which_variable_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KATYDID_INFLUX_TOKEN", raising=False)
    assert run_command(["store", "check", "influx+http://127.0.0.1:9/o/b"]) == 5
    assert "set KATYDID_INFLUX_TOKEN" in capsys.readouterr().err
