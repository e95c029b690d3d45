"""Animals and bouts in InfluxDB: what is followed when, and what a bad moment leaves. What they are is tested in
tests/contract, beside the DuckDB store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import pytest

from fake_influx import FakeInflux
from influx_servers import HURRY, url_of
from katydid.models.follow import FollowSettings, follow_looks
from katydid.models.follow.looks import Look
from katydid.models.occurrence import Occurrence
from katydid.sensors.capture import Kind
from katydid.streams.cli import run_command
from katydid.streams.errors import StoreUnusable
from katydid.streams.sink import Arrival
from katydid.streams.store import OutcomeFilter, open_store
from katydid.streams.store.influx import InfluxStore, following, open_influx
from katydid.streams.store.influx.store import OFTEN, QUIET

Make = Callable[..., Arrival]
EVERYTHING = OutcomeFilter()
MINUTE = 60


def film(make: Make, count: int, first: int = 0) -> list[Arrival]:
    """One bee that sits still, a frame a minute."""
    taxa = ("Apis mellifera",)
    return [make(n, sensor="cam", kind=Kind.FRAME, taxa=taxa, at_s=n * MINUTE) for n in range(first, first + count)]


def test_what_comes_while_a_night_is_followed_leaves_it_waiting(
    store: InfluxStore, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(film(make, 5))

    def slowly(looks: Iterable[Look], settings: FollowSettings) -> tuple[Occurrence, ...]:
        monkeypatch.undo()
        store.write(film(make, 5, first=5))
        return follow_looks(looks, settings)

    monkeypatch.setattr(following, "follow_looks", slowly)
    assert store.follow() == 1
    assert [row["captures"] for row in store.occurrences(EVERYTHING).to_pylist()] == [5]
    assert store.unfollowed() == 1
    assert store.follow() == 1
    assert [row["captures"] for row in store.occurrences(EVERYTHING).to_pylist()] == [10]
    assert store.unfollowed() == 0


def test_a_night_that_is_being_added_to_rests_for_a_while(store: InfluxStore, make: Make) -> None:
    store.write(film(make, 2))
    (touched,) = (night.touched for night in store.nights())
    assert store.follow(now=touched) == 1, "it was never followed"
    store.write(film(make, 2, first=2))
    (night,) = store.nights()
    assert store.follow(now=night.touched + QUIET - 1) == 0
    assert store.follow(now=night.touched + QUIET) == 1
    store.write(film(make, 2, first=4))
    (night,) = store.nights()
    assert store.follow(now=night.followed + OFTEN) == 1, "it never rests, and its turn has come"


def test_an_animal_of_three_thousand_frames_is_kept_whole(store: InfluxStore, make: Make) -> None:
    """Its detections' ids alone are 105 kB, more than a string of InfluxDB holds."""
    with open_store(None) as duckdb:
        frames = [make(n, sensor="cam", kind=Kind.FRAME, taxa=("Apis mellifera",), at_s=n) for n in range(3_000)]
        for each in (store, duckdb):
            each.write(frames)
            each.follow()
        assert store.occurrences(EVERYTHING).to_pylist() == duckdb.occurrences(EVERYTHING).to_pylist()
        assert [len(row["detection_ids"]) for row in store.occurrences(EVERYTHING).to_pylist()] == [3_000]


def test_nights_without_a_mark_are_followed_when_asked_for(fake: FakeInflux, make: Make) -> None:
    bucket = fake.new_bucket()
    with open_influx(url_of(fake, bucket), token=fake.token, patience=HURRY) as store:
        store.write(film(make, 3))
        del fake.buckets[bucket].points["session"]
        assert store.follow() == 0
        assert store.follow(all_of_it=True) > 0
        assert [row["captures"] for row in store.occurrences(EVERYTHING).to_pylist()] == [3]
        assert store.unfollowed() == 0


@pytest.mark.parametrize("statuses", [[401], [500] * 20])
def test_a_night_whose_occurrences_could_not_be_written_waits(
    statuses: list[int], fake: FakeInflux, make: Make
) -> None:
    with open_influx(url_of(fake, fake.new_bucket()), token=fake.token, patience=HURRY) as store:
        store.write(film(make, 3))
        fake.fail(*statuses)
        with pytest.raises(StoreUnusable):
            store.follow()
        fake.faults.clear()
        assert store.unfollowed() == 1
        assert store.follow() == 1
        assert store.occurrences(EVERYTHING).num_rows == 1


def seconds_ago(arrival: Arrival) -> int:
    return (time.time_ns() - arrival.outcome.captured_at) // 10**9


def test_a_bucket_that_deletes_what_is_old_takes_the_mark_of_what_it_still_takes(fake: FakeInflux, make: Make) -> None:
    """A night begins at noon, hours before its first capture."""
    first, *others = film(make, 3)
    bucket = fake.new_bucket(retention_s=seconds_ago(first) + 1_800)
    with open_influx(url_of(fake, bucket), token=fake.token, patience=HURRY) as store:
        store.write([first, *others])
        assert store.follow() == 1
        assert store.unfollowed() == 0


def test_a_night_that_the_server_will_not_take_is_told_and_no_obstacle_to_others(
    fake: FakeInflux, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    bee = {"kind": Kind.FRAME, "taxa": ("Apis mellifera",)}
    old, new = make(sensor="old", **bee), make(sensor="new", at_s=5 * 86_400, **bee)
    bucket = fake.new_bucket()
    with open_influx(url_of(fake, bucket), token=fake.token, patience=HURRY) as store:
        store.write([old, new])
        fake.buckets[bucket].retention_s = seconds_ago(new) + 86_400
        assert store.follow() == 1
        assert [row["sensor_id"] for row in store.occurrences(EVERYTHING).to_pylist()] == ["new"]
        assert store.unfollowed() == 1
        (told,) = (record.getMessage() for record in caplog.records)
        assert "of old is not followed" in told and "retention" in told
        assert store.follow() == 0
        assert len(caplog.records) == 1, "told once"


def test_a_sensor_that_came_to_another_site_keeps_its_long_stays(fake: FakeInflux, make: Make) -> None:
    url = url_of(fake, fake.new_bucket())
    frames = [make(n, sensor="cam", kind=Kind.FRAME, taxa=("Apis mellifera",), at_s=n) for n in range(2_001)]
    for sites, some in (({}, frames[:2_000]), ({"cam": "Heath"}, frames[2_000:])):
        with open_influx(url, token=fake.token, patience=HURRY, sites=sites) as store:
            store.write(some)
            assert store.follow() == 1
            kept = [len(row["detection_ids"]) for row in store.occurrences(EVERYTHING).to_pylist()]
    assert kept == [2_001]


def test_other_settings_follow_every_night_again(store: InfluxStore, make: Make) -> None:
    store.write(film(make, 3))
    assert store.follow() == 1
    assert store.follow() == 0
    assert store.follow(FollowSettings(mm_per_px=0.1)) == 1
    (row,) = store.occurrences(EVERYTHING).to_pylist()
    assert row["body_length_mm"] == pytest.approx(0.1 * row["length_px"])


def test_the_command_follows_and_questions_answer(
    fake: FakeInflux, make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KATYDID_INFLUX_TOKEN", fake.token)
    url = url_of(fake, fake.new_bucket())
    with open_influx(url, token=fake.token, patience=HURRY) as store:
        store.write(film(make, 5))
    assert run_command(["query", "occurrences", url]) == 0
    said = capsys.readouterr()
    assert "1 sensor nights have detections that were not followed yet: `katydid store follow` does" in said.err
    assert run_command(["store", "follow", url]) == 0
    assert "1 sensor nights followed" in capsys.readouterr().out
    assert run_command(["query", "occurrences", url, "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2, "a line of names, and one bee"
