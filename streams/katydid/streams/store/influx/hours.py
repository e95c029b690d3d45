"""The hourly sums `activity_1h` and `effort_1h`, made anew for the hours that a batch touched.

Made anew and not added to: a batch that is written twice, or half before a kill and whole after it, leaves the same
sums. The server sums the effort. It cannot sum detections by taxon, which is a field; so their rows would have to be
read again and again while an hour fills. Instead what this worker has written into an hour is remembered, and believed
as long as the server counts as many captures and as many refusals in that hour as are remembered: a capture is never
removed, and never changed but for a refusal that gives way to a later outcome. So equal counts of both are equal sets
of equal captures. Whatever else happened (another worker, a restart, a replay) gives another count, or is forgotten
here, and the rows are read.

Two workers that write the same sensor at the same moment (one of them no longer its owner) may leave a sum that is
behind until that hour is touched again; captures and detections are never wrong by that.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from katydid.models.outcome import Outcome, Status, Verdict
from katydid.streams.store.influx.cells import real, whole
from katydid.streams.store.influx.connection import Connection, Row
from katydid.streams.store.influx.influxql import Stretch, of_sensors, select, sums
from katydid.streams.store.influx.lines import Encoder
from katydid.streams.store.influx.plain import original_tag, original_text, speakable
from katydid.streams.store.influx.points import Sites
from katydid.streams.store.influx.schema import ACTIVITY_1H, CAPTURE, DETECTION, EFFORT_1H
from katydid.streams.store.influx.timestamps import HOUR
from katydid.streams.store.spans import runs

_activity, _effort = Encoder(ACTIVITY_1H), Encoder(EFFORT_1H)
_DETECTED = ("sensor", "site", "model", "taxon_id", "taxon", "common_name", "rank", "confidence", "decision")
_LOOKED = (
    ("COUNT", "captured_at", "captures"),
    *(("SUM", name, name) for name in ("identified", "empty", "refused", "effort_s", "effort_frames", "detections")),
    ("MIN", "captured_at", "first_captured_at"),
    ("MAX", "captured_at", "last_captured_at"),
)
MOST_REMEMBERED = 1_024
"""Hours of sensors; the oldest are forgotten first."""

SensorHour = tuple[str, int]
"""A sensor, and the number of an hour since 1970."""
_Key = tuple[str, str, str]
"""Model, site, taxon id."""
_Count = tuple[int, int]
"""Captures, and how many of them were refused."""


@dataclass
class _Sums:
    names: tuple[str, str, str]
    """Of the taxon: name, common name, rank."""
    accepted: int = 0
    confidences: list[float] = field(default_factory=list)
    """One by one: only a sum over all of them is the same in whatever order they came."""


@dataclass
class _Hour:
    count: _Count = (0, 0)
    sums: dict[_Key, _Sums] = field(default_factory=dict)
    changed: set[_Key] = field(default_factory=set)
    """What is not written yet."""

    def add(self, key: _Key, names: tuple[str, str, str], confidence: float, accepted: bool) -> None:
        self.changed.add(key)
        one = self.sums.get(key)
        if one is None:
            one = self.sums[key] = _Sums(names)
        one.accepted += accepted
        one.confidences.append(confidence)


def hour_of(outcome: Outcome) -> SensorHour:
    """The hour that an outcome counts in."""
    return speakable(outcome.sensor_id), outcome.captured_at // HOUR


class Hours:
    """What one writer remembers of the hours that it fills."""

    def __init__(self) -> None:
        self._hours: OrderedDict[SensorHour, _Hour] = OrderedDict()

    def wrote(self, outcome: Outcome, site: Sites) -> None:
        """A capture that was not there before is durable now, with its detections."""
        hour = self._hours.setdefault(hour_of(outcome), _Hour())
        captures, refused = hour.count
        hour.count = captures + 1, refused + (outcome.status is Status.REFUSED)
        for one in outcome.detections:
            taxon = one.taxon
            key = (one.model, site(outcome.sensor_id), "" if taxon is None else taxon.taxon_id)
            names = ("", "", "") if taxon is None else (taxon.name, taxon.common_name, taxon.rank)
            hour.add(key, names, float(one.confidence), one.decision.verdict is Verdict.ACCEPTED)

    def forget(self, hour: SensorHour) -> None:
        """Something of the hour was there before, and may not have been complete."""
        self._hours.pop(hour, None)

    def settled(self, touched: Iterable[SensorHour]) -> None:
        """What `lines` gave for these hours is durable."""
        for each in touched:
            if each in self._hours:
                self._hours[each].changed.clear()

    async def lines(self, connection: Connection, touched: Iterable[SensorHour]) -> list[bytes]:
        """The lines of all sums of the touched hours that have changed. Raises Refusal, NoAnswer."""
        wanted = set(touched)
        looked = await _looked(connection, wanted)
        counts: dict[SensorHour, _Count] = {}
        for hour, row in looked:
            captures, refused = counts.get(hour, (0, 0))
            counts[hour] = captures + whole(row["captures"]), refused + whole(row["refused"])
        unsure = {hour for hour in wanted if self._hours.get(hour, _Hour()).count != counts.get(hour, (0, 0))}
        if unsure:
            self._hours.update(await _read(connection, unsure, counts))
        lines = [_effort_line(hour, row) for hour, row in looked]
        for hour in wanted & set(self._hours):
            lines += _activity_lines(hour, self._hours[hour])
            self._hours.move_to_end(hour)
        while len(self._hours) > MOST_REMEMBERED:
            self._hours.popitem(last=False)
        return lines


async def _looked(connection: Connection, wanted: set[SensorHour]) -> list[tuple[SensorHour, Row]]:
    """The effort of each wanted hour, by site."""
    found: list[tuple[SensorHour, Row]] = []
    for stretch in _stretches(wanted):
        where = of_sensors(sensor for sensor, _ in wanted)
        for row in await connection.ask(sums(CAPTURE, _LOOKED, ("sensor", "site"), stretch, where, hourly=True)):
            hour = original_tag(str(row["sensor"])), whole(row["time"]) // HOUR
            if hour in wanted:
                found.append((hour, row))
    return found


async def _read(
    connection: Connection, wanted: set[SensorHour], counts: dict[SensorHour, _Count]
) -> dict[SensorHour, _Hour]:
    """The wanted hours, from the rows of their detections."""
    made = {hour: _Hour(counts.get(hour, (0, 0))) for hour in wanted}
    where = of_sensors(sensor for sensor, _ in wanted)
    for stretch in _stretches(wanted):
        for row in await connection.ask(select(DETECTION, _DETECTED, stretch, where=where)):
            hour = made.get((original_tag(str(row["sensor"])), whole(row["time"]) // HOUR))
            if hour is not None:
                key = (original_tag(str(row["model"])), original_tag(str(row["site"])), _text(row["taxon_id"]))
                names = (_text(row["taxon"]), _text(row["common_name"]), _text(row["rank"]))
                hour.add(key, names, real(row["confidence"]), row["decision"] == Verdict.ACCEPTED)
    return made


def _stretches(wanted: Iterable[SensorHour]) -> list[Stretch]:
    return [Stretch(first * HOUR, (last + 1) * HOUR) for first, last in runs((hour for _, hour in wanted), gap=1)]


def _activity_lines(at: SensorHour, hour: _Hour) -> Sequence[bytes]:
    lines = []
    for model, site, taxon in hour.changed:
        one = hour.sums[model, site, taxon]
        counts = (len(one.confidences), one.accepted, math.fsum(one.confidences), max(one.confidences))
        lines.append(_activity.line((model, at[0], site, taxon or None), (*one.names, *counts), at[1] * HOUR))
    return lines


def _effort_line(at: SensorHour, row: Row) -> bytes:
    fields = [real(row[name]) if name == "effort_s" else whole(row[name]) for name in EFFORT_1H.fields]
    return _effort.line((at[0], original_tag(str(row["site"]))), fields, at[1] * HOUR)


def _text(cell: object) -> str:
    return original_text(str(cell))
