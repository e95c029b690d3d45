"""The same captures in two stores: the five reads, and every question of ecologists, answer alike."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest

from contract_stores import KeptStore
from katydid.models.outcome import Outcome, Span, Status, Verdict
from katydid.sensors.capture import Kind, Place
from katydid.streams import questions
from katydid.streams.sink import Arrival
from katydid.streams.store import By, OutcomeFilter, Window, open_store

Make = Callable[..., Arrival]
TAXA = ("Parus major", "Erithacus rubecula", "Turdus merula", "Noctua pronuba", "")
DAY = 86_400
MIDNIGHT = 1_749_945_600_000_000_000
HEATH, MOOR = Place(latitude=52.1, longitude=5.9), Place(latitude=58.3, longitude=-4.4, elevation_m=120.0)


def weeks(make: Make, count: int = 240) -> list[Arrival]:
    """Three sensors over three weeks, every kind of outcome, some at one second, some at the edge of an hour."""
    rng = random.Random(20)
    return [_one(make, rng, number) for number in range(count)]


def _one(make: Make, rng: random.Random, number: int) -> Arrival:
    sensor = rng.choice(["SM4-1", "SM4, 2", "cam=3\\"])
    at_s = rng.choice([rng.randrange(21 * DAY), rng.randrange(21 * 24) * 3_600, rng.randrange(21 * 24) * 3_600 - 0.001])
    place = {"SM4-1": HEATH, "SM4, 2": MOOR}.get(sensor)
    kind = Kind.FRAME if sensor.startswith("cam") else Kind.CLIP
    if rng.random() < 0.15:
        return make(
            number,
            sensor=sensor,
            at_s=at_s,
            kind=kind,
            status=Status.REFUSED,
            reason=rng.choice(["truncated", "empty"]),
        )
    found = rng.randrange(4)
    return make(
        number,
        sensor=sensor,
        at_s=at_s,
        kind=kind,
        place=place,
        taxa=tuple(rng.choice(TAXA) for _ in range(found)),
        confidences=tuple(rng.choice([1.0, 0.5, rng.random()]) for _ in range(found)),
        spans=tuple(Span(start_s=k * 3.0, end_s=k * 3.0 + 3, low_hz=k * 100.0) for k in range(found)),
        verdict=rng.choice([Verdict.ACCEPTED, Verdict.REVIEW]),
        calibrated=rng.random() < 0.8,
    )


def alike(one: pa.Table, other: pa.Table) -> None:
    """Equal in everything; sums of floats may differ in their last digits, by the order of adding."""
    assert one.schema == other.schema
    mine, theirs = one.to_pylist(), other.to_pylist()
    assert len(mine) == len(theirs)
    for left, right in zip(mine, theirs, strict=True):
        assert left == {
            name: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
            for name, value in right.items()
        }


FILTERS = (
    OutcomeFilter(),
    OutcomeFilter(limit=7),
    OutcomeFilter(statuses=("identified", "refused"), limit=9),
    OutcomeFilter(sensors=("cam=3\\", "SM4, 2")),
    OutcomeFilter(window=Window(start=MIDNIGHT + 3 * DAY * 10**9 + 1, end=MIDNIGHT + 9 * DAY * 10**9)),
    OutcomeFilter(taxa=("Parus major", "name:Noctua pronuba"), min_confidence=0.5),
    OutcomeFilter(taxa=("Turdus merula",), limit=5),
    OutcomeFilter(min_confidence=1.0),
    OutcomeFilter(sensors=("nobody",)),
)
WINDOWS = (
    Window(),
    Window(start=MIDNIGHT + 5 * DAY * 10**9 + 1_800 * 10**9, end=MIDNIGHT + 6 * DAY * 10**9 + 1),
    Window(end=MIDNIGHT),
)


beside_duckdb = pytest.mark.parametrize(
    "store", ["influxdb, a fake", pytest.param("influxdb", marks=pytest.mark.servers)], indirect=True
)


@beside_duckdb
def test_two_stores_answer_the_five_reads_alike(store: KeptStore, make: Make) -> None:
    written = weeks(make)
    with open_store(None) as duckdb:
        for start in range(0, len(written), 50):
            store.write(written[start : start + 60])  # each batch repeats a part of the one before
            duckdb.write(written[start : start + 60])
        for chosen in FILTERS:
            alike(store.outcomes(chosen), duckdb.outcomes(chosen))
            alike(store.detections(chosen), duckdb.detections(chosen))
        for window in WINDOWS:
            for by in By:
                alike(store.activity(window, by), duckdb.activity(window, by))
        alike(store.activity(Window(), By.DAY, TAXA[:1]), duckdb.activity(Window(), By.DAY, TAXA[:1]))
        for n in (0, 1, 17, 1_000):
            alike(store.latest(n), duckdb.latest(n))
        alike(store.sensors(), duckdb.sensors())
        for outcome in _some(written):
            assert store.detection(outcome.detections[-1].detection_id) == outcome
        assert store.content_hash() == duckdb.content_hash()


@beside_duckdb
def test_two_stores_keep_the_same_animals_and_bouts(store: KeptStore, make: Make) -> None:
    """Half is written and followed, then all: what was made of the first half alone must be gone. An InfluxDB also
    follows nights again of which it was given nothing new."""
    written = weeks(make)
    with open_store(None) as duckdb:
        for some in (written[::2], written):
            store.write(some)
            duckdb.write(some)
            assert store.unfollowed() >= duckdb.unfollowed() > 20
            assert store.follow() >= duckdb.follow() > 20
            assert store.unfollowed() == duckdb.unfollowed() == 0
            for chosen in FILTERS:
                alike(store.occurrences(chosen), duckdb.occurrences(chosen))
            for window in WINDOWS:
                for by in By:
                    alike(store.activity(window, by), duckdb.activity(window, by))
        assert store.occurrences(OutcomeFilter()).num_rows > 100
        assert store.follow() == 0


@beside_duckdb
def test_two_stores_answer_what_ecologists_ask_alike(store: KeptStore, make: Make) -> None:
    written = weeks(make, 120)
    with open_store(None) as duckdb:
        store.write(written)
        duckdb.write(written)
        for mine, theirs in zip(_asked(store), _asked(duckdb), strict=True):
            alike(mine, theirs)
        history = [
            questions.detection_history(each.activity(Window(), By.DAY), "Parus major", occasion_days=3)
            for each in (store, duckdb)
        ]
        assert history[0] == history[1]


def _asked(store: KeptStore) -> list[pa.Table]:
    hourly, daily = store.activity(Window(), By.HOUR), store.activity(Window(), By.DAY)
    outcomes, detections, sensors = store.outcomes(OutcomeFilter()), store.detections(OutcomeFilter()), store.sensors()
    return [
        questions.species(detections, sensors),
        questions.top_taxa(detections, sensors, 2),
        questions.over_sensors(hourly),
        questions.diel_by_clock(hourly, "Europe/Amsterdam"),
        questions.diel_by_sun(detections, outcomes),
        questions.phenology(daily),
        questions.accumulation(daily),
        questions.effort_strip(hourly),
        questions.silence(hourly),
        questions.refusals(outcomes),
        questions.confidence_histogram(detections),
    ]


def _some(written: Sequence[Arrival]) -> list[Outcome]:
    return [arrival.outcome for arrival in written[::24] if arrival.outcome.detections]
