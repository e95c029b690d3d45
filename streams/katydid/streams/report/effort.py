"""The effort strip: what each sensor recorded when, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo

import msgspec
from markupsafe import Markup

from katydid.streams.report import svg
from katydid.streams.report.colour import ACCENT, INK, LINE, MUTED, REFUSED
from katydid.streams.report.findings import QUARTER_S, SensorEffort
from katydid.streams.report.text import count

LEFT, WIDTH, TOP, ROW, BAR = 150.0, 732.0, 8.0, 26.0, 18.0
EMPTY = "#a9cfc3"
MOST_BINS = 120
MOST_SENSORS = 40
_WIDTHS = (1, 3, 6, 24, 7 * 24, 28 * 24)
"""Hours that one column may span."""
STATUSES = (("identified", ACCENT), ("empty", EMPTY), ("refused", REFUSED))


class Strip(msgspec.Struct, frozen=True, kw_only=True):
    """A drawn strip and the words that it needs beside it."""

    figure: Markup
    column: str
    """How much time one column is: "1 hour", "1 day"."""
    missing: int
    """Columns, over all sensors, between a sensor's first and last without a recording."""
    left_out: int
    """Sensors that are not drawn."""


class _Bins:
    """Local time cut into columns of equal width."""

    def __init__(self, first: int, last: int, zone: tzinfo) -> None:
        span = (last - first) * QUARTER_S / 3600
        self.hours = next((width for width in _WIDTHS if span / width <= MOST_BINS), _WIDTHS[-1])
        self._zone = zone
        start = datetime.fromtimestamp(first * QUARTER_S, tz=zone).replace(tzinfo=None)
        self._start = start.replace(minute=0, hour=start.hour if self.hours == 1 else 0)
        self.count = self.of(last) + 1

    def of(self, quarter: int) -> int:
        """The column of a quarter hour since 1970 (UTC)."""
        local = datetime.fromtimestamp(quarter * QUARTER_S, tz=self._zone).replace(tzinfo=None)
        return max(0, int((local - self._start).total_seconds() // (3600 * self.hours)))

    def start(self, column: int) -> datetime:
        return self._start + timedelta(hours=self.hours * column)

    @property
    def words(self) -> str:
        days, hours = divmod(self.hours, 24)
        number, unit = (days, "day") if days else (hours, "hour")
        return f"{number} {unit}{'s' if number > 1 else ''}"


def strip(sensors: tuple[SensorEffort, ...], zone: tzinfo) -> Strip | None:
    """The strip of all sensors with a time; None where there is none."""
    sensors = tuple(sensor for sensor in sensors if any(_parts(sensor).values()))
    quarters = [quarter for sensor in sensors for part in _parts(sensor).values() for quarter in part]
    if not quarters:
        return None
    bins = _Bins(min(quarters), max(quarters), zone)
    wide = min((WIDTH - LEFT - 8) / bins.count, 40.0)
    shown = sensors[:MOST_SENSORS]
    rows = [_row(sensor, bins, TOP + number * ROW, wide) for number, sensor in enumerate(shown)]
    bottom = TOP + len(shown) * ROW
    parts = [svg.hatch("missing", "#c3ccc7"), *(part for row, _ in rows for part in row), *_axis(bins, bottom, wide)]
    label = f"What {count(len(shown), 'sensor')} recorded, in columns of {bins.words}"
    return Strip(
        figure=svg.drawing(parts, WIDTH, bottom + 24, label, "strip"),
        column=bins.words,
        missing=sum(missing for _, missing in rows),
        left_out=len(sensors) - len(shown),
    )


def _parts(sensor: SensorEffort) -> dict[str, Mapping[int, int]]:
    return {"identified": sensor.identified, "empty": sensor.empty, "refused": sensor.refused}


def _row(sensor: SensorEffort, bins: _Bins, y: float, wide: float) -> tuple[list[str], int]:
    """One sensor's name and columns, and how many columns in between are without a recording."""
    counts: dict[str, Counter[int]] = {}
    for status, quarters in _parts(sensor).items():
        counts[status] = Counter()
        for quarter, captures in quarters.items():
            counts[status][bins.of(quarter)] += captures
    totals = sum(counts.values(), Counter())
    parts = [svg.text(LEFT - 8, y + 13, _name(sensor.sensor_id), anchor="end", size=12, fill=INK)]
    missing = [column for column in range(min(totals), max(totals) + 1) if column not in totals]
    gap = 0.8 if wide > 5 else 0.0
    areas = {"missing": [_area(LEFT + column * wide, y, wide - gap, BAR) for column in missing]}
    for column, total in totals.items():
        floor = y + BAR
        for status, _ in STATUSES:
            tall = BAR * counts[status][column] / total
            if tall:
                floor -= tall
                areas.setdefault(status, []).append(_area(LEFT + column * wide, floor, wide - gap, tall))
    for status, fill in (("missing", "url(#missing)"), *STATUSES):
        if areas.get(status):
            parts.append(f'<path d="{"".join(areas[status])}" fill="{fill}"/>')
    return parts, len(missing)


def _area(x: float, y: float, width: float, height: float) -> str:
    return f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z"


def _axis(bins: _Bins, y: float, wide: float) -> list[str]:
    end = LEFT + bins.count * wide
    parts = [svg.line(LEFT, y, end, y, f'stroke="{LINE}"')]
    every = max(1, -(-bins.count // 6), round(58 / wide))
    for column in range(0, bins.count, every):
        x = LEFT + column * wide
        start = bins.start(column)
        words = f"{start:%d %b %H:%M}" if bins.hours < 24 else f"{start:%d %b %Y}"
        parts += [svg.line(x, y, x, y + 4, f'stroke="{MUTED}"'), svg.text(x, y + 16, words)]
    return parts


def _name(sensor: str, most: int = 22) -> str:
    return sensor if len(sensor) <= most else sensor[: most - 1] + "…"
