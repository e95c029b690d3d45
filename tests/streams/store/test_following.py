"""Occurrences beside outcomes: followed in time, the same whatever happened in between."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from katydid.models.follow import FollowSettings, FrameSettings, follow, follow_looks
from katydid.models.outcome import Effort, Outcome, Status
from katydid.sensors.sources.protocol import Position
from katydid.streams.errors import StoreFull, StoreReadOnly
from katydid.streams.sink import Arrival
from katydid.streams.store import By, DuckDBStore, OutcomeFilter, Window, occurrences, open_store
from katydid.streams.store.following import EVERY_S, QUIET_S, Follower, Marks
from scenes import EVENING, Animal, filmed, recorded, still

HOUR = 3_600_000_000_000


def arrivals(outcomes: Sequence[Outcome]) -> list[Arrival]:
    return [
        Arrival(
            outcome=outcome,
            position=Position(source="folder", partition=outcome.capture_id, offset=0, mark="1"),
        )
        for outcome in outcomes
    ]


def night() -> list[Outcome]:
    """Two cameras and a recorder over two sessions."""
    animals = [
        Animal("moth", still(0.4, 0.5)),
        Animal("late", still(0.6, 0.5, first_s=900), named=lambda n: "Apis mellifera" if n % 4 else "Vespula vulgaris"),
    ]
    times = [*(60.0 * n for n in range(30)), *(86_400.0 + 60.0 * n for n in range(10))]
    frames, _ = filmed(animals, times, resolution_s=1.0, refused=frozenset({5}))
    other, _ = filmed(animals, times[:10], sensor="CAM-2", zone="America/Lima")
    clips = recorded([(100.0 * n, 60.0, [("Oecanthus pellucens", 5.0, 50.0)] * (n % 3 == 0)) for n in range(20)])
    return [*frames, *other, *clips]


NIGHT = night()


def undisturbed() -> tuple[str, str]:
    with open_store(None) as store:
        store.write(arrivals(NIGHT))
        store.follow()
        return store.content_hash(), store.occurrence_hash()


HASHES = undisturbed()


def test_the_store_holds_what_follow_finds_in_the_outcomes() -> None:
    with open_store(None) as store:
        store.write(arrivals(NIGHT))
        assert store.unfollowed() == store.follow() == 4
        found = store.occurrences(OutcomeFilter()).to_pylist()
    expected = follow(NIGHT)
    assert [row["occurrence_id"] for row in found] == [one.occurrence_id for one in expected]
    for row, one in zip(found, expected, strict=True):
        assert tuple(row["detection_ids"]) == one.detections
        assert (row["session"], row["captures"], row["accepted"]) == (one.session, one.captures, one.accepted)
        assert row["taxon"] == (one.taxon.name if one.taxon else None)
        assert row["probability"] == one.probability and row["score"] == one.score
        assert row["length_px"] == one.length_px
        assert msgspec.json.decode(row["lineage"]) == list(msgspec.to_builtins(one.lineage))


def test_the_store_knows_which_captures_say_nothing_of_their_time() -> None:
    frames, _ = filmed([Animal("moth", still(0.4, 0.5))], [0.0, 0.1, 0.2])
    flags = ("no_reading", "in_future")
    frames = [msgspec.structs.replace(one, clock=msgspec.structs.replace(one.clock, flags=flags)) for one in frames]
    with open_store(None) as store:
        store.write(arrivals(frames))
        store.follow()
        assert store.occurrences(OutcomeFilter())["captures"].to_pylist() == [1, 1, 1]


@settings(max_examples=25)
@given(st.randoms(use_true_random=False), st.data())
def test_permutations_pieces_copies_and_following_in_between_converge(
    shuffled: random.Random, data: st.DataObject
) -> None:
    outcomes = [*NIGHT, *(NIGHT[n] for n in data.draw(st.lists(st.integers(0, len(NIGHT) - 1), max_size=20)))]
    shuffled.shuffle(outcomes)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(outcomes)), max_size=5)))
    with open_store(None) as store:
        for start, end in zip([0, *cuts], [*cuts, len(outcomes)], strict=True):
            store.write(arrivals(outcomes[start:end]))
            if data.draw(st.booleans()):
                store.follow()
        store.follow()
        assert store.unfollowed() == 0
        assert (store.content_hash(), store.occurrence_hash()) == HASHES


def test_a_late_card_joins_what_was_followed_before() -> None:
    with open_store(None) as store:
        store.write(arrivals(NIGHT[:10] + NIGHT[20:]))
        store.follow()
        before = store.occurrence_hash()
        store.write(arrivals(NIGHT[10:20]))
        assert store.unfollowed() == 1, "one session of one camera"
        assert store.occurrence_hash() == before
        store.follow()
        assert store.occurrence_hash() == HASHES[1]


def test_a_replay_leaves_nothing_to_follow() -> None:
    with open_store(None) as store:
        store.write(arrivals(NIGHT))
        store.follow()
        store.write(arrivals(NIGHT[::-1]))
        assert store.unfollowed() == 0


def test_a_refusal_that_gives_way_is_followed_again() -> None:
    refused = msgspec.structs.replace(
        NIGHT[0], status=Status.REFUSED, reason="truncated", detections=(), effort=Effort()
    )
    with open_store(None) as store:
        store.write(arrivals([refused, *NIGHT[1:]]))
        store.follow()
        assert store.occurrence_hash() != HASHES[1]
        store.write(arrivals(NIGHT[:1]))
        assert store.follow() == 1
        assert store.occurrence_hash() == HASHES[1]


def test_marks_outlive_the_process(tmp_path: Path) -> None:
    with open_store(tmp_path / "s.duckdb") as store:
        store.write(arrivals(NIGHT))
    with open_store(tmp_path / "s.duckdb", read_only=True) as store:
        assert store.unfollowed() == 4
        with pytest.raises(StoreReadOnly):
            store.follow()
    with open_store(tmp_path / "s.duckdb") as store:
        assert store.follow() == 4
        assert store.occurrence_hash() == HASHES[1]


def test_most_batches_of_a_live_run_leave_no_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    marked: list[int] = []
    add = Marks.add

    def counted(self: Marks, connection: duckdb.DuckDBPyConnection, sessions: set[tuple[str, str]]) -> object:
        new = add(self, connection, sessions)
        marked.append(len(new))
        return new

    monkeypatch.setattr(Marks, "add", counted)
    with open_store(None) as store:
        for outcome in NIGHT[:30]:
            store.write(arrivals([outcome]))
    assert marked == [1, *([0] * 29)]


def test_what_comes_in_while_a_session_is_followed_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:

    with open_store(None) as store:
        store.write(arrivals(NIGHT[:10]))
        late = arrivals(NIGHT[10:20])

        def interrupted(*arguments: object) -> object:
            if late:
                store.write([late.pop() for _ in range(len(late))])
            return follow_looks(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr("katydid.streams.store.duckdb.follow_looks", interrupted)
        store.follow()
        assert store.unfollowed() == 1
        store.follow()
        assert store.unfollowed() == 0
        (moth, *_) = store.occurrences(OutcomeFilter())["captures"].to_pylist()
        assert moth == 19, "one of the twenty was refused"


def test_what_is_not_committed_when_following_begins_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    read = threading.Event()
    add, session_looks = Marks.add, occurrences.session_looks

    def looked(*arguments: object) -> object:
        found = session_looks(*arguments)  # type: ignore[arg-type]
        read.set()
        return found

    with open_store(None) as store:
        store.write(arrivals(NIGHT[:10]))
        follower = threading.Thread(target=store.follow)

        def added(*arguments: object) -> object:
            new = add(*arguments)  # type: ignore[arg-type]
            if not follower.ident:
                follower.start()
                read.wait(0.5)  # In vain, since the follower waits for the commit; a faulty one reads here.
            return new

        monkeypatch.setattr(Marks, "add", added)
        monkeypatch.setattr(occurrences, "session_looks", looked)
        store.write(arrivals(NIGHT[10:20]))
        follower.join()
        store.follow()
        (moth, *_) = store.occurrences(OutcomeFilter())["captures"].to_pylist()
        assert moth == 19, "one of the twenty was refused"


def test_two_who_follow_at_once_do_not_undo_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """One has read a session when a batch comes in; another follows it, batch and all, before the first is done."""
    read, overtaken = threading.Event(), threading.Event()

    def slow(*arguments: object) -> object:
        found = follow_looks(*arguments)  # type: ignore[arg-type]
        if threading.current_thread() is first:
            read.set()
            overtaken.wait(0.5)  # In vain, since the other waits; a faulty one overtakes here.
        return found

    with open_store(None) as store:
        first = threading.Thread(target=store.follow)
        monkeypatch.setattr("katydid.streams.store.duckdb.follow_looks", slow)
        store.write(arrivals(NIGHT[:10]))
        first.start()
        assert read.wait(20.0)
        store.write(arrivals(NIGHT[10:20]))
        store.follow()
        overtaken.set()
        first.join()
        assert store.unfollowed() == 0
        (moth, *_) = store.occurrences(OutcomeFilter())["captures"].to_pylist()
        assert moth == 19, "one of the twenty was refused"


def test_a_batch_that_fails_leaves_no_mark_and_the_next_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(None) as store:
        with monkeypatch.context() as patch:
            patch.setattr(DuckDBStore, "_raise_top", _no_room)
            with pytest.raises(OSError, match="no room"):
                store.write(arrivals(NIGHT[:5]))
        assert store.unfollowed() == 0
        store.write(arrivals(NIGHT[:5]))
        assert store.unfollowed() == 1
        assert store.follow() == 1


def _no_room(*_: object) -> None:
    raise OSError("no room")


def test_a_commit_that_fails_takes_its_marks_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction fails after the mark was made: the session must be marked by the next batch."""
    with open_store(None) as store:
        transaction = DuckDBStore._transaction

        def failing(self: DuckDBStore) -> object:
            return _Failing(transaction(self))

        with monkeypatch.context() as patch:
            patch.setattr(DuckDBStore, "_transaction", failing)
            with pytest.raises(OSError, match="no room"):
                store.write(arrivals(NIGHT[:5]))
        store.write(arrivals(NIGHT[:5]))
        assert store.unfollowed() == 1


class _Failing:
    """A transaction that fails when all was done."""

    def __init__(self, transaction: object) -> None:
        self._transaction = transaction

    def __enter__(self) -> object:
        return self._transaction.__enter__()  # type: ignore[attr-defined]

    def __exit__(self, *_: object) -> None:
        error = OSError("no room")
        self._transaction.__exit__(OSError, error, None)  # type: ignore[attr-defined]
        raise error


def test_other_settings_have_everything_followed_anew(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    with open_store(path) as store:
        store.write(arrivals(NIGHT))
        store.follow()
    with open_store(path) as store:
        assert store.unfollowed() == 0
    hasty = FollowSettings(frames=FrameSettings(longest_gap_s=30.0))
    with open_store(path, follow=hasty) as store:
        assert store.follow() == 4
        frames = [row for row in store.occurrences(OutcomeFilter()).to_pylist() if row["kind"] == "frame"]
        assert all(row["captures"] == 1 and row["settings_digest"] == hasty.digest() for row in frames)


def test_occurrences_count_in_the_hour_in_which_they_were_first_seen() -> None:
    """A moth from 21:50 to 23:10, another from 22:20: one in the first hour, one in the second, none in the third."""
    moths = [Animal("early", still(0.2, 0.5)), Animal("late", still(0.8, 0.5, first_s=80 * 60.0))]
    outcomes, _ = filmed(moths, [50 * 60.0 + 60.0 * n for n in range(81)])
    with open_store(None) as store:
        store.write(arrivals(outcomes))
        assert store.activity(Window(), By.HOUR)["occurrences"].to_pylist() == [None] * 3, "not followed yet"
        store.follow()
        hours = store.activity(Window(), By.HOUR)
        assert hours["detections"].to_pylist() == [10, 100, 22]
        assert hours["occurrences"].to_pylist() == [1, 1, 0]
        assert store.activity(Window(), By.DAY)["occurrences"].to_pylist() == [2]
        second = Window(start=EVENING + HOUR, end=EVENING + 2 * HOUR)
        assert store.activity(second, By.HOUR)["occurrences"].to_pylist() == [1]
        assert store.activity(Window(), By.HOUR, ["Apis mellifera"])["occurrences"].to_pylist() == [0, 0, 0]


def test_a_fused_name_that_no_detection_of_the_hour_bears_still_counts() -> None:
    moth = Animal("moth", still(0.2, 0.5), named=lambda n: "Apis mellifera" if n < 2 else "Noctua pronuba")
    outcomes, _ = filmed([moth], [58 * 60.0 + 60.0 * n for n in range(12)])
    with open_store(None) as store:
        store.write(arrivals(outcomes))
        store.follow()
        rows = store.activity(Window(), By.HOUR).to_pylist()
    first = {row["taxon"]: (row["detections"], row["occurrences"]) for row in rows[:2]}
    assert first == {"Apis mellifera": (2, 0), "Noctua pronuba": (0, 1)}
    assert sum(row["occurrences"] for row in rows) == 1


def test_a_bout_that_begins_hours_into_a_recording_counts_where_the_recording_does() -> None:
    songs = [("Tettigonia cantans", 10.0, 100.0), ("Oecanthus pellucens", 4000.0, 4100.0)]
    with open_store(None) as store:
        store.write(arrivals(recorded([(0.0, 7200.0, songs)])))
        store.follow()
        rows = store.activity(Window(), By.HOUR).to_pylist()
        later = store.activity(Window(start=EVENING + HOUR), By.HOUR)
    assert [(row["taxon"], row["detections"], row["occurrences"], row["effort_s"]) for row in rows] == [
        ("Oecanthus pellucens", 1, 1, 7200.0),
        ("Tettigonia cantans", 1, 1, 7200.0),
    ]
    assert later.num_rows == 0, "no capture began there, so there is no effort to divide by"


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        (OutcomeFilter(), 12),
        (OutcomeFilter(sensors=("CAM-2",)), 1),
        (OutcomeFilter(taxa=("Apis mellifera",)), 2),
        (OutcomeFilter(min_confidence=0.8), 10),
        (OutcomeFilter(window=Window(start=EVENING + 20 * HOUR)), 2),
        (OutcomeFilter(limit=3), 3),
    ],
)
def test_occurrences_can_be_chosen(chosen: OutcomeFilter, count: int) -> None:
    with open_store(None) as store:
        store.write(arrivals(NIGHT))
        store.follow()
        assert store.occurrences(chosen).num_rows == count


def until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_a_thread_follows_what_was_left_by_a_process_that_is_gone(tmp_path: Path) -> None:
    with open_store(tmp_path / "s.duckdb") as store:
        store.write(arrivals(NIGHT))
    with open_store(tmp_path / "s.duckdb") as store:
        store.keep_following()
        assert until(lambda: store.unfollowed() == 0)
        assert store.occurrence_hash() == HASHES[1]
        assert any(thread.name == "katydid-follow" for thread in threading.enumerate())
    assert not any(thread.name == "katydid-follow" for thread in threading.enumerate())


def test_a_session_is_followed_when_it_is_quiet_or_has_waited_long(monkeypatch: pytest.MonkeyPatch) -> None:
    with duckdb.connect(":memory:") as connection, open_store(None):
        connection.execute("CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR)")
        connection.execute("CREATE TABLE outcome (sensor_id VARCHAR, clock_zone VARCHAR, captured_at TIMESTAMP_NS)")
        connection.execute("CREATE TABLE unfollowed (sensor_id VARCHAR, session VARCHAR)")
        marks = Marks(connection, FollowSettings())
        now = time.monotonic()
        follower = Follower(marks, lambda session: None, clock=lambda: now)
        follower.close()
        session = ("CAM-1", "2026-07-14")
        marks.add(connection, [session])
        added = marks.added_at(session)
        assert added is not None
        assert follower.due(added + 1.0) is None, "somebody may go on adding"
        assert follower.due(added + QUIET_S) == session
        for second in range(int(EVERY_S) + 1):
            monkeypatch.setattr(marks, "added_at", lambda _, second=second: added + second)
            found = follower.due(added + 1.0 + second)
            assert found is None or second >= EVERY_S - 1
        assert found == session


def test_what_the_store_failed_with_while_following_is_raised_by_the_next_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open_store(None) as store:
        store.write(arrivals(NIGHT[:3]))
        monkeypatch.setattr("katydid.streams.store.duckdb.follow_looks", raising(StoreFull("no room")))
        monkeypatch.setattr(Follower, "due", lambda self, now: ("CAM-1", "2026-07-14"))
        store.keep_following()

        def fails() -> bool:
            try:
                store.write(arrivals(NIGHT[:3]))
            except StoreFull:
                return True
            return False

        assert until(fails)
        assert store.unfollowed() == 1


def test_a_session_that_cannot_be_followed_is_told_and_keeps_no_outcome_from_the_store(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("katydid.streams.store.following.QUIET_S", 0.0)
    with open_store(None) as store:
        store.write(arrivals(NIGHT[:3]))
        with monkeypatch.context() as patch:
            patch.setattr("katydid.streams.store.duckdb.follow_looks", raising(ValueError("broken")))
            store.keep_following()
            assert until(lambda: "cannot be followed" in caplog.text)
        store.write(arrivals(NIGHT[3:6]))
        assert store.unfollowed() == 1
        assert store.outcomes(OutcomeFilter()).num_rows == 6
        assert "broken" in caplog.text


def raising(error: Exception) -> Callable[..., object]:
    def broken(*_: object) -> object:
        raise error

    return broken


WRITE = """
import sys
sys.path[:0] = sys.argv[2:4]
from pathlib import Path
import random
from test_following import NIGHT, arrivals
from katydid.streams.store import open_store
with open_store(Path(sys.argv[1])) as store:
    sys.stdout.write("open\\n")
    sys.stdout.flush()
    for start in range(0, len(NIGHT), 5):
        store.write(arrivals(NIGHT[start:start + 5]))
        store.follow()
        sys.stdout.write("wrote\\n")
        sys.stdout.flush()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of POSIX")
def test_kills_between_writing_and_following_converge(tmp_path: Path) -> None:
    """Six processes, each killed somewhere in writing and following; then one that writes all and follows."""
    chance = random.Random(3)
    path = tmp_path / "killed.duckdb"
    here = Path(__file__).resolve()
    command = [sys.executable, "-c", WRITE, str(path), str(here.parent), str(here.parents[2])]
    killed = 0
    for _ in range(6):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "open\n"
            for _ in zip(range(chance.randrange(1, 6)), writer.stdout, strict=False):
                pass
            timer = threading.Timer(chance.random() * 0.03, writer.kill)
            timer.start()
            for _ in writer.stdout:
                pass
            timer.join()
        killed += writer.wait() != 0
    assert killed >= 4, "the kills came after the work"
    with open_store(path) as store:
        store.write(arrivals(NIGHT))
        store.follow()
        assert (store.content_hash(), store.occurrence_hash()) == HASHES
