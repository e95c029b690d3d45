"""Line protocol, read back by a parser that shares nothing with the encoder."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_influx import parse
from katydid.streams.store.influx.lines import TAG_BYTES, TEXT_BYTES, Encoder, Unwritable
from katydid.streams.store.influx.plain import original_tag, original_text, speakable
from katydid.streams.store.influx.schema import FieldType, Measurement

THREE = Measurement(
    "three",
    ("sensor", "site"),
    {"words": FieldType.TEXT, "share": FieldType.REAL, "count": FieldType.WHOLE},
)
ANY = st.text(st.characters(), max_size=20) | st.text(st.sampled_from("%\\\n\r\t ,=\"'25é"), max_size=20)


@given(
    ANY,
    ANY,
    ANY,
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**63) + 2, 2**63 - 2),
)
def test_what_is_encoded_is_what_is_read(sensor: str, site: str, words: str, share: float, count: int, at: int) -> None:
    line = Encoder(THREE).line((sensor, site), (words, share, count), at).decode()
    assert "\n" not in line
    name, tags, fields, time = parse(line)
    assert (name, time) == ("three", at)
    assert {key: original_tag(value) for key, value in tags.items()} == {
        "sensor": speakable(sensor),
        "site": speakable(site),
    }
    assert original_text(str(fields["words"])) == speakable(words)
    assert type(fields["share"]) is float
    assert fields["share"] == float(share)
    assert type(fields["count"]) is int
    assert fields["count"] == count


def test_a_probability_of_exactly_one_is_no_integer() -> None:
    assert Encoder(THREE).line(("a", "b"), ("", 1, 1), 5) == b'three,sensor=a,site=b words="",share=1.0,count=1i 5'


def test_a_tag_that_is_not_there_is_left_out() -> None:
    assert Encoder(THREE).line(("a", None), ("", 0.5, 0), 5).startswith(b"three,sensor=a words=")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (("", math.nan, 1), "three.share: nan is no finite number"),
        (("", -math.inf, 1), "three.share: -inf is no finite number"),
        (("", True, 1), "three.share: True is no number"),
        (("", "0.5", 1), "three.share: '0.5' is no number"),
        (("", 0.5, 2**63), "three.count: 9223372036854775808 does not fit into 64 bits"),
        (("", 0.5, 1.0), "three.count: 1.0 is no whole number"),
        (("", 0.5, True), "three.count: True is no whole number"),
        ((None, 0.5, 1), "three.words: None is no text"),
        (("é" * (TEXT_BYTES // 2 + 1), 0.5, 1), f"three.words: a text of {TEXT_BYTES + 2} bytes"),
    ],
)
def test_what_influxdb_cannot_hold_is_refused_with_the_reason(fields: tuple[object, ...], why: str) -> None:
    with pytest.raises(Unwritable) as refused:
        Encoder(THREE).line(("a", "b"), fields, 5)
    assert str(refused.value).startswith(why)


def test_a_tag_without_end_is_refused() -> None:
    with pytest.raises(Unwritable, match="tag sensor"):
        Encoder(THREE).line(("s" * (TAG_BYTES + 1), "b"), ("", 0.5, 1), 5)


@pytest.mark.parametrize("at", [-(2**63), 2**63 - 1])
def test_a_time_outside_of_what_influxdb_knows_is_refused(at: int) -> None:
    with pytest.raises(Unwritable, match="1677 to 2262"):
        Encoder(THREE).line(("a", "b"), ("", 0.5, 1), at)


def test_a_line_must_have_the_full_set_of_fields() -> None:
    with pytest.raises(ValueError, match="zip"):
        Encoder(THREE).line(("a", "b"), ("", 0.5), 5)


def test_readings_that_are_not_there_are_left_out_of_a_sparse_line() -> None:
    encoder = Encoder(THREE)
    assert encoder.sparse(("a", "b"), {"share": 3, "count": None}, 5) == b"three,sensor=a,site=b share=3.0 5"
    assert encoder.sparse(("a", "b"), {}, 5) is None
