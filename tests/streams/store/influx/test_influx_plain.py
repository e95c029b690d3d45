"""Text that survives InfluxDB, and comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.streams.store.influx.plain import original_tag, original_text, plain_tag, plain_text, speakable

ANY = st.text(st.characters()) | st.text(st.sampled_from("%\\\n\r\t ,=\"'2541AF\ud800é\x00\x7f"))


@given(ANY)
def test_a_tag_comes_back_as_it_was(text: str) -> None:
    assert original_tag(plain_tag(text)) == speakable(text)


@given(ANY)
def test_a_text_comes_back_as_it_was(text: str) -> None:
    assert original_text(plain_text(text)) == speakable(text)


@given(ANY)
def test_what_is_sent_holds_nothing_that_does_not_survive(text: str) -> None:
    tag = plain_tag(text)
    assert tag
    assert "\\" not in tag
    for sent in (tag, plain_text(text)):
        assert not any(ord(letter) < 32 or ord(letter) == 127 for letter in sent)
        sent.encode()


@given(ANY, ANY)
def test_two_texts_never_become_one(one: str, other: str) -> None:
    if speakable(one) != speakable(other):
        assert plain_tag(one) != plain_tag(other)
        assert plain_text(one) != plain_text(other)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("SM4-1", "SM4-1"),
        ("50 % clipped", "50 % clipped"),
        ("Ålesund, fjord=1", "Ålesund, fjord=1"),
        ("", "%"),
        ("%", "%25"),
        ("100%25", "100%2525"),
        ("C:\\cards\\", "C:%5Ccards%5C"),
        ("two\nlines\tand\r", "two%0Alines%09and%0D"),
    ],
)
def test_only_what_must_be_is_rewritten_in_a_tag(text: str, sent: str) -> None:
    assert plain_tag(text) == sent


def test_a_field_keeps_its_backslashes() -> None:
    assert plain_text("C:\\cards\\\r") == "C:\\cards\\%0D"
