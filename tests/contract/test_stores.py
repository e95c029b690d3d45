"""What every store must do, whatever it is made of."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec
import pytest

from contract_stores import KeptStore
from katydid.models.outcome import Status, Verdict
from katydid.sensors.sources.protocol import Position
from katydid.streams.sink import Arrival
from katydid.streams.store import By, OutcomeFilter, Window, open_store
from katydid.streams.store.columns import ACTIVITY, DETECTION, OUTCOME, SENSOR
from katydid.streams.store.duckdb import DuckDBStore

Make = Callable[..., Arrival]
HOUR = 3_600
MIDNIGHT = 1_749_945_600_000_000_000
EVERYTHING = OutcomeFilter()


def night(make: Make) -> list[Arrival]:
    """Two sensors, three hours: a tit and a robin, an empty hour, a refused file."""
    return [
        make(1, taxa=("Parus major", "Erithacus rubecula"), confidences=(0.9, 0.4), at_s=10),
        make(2, taxa=("Parus major",), confidences=(0.5,), at_s=1_800, verdict=Verdict.REVIEW),
        make(3, at_s=HOUR + 5),
        make(4, at_s=2 * HOUR, status=Status.REFUSED, reason="truncated", message="ends early"),
        make(5, taxa=("Erithacus rubecula",), confidences=(0.8,), at_s=20, sensor="SM4-2"),
    ]


def test_each_answer_has_exactly_the_columns_of_its_schema_even_when_there_is_nothing(store: KeptStore) -> None:
    assert store.outcomes(EVERYTHING).schema == OUTCOME
    assert store.detections(EVERYTHING).schema == DETECTION
    assert store.latest(5).schema == DETECTION
    assert store.activity(Window(), By.HOUR).schema == ACTIVITY
    assert store.sensors().schema == SENSOR
    assert store.detection("0" * 32) is None


def test_outcomes_come_back_in_order_of_time(store: KeptStore, make: Make) -> None:
    written = night(make)
    store.write(list(reversed(written)))
    assert store.outcomes(EVERYTHING)["capture_id"].to_pylist() == [
        written[n].outcome.capture_id for n in (0, 4, 1, 2, 3)
    ]


def test_a_detection_brings_back_the_whole_outcome_as_it_was_written(store: KeptStore, make: Make) -> None:
    written = night(make)
    store.write(written)
    robin = written[0].outcome.detections[1]
    assert store.detection(robin.detection_id) == written[0].outcome


def test_writing_twice_leaves_the_same_store(store: KeptStore, make: Make) -> None:
    store.write(night(make))
    once = store.content_hash(), store.sensors(), store.activity(Window(), By.HOUR)
    store.write(night(make))
    store.write([*night(make), *night(make)])
    assert (store.content_hash(), store.sensors(), store.activity(Window(), By.HOUR)) == once


def test_the_order_and_the_batches_of_writing_do_not_show(store: KeptStore, make: Make) -> None:
    arrivals = night(make)
    store.write(arrivals)
    whole = store.content_hash()
    with open_store(None) as other:  # A hash speaks of what is held, not of what holds it.
        for arrival in reversed(arrivals):
            other.write([arrival])
        assert other.content_hash() == whole
        assert other.sensors().equals(store.sensors())


def test_another_value_gives_another_content_hash(store: KeptStore, make: Make) -> None:
    store.write([make(1, taxa=("Parus major",), confidences=(0.9,))])
    with open_store(None) as other:
        other.write([make(1, taxa=("Parus major",), confidences=(0.9000001,))])
        assert other.content_hash() != store.content_hash()


def test_a_batch_that_repeats_a_capture_keeps_it_once(store: KeptStore, make: Make) -> None:
    one = make(1, taxa=("Parus major",))
    store.write([one, one])
    assert store.outcomes(EVERYTHING).num_rows == 1
    assert store.detections(EVERYTHING).num_rows == 1


def test_a_replay_after_the_zone_was_declared_is_still_the_same_capture(store: KeptStore, make: Make) -> None:
    """The id holds the device's own reading; captured_at moves when a zone is declared."""
    first, moved = make(1, taxa=("Parus major",)), make(1, taxa=("Parus major",), at_s=7 * HOUR)
    ids = {"capture_id": first.outcome.capture_id}
    again = msgspec.structs.replace(moved, outcome=msgspec.structs.replace(moved.outcome, **ids))
    store.write([first])
    store.write([again])
    assert store.outcomes(EVERYTHING).num_rows == 1


def test_a_refused_outcome_gives_way_to_a_later_one_that_is_none_and_never_the_other_way(
    store: KeptStore, make: Make
) -> None:
    """A dead letter that is tried again after a fix is stored once."""
    refused = make(1, status=Status.REFUSED, reason="truncated", message="x" * 40_000)
    mended = make(1, taxa=("Parus major",))
    store.write([refused, make(2, at_s=1)])
    store.write([mended])
    store.write([refused])
    assert store.outcome(mended.outcome.capture_id) == mended.outcome
    assert store.outcomes(EVERYTHING)["status"].to_pylist() == ["identified", "empty"]
    (row,) = store.activity(Window(), By.HOUR).to_pylist()
    assert [row[name] for name in ("detections", "captures", "refused", "effort_s")] == [1, 2, 0, 120.0]
    (row,) = store.sensors().to_pylist()
    assert [row[name] for name in ("captures", "identified", "empty", "refused", "detections")] == [2, 1, 1, 0, 1]


def test_a_refused_outcome_and_a_later_one_that_is_none_may_come_in_one_batch(store: KeptStore, make: Make) -> None:
    """A store that is kept from the topic of outcomes from its beginning meets a dead letter and its retry at once."""
    refused = make(1, status=Status.REFUSED, reason="truncated")
    mended, again = make(1, taxa=("Parus major",)), make(1, taxa=("Erithacus rubecula",))
    store.write([refused, make(2, at_s=1), refused, mended, again, refused])
    assert store.outcome(mended.outcome.capture_id) == mended.outcome
    assert store.outcomes(EVERYTHING)["status"].to_pylist() == ["identified", "empty"]
    (row,) = store.sensors().to_pylist()
    assert [row[name] for name in ("captures", "identified", "empty", "refused", "detections")] == [2, 1, 1, 0, 1]


def test_live_and_months_old_rows_in_one_batch_are_each_kept_once(store: KeptStore, make: Make) -> None:
    mixed = [make(n, taxa=("Parus major",), at_s=-(n % 3) * 60 * 86_400 - n) for n in range(300)]
    store.write(mixed[:200])
    store.write(mixed)
    assert store.outcomes(EVERYTHING).num_rows == 300
    assert sum(store.activity(Window(), By.DAY)["detections"].to_pylist()) == 300


def test_a_batch_that_cannot_be_kept_leaves_nothing_of_itself(duckdb_store: DuckDBStore, make: Make) -> None:
    good, bad = make(1, taxa=("Parus major",)), make(2)
    bad = msgspec.structs.replace(bad, outcome=msgspec.structs.replace(bad.outcome, length=2**70))
    before = duckdb_store.content_hash()
    with pytest.raises(OverflowError):
        duckdb_store.write([good, bad])
    assert duckdb_store.content_hash() == before
    assert duckdb_store.settled("folder") == {}
    duckdb_store.write([good])
    assert duckdb_store.outcomes(EVERYTHING).num_rows == 1


def test_the_filter_chooses_by_time_sensor_status_taxon_and_confidence(store: KeptStore, make: Make) -> None:
    store.write(night(make))

    def numbers(chosen: OutcomeFilter) -> list[str]:
        return [file.split("/")[1] for file in store.outcomes(chosen)["file"].to_pylist()]

    second_hour = Window(start=MIDNIGHT + HOUR * 10**9, end=MIDNIGHT + 2 * HOUR * 10**9)
    assert numbers(OutcomeFilter(window=second_hour)) == ["3.wav"]
    assert numbers(OutcomeFilter(sensors=("SM4-2",))) == ["5.wav"]
    assert numbers(OutcomeFilter(statuses=("refused", "empty"))) == ["3.wav", "4.wav"]
    assert numbers(OutcomeFilter(taxa=("Erithacus rubecula",))) == ["1.wav", "5.wav"]
    assert numbers(OutcomeFilter(taxa=("name:Erithacus rubecula",), min_confidence=0.5)) == ["5.wav"]
    assert numbers(OutcomeFilter(limit=2)) == ["1.wav", "5.wav"]


def test_detections_are_chosen_by_the_same_filter(store: KeptStore, make: Make) -> None:
    store.write(night(make))

    def names(chosen: OutcomeFilter) -> list[str]:
        return list(store.detections(chosen)["taxon"].to_pylist())

    assert names(EVERYTHING) == ["Parus major", "Erithacus rubecula", "Erithacus rubecula", "Parus major"]
    assert names(OutcomeFilter(min_confidence=0.8)) == ["Parus major", "Erithacus rubecula"]
    assert names(OutcomeFilter(statuses=("identified",), sensors=("SM4-2",))) == ["Erithacus rubecula"]
    assert names(OutcomeFilter(statuses=("refused",))) == []


def test_activity_counts_with_the_effort_behind_it(store: KeptStore, make: Make) -> None:
    store.write(night(make))
    rows = store.activity(Window(), By.HOUR).to_pylist()
    told = [(r["sensor_id"], r["taxon"], r["detections"], r["accepted"], r["effort_s"], r["captures"]) for r in rows]
    assert told == [
        ("SM4-1", "Erithacus rubecula", 1, 1, 120.0, 2),
        ("SM4-1", "Parus major", 2, 1, 120.0, 2),
        ("SM4-2", "Erithacus rubecula", 1, 1, 60.0, 1),
        ("SM4-1", None, 0, 0, 60.0, 1),
        ("SM4-1", None, 0, 0, 0.0, 1),
    ]
    assert [row["refused"] for row in rows] == [0, 0, 0, 0, 1]
    assert rows[1]["mean_confidence"] == pytest.approx(0.7)
    assert rows[1]["max_confidence"] == 0.9


def test_activity_of_one_taxon_still_shows_the_hours_without_it(store: KeptStore, make: Make) -> None:
    store.write(night(make))
    rows = store.activity(Window(), By.HOUR, ["Parus major"]).to_pylist()
    assert [(r["sensor_id"], r["taxon"], r["detections"]) for r in rows] == [
        ("SM4-1", "Parus major", 2),
        ("SM4-2", None, 0),
        ("SM4-1", None, 0),
        ("SM4-1", None, 0),
    ]


def test_activity_by_day_and_week_starts_at_midnight_and_on_monday(store: KeptStore, make: Make) -> None:
    store.write([make(n, taxa=("Parus major",), at_s=n * 86_400) for n in range(3)])  # Sunday, Monday, Tuesday
    days = store.activity(Window(), By.DAY)["bin_start"].to_pylist()
    weeks = store.activity(Window(), By.WEEK)
    assert [day.isoformat() for day in days] == [f"2025-06-{n}T00:00:00+00:00" for n in (15, 16, 17)]
    assert [week.isoformat()[:10] for week in weeks["bin_start"].to_pylist()] == ["2025-06-09", "2025-06-16"]
    assert weeks["detections"].to_pylist() == [1, 2]


def test_late_rows_change_the_activity_of_their_hour_and_of_no_other(store: KeptStore, make: Make) -> None:
    store.write(night(make))
    before = store.activity(Window(), By.HOUR).to_pylist()
    store.write([make(9, taxa=("Parus major",), at_s=HOUR + 30)])
    after = store.activity(Window(), By.HOUR).to_pylist()
    assert [row for row in after if row not in before] == [after[3]]
    assert (after[3]["taxon"], after[3]["detections"], after[3]["captures"]) == ("Parus major", 1, 2)


def test_an_unnamed_crop_counts_as_a_detection_without_a_taxon(store: KeptStore, make: Make) -> None:
    store.write([make(1, taxa=("", "Parus major"))])
    rows = store.activity(Window(), By.HOUR).to_pylist()
    assert [(row["taxon_id"], row["detections"]) for row in rows] == [(None, 1), ("name:Parus major", 1)]


def test_sensors_are_summed_up_by_status_with_first_and_last_and_effort(store: KeptStore, make: Make) -> None:
    store.write(night(make))
    one = store.sensors().to_pylist()[0]
    counts = {name: one[name] for name in ("captures", "identified", "empty", "refused", "detections", "effort_s")}
    assert counts == {"captures": 4, "identified": 2, "empty": 1, "refused": 1, "detections": 3, "effort_s": 180.0}
    assert one["first_captured_at"].isoformat() == "2025-06-15T00:00:10+00:00"
    assert one["last_captured_at"].isoformat() == "2025-06-15T02:00:00+00:00"


def test_the_latest_come_newest_first(store: KeptStore, make: Make) -> None:
    store.write(night(make))
    assert store.latest(2)["taxon"].to_pylist() == ["Parus major", "Erithacus rubecula"]
    assert store.latest(2)["sensor_id"].to_pylist() == ["SM4-1", "SM4-2"]


def test_positions_are_kept_with_their_outcomes_and_the_last_one_counts(duckdb_store: DuckDBStore, make: Make) -> None:
    duckdb_store.write(night(make))
    changed = Position(source="folder", partition="SM4-1/1.wav", mark="2000-2")
    duckdb_store.write([msgspec.structs.replace(make(1, at_s=99), position=changed)])
    marks = duckdb_store.settled("folder")
    assert marks["SM4-1/1.wav"] == "2000-2"
    assert len(marks) == 5
    assert duckdb_store.settled("kafka:frames") == {}
    duckdb_store.compact()
    duckdb_store.checkpoint()
    assert duckdb_store.settled("folder") == marks
    assert duckdb_store.captures_without_outcome() == 0


def test_compacting_changes_no_answer(duckdb_store: DuckDBStore, make: Make) -> None:
    for arrival in night(make):
        duckdb_store.write([arrival])
    before = duckdb_store.activity(Window(), By.HOUR), duckdb_store.sensors(), duckdb_store.content_hash()
    duckdb_store.compact()
    assert (duckdb_store.activity(Window(), By.HOUR), duckdb_store.sensors(), duckdb_store.content_hash()) == before


def test_offsets_of_a_log_are_kept_by_partition(duckdb_store: DuckDBStore, make: Make) -> None:
    for offset in (7, 8):
        at = Position(source="kafka:clips", partition="3", offset=offset)
        duckdb_store.write([msgspec.structs.replace(make(offset), position=at)])
    assert duckdb_store.offsets("kafka:clips") == {"3": 8}


def test_known_ids_are_told_from_unknown_ones(store: KeptStore, make: Make) -> None:
    store.write(night(make))
    mine = night(make)[2].outcome.capture_id
    assert store.known([mine, "f" * 32, "no hexadecimal id"]) == {mine}


def test_words_about_the_store_are_kept(duckdb_store: DuckDBStore) -> None:
    assert duckdb_store.meta("sensor_id") is None
    duckdb_store.set_meta("sensor_id", "SM4-1")
    duckdb_store.set_meta("sensor_id", "SM4-2")
    assert duckdb_store.meta("sensor_id") == "SM4-2"


def test_readers_in_other_threads_see_whole_batches_only(duckdb_store: DuckDBStore, make: Make) -> None:
    batches = [[make(b * 20 + n, taxa=("Parus major",), at_s=b * 20 + n) for n in range(20)] for b in range(15)]
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            outcomes = duckdb_store.outcomes(EVERYTHING).num_rows
            seen.append(outcomes)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for batch in batches:
        duckdb_store.write(batch)
    done.set()
    for reader in readers:
        reader.join()
    assert seen
    assert all(rows % 20 == 0 for rows in seen)
    assert duckdb_store.outcomes(EVERYTHING).num_rows == 300


def test_writing_nothing_is_no_error(store: KeptStore) -> None:
    store.write([])
    assert store.outcomes(EVERYTHING).num_rows == 0
