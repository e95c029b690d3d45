"""What a file says about itself, as one record, and how strings from strangers are made harmless."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from katydid.sensors.capture import ClockSource, Fact, Place
from katydid.sensors.clock import Reading, offset_seconds, reading

_LONGEST_VALUE = 300
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_ISO = re.compile(
    r"(\d{4})[-:](\d\d)[-:](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s*(?:(Z)|([+-])(\d\d):?(\d\d)?)?"
)


class FileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a file and its name say about where, when and by what it was recorded."""

    readings: tuple[Reading, ...] = ()
    """Every reading of the device's clock that was found."""
    serial: str = ""
    """The device's serial number; "" where the file has none."""
    sequence: int | None = None
    """The device's running number."""
    place: Place | None = None
    facts: tuple[Fact, ...] = ()


def merged(parts: list[FileFacts]) -> FileFacts:
    """One record of several; where two say the same thing, the earlier in the list is believed."""
    return FileFacts(
        readings=tuple(each for part in parts for each in part.readings),
        serial=next((part.serial for part in parts if part.serial), ""),
        sequence=next((part.sequence for part in parts if part.sequence is not None), None),
        place=next((part.place for part in parts if part.place), None),
        facts=tuple(fact for part in parts for fact in part.facts),
    )


def plain(text: str) -> str:
    """Text on one line without control, bidirectional and zero-width characters, at most 300 characters."""
    return _UNPRINTABLE.sub(" ", text[: 4 * _LONGEST_VALUE]).strip()[:_LONGEST_VALUE].strip()


def serial_number(text: str) -> str:
    """A serial number on one line, or "" for the placeholders that makers leave (nothing, zeros)."""
    cleaned = plain(text)
    return "" if set(cleaned.lower()) <= set("0 .-x") or cleaned.lower() in ("none", "unknown", "n/a") else cleaned


def facts_of(values: dict[str, str], read_from: str) -> tuple[Fact, ...]:
    """Facts of the values that are not empty, in their order."""
    cleaned = ((name, plain(value)) for name, value in values.items())
    return tuple(Fact(name=name, value=value, read_from=read_from) for name, value in cleaned if value)


def place_of(latitude: float, longitude: float, elevation: float | None, source: str) -> Place | None:
    """A place, or None where the numbers are none on earth; 0, 0 is what a receiver without a fix writes."""
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180) or (latitude == 0 and longitude == 0):
        return None
    usable = elevation if elevation is not None and -11_000 < elevation < 9_000 else None
    return Place(latitude=latitude, longitude=longitude, elevation_m=usable, source=source)


def number(text: str) -> float | None:
    """The number at the start of a text ("12.8C" is 12.8), or None."""
    found = re.match(r"\s*[<>]?\s*([+-]?\d+(?:\.\d+)?)", text)
    return float(found[1]) if found else None


def coordinate(text: str) -> float | None:
    """The number that a text is, all of it, or None: half a number would be another place."""
    found = re.fullmatch(r"\s*[+-]?\d{1,3}(?:\.\d{1,15})?\s*", text)
    return float(text) if found else None


def iso_reading(source: ClockSource, text: str) -> Reading | None:
    """A reading such as "2019-05-22 05:00:00.123-05:00" (also with colons in the date, as EXIF), or None."""
    found = _ISO.match(text.strip())
    if not found:
        return None
    *parts, fraction, zulu, sign, hours, minutes = found.groups()
    try:
        wall = datetime(*(int(part) for part in parts))  # type: ignore[arg-type]
    except ValueError:
        return None
    offset = 0 if zulu else offset_seconds(sign, hours, minutes) if sign else None
    return reading(
        source,
        plain(found[0]),
        wall,
        offset_s=offset,
        extra_ns=int((fraction or "").ljust(9, "0")),
        resolution_s=10.0 ** -len(fraction or ""),
    )
