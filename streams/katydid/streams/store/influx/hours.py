"""The hourly sums `activity_1h` and `effort_1h`, made anew from the points of the hours that a batch touched.

Made anew and not added to: a batch that is written twice, or half before a kill and whole after it, leaves the same
sums. Two workers that write the same sensor at the same moment (one of them no longer its owner) may leave a sum that
is behind until that hour is touched again; captures and detections are never wrong by that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from katydid.streams.store.influx.cells import real, whole
from katydid.streams.store.influx.connection import Connection, Row
from katydid.streams.store.influx.influxql import Stretch, of_sensors, select
from katydid.streams.store.influx.lines import Encoder
from katydid.streams.store.influx.plain import original_tag, original_text
from katydid.streams.store.influx.schema import ACTIVITY_1H, CAPTURE, DETECTION, EFFORT_1H
from katydid.streams.store.influx.timestamps import HOUR
from katydid.streams.store.spans import runs

_activity, _effort = Encoder(ACTIVITY_1H), Encoder(EFFORT_1H)
_DETECTED = ("sensor", "site", "model", "taxon_id", "taxon", "common_name", "rank", "confidence", "decision")
_LOOKED = (
    "sensor", "site", "identified", "empty", "refused", "effort_s", "effort_frames", "detections", "captured_at",
)  # fmt: skip

SensorHour = tuple[str, int]
"""A sensor, and the number of an hour since 1970."""


def hour_of(captured_at: int) -> int:
    """The number of the hour since 1970."""
    return captured_at // HOUR


@dataclass
class _Sums:
    names: tuple[str, str, str] = ("", "", "")
    accepted: int = 0
    confidences: list[float] = field(default_factory=list)


@dataclass
class _Effort:
    counts: list[int] = field(default_factory=lambda: [0, 0, 0, 0, 0, 0])
    seconds: list[float] = field(default_factory=list)
    times: list[int] = field(default_factory=list)


async def hour_lines(connection: Connection, touched: Iterable[SensorHour]) -> list[bytes]:
    """The lines of all sums of the touched hours."""
    wanted = set(touched)
    where = of_sensors(sensor for sensor, _ in wanted)
    lines: list[bytes] = []
    for first, last in runs((hour for _, hour in wanted), gap=1):
        stretch = Stretch(first * HOUR, (last + 1) * HOUR)
        lines += _activity_lines(await connection.ask(select(DETECTION, _DETECTED, stretch, where=where)), wanted)
        lines += _effort_lines(await connection.ask(select(CAPTURE, _LOOKED, stretch, where=where)), wanted)
    return lines


def _activity_lines(found: Sequence[Row], wanted: set[SensorHour]) -> list[bytes]:
    """Tags stay as the server says them until they are keys: the same text, and one look-up less for each row."""
    sums: dict[tuple[str, str, str, str, int], _Sums] = {}
    for row in found:
        hour = whole(row["time"]) // HOUR
        key = (str(row["model"]), str(row["sensor"]), str(row["site"]), str(row["taxon_id"]), hour)
        one = sums.get(key)
        if one is None:
            one = sums[key] = _Sums((str(row["taxon"]), str(row["common_name"]), str(row["rank"])))
        one.accepted += row["decision"] == "accepted"
        one.confidences.append(real(row["confidence"]))
    lines = []
    for (model, sensor, site, taxon, hour), one in sums.items():
        if (original_tag(sensor), hour) in wanted:
            tags = (*map(original_tag, (model, sensor, site)), original_text(taxon) or None)
            counts = (len(one.confidences), one.accepted, math.fsum(one.confidences), max(one.confidences))
            fields = (*map(original_text, one.names), *counts)
            lines.append(_activity.line(tags, fields, hour * HOUR))
    return lines


def _effort_lines(found: Sequence[Row], wanted: set[SensorHour]) -> list[bytes]:
    efforts: dict[tuple[str, str, int], _Effort] = {}
    for row in found:
        key = (str(row["sensor"]), str(row["site"]), whole(row["time"]) // HOUR)
        one = efforts.setdefault(key, _Effort())
        counted = (1, *(whole(row[name]) for name in ("identified", "empty", "refused", "effort_frames", "detections")))
        one.counts = [before + more for before, more in zip(one.counts, counted, strict=True)]
        one.seconds.append(real(row["effort_s"]))
        one.times.append(whole(row["captured_at"]))
    lines = []
    for (sensor, site, hour), one in efforts.items():
        if (original_tag(sensor), hour) in wanted:
            *statuses, frames, detections = one.counts
            fields = (*statuses, math.fsum(one.seconds), frames, detections, min(one.times), max(one.times))
            lines.append(_effort.line((original_tag(sensor), original_tag(site)), fields, hour * HOUR))
    return lines
