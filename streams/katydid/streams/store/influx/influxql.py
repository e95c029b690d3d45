"""Questions in InfluxQL, each bounded by time and, where it can be, by sensor.

InfluxQL and not Flux: it answers times as whole nanoseconds, chooses by fields as well as by tags, and is the faster
way to raw rows and to sums over the whole store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from katydid.streams.store.influx.plain import plain_tag, plain_text
from katydid.streams.store.influx.schema import Measurement
from katydid.streams.store.influx.timestamps import EARLIEST, LATEST, SECOND
from katydid.streams.store.protocol import OutcomeFilter, Window

MOST_NAMES = 64
"""More sensors than this are not named in a question; their rows are left out of the answer instead."""


class Stretch(msgspec.Struct, frozen=True):
    """Points with start <= time < end, nanoseconds UTC."""

    start: int = EARLIEST
    end: int = LATEST


EVER = Stretch()


def around(window: Window) -> Stretch:
    """Where the points lie of what was recorded in the window: within the same second each."""
    start = EARLIEST if window.start is None else _clamped(window.start - window.start % SECOND)
    end = LATEST if window.end is None else _clamped(window.end - window.end % -SECOND)
    return Stretch(start, end)


def select(
    measurement: Measurement,
    columns: Sequence[str],
    stretch: Stretch,
    *,
    where: Iterable[str] = (),
    newest_first: bool = False,
    limit: int | None = None,
) -> str:
    """Rows of some columns (fields or tags); each row has its time besides."""
    names = ", ".join(map(name, columns))
    text = f"SELECT {names} FROM {name(measurement.name)} WHERE {_conditions(stretch, where)}"
    text += " ORDER BY time DESC" if newest_first else " ORDER BY time"
    return text if limit is None else f"{text} LIMIT {limit}"


def sums(
    measurement: Measurement,
    functions: Sequence[tuple[str, str, str]],
    tags: Sequence[str],
    stretch: Stretch,
    where: Iterable[str] = (),
    *,
    hourly: bool = False,
) -> str:
    """One row for each combination of tags, and of hours where asked: functions, as (function, field, name)."""
    columns = ", ".join(f"{function}({name(field)}) AS {name(called)}" for function, field, called in functions)
    groups = ", ".join((["time(1h)"] if hourly else []) + [name(tag) for tag in tags])
    text = f"SELECT {columns} FROM {name(measurement.name)} WHERE {_conditions(stretch, where)} GROUP BY {groups}"
    return f"{text} fill(none)" if hourly else text


def chosen_by(chosen: OutcomeFilter, *, statuses: bool = True) -> list[str]:
    """Conditions on the exact time, the sensor and the status."""
    where = of_sensors(chosen.sensors)
    if chosen.window.start is not None:
        where.append(f'"captured_at" >= {_clamped(chosen.window.start)}')
    if chosen.window.end is not None:
        where.append(f'"captured_at" < {_clamped(chosen.window.end)}')
    if chosen.statuses and statuses:
        where.append(any_of(f'"status" = {text(status)}' for status in chosen.statuses))
    return where


def matching(chosen: OutcomeFilter) -> list[str]:
    """Conditions on taxon and confidence, for the measurement `detection`."""
    where = []
    if chosen.taxa:
        where.append(any_of(f'"{field}" = {text(word)}' for word in chosen.taxa for field in ("taxon_id", "taxon")))
    if chosen.min_confidence > 0:
        where.append(f'"confidence" >= {float(chosen.min_confidence)!r}')
    return where


def of_sensors(sensors: Iterable[str]) -> list[str]:
    """A condition on the sensor; none for no sensors or for too many."""
    named = sorted(set(sensors))
    return [any_of(f'"sensor" = {tag(sensor)}' for sensor in named)] if 0 < len(named) <= MOST_NAMES else []


def any_of(conditions: Iterable[str]) -> str:
    """One of them."""
    return "(" + " OR ".join(conditions) + ")"


def name(word: str) -> str:
    """A measurement, field or tag of the schema."""
    return f'"{word}"'


def text(value: str) -> str:
    """What a string field holds, as a literal."""
    return _quoted(plain_text(value))


def tag(value: str) -> str:
    """What a tag holds, as a literal."""
    return _quoted(plain_tag(value))


def _quoted(plain: str) -> str:
    escaped = plain.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _conditions(stretch: Stretch, where: Iterable[str]) -> str:
    return " AND ".join((f"time >= {stretch.start}", f"time < {stretch.end}", *where))


def _clamped(at: int) -> int:
    return min(max(at, EARLIEST), LATEST)
