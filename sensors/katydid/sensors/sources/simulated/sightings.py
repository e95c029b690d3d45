"""From truth rows to individuals: who was there, at which sensor, from when to when, in how many captures."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import msgspec

from katydid.sensors.sources.simulated.truth import Truth

_NOON = timedelta(hours=12)


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """One individual at one sensor in one session, which is from noon to noon, local."""

    sensor: str
    session: str
    """The date on which it begins, as `follow` names it."""
    individual: str
    taxon: str
    first: str
    """The true time of the first capture that shows it, or of its first onset: ISO 8601, UTC."""
    last: str
    captures: int
    """That show or hold it."""


class _Open(msgspec.Struct):
    taxon: str
    first: datetime
    last: datetime
    captures: int


class Sightings:
    """Gathers rows and gives each sensor's session when its next one begins: what is held is one session a sensor."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._sessions: dict[str, str] = {}
        self._open: dict[str, dict[str, _Open]] = {}

    def add(self, rows: Iterable[Truth]) -> Iterator[Sighting]:
        """Sessions that a row of the next one closes. Rows of a sensor come in the order of true time."""
        for row in rows:
            if not row.at:
                continue
            moment = datetime.fromisoformat(row.at)
            session = (moment.astimezone(self._zone) - _NOON).date().isoformat()
            if self._sessions.get(row.sensor, session) != session:
                yield from self._closed(row.sensor)
            self._sessions[row.sensor] = session
            if row.individual:
                self._see(row, moment)

    def rest(self) -> Iterator[Sighting]:
        """What is still open."""
        for sensor in sorted(self._open):
            yield from self._closed(sensor)

    def _see(self, row: Truth, moment: datetime) -> None:
        first, last = (moment + timedelta(seconds=part or 0.0) for part in (row.start_s, row.end_s))
        known = self._open.setdefault(row.sensor, {}).get(row.individual)
        if known is None:
            self._open[row.sensor][row.individual] = _Open(row.taxon, first, last, 1)
            return
        known.first, known.last, known.captures = min(known.first, first), max(known.last, last), known.captures + 1

    def _closed(self, sensor: str) -> Iterator[Sighting]:
        for individual, seen in sorted(self._open.pop(sensor, {}).items()):
            yield Sighting(
                sensor=sensor,
                session=self._sessions[sensor],
                individual=individual,
                taxon=seen.taxon,
                first=seen.first.isoformat(timespec="milliseconds"),
                last=seen.last.isoformat(timespec="milliseconds"),
                captures=seen.captures,
            )


def write_sightings(path: Path, sightings: Iterable[Sighting]) -> None:
    """Write a CSV with one column a field."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Sighting.__struct_fields__)
        writer.writerows(msgspec.structs.astuple(each) for each in sightings)
