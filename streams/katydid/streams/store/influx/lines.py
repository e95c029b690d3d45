"""Line protocol, typed by the schema.

    measurement,tag=value,tag=value field=1.0,field=2i,field="text" 1749945600000000000

A real number always has its point, so that a probability of exactly 1 is no integer; a whole number always has its
"i". A field or tag is there in every point of its measurement, except a tag that is None. What InfluxDB cannot hold
raises `Unwritable` with the reason, before anything is sent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from katydid.streams.store.influx.plain import plain_tag, plain_text
from katydid.streams.store.influx.schema import FieldType, Measurement
from katydid.streams.store.influx.timestamps import EARLIEST, LATEST

TEXT_BYTES = 65_536
"""Longest string that InfluxDB promises to keep."""
TAG_BYTES = 1_024
"""Ours: a sensor's name that is longer is no name."""

_IN_TAG = str.maketrans({" ": "\\ ", ",": "\\,", "=": "\\="})


class Unwritable(ValueError):
    """A value that InfluxDB cannot hold; the message says which and why."""


class Encoder:
    """Makes the lines of one measurement."""

    def __init__(self, measurement: Measurement) -> None:
        self._name = measurement.name
        self._tags = measurement.tags
        self._fields = [(f"{name}=", name, _ENCODERS[kind]) for name, kind in measurement.fields.items()]
        self._heads: dict[tuple[str | None, ...], str] = {}

    def line(
        self, tags: tuple[str | None, ...], fields: Sequence[object], at: int, more: Iterable[tuple[str, str]] = ()
    ) -> bytes:
        """One line without its end. `tags` and `fields` in the order of the schema, `at` UTC in nanoseconds; `more`
        are text fields beyond the schema's. Raises Unwritable."""
        if not EARLIEST <= at <= LATEST:
            raise Unwritable(f"{self._name}: the time {at} ns lies outside of the years 1677 to 2262")
        cells = []
        for (start, name, encode), value in zip(self._fields, fields, strict=True):
            try:
                cells.append(start + encode(value))
            except Unwritable as error:
                raise Unwritable(f"{self._name}.{name}: {error}") from error
        cells += [f"{name}={_text(value)}" for name, value in more]
        return f"{self._head(tags)} {','.join(cells)} {at}".encode()

    def sparse(self, tags: tuple[str | None, ...], fields: Mapping[str, object], at: int) -> bytes | None:
        """A line of those fields that are not None, None where that leaves nothing: for readings that stand alone.
        Raises Unwritable."""
        kept = [
            f"{start}{encode(fields[name])}" for start, name, encode in self._fields if fields.get(name) is not None
        ]
        return f"{self._head(tags)} {','.join(kept)} {at}".encode() if kept else None

    def _head(self, tags: tuple[str | None, ...]) -> str:
        """Measurement and tags; the few that there are come again and again."""
        head = self._heads.get(tags)
        if head is None:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            pairs = zip(self._tags, tags, strict=True)
            head = self._heads[tags] = self._name + "".join(
                f",{name}={_tag(name, value)}" for name, value in pairs if value is not None
            )
        return head


_MOST_HEADS = 10_000


def _tag(name: str, value: str) -> str:
    plain = plain_tag(value).translate(_IN_TAG)
    if len(plain.encode()) > TAG_BYTES:
        raise Unwritable(f"tag {name}: {len(plain.encode())} bytes; the longest that is kept has {TAG_BYTES}")
    return plain


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Unwritable(f"{value!r} is no text")
    plain = plain_text(value)
    if len(plain) > TEXT_BYTES // 4 and len(plain.encode()) > TEXT_BYTES:
        raise Unwritable(f"a text of {len(plain.encode())} bytes; InfluxDB keeps {TEXT_BYTES}")
    # `str.translate` takes eight times as long for an evidence.
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _real(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unwritable(f"{value!r} is no number")
    number = float(value)
    if not math.isfinite(number):
        raise Unwritable(f"{number} is no finite number")
    return repr(number)


def _whole(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unwritable(f"{value!r} is no whole number")
    if not -(2**63) <= value < 2**63:
        raise Unwritable(f"{value} does not fit into 64 bits")
    return f"{value}i"


_ENCODERS: Mapping[FieldType, Callable[[object], str]] = {
    FieldType.TEXT: _text,
    FieldType.REAL: _real,
    FieldType.WHOLE: _whole,
}
