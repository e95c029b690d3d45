"""What is looked at before anything is written, and what it says one should do."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fake_influx import FakeInflux
from influx_servers import Server, post_lines, url_of
from katydid.streams.errors import StoreUnreachable, StoreUnusable
from katydid.streams.store.influx import open_influx
from katydid.streams.store.influx.addresses import Address, parse_address
from katydid.streams.store.influx.checks import Finding, check
from katydid.streams.store.influx.store import connect
from servers.influx import InfluxServer

AT = 1_749_945_600_000_000_000
DAY = 86_400 * 10**9


def found(server: Server, bucket: str, *, token: str | None = None, mend: bool = False) -> Sequence[Finding]:
    connection = connect(url_of(server, bucket), server.token if token is None else token)
    try:
        return connection.run(check(connection, mend=mend))
    finally:
        connection.close()


def test_a_bucket_as_it_should_be_is_good_in_everything(server: Server, bucket: str) -> None:
    findings = found(server, bucket)
    assert [finding.what for finding in findings] == ["server", "token", "fields", "retention", "shard groups"]
    assert all(finding.good for finding in findings)


def test_a_server_that_is_not_there_is_named_with_what_to_look_at() -> None:
    with pytest.raises(StoreUnreachable, match=r"http://127\.0\.0\.1:9 does not answer .* is InfluxDB running"):
        open_influx("influx+http://127.0.0.1:9/org/bucket", token="t")


def test_a_bucket_that_is_not_there_is_named_with_the_command_that_makes_it(server: Server) -> None:
    with pytest.raises(StoreUnusable, match=r"influx bucket create --org katydid --name nowhere"):
        open_influx(url_of(server, "nowhere"), token=server.token)


def test_a_token_that_is_not_accepted_is_told_from_none(server: Server, bucket: str) -> None:
    with pytest.raises(StoreUnusable, match="not accepted: set KATYDID_INFLUX_TOKEN"):
        open_influx(url_of(server, bucket), token="wrong")
    with pytest.raises(StoreUnusable, match="wants a token: set KATYDID_INFLUX_TOKEN"):
        open_influx(url_of(server, bucket), token="")


def test_a_token_must_be_allowed_to_write_and_to_read(fake: FakeInflux) -> None:
    bucket = fake.new_bucket()
    assert found(fake, bucket, token=fake.reader_token)[-1].said.count("may not write") == 1
    last = found(fake, bucket, token=fake.writer_token)[-1]
    assert (last.what, last.good) == ("fields", False)
    assert "must also be allowed to read" in last.said


@pytest.mark.servers
def test_the_real_server_grants_writing_and_reading_apart(influx_server: InfluxServer) -> None:
    bucket = influx_server.new_bucket()
    reads, writes, both = (
        influx_server.new_token(bucket, read=read, write=write)
        for read, write in ((True, False), (False, True), (True, True))
    )
    last = found(influx_server, bucket, token=reads)[-1]
    assert (last.what, last.good) == ("token", False)
    assert "403" in last.said
    assert "may not write" in last.said
    last = found(influx_server, bucket, token=writes)[-1]
    assert (last.what, last.good) == ("fields", False)
    assert "must also be allowed to read" in last.said
    assert all(finding.good or not finding.fatal for finding in found(influx_server, bucket, token=both))


def test_a_field_with_two_types_forbids_writing(server: Server, bucket: str) -> None:
    post_lines(server, bucket, b"detection,sensor=a score=0.5 %d" % AT)
    post_lines(server, bucket, b"detection,sensor=a score=1i %d" % (AT + 40 * DAY))
    with pytest.raises(StoreUnusable, match="field score of detection has type float and integer, and should be float"):
        open_influx(url_of(server, bucket), token=server.token)


def test_a_field_of_another_type_than_ours_forbids_writing(server: Server, bucket: str) -> None:
    post_lines(server, bucket, b"capture,sensor=a evidence_2=1i %d" % AT)
    with pytest.raises(StoreUnusable, match=r"evidence_2 of capture has type integer.*should be string.*new bucket"):
        open_influx(url_of(server, bucket), token=server.token)


def test_short_shard_groups_of_an_empty_bucket_are_made_thirty_days(fake: FakeInflux) -> None:
    bucket = fake.new_bucket(shard_group_s=7 * 86_400)
    assert "7 days. 30 days take half the memory" in found(fake, bucket)[-1].said
    assert fake.buckets[bucket].shard_group_s == 7 * 86_400
    with open_influx(url_of(fake, bucket), token=fake.token) as store:
        assert store.findings[-1] == Finding("shard groups", True, "were 7 days in the empty bucket, now 30")
    assert fake.buckets[bucket].shard_group_s == 30 * 86_400


def test_short_shard_groups_with_points_in_them_are_left_and_told(fake: FakeInflux) -> None:
    bucket = fake.new_bucket(shard_group_s=7 * 86_400)
    post_lines(fake, bucket, b"other f=1 1")
    with open_influx(url_of(fake, bucket), token=fake.token) as store:
        assert (store.findings[-1].good, store.findings[-1].fatal) == (False, False)
    assert fake.buckets[bucket].shard_group_s == 7 * 86_400


@pytest.mark.parametrize("path", ["/api/v2/write", "/query"])
@pytest.mark.parametrize("status", [503, 500, 429])
def test_a_server_in_trouble_is_not_taken_for_a_bad_token(fake: FakeInflux, path: str, status: int) -> None:
    fake.fail(status, path=path)
    with pytest.raises(StoreUnreachable, match=f"has troubles of its own \\({status}"):
        open_influx(url_of(fake, fake.new_bucket()), token=fake.token)


def test_a_bucket_that_forgets_is_told(fake: FakeInflux) -> None:
    findings = found(fake, fake.new_bucket(retention_s=90 * 86_400))
    retention = next(finding for finding in findings if finding.what == "retention")
    assert (retention.good, retention.fatal) == (False, False)
    assert retention.said.startswith("90 days: older captures are deleted")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("influx+http://moor:8086/katydid/night", Address("http://moor:8086", "katydid", "night")),
        ("influx+https://moor/my%20org/a%2Fb/", Address("https://moor:8086", "my org", "a/b")),
        ("influx+http://[::1]:9/o/b", Address("http://[::1]:9", "o", "b")),
    ],
)
def test_the_url_names_server_organisation_and_bucket(url: str, address: Address) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://moor:8086/o/b", "is no InfluxDB store"),
        ("http://user:secret@moor:8086/o/b", "is no InfluxDB store"),
        ("influx+http://[::1/o/b", "that is no URL"),
        ("influx+http://moor:8086/o", "must name server, organisation and bucket"),
        ("influx+http://moor:8086/o/b/c", "must name server, organisation and bucket"),
        ("influx+http:///o/b", "must name server, organisation and bucket"),
        ("influx+http://moor:port/o/b", "is no port"),
        ("influx+http://user:secret@moor/o/b", "no token or password in the store's URL"),
        ("influx+http://moor/o/b?token=secret", "no token or password in the store's URL"),
    ],
)
def test_a_url_that_cannot_be_says_why_and_repeats_no_secret(url: str, why: str) -> None:
    with pytest.raises(StoreUnusable, match=why) as refused:
        parse_address(url)
    assert "secret" not in str(refused.value)


def test_nothing_of_the_client_is_left_running_when_opening_fails() -> None:
    import threading

    before = threading.active_count()
    with pytest.raises(StoreUnreachable):
        open_influx("influx+http://127.0.0.1:9/org/bucket", token="t")
    assert threading.active_count() == before
