"""What InfluxDB 2 answers to which request, and what of it is then stored: what the store is built on.

Each case runs against the fake and, where it is there, the real server, so that neither can be wrong alone.
"""

from __future__ import annotations

import gzip

import pytest

from influx_servers import Server, post_lines, rows

AT = 1_749_945_600_000_000_000
DAY = 86_400 * 10**9
GOOD = b"m,sensor=a f=1.5 %d" % AT
VALUES = 'SELECT "f" FROM "m" WHERE time >= -9223372036854775806 AND time < 9223372036854775806 ORDER BY time'


@pytest.mark.parametrize(
    "bad",
    [
        b"m,sensor=a f=NaN 1",
        b"m,sensor=a f=Inf 1",
        b"m,sensor= f=1.5 1",
        b'm,sensor=a f="open 1',
        b"m,sensor=a f=9223372036854775808i 1",
        b"m,time=a f=1.5 1",
        b"m,sensor=a f=1.5 99999999999999999999",
        b"m,sensor=a",
    ],
)
def test_a_line_that_does_not_parse_takes_the_whole_request_with_it(server: Server, bucket: str, bad: bytes) -> None:
    status, said = post_lines(server, bucket, GOOD + b"\n" + bad)
    assert status == 400
    assert bad.decode().split(" ")[0].split(",")[0] in said
    assert rows(server, bucket, VALUES) == []


def test_windows_line_ends_do_not_parse(server: Server, bucket: str) -> None:
    assert post_lines(server, bucket, GOOD + b"\r\n" + GOOD + b"\r\n")[0] == 400
    assert rows(server, bucket, VALUES) == []


@pytest.mark.parametrize("precision", ["n", "u"])
def test_the_short_names_of_precisions_are_not_known(server: Server, bucket: str, precision: str) -> None:
    assert post_lines(server, bucket, GOOD, precision=precision)[0] == 400


def test_of_a_type_conflict_the_others_are_stored_and_the_count_of_the_answer_is_not_to_be_trusted(
    server: Server, bucket: str
) -> None:
    assert post_lines(server, bucket, GOOD)[0] == 204
    mixed = b"\n".join(
        [b"m,sensor=a f=2.5 %d" % (AT + 1), b"m,sensor=a f=3i %d" % (AT + 2), b"m,sensor=b f=4.5 %d" % AT]
    )
    status, said = post_lines(server, bucket, mixed)
    assert status == 422
    assert "conflict" in said
    assert "dropped=" in said
    assert sorted(str(value) for _, value in rows(server, bucket, VALUES)) == ["1.5", "2.5", "4.5"]


def test_a_conflicting_point_goes_whole(server: Server, bucket: str) -> None:
    post_lines(server, bucket, GOOD)
    assert post_lines(server, bucket, b"m,sensor=a f=3i,g=1.0 %d" % (AT + 1))[0] == 422
    assert rows(server, bucket, VALUES) == [[AT, 1.5]]
    assert rows(server, bucket, 'SHOW FIELD KEYS FROM "m"') == [["f", "float"]]


def test_corrupt_gzip_is_answered_with_500_however_often_it_comes(server: Server, bucket: str) -> None:
    assert [post_lines(server, bucket, b"\x1f\x8bno gzip at all", encoding="gzip")[0] for _ in range(2)] == [500, 500]
    assert post_lines(server, bucket, gzip.compress(GOOD), encoding="gzip")[0] == 204
    assert rows(server, bucket, VALUES) == [[AT, 1.5]]


def test_an_unknown_bucket_and_a_bad_token_are_told_apart(server: Server, bucket: str) -> None:
    assert post_lines(server, "no-such-bucket", GOOD)[0] == 404
    assert post_lines(server, bucket, GOOD, token="wrong")[0] == 401
    assert post_lines(server, bucket, GOOD, token="")[0] == 401
    assert rows(server, bucket, VALUES) == []


def test_any_time_and_any_size_is_taken_so_clocks_are_ours_to_check(server: Server, bucket: str) -> None:
    times = [-(2**63) + 2, 0, AT, 2**63 - 2]
    assert post_lines(server, bucket, b"\n".join(b"m,sensor=a f=1.5 %d" % at for at in times))[0] == 204
    assert [at for at, _ in rows(server, bucket, VALUES)] == times[:-1]
    assert post_lines(server, bucket, b'm,sensor=a,site=b t="%s" %d' % (b"x" * 70_000, AT))[0] == 204


def test_a_comment_asks_whether_one_may_write_and_stores_nothing(server: Server, bucket: str) -> None:
    assert post_lines(server, bucket, b"# nothing")[0] == 204
    assert rows(server, bucket, "SHOW MEASUREMENTS") == []


def test_a_rewrite_merges_field_by_field(server: Server, bucket: str) -> None:
    post_lines(server, bucket, b"m,sensor=a f=1.5,g=2.5 %d" % AT)
    post_lines(server, bucket, b"m,sensor=a f=3.5 %d" % AT)
    assert rows(server, bucket, VALUES.replace('"f"', '"f", "g"')) == [[AT, 3.5, 2.5]]


def test_the_type_of_a_field_is_checked_in_each_shard_only(server: Server, bucket: str) -> None:
    """So an integer in a float field, forty days away, is taken: hence the typed encoder and the check at start."""
    post_lines(server, bucket, GOOD)
    assert post_lines(server, bucket, b"m,sensor=a f=1i %d" % (AT + 40 * DAY))[0] == 204
    assert sorted(rows(server, bucket, 'SHOW FIELD KEYS FROM "m"')) == [["f", "float"], ["f", "integer"]]


def test_text_and_tags_as_the_encoder_writes_them_survive(server: Server, bucket: str) -> None:
    line = b'm,sensor=a\\ b\\,c\\=d\xc3\xa9%%5C t="q\\"b\\\\%%0D=, " %d' % AT
    assert post_lines(server, bucket, line)[0] == 204
    query = VALUES.replace('"f"', '"t", "sensor"')
    assert rows(server, bucket, query) == [[AT, 'q"b\\%0D=, ', "a b,c=dé%5C"]]
