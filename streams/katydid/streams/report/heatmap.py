"""Species by hour of the day: how much of each was found per effort, with the sun drawn behind it.

A cell's shade is the number of detections per minute of recording (or per frame), on a square-root scale that all
species share; its number is the plain count. An hour in which nothing was recorded is hatched: no detection without
effort is no absence.
"""

from __future__ import annotations

import msgspec
from markupsafe import Markup

from katydid.streams.report import svg
from katydid.streams.report.colour import ACCENT, INK, LINE, MUTED, NIGHT, REVIEW, on, shade
from katydid.streams.report.hours import HOURS, SunTimes
from katydid.streams.report.text import duration

LEFT, TOP, CELL, ROW, EFFORT = 168.0, 34.0, 23.0, 21.0, 34.0
TEN_MINUTES = 1 / 6
WIDTH = LEFT + HOURS * CELL + 12


class HeatRow(msgspec.Struct, frozen=True, kw_only=True):
    """One species: its name as drawn and the detections in each of the 24 hours, from midnight."""

    name: str
    detections: list[float]


class HeatMap(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn. `effort` is seconds of sound or frames in each hour, from midnight; `unit` "s" or "frames"."""

    rows: list[HeatRow]
    effort: list[float]
    unit: str
    start: int
    """The hour at the left edge."""
    sun: SunTimes | None

    @property
    def strongest(self) -> float:
        """The highest number of detections per unit of effort."""
        rates = [
            found / effort
            for row in self.rows
            for found, effort in zip(row.detections, self.effort, strict=True)
            if effort
        ]
        return max(rates, default=0.0)

    def x(self, hour: float) -> float:
        """Where a clock hour, 0..24, is drawn."""
        return LEFT + ((hour - self.start) % HOURS) * CELL


def heatmap(chart: HeatMap) -> Markup:
    """The heat map as SVG."""
    bottom = TOP + len(chart.rows) * ROW
    parts = [svg.hatch(f"none-{chart.unit}", LINE), *_night(chart, bottom), *_dusk_and_dawn(chart, bottom)]
    parts += _hours(chart)
    for number, row in enumerate(chart.rows):
        parts += _row(chart, row, TOP + number * ROW)
    parts += _effort(chart, bottom + 8)
    parts += _sun(chart, bottom)
    names = ", ".join(row.name for row in chart.rows[:8])
    label = f"Detections by species and hour of the day, {len(chart.rows)} rows: {names}"
    return svg.drawing(parts, WIDTH, bottom + 8 + EFFORT + 16, label, "heatmap")


def _night(chart: HeatMap, bottom: float) -> list[str]:
    """From the middle of sunset to the middle of sunrise, shaded behind the cells."""
    if chart.sun is None:
        return []
    dusk, dawn = sum(chart.sun.set) / 2, sum(chart.sun.rise) / 2
    left, right = chart.x(dusk), chart.x(dawn)
    fill = f'fill="{NIGHT}"'
    if left <= right:
        return [svg.rect(left, TOP, right - left, bottom - TOP, fill)]
    return [
        svg.rect(left, TOP, LEFT + HOURS * CELL - left, bottom - TOP, fill),
        svg.rect(LEFT, TOP, right - LEFT, bottom - TOP, fill),
    ]


def _hours(chart: HeatMap) -> list[str]:
    parts = []
    for step in range(0, HOURS + 1, 3):
        hour = (chart.start + step) % HOURS
        x = LEFT + step * CELL
        parts.append(svg.text(x, TOP - 7, f"{hour:02d}", anchor="middle"))
        parts.append(svg.line(x, TOP - 4, x, TOP, f'stroke="{MUTED}"'))
    return parts


def _row(chart: HeatMap, row: HeatRow, y: float) -> list[str]:
    parts = [svg.text(LEFT - 8, y + 14.5, _short(row.name), anchor="end", size=12, fill=INK)]
    strongest = chart.strongest
    for hour in range(HOURS):
        x = chart.x(hour)
        found, effort = row.detections[hour], chart.effort[hour]
        if not effort and not found:
            parts.append(svg.rect(x, y, CELL, ROW, f'fill="url(#none-{chart.unit})"'))
        elif found:
            parts += _cell(row, hour, (found / effort / strongest) ** 0.5 if effort else 1.0, x, y, _spent(chart, hour))
    parts.append(svg.line(LEFT, y + ROW, LEFT + HOURS * CELL, y + ROW, f'stroke="{LINE}" stroke-width="0.6"'))
    return parts


def _cell(row: HeatRow, hour: int, strength: float, x: float, y: float, spent: str) -> list[str]:
    value = 0.12 + 0.88 * strength
    found = int(row.detections[hour])
    title = f"{row.name}, {hour:02d}–{hour + 1:02d} h: {found:,} in {spent}"
    figure = f"{found}" if found < 1000 else (f"{found / 1000:.0f}k" if found < 1_000_000 else f"{found / 1e6:.0f}M")
    size = 10 if len(figure) < 3 else 8.5
    return [
        svg.rect(x + 0.75, y + 0.75, CELL - 1.5, ROW - 1.5, f'rx="2" fill="{shade(value)}"', title),
        svg.text(x + CELL / 2, y + 14, figure, anchor="middle", size=size, fill=on(value)),
    ]


def _spent(chart: HeatMap, hour: int) -> str:
    return duration(chart.effort[hour]) if chart.unit == "s" else f"{chart.effort[hour]:,.0f} frames"


def _effort(chart: HeatMap, y: float) -> list[str]:
    """A bar for each hour's effort, under the species."""
    most = max(chart.effort, default=0.0) or 1.0
    what = f"effort, up to {duration(most)}" if chart.unit == "s" else f"effort, up to {most:,.0f}"
    floor = y + EFFORT
    parts = [svg.text(LEFT - 8, floor - 3, what, anchor="end")]
    for hour in range(HOURS):
        tall = EFFORT * chart.effort[hour] / most
        if tall:
            title = f"{hour:02d}–{hour + 1:02d} h: {_spent(chart, hour)}"
            parts.append(svg.rect(chart.x(hour) + 2, floor - tall, CELL - 4, tall, 'fill="#b9c4be"', title))
    parts.append(svg.line(LEFT, floor, LEFT + HOURS * CELL, floor, f'stroke="{MUTED}" stroke-width="0.8"'))
    return parts


def _dusk_and_dawn(chart: HeatMap, bottom: float) -> list[str]:
    """Bands behind the cells where the dates of the report move sunrise and sunset by more than ten minutes."""
    return [
        svg.rect(chart.x(early), TOP, (late - early) * CELL, bottom - TOP, f'fill="{colour}" fill-opacity="0.14"')
        for _, (early, late), colour in _crossings(chart)
        if late - early > TEN_MINUTES and chart.x(early) < chart.x(late)
    ]


def _sun(chart: HeatMap, bottom: float) -> list[str]:
    """Lines at sunrise and sunset with their clock times."""
    parts = []
    for name, (early, late), colour in _crossings(chart):
        middle = chart.x((early + late) / 2)
        parts.append(svg.line(middle, TOP - 18, middle, bottom, f'stroke="{colour}" stroke-dasharray="3 2"'))
        parts.append(svg.text(middle, TOP - 22, f"{name} {clock(early, late)}", anchor="middle", fill=colour))
    return parts


def _crossings(chart: HeatMap) -> list[tuple[str, tuple[float, float], str]]:
    if chart.sun is None:
        return []
    return [("sunrise", chart.sun.rise, REVIEW), ("sunset", chart.sun.set, ACCENT)]


def clock(early: float, late: float) -> str:
    """Clock hours as "05:12", or "05:12–05:48" where they lie apart."""
    first, last = (f"{int(hour):02d}:{int(hour % 1 * 60):02d}" for hour in (early, late))
    return first if late - early <= TEN_MINUTES else f"{first}–{last}"


def _short(name: str, most: int = 25) -> str:
    """A name that fits beside the rows: the genus is cut to its letter before anything else is."""
    if len(name) <= most:
        return name
    genus, _, rest = name.partition(" ")
    if rest and len(rest) + 3 <= most:
        return f"{genus[:1]}. {rest}"
    return name[: most - 1] + "…"
