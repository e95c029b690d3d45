"""Outcome ⇄ rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from katydid.models.outcome import (
    Alternative,
    Box,
    Certificate,
    Context,
    Decision,
    Detection,
    Effort,
    Measure,
    Outcome,
    Ran,
    RankProbability,
    Span,
    Status,
    Taxon,
    Verdict,
)
from katydid.sensors.capture import Clock, ClockSource, Fact, Kind, Place, ZoneSource
from katydid.sensors.sources.protocol import Position
from katydid.streams.sink import Arrival
from katydid.streams.store import OutcomeFilter, open_store
from katydid.streams.store.duckdb import DuckDBStore

real = st.floats(allow_nan=False)
finite = st.floats(allow_nan=False, allow_infinity=False)
share = st.floats(0, 1)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
small = st.integers(0, 2**31 - 1)
large = st.integers(-(2**63), 2**63 - 1)
instant = st.integers(-(2**62), 2**62)
taxa = st.builds(Taxon, taxon_id=text, name=text, rank=text, common_name=text)
measures = st.lists(
    st.builds(Measure, name=text, value=real, bound=st.none() | finite, passed=st.none() | st.booleans()), max_size=2
).map(tuple)
facts = st.lists(st.builds(Fact, name=text, value=text, read_from=text), max_size=2).map(tuple)
flags = st.lists(st.sampled_from(["fold", "gap", "before_2000"]), unique=True).map(tuple)
clocks = st.builds(
    Clock,
    source=st.sampled_from(ClockSource),
    recorded=text,
    resolution_s=real,
    uncertainty_s=real,
    zone=text,
    zone_source=st.sampled_from(ZoneSource),
    flags=flags,
)
places = st.builds(
    Place,
    latitude=finite,
    longitude=finite,
    uncertainty_m=st.none() | real,
    elevation_m=st.none() | real,
    source=text,
)
certificates = st.builds(
    Certificate, alpha=real, delta=real, stratum=text, n=large, threshold=real, issued=text, bundle_digest=text
)
contexts = st.builds(
    Context,
    local_solar_hour=st.none() | real,
    sun_elevation_deg=st.none() | real,
    prior=st.none() | real,
    prior_bundle=text,
    expected=st.none() | st.booleans(),
    allowed=st.booleans(),
)
lineages = st.lists(st.builds(RankProbability, rank=text, name=text, probability=real), max_size=2).map(tuple)
alternatives = st.lists(st.builds(Alternative, taxon=taxa, score=real, probability=st.none() | finite), max_size=2).map(
    tuple
)
detections = st.builds(
    Detection,
    detection_id=text,
    ordinal=small,
    model=text,
    model_digest=text,
    taxon=st.none() | taxa,
    box=st.none() | st.builds(Box, x=real, y=real, w=real, h=real),
    span=st.none() | st.builds(Span, start_s=real, end_s=real, low_hz=st.none() | real, high_hz=st.none() | real),
    score=real,
    probability=st.none() | real,
    posterior=st.none() | real,
    lineage=lineages,
    alternatives=alternatives,
    life_stage=st.none() | text,
    quality=measures,
    context=st.none() | contexts,
    decision=st.builds(Decision, verdict=st.sampled_from(Verdict), reason=text, certificate=st.none() | certificates),
)


def _numbered(found: list[Detection]) -> tuple[Detection, ...]:
    return tuple(msgspec.structs.replace(detection, ordinal=n) for n, detection in enumerate(found))


outcomes = st.builds(
    Outcome,
    capture_id=text,
    sensor_id=text,
    kind=st.sampled_from(Kind),
    captured_at=instant,
    clock=clocks,
    media_type=text,
    sha256=text,
    length=large,
    sequence=st.none() | large,
    place=st.none() | places,
    facts=facts,
    file=text,
    status=st.sampled_from(Status),
    reason=text,
    message=text,
    effort=st.builds(Effort, seconds=real, frames=small, channels=small, sample_rate=small, width=small, height=small),
    quality=measures,
    detections=st.lists(detections, max_size=3).map(_numbered),
    earlier_frames=small,
    ran=st.lists(
        st.builds(Ran, bundle=text, bundle_digest=text, engine=text, provider=text, entry=text), max_size=2
    ).map(tuple),
    settings_digest=text,
    katydid_version=text,
)


@pytest.fixture(scope="module")
def store() -> Iterator[DuckDBStore]:
    with open_store(None) as opened:
        yield opened


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batch=st.lists(outcomes, min_size=1, max_size=4, unique_by=lambda outcome: outcome.capture_id))
def test_every_outcome_comes_back_as_it_went_in(store: DuckDBStore, batch: list[Outcome]) -> None:
    fresh = [outcome for outcome in batch if outcome.capture_id not in store.known([outcome.capture_id])]
    store.write([Arrival(outcome=outcome, position=Position(source="s", partition="p")) for outcome in fresh])
    for outcome in fresh:
        assert store.outcome(outcome.capture_id) == outcome


Make = Callable[..., Arrival]


def _with(arrival: Arrival, **fields: object) -> Arrival:
    return msgspec.structs.replace(arrival, outcome=msgspec.structs.replace(arrival.outcome, **fields))


def test_the_loudness_of_digital_silence_is_kept_as_minus_infinity(store: DuckDBStore, make: Make) -> None:
    silent = (Measure(name="rms_dbfs", value=float("-inf"), bound=-90.0, passed=False),)
    arrival = _with(make(1), quality=silent)
    store.write([arrival])
    kept = store.outcome(arrival.outcome.capture_id)
    assert kept is not None
    assert kept.quality == silent


def test_minus_zero_is_not_taken_for_the_zero_before_it(store: DuckDBStore, make: Make) -> None:
    batch = []
    for number, score in ((11, 0.0), (12, -0.0), (13, 0.0)):
        arrival = make(number, taxa=("Parus major",))
        batch.append(_with(arrival, detections=(msgspec.structs.replace(arrival.outcome.detections[0], score=score),)))
    store.write(batch)
    kept = [store.outcome(arrival.outcome.capture_id) for arrival in batch]
    assert [str(outcome.detections[0].score) for outcome in kept if outcome is not None] == ["0.0", "-0.0", "0.0"]


def test_a_probability_that_is_no_number_is_kept_as_such_at_every_rank(store: DuckDBStore, make: Make) -> None:
    arrival = make(2, taxa=("Parus major",))
    odd = msgspec.structs.replace(
        arrival.outcome.detections[0],
        score=float("nan"),
        lineage=(RankProbability(rank="genus", name="Parus", probability=float("nan")),),
    )
    store.write([_with(arrival, detections=(odd,))])
    kept = store.outcome(arrival.outcome.capture_id)
    assert kept is not None
    assert str(kept.detections[0].score) == "nan"
    assert str(kept.detections[0].lineage[0].probability) == "nan"


def test_a_name_that_is_no_unicode_is_kept_with_its_bytes_escaped(store: DuckDBStore, make: Make) -> None:
    name = b"f\xff.wav".decode("utf-8", "surrogateescape")
    facts_ = (Fact(name="title", value=name, read_from="exif"),)
    arrival = _with(make(3), file=name, facts=facts_)
    store.write([arrival, make(4)])
    kept = store.outcome(arrival.outcome.capture_id)
    assert kept is not None
    assert kept.file == "f\\udcff.wav"
    assert kept.facts[0].value == "f\\udcff.wav"


def test_lists_are_json_that_others_can_read(store: DuckDBStore, make: Make) -> None:
    facts_ = (Fact(name="temperature_c", value="12.3", read_from="audiomoth"),)
    arrival = _with(make(5, sensor="json"), facts=facts_)
    store.write([arrival])
    row = store.outcomes(OutcomeFilter(sensors=("json",))).to_pylist()[0]
    assert json.loads(row["facts"]) == [{"name": "temperature_c", "value": "12.3", "read_from": "audiomoth"}]
    assert json.loads(row["ran"]) == []
