"""The store in InfluxDB 2: for many workers at once, for dashboards, and for what lies on another machine.

`write` is durable when it returns and leaves the same points however often it is called (`batch.py` says how). It
does without transactions: a reader may see captures a moment before their detections and sums. Positions of sources
are not kept here; a log such as Kafka keeps its own.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

import pyarrow as pa

from katydid.models.follow import DEFAULTS, FollowSettings
from katydid.models.outcome import Outcome
from katydid.sensors.capture import Health
from katydid.streams.errors import StoreUnreachable, StoreUnusable, Unkeepable
from katydid.streams.sink import Arrival
from katydid.streams.store.following import Session
from katydid.streams.store.influx import asking, captures, following, sessions
from katydid.streams.store.influx.addresses import Address, parse_address
from katydid.streams.store.influx.answers import NoAnswer, Refusal
from katydid.streams.store.influx.batch import BatchWriter
from katydid.streams.store.influx.checks import Finding, check
from katydid.streams.store.influx.connection import Connection
from katydid.streams.store.influx.lines import Unwritable
from katydid.streams.store.influx.patience import Insistence, Patience
from katydid.streams.store.influx.points import health_line
from katydid.streams.store.influx.timestamps import SECOND
from katydid.streams.store.influx.writer import Writer
from katydid.streams.store.protocol import By, OutcomeFilter, Window

QUIET, OFTEN = 30 * SECOND, 300 * SECOND
"""Nanoseconds: a session is followed when nobody has added to it for so long; one that never rests, so often."""

_log = logging.getLogger(__name__)

T = TypeVar("T")
Poison = Callable[[Arrival, str], None]
"""Is told of an arrival that can never be kept, and why."""


def open_influx(
    url: str,
    *,
    token: str,
    poison: Poison | None = None,
    sites: Mapping[str, str] | None = None,
    patience: Patience | None = None,
) -> InfluxStore:
    """Open `influx+http://HOST:PORT/ORGANISATION/BUCKET` after checking server, bucket, token and types of fields.

    `poison` is handed what the server will never take; without it that raises StoreUnusable. `sites`: sensor → site,
    by default a sensor is a site of its own. Raises StoreUnreachable, StoreUnusable, MissingExtra.
    """
    connection = connect(url, token)
    try:
        findings = connection.run(check(connection, mend=True))
        for finding in findings:
            if not finding.good and finding.fatal:
                raise (StoreUnreachable if finding.what == "server" else StoreUnusable)(finding.said)
        return InfluxStore(connection, findings, poison, sites or {}, patience or Patience())
    except BaseException:
        connection.close()
        raise


def connect(url: str, token: str) -> Connection:
    """Nothing is sent yet. Raises StoreUnusable for a URL or token that cannot be, MissingExtra."""
    address = parse_address(url)
    if not token:
        raise StoreUnusable("InfluxDB wants a token: set KATYDID_INFLUX_TOKEN")
    return Connection(address, token)


def _is_due(night: sessions.Night, now: int) -> bool:
    return now - night.touched >= QUIET or now - night.followed >= OFTEN


class InfluxStore:
    """A `Store` in one bucket. Make it with `open_influx`. Reads may come from any thread, writes from one."""

    def __init__(
        self,
        connection: Connection,
        findings: Sequence[Finding],
        poison: Poison | None,
        sites: Mapping[str, str],
        patience: Patience,
    ) -> None:
        self._connection = connection
        self._poison = poison
        self._sites = sites
        self._insistence = Insistence(patience)
        self._writer = Writer(connection.write, self._insistence)
        self._batches = BatchWriter(connection, self._writer, self._insistence, self._site)
        self._given_up: set[tuple[Session, int]] = set()
        """Sessions that could not be followed, as they were then."""
        self.findings = tuple(findings)
        """What the checks at start found."""

    @property
    def address(self) -> Address:
        """Where it is."""
        return self._connection.address

    @property
    def retries(self) -> int:
        """Requests that had to be made again while writing."""
        return self._insistence.retries

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def stop(self) -> None:
        """From any thread: a write that waits for a server in trouble raises StoreUnreachable instead."""
        self._connection.call_soon(self._insistence.stop)

    def close(self) -> None:
        """Let go of the server. Closing twice is no error."""
        self._connection.close()

    # -- writing ------------------------------------------------------------------------------------------------

    def write(self, arrivals: Sequence[Arrival]) -> None:
        """Durable when it returns, but for what was handed to `poison`; the same store however often it is called.

        A server in trouble is waited for, until `stop`. Raises StoreUnusable where waiting does not help,
        StoreUnreachable when stopped; then a part of the batch may be there, and writing it again completes it.
        """
        if not arrivals:
            return
        for arrival, reason in self._connection.run(self._batches.write(arrivals)):
            if self._poison is None:
                raise StoreUnusable(f"{arrival.outcome.file or arrival.outcome.capture_id} cannot be kept: {reason}")
            self._poison(arrival, reason)

    def write_health(self, readings: Iterable[Health]) -> None:
        """What sensors say of themselves, durable when it returns; from any thread. Raises as `write`, and Unkeepable
        for a reading that will never be taken."""
        try:
            lines = [line for health in readings if (line := health_line(health, self._site)) is not None]
        except Unwritable as error:
            raise Unkeepable(f"a health reading cannot be kept: {error}") from error
        for refused in self._connection.run(self._writer.write(lines)):
            raise Unkeepable(f"a health reading cannot be kept: {refused.reason}")

    # -- following ----------------------------------------------------------------------------------------------

    def follow(self, settings: FollowSettings = DEFAULTS, *, now: int | None = None, all_of_it: bool = False) -> int:
        """Make the occurrences of the sessions that were added to since they were followed; how many sessions. With
        `now` (UTC, nanoseconds) those rest that are being added to: touched within `QUIET`, and followed within
        `OFTEN`. `all_of_it` looks for sessions that no batch has marked, too. One that the server will not take is
        told, left waiting, and not tried again until something is added to it. Raises as `write`."""
        digest, waiting = settings.digest(), []
        for night in self.nights():
            if night.waits(digest) and (now is None or _is_due(night, now)):
                waiting.append((night.session, night.touched))
        if all_of_it:
            unmarked = self._insisted(lambda: sessions.unmarked(self._connection))
            waiting += [(session, 0) for session in sorted(unmarked)]
        waiting = [one for one in waiting if one not in self._given_up]
        return sum(self._followed(session, touched, settings) for session, touched in waiting)

    def _followed(self, session: Session, touched: int, settings: FollowSettings) -> bool:
        """Whether it could be."""
        try:
            found = self._insisted(functools.partial(self._follow_session, session, settings))
        except Unkeepable as error:
            _log.warning("%s of %s is not followed, its outcomes are safe: %s", session[1], session[0], error)
            self._given_up.add((session, touched))
            return False
        if touched or found:
            line = sessions.followed_line(session, touched, settings.digest())
            for refused in self._connection.run(self._writer.write([line])):
                raise StoreUnusable(f"that {session[1]} of {session[0]} was followed is refused: {refused.reason}")
        return True

    def nights(self) -> list[sessions.Night]:
        """All sessions as they stand, those that have waited longest first. Raises as `write`."""
        return self._insisted(lambda: sessions.nights(self._connection))

    async def _follow_session(self, session: Session, settings: FollowSettings) -> int:
        return await following.follow_session(self._connection, self._writer, self._site, session, settings)

    def _insisted(self, question: Callable[[], Coroutine[object, object, T]]) -> T:
        """A question whose answer is written down, so it is asked again while the server is in trouble."""
        try:
            return self._connection.run(self._insistence.insist(question))
        except Refusal as refusal:
            raise StoreUnusable(f"{self.address} refuses a question: {refusal}") from refusal

    def unfollowed(self) -> int:
        """How many sessions were added to since they were followed."""
        return sum(night.touched != night.followed for night in self._read(sessions.nights(self._connection)))

    def _site(self, sensor: str) -> str:
        return self._sites.get(sensor, sensor)

    # -- reading ------------------------------------------------------------------------------------------------

    def activity(self, window: Window, by: By, taxa: Sequence[str] = ()) -> pa.Table:
        """ACTIVITY: per sensor, time bin and taxon, with effort; see the protocol."""
        return self._read(asking.activity(self._connection, window, by, taxa))

    def outcomes(self, filter: OutcomeFilter) -> pa.Table:
        """OUTCOME rows by captured_at and capture_id."""
        return self._read(asking.outcomes(self._connection, filter))

    def detections(self, filter: OutcomeFilter) -> pa.Table:
        """DETECTION rows by captured_at, capture_id and ordinal."""
        return self._read(asking.detections(self._connection, filter))

    def occurrences(self, filter: OutcomeFilter) -> pa.Table:
        """OCCURRENCE rows first seen in the window, by first_seen and occurrence_id, as far as they were followed."""
        return self._read(following.occurrences(self._connection, filter))

    def latest(self, n: int) -> pa.Table:
        """DETECTION: the n newest, newest first."""
        return self._read(asking.latest(self._connection, n))

    def sensors(self) -> pa.Table:
        """SENSOR: one row per sensor."""
        return self._read(asking.sensors(self._connection))

    def detection(self, detection_id: str) -> Outcome | None:
        """The whole outcome that holds the detection, or None."""
        return self._read(captures.of_detection(self._connection, detection_id))

    def outcome(self, capture_id: str) -> Outcome | None:
        """The whole outcome of a capture, or None."""
        return self._read(asking.outcome(self._connection, capture_id))

    def known(self, capture_ids: Iterable[str]) -> set[str]:
        """Those of the ids that have an outcome."""
        return set(self._read(captures.known(self._connection, set(capture_ids))))

    def content_hash(self) -> str:
        """64 hexadecimal digits over every value of every outcome and detection: those of a DuckDB store that holds
        the same."""
        return self._read(asking.every_outcome(self._connection))

    def _read(self, question: Coroutine[object, object, T]) -> T:
        try:
            return self._connection.run(question)
        except NoAnswer as error:
            raise StoreUnreachable(f"{self.address} does not answer ({error}): is InfluxDB running?") from error
        except Refusal as refusal:
            raise StoreUnusable(f"{self.address} refuses a question: {refusal}") from refusal
