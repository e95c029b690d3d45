"""Keeping occurrences up with outcomes, without following ten thousand outcomes again for each batch.

A batch that adds to a session leaves a mark in `unfollowed`, in its own transaction: one row for each session that has
none yet, so most batches of a live run leave nothing. Whoever has time follows the marked sessions: all at once at the
end of a run, or a thread in pauses. The occurrences of a session and the removal of its mark are one transaction, and
the mark stays where a batch came in between. So a store that is killed at any moment knows what is to be done, and
comes to the same occurrences as one that was not.

The thread follows a session when nobody has added to it for a while, and a session that never rests now and then. After
each it rests ten times as long as that took of a core: following takes less than a tenth of one, however much waits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

import duckdb

from katydid.models.follow import FollowSettings
from katydid.models.follow.sessions import QUARTER, session_of
from katydid.models.outcome import Outcome
from katydid.streams.errors import StoreError

_log = logging.getLogger(__name__)

QUIET_S = 5.0
"""A session is quiet when nobody has added to it for so long."""
EVERY_S = 60.0
"""One that never is, is followed so often."""
REST = 10.0
"""Times as long as following took of a core does the thread rest after it."""
IDLE_S = 0.5
"""Between two looks for something to do."""

Session = tuple[str, str]
"""(sensor_id, session)"""

SETTINGS_KEY = "follow_settings"
"""In `meta`: the digest of the settings that the store's occurrences were, or are to be, made with."""


class Marks:
    """The sessions that are to be followed, as in the table `unfollowed`, and how often each was added to since.

    Changed under the store's lock for writing; `waiting` may be asked at any time.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: FollowSettings) -> None:
        """Reads the table. Where the store's occurrences were made with other settings, or never, marks everything."""
        digest = settings.digest()
        found = connection.execute("SELECT value FROM meta WHERE key = ?", [SETTINGS_KEY]).fetchone()
        if found is None or found[0] != digest:
            _mark_everything(connection, digest)
        marked = connection.execute("SELECT DISTINCT sensor_id, session FROM unfollowed").fetchall()
        self._additions: dict[Session, int] = dict.fromkeys(sorted(marked), 0)
        self._added_at: dict[Session, float] = {}

    def waiting(self) -> list[Session]:
        """The sessions that are to be followed, those that have waited longest first."""
        return list(self._additions)

    def added_at(self, session: Session) -> float | None:
        """When something was last added to it, by the monotonic clock; None: before the store was opened."""
        return self._added_at.get(session)

    def additions(self, session: Session) -> int:
        """How often something was added to it."""
        return self._additions.get(session, 0)

    def add(self, connection: duckdb.DuckDBPyConnection, sessions: Iterable[Session]) -> list[Session]:
        """Mark sessions, in the caller's transaction. Returns those that had no mark: to be taken back by `undo` if
        that fails."""
        some = sorted(sessions)
        new = [session for session in some if session not in self._additions]
        for session in new:
            connection.execute("INSERT INTO unfollowed VALUES (?, ?)", list(session))
        for session in some:
            self._additions[session] = self._additions.get(session, 0) + 1
            self._added_at[session] = time.monotonic()
        return new

    def undo(self, sessions: Iterable[Session]) -> None:
        """The transaction that marked them failed."""
        for session in sessions:
            self._additions.pop(session, None)
            self._added_at.pop(session, None)

    def followed(self, connection: duckdb.DuckDBPyConnection, session: Session, additions: int) -> None:
        """Take the mark away, in the caller's transaction, unless something was added after `additions`."""
        if self._additions.get(session, additions) == additions:
            connection.execute("DELETE FROM unfollowed WHERE sensor_id = ? AND session = ?", list(session))
            self._additions.pop(session, None)
            self._added_at.pop(session, None)

    def again(self, session: Session) -> None:
        """The transaction that followed it failed."""
        self._additions.setdefault(session, 0)


def sessions_of(outcomes: Iterable[Outcome]) -> set[Session]:
    """The sessions that outcomes belong to."""
    places = {(one.sensor_id, one.clock.zone, one.captured_at // QUARTER) for one in outcomes}
    return {(sensor_id, session_of(quarter * QUARTER, zone)) for sensor_id, zone, quarter in places}


def _mark_everything(connection: duckdb.DuckDBPyConnection, digest: str) -> None:
    quarters = connection.execute(
        "SELECT DISTINCT sensor_id, clock_zone, epoch_ns(captured_at) // ? FROM outcome", [QUARTER]
    ).fetchall()
    marked = {(sensor_id, session_of(quarter * QUARTER, zone)) for sensor_id, zone, quarter in quarters}
    connection.execute("BEGIN")
    try:
        connection.execute("DELETE FROM unfollowed")
        if marked:
            sensors, sessions = (list(part) for part in zip(*sorted(marked), strict=True))
            connection.execute("INSERT INTO unfollowed SELECT unnest(?), unnest(?)", [sensors, sessions])
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [SETTINGS_KEY, digest])
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


class Follower:
    """A thread that follows marked sessions in pauses. `follow` follows one. What the store fails with, `check` raises
    later; a session that cannot be followed for another reason is told, left marked and not tried again by this
    process: outcomes go on to be kept."""

    def __init__(
        self, marks: Marks, follow: Callable[[Session], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._marks = marks
        self._follow = follow
        self._clock = clock
        self._closed = threading.Event()
        self._failure: Exception | None = None
        self._followed_at: dict[Session, float] = {}
        self._given_up: set[Session] = set()
        self._thread = threading.Thread(target=self._run, name="katydid-follow", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises what the store failed with while following."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """End the thread; a session under way is finished."""
        self._closed.set()
        self._thread.join()

    def due(self, now: float) -> Session | None:
        """The session to follow now, if any."""
        for session in self._marks.waiting():
            if session in self._given_up:
                continue
            added = self._marks.added_at(session)
            if added is None or now - added >= QUIET_S:
                return session
            if now - self._followed_at.setdefault(session, now) >= EVERY_S:
                return session
        return None

    def _run(self) -> None:
        rest = IDLE_S
        while not self._closed.wait(rest):
            rest = IDLE_S
            session = self.due(self._clock())
            if session is None:
                continue
            began = time.thread_time()  # Not by the clock: it would rest for as long as others had the cores.
            try:
                self._follow(session)
            except StoreError as error:
                self._failure = error
                return
            except Exception:  # noqa: BLE001 - a supervising loop: a fault here must not keep outcomes from the store
                _log.exception("%s of %s cannot be followed; its outcomes are safe", session[1], session[0])
                self._given_up.add(session)
            self._followed_at.pop(session, None)
            if self._marks.additions(session):
                self._followed_at[session] = self._clock()
            rest = REST * (time.thread_time() - began)
