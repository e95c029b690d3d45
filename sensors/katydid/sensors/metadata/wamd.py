"""wamd: the chunk of Wildlife Acoustics' recorders. Entries of a number (16 bits), a length (32 bits) and a value."""

from __future__ import annotations

import struct

from katydid.sensors.capture import ClockSource, Place
from katydid.sensors.metadata.records import (
    FileFacts,
    coordinate,
    facts_of,
    iso_reading,
    number,
    place_of,
    serial_number,
)

_MODEL, _SERIAL, _FIRMWARE, _PREFIX, _TIMESTAMP, _GPS = 1, 2, 3, 4, 5, 6
_NOTES, _TIME_EXPANSION, _MICROPHONE, _TEMPERATURE, _TEMPERATURE_OUTSIDE, _HUMIDITY = 10, 15, 18, 21, 22, 23
_MOST_ENTRIES = 200


def read(chunk: bytes) -> FileFacts:
    """What the content of a "wamd" chunk says."""
    entries = _entries(chunk)
    texts = {number: value.decode("utf-8", "replace").strip("\0 ") for number, value in entries.items()}
    moment = iso_reading(ClockSource.WAMD, texts.get(_TIMESTAMP, ""))
    expansion = entries.get(_TIME_EXPANSION, b"")
    values = {
        "make": "Wildlife Acoustics" if texts else "",
        "model": texts.get(_MODEL, ""),
        "serial": texts.get(_SERIAL, ""),
        "firmware": texts.get(_FIRMWARE, ""),
        "label": texts.get(_PREFIX, ""),
        "note": texts.get(_NOTES, ""),
        "microphone": texts.get(_MICROPHONE, ""),
        "temperature_c": _number(texts.get(_TEMPERATURE, "")),
        "temperature_outside_c": _number(texts.get(_TEMPERATURE_OUTSIDE, "")),
        "humidity_percent": _number(texts.get(_HUMIDITY, "")),
        "time_expansion": str(struct.unpack_from("<H", expansion)[0]) if len(expansion) >= 2 else "",
    }
    return FileFacts(
        readings=(moment,) if moment else (),
        serial=serial_number(values["serial"]),
        place=_place(texts.get(_GPS, "")),
        facts=facts_of(values, "wamd"),
    )


def _entries(chunk: bytes) -> dict[int, bytes]:
    entries: dict[int, bytes] = {}
    at = 0
    for _ in range(_MOST_ENTRIES):
        if at + 6 > len(chunk):
            break
        name, length = struct.unpack_from("<HI", chunk, at)
        value = chunk[at + 6 : at + 6 + length]
        if len(value) < length:
            break
        entries.setdefault(name, value)
        at += 6 + length
    return entries


def _number(text: str) -> str:
    value = number(text)
    return "" if value is None else f"{value:g}"


def _place(text: str) -> Place | None:
    """ "WGS84, 41.1, N, 72.9, W, 30" of Song Meters and "WGS84, 41.1, -72.9, 30" of Echo Meters."""
    parts = [part.strip() for part in text.split(",")][1:]
    if len(parts) >= 4 and parts[1] in ("N", "S"):
        latitude, longitude, rest = coordinate(parts[0]), coordinate(parts[2]), parts[4:]
        south, west = parts[1] == "S", parts[3] == "W"
    elif len(parts) >= 2:
        latitude, longitude, rest, south, west = coordinate(parts[0]), coordinate(parts[1]), parts[2:], False, False
    else:
        return None
    if latitude is None or longitude is None:
        return None
    elevation = number(rest[0]) if rest else None
    return place_of(-latitude if south else latitude, -longitude if west else longitude, elevation, "wamd")
