"""The embedded store: one DuckDB file, owned by one process.

Writing: one transaction per batch holds the outcomes, their detections, the source's positions and the recomputed
roll-up; it is durable when `write` returns, or nothing of it is there. Writing the same batch again changes nothing:
what is known is found by an anti-join on `capture_id`, without a primary key (which would stall checkpoints at tens
of millions of rows). Capture ids begin with the device's own time, so the look-up reads only the rows around the
batch's times, and it still finds a capture whose corrected time has changed since. Ids above all
that the store holds, as live captures have, need no look-up.

Reading: any thread, each call on a cursor of its own; readers see whole batches only.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from katydid.models.follow import DEFAULTS, FollowSettings, follow_looks
from katydid.models.image.earlier import Earlier, Reduced
from katydid.models.outcome import Outcome, Status
from katydid.streams.errors import StoreReadOnly
from katydid.streams.sink import Arrival, one_each
from katydid.streams.store import occurrences, reads, rollup, rows
from katydid.streams.store.appending import Appender, known_between
from katydid.streams.store.checkpointing import Checkpointer
from katydid.streams.store.columns import ACTIVITY, DETECTION, OCCURRENCE, OUTCOME, SENSOR
from katydid.streams.store.following import Follower, Marks, Session, sessions_of
from katydid.streams.store.hashing import content_hash, occurrence_hash
from katydid.streams.store.kept_frames import keep_frames, kept_frames
from katydid.streams.store.migrations import migrate, stand_ins
from katydid.streams.store.opening import MERGES, connect, let_go, read_layout, translated
from katydid.streams.store.protocol import By, OutcomeFilter, Window
from katydid.streams.store.spans import runs

_TIMED_ID = re.compile(r"[0-9a-f]{32}")
_DAY = 86_400_000
"""Milliseconds."""
_COMPACT_SHARE = 20
"""Compact when at least a twentieth as many rows were written as there would be to read."""


def open_store(path: Path | None, *, read_only: bool = False, follow: FollowSettings = DEFAULTS) -> DuckDBStore:
    """Open the store at `path`, making or migrating it where needed; None: in memory, gone when closed.

    `follow`: how animals and bouts are followed. Where the store's were followed otherwise, all are marked to be
    followed again. Raises StoreBusy, StoreUnusable, StoreReadOnly, StoreFull.
    """
    connection = connect(path, read_only=read_only)
    try:
        with translated(path):
            migrate(connection, read_only=read_only)
            appender = None if read_only else Appender(connection)
            marks = None if read_only else Marks(connection, follow)
            older = stand_ins(connection) if read_only else ""
            if path is not None and not read_only:
                read_layout(connection)
    except BaseException:
        connection.close()
        raise
    return DuckDBStore(connection, path, appender, marks, follow, stand_ins=older)


class DuckDBStore:
    """A `Store` in one DuckDB database. Make it with `open_store`."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        path: Path | None,
        appender: Appender | None,
        marks: Marks | None,
        follow: FollowSettings,
        *,
        stand_ins: str = "",
    ) -> None:
        self._connection = connection
        self._appender = appender
        self._marks = marks
        self._follow_settings = follow
        self._stand_ins = stand_ins
        self._follower: Follower | None = None
        self._path = path
        self._writing = threading.Lock()
        self._following = threading.Lock()
        self._reading = threading.Lock()
        self._readers = 0
        self._checkpointer = Checkpointer(self.checkpoint)
        self._appended = 0
        self._top: str | None = None
        """No id in the store is greater, so that live captures need no look-up; None: not known."""
        self._seek_top = True
        self._closed = False

    @property
    def path(self) -> Path | None:
        """The file; None in memory."""
        return self._path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Tidy up where that pays, and let go of the file; DuckDB checkpoints it. Closing twice is no error."""
        if self._closed:
            return
        self._closed = True
        if self._follower is not None:
            self._follower.close()
        self._checkpointer.close()
        try:
            if self._path is not None and self._worth_compacting():
                self.compact()
        finally:
            with self._writing, translated(self._path):
                self._connection.close()

    # -- writing ------------------------------------------------------------------------------------------------

    def write(self, arrivals: Sequence[Arrival]) -> None:
        """Durable when it returns, all or nothing, and the same store however often it is called."""
        if not arrivals:
            return
        if self._appender is None or self._marks is None:
            raise StoreReadOnly(f"{self._path} was opened for reading only")
        if self._follower is not None:
            self._follower.check()
        outcomes = {capture_id: arrival.outcome for capture_id, arrival in one_each(arrivals).items()}
        fresh, made = list(outcomes.values()), None
        if self._top is not None and min(outcomes) > self._top:
            made = rows.batch_tables(fresh, arrivals)  # Meanwhile a checkpoint may be made.
        self._checkpointer.writing()
        marked: list[Session] = []
        written = 0
        try:
            with self._transaction() as connection:
                if made is None:
                    fresh = self._unknown(self._appender, outcomes)
                    made = rows.batch_tables(fresh, arrivals)
                self._raise_top(self._appender, max(outcomes))
                for name, table in made.items():
                    self._appender.append(name, table)
                written = keep_frames(connection, _frames_of(fresh, arrivals))
                marked = self._marks.add(connection, sessions_of(fresh))
        except BaseException:
            self._marks.undo(marked)
            raise
        self._appended += len(arrivals)
        if self._path is not None:
            self._checkpointer.wrote(written + sum(table.get_total_buffer_size() for table in made.values()))

    def _unknown(self, appender: Appender, outcomes: Mapping[str, Outcome]) -> list[Outcome]:
        """Those of the outcomes, by capture id, that are not in the store; and those of captures that were refused
        before and are not now, whose old outcome gives way."""
        asked = [capture_id for capture_id in outcomes if self._top is None or capture_id <= self._top]
        known = _known(appender.known_between, asked)
        better = [capture_id for capture_id in known if outcomes[capture_id].status is not Status.REFUSED]
        known -= appender.take_back_refused(better)
        return [outcome for capture_id, outcome in outcomes.items() if capture_id not in known]

    def _raise_top(self, appender: Appender, capture_id: str) -> None:
        """Before the commit: if that fails, the bound is merely higher than need be."""
        if self._top is not None:
            self._top = max(self._top, capture_id)
        elif self._seek_top:
            self._seek_top = False
            self._top = None if appender.holds_above(capture_id) else capture_id

    def follow(self) -> int:
        """Follow every session that was added to since it was followed; returns how many. Other threads may write
        meanwhile."""
        if self._marks is None:
            raise StoreReadOnly(f"{self._path} was opened for reading only")
        sessions = self._marks.waiting()
        for session in sessions:
            self._follow(session)
        return len(sessions)

    def keep_following(self) -> None:
        """Have a thread follow in pauses from now on, for a host that never ends; see `following`."""
        if self._marks is None:
            raise StoreReadOnly(f"{self._path} was opened for reading only")
        if self._follower is None:
            self._follower = Follower(self._marks, self._follow)

    def unfollowed(self) -> int:
        """How many sessions were added to since they were followed."""
        with self._cursor() as cursor:
            row = cursor.execute("SELECT count(*) FROM (SELECT DISTINCT * FROM unfollowed)").fetchone()
        return int(row[0]) if row else 0

    def _follow(self, session: Session) -> None:
        """Follow one session. What it holds is read and followed beside whoever writes; only the exchange waits."""
        with self._following:  # One at a time: who read earlier must not replace what who read later has found.
            self._follow_alone(session)

    def _follow_alone(self, session: Session) -> None:
        assert self._marks is not None
        with self._writing:  # No batch is counted that is not committed, and so not read below.
            additions = self._marks.additions(session)
        with self._cursor() as cursor:
            found = follow_looks(occurrences.session_looks(cursor, *session), self._follow_settings)
        try:
            with self._transaction() as connection:
                occurrences.replace(connection, *session, found)
                self._marks.followed(connection, session, additions)
        except BaseException:
            self._marks.again(session)
            raise

    def set_meta(self, key: str, value: str) -> None:
        """Keep one word about the store itself, for example the sensor id that a folder was given."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [key, value])

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file: 6 ms for a thousand outcomes. The store does it in pauses."""
        with self._writing, translated(self._path):
            self._connection.execute("CHECKPOINT")
            with self._reading:
                if not self._readers and self._path is not None:
                    let_go(self._connection)

    def compact(self) -> None:
        """Drop positions that a later one replaced, fold the roll-up into one row for each hour and taxon, and merge
        the small row groups that checkpoints left.

        It takes its time, so `close` does it only after enough was written to pay for that.
        """
        with self._transaction() as connection:
            connection.execute(_DROP_REPLACED_POSITIONS)
            rollup.merge(connection)
        with self._writing, translated(self._path):
            self._connection.execute(f"SET max_vacuum_tasks = {MERGES}")
            try:
                self._connection.execute("CHECKPOINT")
            finally:
                self._connection.execute("SET max_vacuum_tasks = 0")
        self._appended = 0

    def _worth_compacting(self) -> bool:
        if not self._appended:
            return False
        row = self._connection.execute("SELECT count(*) FROM effort_1h").fetchone()
        return row is not None and self._appended * _COMPACT_SHARE > int(row[0])

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._writing, translated(self._path):
            self._connection.execute("BEGIN")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._rollback()
                raise

    def _rollback(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.Error:
            # The failed commit has already ended the transaction, or the disk error has closed the database:
            # nothing of the batch is kept either way.
            return

    # -- reading ------------------------------------------------------------------------------------------------

    def activity(self, window: Window, by: By, taxa: Sequence[str] = ()) -> pa.Table:
        """ACTIVITY: per sensor, time bin and taxon, with effort; see the protocol."""
        return self._read(reads.activity_query(window, by, taxa), ACTIVITY)

    def outcomes(self, filter: OutcomeFilter) -> pa.Table:
        """OUTCOME rows by captured_at and capture_id."""
        return self._read(reads.outcomes_query(filter), OUTCOME)

    def detections(self, filter: OutcomeFilter) -> pa.Table:
        """DETECTION rows by captured_at, capture_id and ordinal."""
        return self._read(reads.detections_query(filter), DETECTION)

    def occurrences(self, filter: OutcomeFilter) -> pa.Table:
        """OCCURRENCE rows first seen in the window, by first_seen and occurrence_id, as far as they were followed."""
        return self._read(reads.occurrences_query(filter), OCCURRENCE)

    def latest(self, n: int) -> pa.Table:
        """DETECTION: the n newest, newest first."""
        return self._read(reads.latest_query(n), DETECTION)

    def sensors(self) -> pa.Table:
        """SENSOR: one row per sensor."""
        return self._read((reads.SENSORS_QUERY, {}), SENSOR)

    def detection(self, detection_id: str) -> Outcome | None:
        """The whole outcome that holds the detection, or None."""
        with self._cursor() as cursor:
            row = cursor.execute("SELECT capture_id FROM detection WHERE detection_id = ?", [detection_id]).fetchone()
        return None if row is None else self.outcome(row[0])

    def outcome(self, capture_id: str) -> Outcome | None:
        """The whole outcome of a capture, or None."""
        with self._cursor() as cursor:
            found = _records(cursor, "SELECT * FROM outcome WHERE capture_id = ?", capture_id)
            if not found:
                return None
            parts = _records(cursor, "SELECT * FROM detection WHERE capture_id = ? ORDER BY ordinal", capture_id)
        return rows.rebuild(found[0], parts)

    def batches(self, query: reads.Query, schema: pa.Schema, rows_at_once: int = 50_000) -> Iterator[pa.RecordBatch]:
        """An answer in pieces, for exports of millions of rows."""
        with self._cursor() as cursor:
            text, parameters = query
            for batch in cursor.sql(text, params=parameters or None).to_arrow_reader(rows_at_once):
                yield from _shaped(pa.Table.from_batches([batch]), schema).to_batches()

    def tuples(self, query: str, rows_at_once: int = 10_000) -> Iterator[list[tuple[object, ...]]]:
        """The answer to a query of `reads`, some rows at a time."""
        with self._cursor() as cursor:
            cursor.execute(query)
            while found := cursor.fetchmany(rows_at_once):
                yield found

    def settled(self, source: str) -> Mapping[str, str]:
        """Partition → mark of every position of the source."""
        with self._cursor() as cursor:
            found = cursor.execute('SELECT "partition", mark FROM position WHERE source = ?', [source]).fetchall()
        return dict(found)

    def offsets(self, source: str) -> Mapping[str, int]:
        """Partition → offset of every position of the source."""
        with self._cursor() as cursor:
            found = cursor.execute('SELECT "partition", "offset" FROM position WHERE source = ?', [source]).fetchall()
        return dict(found)

    def known(self, capture_ids: Iterable[str]) -> set[str]:
        """Those of the ids that have an outcome."""
        with self._cursor() as cursor:
            return _known(partial(known_between, cursor), capture_ids)

    def earlier_frames(self, sensor_id: str) -> Earlier:
        """The newest reduced frames of a camera whose outcomes are kept, oldest first: the next is compared with
        them."""
        with self._cursor() as cursor:
            return kept_frames(cursor, sensor_id)

    def meta(self, key: str) -> str | None:
        """A word kept by `set_meta`."""
        with self._cursor() as cursor:
            row = cursor.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()
        return None if row is None else str(row[0])

    def captures_without_outcome(self) -> int:
        """Settled positions whose capture has no outcome: 0, always (guarantee 1)."""
        with self._cursor() as cursor:
            row = cursor.execute(reads.UNSETTLED_QUERY).fetchone()
        return int(row[0]) if row else 0

    def content_hash(self) -> str:
        """64 hexadecimal digits over every value of every outcome and detection; times of writing take no part."""
        with self._cursor() as cursor:
            return content_hash(cursor)

    def occurrence_hash(self) -> str:
        """The same over every value of every occurrence."""
        with self._cursor() as cursor:
            return occurrence_hash(cursor)

    def _read(self, query: reads.Query, schema: pa.Schema) -> pa.Table:
        text, parameters = query
        with self._cursor() as cursor:
            return _shaped(cursor.sql(text, params=parameters or None).to_arrow_table(), schema)

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with translated(self._path):
            with self._reading:
                self._readers += 1
                cursor = self._connection.cursor()
            try:
                if self._stand_ins:
                    cursor.execute(self._stand_ins)
                yield cursor
            finally:
                cursor.close()
                with self._reading:
                    self._readers -= 1


def _frames_of(fresh: Sequence[Outcome], arrivals: Sequence[Arrival]) -> list[Reduced]:
    """The reduced frames of the outcomes that are new to the store, in the order of arrival."""
    if not any(arrival.frame for arrival in arrivals):
        return []
    new = {outcome.capture_id for outcome in fresh}
    return [arrival.frame for arrival in arrivals if arrival.frame is not None and arrival.frame.capture_id in new]


def _known(look: Callable[[Sequence[str]], set[str]], capture_ids: Iterable[str]) -> set[str]:
    """Ids that are in the store, looked up in a few narrow ranges of the time that ids begin with."""
    asked = list(capture_ids)
    if not asked or _within_a_day(min(asked), max(asked)):
        return look(asked) if asked else set()
    timed: dict[int, list[str]] = {}
    other: list[str] = []
    for capture_id in asked:
        if _TIMED_ID.fullmatch(capture_id):
            timed.setdefault(int(capture_id[:12], 16), []).append(capture_id)
        else:
            other.append(capture_id)
    groups = [other] if other else []
    for first, last in runs(timed, gap=_DAY):
        groups.append([capture_id for at, ids in timed.items() if first <= at <= last for capture_id in ids])
    return set().union(*map(look, groups))


def _within_a_day(first: str, last: str) -> bool:
    both = _TIMED_ID.fullmatch(first) and _TIMED_ID.fullmatch(last)
    return bool(both) and int(last[:12], 16) - int(first[:12], 16) <= _DAY


_DROP_REPLACED_POSITIONS = """
DELETE FROM position_log USING (
    SELECT source, "partition", max(number) AS last FROM position_log GROUP BY ALL HAVING count(*) > 1
) newest
WHERE position_log.source = newest.source AND position_log."partition" = newest."partition"
  AND position_log.number < newest.last
"""


def _records(cursor: duckdb.DuckDBPyConnection, query: str, key: str) -> list[dict[str, object]]:
    table = cursor.sql(query, params=[key]).to_arrow_table()
    place = table.column_names.index("captured_at")
    return list(table.set_column(place, "captured_at", table["captured_at"].cast(pa.int64())).to_pylist())


def _shaped(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return table.select(schema.names).cast(schema)
