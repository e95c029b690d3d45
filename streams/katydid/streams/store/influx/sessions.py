"""Which nights of which sensors are to be followed again.

Each batch writes, behind all else of it, when it touched which session. Whoever follows a session notes which touch it
has seen. The two differ as long as something is to be done: also after a kill of either, and with many writers.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from katydid.models.follow.sessions import WIDEST, reach, session_of
from katydid.models.outcome import Outcome
from katydid.streams.store.following import Session, sessions_of
from katydid.streams.store.influx.cells import whole
from katydid.streams.store.influx.connection import Connection
from katydid.streams.store.influx.influxql import EVER, select
from katydid.streams.store.influx.lines import Encoder
from katydid.streams.store.influx.plain import original_tag, original_text, speakable
from katydid.streams.store.influx.schema import EFFORT_1H, SESSION
from katydid.streams.store.influx.timestamps import EARLIEST, HOUR, LATEST

_session = Encoder(SESSION)


class Night(msgspec.Struct, frozen=True):
    """One session as it stands."""

    session: Session
    touched: int
    """UTC, nanoseconds, by the clock of who wrote it."""
    followed: int
    """0: never."""
    settings: str

    def waits(self, settings: str) -> bool:
        """Something was added since it was followed, or it was followed with other settings."""
        return self.touched != self.followed or self.settings != settings


def touched_lines(outcomes: Iterable[Outcome], now: int) -> list[bytes]:
    """That a batch of these outcomes has touched their sessions."""
    return [_line(session, {"touched": now}) for session in sorted(sessions_of(outcomes))]


def followed_line(session: Session, touched: int, settings: str) -> bytes:
    """That a session was followed as it was when it had been touched then."""
    return _line(session, {"followed": touched, "settings": settings})


def _line(session: Session, fields: dict[str, object]) -> bytes:
    sensor, night = session
    # Behind all of its captures: a bucket that deletes what is old takes the mark of whatever capture it still takes.
    at = min(max(reach(night)[1], EARLIEST), LATEST)
    line = _session.sparse((speakable(sensor),), {"session": night, **fields}, at)
    assert line is not None  # It has a field.
    return line


async def nights(connection: Connection) -> list[Night]:
    """All sessions, those that have waited longest first. Raises Refusal, NoAnswer."""
    rows = await connection.ask(select(SESSION, ("touched", "followed", "settings", "sensor", "session"), EVER))
    found = [
        Night(
            session=(original_tag(str(row["sensor"])), original_text(str(row["session"]))),
            touched=whole(row.get("touched") or 0),
            followed=whole(row.get("followed") or 0),
            settings=original_text(str(row.get("settings") or "")),
        )
        for row in rows
    ]
    return sorted(found, key=lambda night: (night.touched, night.session))


async def unmarked(connection: Connection) -> set[Session]:
    """The sessions in which a capture may lie that no batch has marked: of a store that was filled before sessions
    were. One too many costs a look. Raises Refusal, NoAnswer."""
    marked = {night.session for night in await nights(connection)}
    found: set[Session] = set()
    for row in await connection.ask(select(EFFORT_1H, ("sensor", "captures"), EVER)):
        start = whole(row["time"])
        for moment in (start - WIDEST, start, start + HOUR - 1, start + WIDEST):
            found.add((original_tag(str(row["sensor"])), session_of(moment, "UTC")))
    return found - marked
