"""GUANO: lines of "Key: value" in a chunk of a WAV file (the Grand Unified Acoustic Notation Ontology, version 1.0)."""

from __future__ import annotations

from katydid.sensors.capture import ClockSource, Place
from katydid.sensors.metadata import own
from katydid.sensors.metadata.records import (
    FileFacts,
    coordinate,
    facts_of,
    iso_reading,
    number,
    place_of,
    serial_number,
)

START = "GUANO|Version"
_NAMES = {
    "Make": "make",
    "Model": "model",
    "Serial": "serial",
    "Firmware Version": "firmware",
    "Temperature Int": "temperature_c",
    "Temperature Ext": "temperature_outside_c",
    "Humidity": "humidity_percent",
    "TE": "time_expansion",
    "Note": "note",
    "Species Manual ID": "species_manual",
    "Species Auto ID": "species_auto",
    "OAD|Battery Voltage": "battery_v",
}


def read(chunk: bytes) -> FileFacts:
    """What the content of a "guan" chunk says; an empty record where it is none."""
    text = chunk.decode("utf-8", "replace")
    if not text.lstrip("\ufeff").startswith(START):
        return FileFacts()
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip(" \t\r\0"))
    moment = iso_reading(ClockSource.GUANO, fields.get("Timestamp", ""))
    values = {name: fields.get(key, "") for key, name in _NAMES.items()} | own.facts(fields)
    return FileFacts(
        readings=(own.doubted(moment, fields),) if moment else (),
        serial=serial_number(values["serial"]),
        place=_place(fields),
        facts=facts_of(values, "guano"),
    )


def _place(fields: dict[str, str]) -> Place | None:
    parts = [coordinate(part) for part in fields.get("Loc Position", "").split()]
    if len(parts) != 2 or parts[0] is None or parts[1] is None:
        return None
    return place_of(parts[0], parts[1], number(fields.get("Loc Elevation", "")), "guano")
