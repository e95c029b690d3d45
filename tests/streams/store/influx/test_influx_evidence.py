"""Whole outcomes as text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from katydid.models.outcome import Measure, Outcome
from katydid.sensors.capture import Fact
from katydid.streams.sink import Arrival
from katydid.streams.store.influx.evidence import evidence_of, outcome_of_evidence
from katydid.streams.store.influx.lines import TEXT_BYTES
from katydid.streams.store.influx.plain import plain_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.just("null")


@given(
    st.lists(st.builds(Fact, name=TEXT, value=TEXT, read_from=TEXT), max_size=3).map(tuple),
    st.lists(st.builds(Measure, name=TEXT, value=st.floats(allow_nan=False), bound=st.none() | st.floats(0, 1))).map(
        tuple
    ),
    TEXT,
)
def test_an_outcome_comes_back_as_it_was(facts: tuple[Fact, ...], quality: tuple[Measure, ...], file: str) -> None:
    outcome = msgspec.structs.replace(_one(), facts=facts, quality=quality, file=file, message=file, sensor_id=file)
    assert outcome_of_evidence(evidence_of(outcome)) == outcome


def test_a_detection_and_everything_around_it_come_back(make: Callable[..., Arrival]) -> None:
    outcome = make(1, taxa=("Parus major", ""), confidences=(1.0, 0.25)).outcome
    assert outcome_of_evidence(evidence_of(outcome)) == outcome


def test_it_is_json_that_others_can_read(make: Callable[..., Arrival]) -> None:
    (text,) = evidence_of(make(1, taxa=("Parus major",)).outcome)
    assert json.loads(text)["detections"][0]["taxon"]["name"] == "Parus major"


def test_a_number_that_is_not_finite_is_kept() -> None:
    outcome = msgspec.structs.replace(
        _one(), quality=(Measure(name="snr", value=math.nan), Measure(name="x", value=-math.inf))
    )
    back = outcome_of_evidence(evidence_of(outcome)).quality
    assert math.isnan(back[0].value)
    assert back[1].value == -math.inf


def test_a_file_name_that_is_no_unicode_is_kept_as_its_escape() -> None:
    outcome = msgspec.structs.replace(_one(), file="caf\udce9.wav")
    assert outcome_of_evidence(evidence_of(outcome)).file == "caf\\udce9.wav"


def test_long_evidence_is_cut_into_pieces_that_a_field_can_hold_whatever_it_says() -> None:
    for letter in ("x", "%41", "ü", "🦗"):
        outcome = msgspec.structs.replace(_one(), facts=(Fact(name="note", value=letter * 100_000, read_from="guano"),))
        parts = evidence_of(outcome)
        assert len(parts) > 3
        assert all(len(plain_text(part).encode()) <= TEXT_BYTES for part in parts)
        assert outcome_of_evidence(parts) == outcome


def _one() -> Outcome:
    return msgspec.json.decode(
        b'{"capture_id":"' + b"0" * 32 + b'","sensor_id":"s","kind":"clip","captured_at":1,"clock":{"source":"none"},'
        b'"media_type":"audio/wav","sha256":"00","length":1,"status":"empty"}',
        type=Outcome,
    )
