"""Ids: the same on every machine and in every run, sorted by recorded time, and blind to where a file lies."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from katydid.sensors import identity

GOLDEN_CAPTURE = "016adde91080591fa6adc5efc338e14a"
GOLDEN_SEQUENCE = "000000000000318af22c8a80e9cec5e0"
GOLDEN_DETECTION = "016adde910801e9fce5bc42cdbe0d829"

texts = st.text(max_size=20)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
moments = st.integers(min_value=0, max_value=(1 << 48) - 1)


def make(
    sensor_id: str = "S4A03895",
    recorded: str = "20190522_050000",
    recorded_ms: int | None = 1_558_501_200_000,
    sequence: int | None = None,
    sha256: str = "ab" * 32,
) -> str:
    return identity.capture_id(
        sensor_id=sensor_id, recorded=recorded, recorded_ms=recorded_ms, sequence=sequence, sha256=sha256
    )


def test_the_layout_is_48_bits_of_time_and_80_bits_of_blake2b_over_length_prefixed_parts() -> None:
    parts = ["S4A03895", "20190522_050000", "", "ab" * 32]
    message = b"".join(len(part).to_bytes(8, "big") + part.encode() for part in parts)
    expected = hashlib.blake2b(message, digest_size=10, person=b"katydid.capture").hexdigest()
    assert make() == f"{1_558_501_200_000:012x}{expected}"


def test_golden_ids_never_change() -> None:
    """Whatever changes these makes every store of every user count its captures twice."""
    assert make() == GOLDEN_CAPTURE
    assert make(sequence=31, recorded_ms=None, recorded="") == GOLDEN_SEQUENCE
    assert identity.detection_id(GOLDEN_CAPTURE, "cd" * 32, 3) == GOLDEN_DETECTION


@given(moments, moments, digests, digests)
def test_ids_sort_by_recorded_time(first: int, second: int, one: str, other: str) -> None:
    early, late = make(recorded_ms=first, sha256=one), make(recorded_ms=second, sha256=other)
    if first < second:
        assert early < late
    assert identity.time_ms(early) == first


@given(texts, texts, st.none() | moments, st.none() | st.integers(0, 10**6), digests)
def test_an_id_is_always_32_lower_case_hexadecimal_digits(
    sensor_id: str, recorded: str, recorded_ms: int | None, sequence: int | None, sha256: str
) -> None:
    made = make(sensor_id, recorded, recorded_ms, sequence, sha256)
    assert len(made) == 32 and set(made) <= set("0123456789abcdef")
    assert made == make(sensor_id, recorded, recorded_ms, sequence, sha256.upper())


@given(texts, texts, texts, texts)
def test_letters_that_move_from_one_part_to_the_next_make_another_id(a: str, b: str, c: str, d: str) -> None:
    if (a, b) != (c, d):
        assert make(sensor_id=a, recorded=b) != make(sensor_id=c, recorded=d)


def test_every_part_matters() -> None:
    ids = {
        make(),
        make(sensor_id="S4A03896"),
        make(recorded="20190522_050001"),
        make(recorded_ms=1_558_501_200_001),
        make(sequence=0),
        make(sequence=1),
        make(sha256="ac" * 32),
    }
    assert len(ids) == 7


def test_times_out_of_range_sort_at_the_ends() -> None:
    assert make(recorded_ms=-5).startswith("000000000000")
    assert make(recorded_ms=1 << 60).startswith("ffffffffffff")


def test_text_that_is_no_utf_8_has_an_id_all_the_same() -> None:
    assert make(sensor_id="\udcff") != make(sensor_id="\udcfe")


@given(digests, st.integers(0, 1000), st.integers(0, 1000))
def test_a_detection_keeps_its_captures_time_and_is_told_apart_by_bundle_and_ordinal(
    bundle: str, one: int, other: int
) -> None:
    capture = make()
    first, second = (identity.detection_id(capture, bundle, ordinal) for ordinal in (one, other))
    assert first[:12] == capture[:12] and len(first) == 32
    assert (first == second) == (one == other)
    assert first != identity.detection_id(capture, "00" * 32, one) or bundle == "00" * 32
