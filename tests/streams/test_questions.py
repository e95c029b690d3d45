"""What ecologists ask, on nights small enough to count by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from katydid.models.outcome import Status, Verdict
from katydid.sensors.capture import Kind, Place
from katydid.streams import questions
from katydid.streams.sink import Arrival
from katydid.streams.store import By, OutcomeFilter, Window, open_store
from katydid.streams.store.duckdb import DuckDBStore

Make = Callable[..., Arrival]
HOUR, DAY = 3_600, 86_400
ALL, WHENEVER = OutcomeFilter(), Window()
TIT, ROBIN = "Parus major", "Erithacus rubecula"


@pytest.fixture
def store() -> Iterator[DuckDBStore]:
    with open_store(None) as opened:
        yield opened


def test_the_species_table_counts_days_and_certainty(store: DuckDBStore, make: Make) -> None:
    store.write(
        [
            make(1, taxa=(TIT, ROBIN), confidences=(0.9, 0.6), at_s=10),
            make(2, taxa=(TIT,), confidences=(0.5,), at_s=DAY, verdict=Verdict.REVIEW),
            make(3, taxa=("",), at_s=20),
            make(4, at_s=30, sensor="SM4-2"),
        ]
    )
    tit, robin = questions.species(store.detections(ALL), store.sensors()).to_pylist()
    assert (tit["taxon"], tit["detections"], tit["accepted"], tit["days"], tit["sensors"]) == (TIT, 2, 1, 2, 1)
    assert tit["mean_probability"] == pytest.approx(0.7)
    assert tit["max_confidence"] == 0.9
    assert tit["first_seen"].isoformat() == "2025-06-15T00:00:10+00:00"
    assert tit["last_seen"].isoformat() == "2025-06-16T00:00:00+00:00"
    assert (robin["detections"], robin["effort_s"]) == (1, 240.0)
    assert questions.top_taxa(store.detections(ALL), store.sensors(), 1)["taxon"].to_pylist() == [TIT]


def test_the_mean_probability_of_an_uncalibrated_model_is_unknown(store: DuckDBStore, make: Make) -> None:
    store.write([make(1, taxa=(TIT,), confidences=(0.9,), calibrated=False)])
    (row,) = questions.species(store.detections(ALL), store.sensors()).to_pylist()
    assert row["mean_probability"] is None
    assert row["mean_confidence"] == 0.9


def test_activity_of_all_sensors_counts_the_effort_of_a_bin_once(store: DuckDBStore, make: Make) -> None:
    store.write([make(1, taxa=(TIT, ROBIN)), make(2, taxa=(TIT,), sensor="SM4-2"), make(3, at_s=HOUR)])
    rows = questions.over_sensors(store.activity(WHENEVER, By.HOUR)).to_pylist()
    told = [(row["taxon"], row["detections"], row["sensors"], row["effort_s"], row["captures"]) for row in rows]
    assert told == [(ROBIN, 1, 1, 120.0, 2), (TIT, 2, 2, 120.0, 2), (None, 0, 0, 60.0, 1)]


def test_the_day_goes_by_the_clock_of_the_place(store: DuckDBStore, make: Make) -> None:
    """Midnight of 15 June in UTC is two in the morning in Amsterdam and six in the evening in Denver."""
    store.write([make(1, taxa=(TIT,)), make(2, at_s=HOUR)])
    hourly = store.activity(WHENEVER, By.HOUR)
    for zone, hour in (("UTC", 0), ("Europe/Amsterdam", 2), ("America/Denver", 18)):
        rows = questions.diel_by_clock(hourly, zone).to_pylist()
        assert len(rows) == 24
        assert [row["hour"] for row in rows if row["detections"]] == [hour]
        assert [row["hour"] for row in rows if row["effort_s"]] == sorted([hour, hour + 1])
        assert sum(row["captures"] for row in rows) == 2


def test_the_day_goes_by_the_sun_of_the_longitude(store: DuckDBStore, make: Make) -> None:
    """Midnight in UTC is six in the morning by the sun at 90° east and, with 30 minutes, at 82.5°, half past five."""
    store.write(
        [
            make(1, taxa=(TIT,), place=Place(latitude=0.0, longitude=90.0)),
            make(2, taxa=(TIT,), place=Place(latitude=0.0, longitude=82.5)),
            make(3, place=Place(latitude=0.0, longitude=-90.0)),
            make(4, taxa=(TIT,)),
        ]
    )
    rows = questions.diel_by_sun(store.detections(ALL), store.outcomes(ALL)).to_pylist()
    assert {row["hour"]: row["detections"] for row in rows if row["detections"]} == {6: 1, 5: 1}
    assert {row["hour"]: row["captures"] for row in rows if row["captures"]} == {6: 1, 5: 1, 18: 1}


def test_phenology_keeps_the_weeks_without_the_species(store: DuckDBStore, make: Make) -> None:
    """15 June 2025 is the Sunday of ISO week 24."""
    store.write([make(1, taxa=(TIT,)), make(2, at_s=DAY), make(3, taxa=(TIT, TIT), at_s=8 * DAY)])
    rows = questions.phenology(store.activity(WHENEVER, By.DAY)).to_pylist()
    told = [(row["year"], row["week"], row["detections"], row["days"], row["days_looked"]) for row in rows]
    assert told == [(2025, 24, 1, 1, 1), (2025, 25, 0, 0, 1), (2025, 26, 2, 1, 1)]


def test_accumulation_grows_with_effort_and_never_falls(store: DuckDBStore, make: Make) -> None:
    store.write(
        [
            make(1, taxa=(TIT,)),
            make(2, taxa=(TIT, ROBIN), at_s=2 * DAY),
            make(3, at_s=DAY, kind=Kind.FRAME),
            make(4, taxa=("Strix aluco",), at_s=3 * DAY, verdict=Verdict.REVIEW),
        ]
    )
    daily = store.activity(WHENEVER, By.DAY)
    rows = questions.accumulation(daily).to_pylist()
    assert [(row["new_taxa"], row["taxa"], row["captures"]) for row in rows] == [
        (1, 1, 1),
        (0, 1, 2),
        (1, 2, 3),
        (0, 2, 4),
    ]
    assert [row["effort_s"] for row in rows] == [60.0, 60.0, 120.0, 180.0]
    assert questions.accumulation(daily, accepted_only=False)["taxa"].to_pylist()[-1] == 3


def test_the_strip_says_what_each_hour_was(store: DuckDBStore, make: Make) -> None:
    store.write(
        [
            make(1, taxa=(TIT,)),
            make(2, at_s=HOUR),
            make(3, at_s=2 * HOUR, status=Status.REFUSED, reason="truncated"),
            make(4, at_s=4 * HOUR),
            make(5, at_s=4 * HOUR + 1, status=Status.REFUSED, reason="truncated"),
        ]
    )
    rows = questions.effort_strip(store.activity(WHENEVER, By.HOUR)).to_pylist()
    assert [row["state"] for row in rows] == ["recorded", "empty", "refused", "missing", "empty"]
    assert [row["captures"] for row in rows] == [1, 1, 1, 0, 2]
    assert [row["effort_s"] for row in rows] == [60.0, 60.0, 0.0, 0.0, 60.0]


def test_the_sensor_that_fell_silent_comes_first(store: DuckDBStore, make: Make) -> None:
    store.write([make(n, at_s=n * HOUR, sensor="alive") for n in range(10)])
    store.write([make(n, at_s=n * HOUR, sensor="dead") for n in (0, 3)])
    dead, alive = questions.silence(store.activity(WHENEVER, By.HOUR)).to_pylist()
    assert (dead["sensor_id"], dead["behind_hours"], dead["hours_missing"], dead["longest_gap_hours"]) == (
        "dead",
        6,
        2,
        2,
    )
    assert dead["silent_since"].isoformat() == "2025-06-15T04:00:00+00:00"
    assert (alive["behind_hours"], alive["hours_missing"], alive["hours_with_captures"]) == (0, 0, 10)


def test_refusals_are_counted_by_reason_with_an_example(store: DuckDBStore, make: Make) -> None:
    store.write([make(n, at_s=n, status=Status.REFUSED, reason="truncated", message=f"m{n}") for n in (2, 1)])
    store.write([make(3, status=Status.REFUSED, reason="empty_file"), make(4)])
    first, second = questions.refusals(store.outcomes(ALL)).to_pylist()
    assert (first["reason"], first["captures"], first["share"]) == ("truncated", 2, 0.5)
    assert (first["example_file"], first["example_message"]) == ("SM4-1/1.wav", "m1")
    assert second["reason"] == "empty_file"


def test_the_histogram_has_twenty_bins_and_takes_one_into_the_last(store: DuckDBStore, make: Make) -> None:
    store.write([make(1, taxa=(TIT,) * 4, confidences=(0.0, 0.06, 0.96, 1.0))])
    rows = questions.confidence_histogram(store.detections(ALL)).to_pylist()
    assert [(round(row["low"], 2), round(row["high"], 2), row["detections"]) for row in rows] == [
        (0.0, 0.05, 1),
        (0.05, 0.1, 1),
        (0.95, 1.0, 2),
    ]


def test_the_detection_history_tells_absence_from_not_looking(store: DuckDBStore, make: Make) -> None:
    store.write(
        [
            make(1, taxa=(TIT,), sensor="A"),
            make(2, at_s=DAY, sensor="A"),
            make(3, at_s=DAY, sensor="B", taxa=(ROBIN,)),
            make(4, at_s=3 * DAY, sensor="B", taxa=(TIT,), verdict=Verdict.REVIEW),
            make(5, at_s=2 * DAY, sensor="A", status=Status.REFUSED, reason="truncated"),
        ]
    )
    daily = store.activity(WHENEVER, By.DAY)
    history = questions.detection_history(daily, TIT)
    assert history.sites == ("A", "B")
    assert history.detected == ((1, 0, None, None), (None, 0, None, 0))
    assert history.effort_s == ((60.0, 60.0, 0.0, 0.0), (0.0, 60.0, 0.0, 60.0))
    assert history.starts[1] - history.starts[0] == DAY * 10**9
    two_days = questions.detection_history(daily, f"name:{TIT}", occasion_days=2, accepted_only=False)
    assert two_days.detected == ((1, None), (0, 1))
    with pytest.raises(ValueError, match="at least 1"):
        questions.detection_history(daily, TIT, occasion_days=0)


def test_a_store_without_anything_has_no_answer_and_no_error(store: DuckDBStore) -> None:
    detections, outcomes, sensors = store.detections(ALL), store.outcomes(ALL), store.sensors()
    hourly = store.activity(WHENEVER, By.HOUR)
    for answer in (
        questions.species(detections, sensors),
        questions.over_sensors(hourly),
        questions.diel_by_clock(hourly),
        questions.diel_by_sun(detections, outcomes),
        questions.phenology(hourly),
        questions.accumulation(hourly),
        questions.effort_strip(hourly),
        questions.silence(hourly),
        questions.refusals(outcomes),
        questions.confidence_histogram(detections),
    ):
        assert answer.num_rows == 0
    assert questions.detection_history(hourly, TIT).sites == ()
