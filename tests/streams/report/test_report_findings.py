"""What is folded out of a store, and how it is spread over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from katydid.models.outcome import Outcome, Verdict
from katydid.sensors.capture import Kind
from katydid.streams.report import findings
from katydid.streams.report.effort import strip
from katydid.streams.report.hours import LocalHours, starts_at
from katydid.streams.report.text import duration, visible, zone_of
from katydid.streams.store import DuckDBStore, OutcomeFilter
from katydid.streams.stretches import stretches

from .conftest import DUSK, NS, Scene, heard, seen, without_a_time

Keep = Callable[[Sequence[Outcome]], DuckDBStore]
DAY = 86_400 * NS


@given(start=st.integers(0, 2**61), seconds=st.floats(0, 30_000))
def test_a_recording_is_spread_over_its_quarters_without_loss(start: int, seconds: float) -> None:
    parts = list(findings.spread(start, seconds))
    assert abs(sum(part for _, part in parts) - seconds) < 1e-6
    quarters = [quarter for quarter, _ in parts]
    assert quarters == list(range(quarters[0], quarters[0] + len(quarters)))
    assert all(0 <= part <= findings.QUARTER_S for _, part in parts)


def test_reading_in_stretches_finds_what_reading_at_once_does(scene: Scene, keep: Keep) -> None:
    file = scene.recording()
    names = ("Gryllus campestris", "Tettigonia cantans", "Gryllus campestris")
    outcomes = [
        scene.outcome(file, [heard(name, 0.1 * (n % 9) + 0.05) for name in names[: n % 4]], at=DUSK + n * DAY // 3)
        for n in range(40)
    ]
    store = keep(outcomes)
    windows = list(stretches(store, rows=7))
    assert len(windows) > 5
    rows = sum(store.detections(OutcomeFilter(window=window)).num_rows for window in windows)
    assert rows == sum(len(one.detections) for one in outcomes)
    whole = findings.find(store)
    assert whole.detections == rows
    assert {row.name: row.detections for row in whole.species} == {"Gryllus campestris": 40, "Tettigonia cantans": 20}


def test_means_are_over_what_has_a_probability(scene: Scene, keep: Keep) -> None:
    found = findings.find(
        keep(
            [
                scene.outcome(
                    scene.recording(),
                    [heard(score=0.9, probability=0.5), heard(score=0.8), heard(score=0.7, probability=0.7)],
                )
            ]
        )
    )
    (row,) = found.species
    assert abs((row.probability or 0) - 0.6) < 1e-9
    assert abs(row.confidence - (0.5 + 0.8 + 0.7) / 3) < 1e-9
    assert row.posterior is None
    assert sum(row.histogram) == 3 and row.histogram[16] == 1


def test_the_best_come_from_different_captures_and_accepted_first(scene: Scene, keep: Keep) -> None:
    file = scene.recording()
    long = scene.outcome(file, [heard(score=0.99, start=20.0 * n, end=20.0 * n + 2) for n in range(5)], seconds=120)
    other = scene.outcome(file, [heard(score=0.6)], at=DUSK + DAY)
    doubtful = scene.outcome(file, [heard(score=1.0, verdict=Verdict.REVIEW)], at=DUSK + 2 * DAY)
    (row,) = findings.find(keep([long, other, doubtful])).species
    best = row.best["clip"]
    assert best[0].startswith(long.capture_id[:24])
    assert best[1].startswith(other.capture_id[:24])
    assert best[-1].startswith(doubtful.capture_id[:24])


def test_clocks_that_cannot_be_right_stay_out_of_the_time_line(scene: Scene, keep: Keep) -> None:
    file = scene.recording()
    lost = scene.outcome(file, [heard()], at=3600 * NS)
    lost = msgspec.structs.replace(lost, clock=msgspec.structs.replace(lost.clock, flags=("before_2000",)))
    found = findings.find(keep([lost, scene.outcome(file, [heard()])]))
    assert (found.impossible, found.timeless, found.undated) == (1, 0, 1)
    assert found.first == DUSK
    assert found.species[0].detections == 2
    assert found.species[0].first == DUSK + 2 * NS


def test_captures_without_a_time_of_their_own_are_no_impossible_clocks(scene: Scene, keep: Keep) -> None:
    found = findings.find(keep([without_a_time(scene.outcome(scene.recording(), [heard()]), sensor="attic")]))
    assert (found.impossible, found.timeless) == (0, 1)
    assert (found.seconds, found.first, found.seconds_at) == (6.0, None, {})
    assert [sensor.sensor_id for sensor in found.sensors] == ["attic"]


def test_labels_that_are_no_organism_stand_apart(scene: Scene, keep: Keep) -> None:
    found = findings.find(keep([scene.outcome(scene.recording(), [heard("Engine", rank="none"), heard()])]))
    assert [row.is_organism for row in found.species] == [True, False]


def test_seen_and_heard_are_kept_apart(scene: Scene, keep: Keep) -> None:
    store = keep(
        [
            scene.outcome(scene.recording(), [heard("Tettigonia cantans")]),
            scene.outcome(scene.photo(), [seen("Tettigonia cantans")], kind=Kind.FRAME),
        ]
    )
    (row,) = findings.find(store).species
    assert set(row.best) == {"clip", "frame"} == set(row.quarters)


def test_hours_follow_the_zone_through_daylight_saving() -> None:
    hours = LocalHours(zone_of("Europe/Berlin"))
    quarter = {
        day: int(datetime(2025, *day, 12, 0, tzinfo=UTC).timestamp()) // findings.QUARTER_S
        for day in ((1, 15), (7, 15))
    }
    assert hours.hour(quarter[1, 15]) == 13
    assert hours.hour(quarter[7, 15]) == 14
    assert LocalHours(zone_of("+05:45")).hour(quarter[1, 15]) == 17


def test_a_night_stays_in_one_piece() -> None:
    assert starts_at([1.0 if hour >= 20 or hour < 4 else 0.0 for hour in range(24)]) == 12
    assert starts_at([1.0] * 24) == 0


def test_the_strip_counts_the_gaps_of_each_sensor() -> None:
    hour = 3600 // findings.QUARTER_S
    first = DUSK // findings.QUARTER_NS
    sensor = findings.SensorEffort(
        sensor_id="a", identified={first: 1}, empty={first + 5 * hour: 2}, refused={first + hour: 1}
    )
    drawn = strip((sensor,), zone_of("UTC"))
    assert drawn is not None
    assert drawn.column == "1 hour" and drawn.missing == 3
    assert strip((), zone_of("UTC")) is None


def test_durations_read_as_people_say_them() -> None:
    assert [duration(seconds) for seconds in (0.5, 40, 240, 250, 7500, 200_000)] == [
        "0.5 s",
        "40 s",
        "4 min",
        "4 min 10 s",
        "2 h 05 min",
        "56 h",
    ]


@given(st.text())
def test_nothing_invisible_is_left(text: str) -> None:
    assert all(character.isprintable() or character.isspace() for character in visible(text))
    assert not set("\n\r\t\u202e\u2066\ufeff\ud800") & set(visible(text))


def test_letters_of_any_script_are_left_alone() -> None:
    assert visible("Rêve ズアオアトリ кузнечик") == "Rêve ズアオアトリ кузнечик"
