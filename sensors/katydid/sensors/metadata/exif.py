"""EXIF of a frame: when, where, by which camera (CIPA DC-008), and Reconyx' own block."""

from __future__ import annotations

import math
import struct

from katydid.sensors import tiff
from katydid.sensors.capture import ClockSource, Place
from katydid.sensors.clock import Reading
from katydid.sensors.metadata import own
from katydid.sensors.metadata.records import FileFacts, facts_of, iso_reading, merged, place_of, serial_number

_MAKE, _MODEL, _SOFTWARE, _CHANGED = 0x010F, 0x0110, 0x0131, 0x0132
_EXIF_POINTER, _GPS_POINTER = 0x8769, 0x8825
_MAKER_NOTE, _SERIAL, _TEMPERATURE = 0x927C, 0xA431, 0x9400
_EXPOSURE, _ISO, _COMMENT = 0x829A, 0x8827, 0x9286
_TAKEN = ((0x9003, 0x9291, 0x9011), (0x9004, 0x9292, 0x9012))
"""(date and time, fraction, offset) of DateTimeOriginal and DateTimeDigitized."""
_CHANGED_PARTS = (0x9290, 0x9010)

_RECONYX = b"RECONYXH2\0"
_RECONYX_LENGTH = 0x9C


def read(block: bytes) -> FileFacts:
    """What the EXIF block (a TIFF structure) says; an empty record where it says nothing."""
    main = tiff.directory(block)
    taken = _below(block, main, _EXIF_POINTER)
    place = _place(_below(block, main, _GPS_POINTER))
    moment = _reading(main, taken)
    temperature = tiff.numbers(taken, _TEMPERATURE)
    exposure = tiff.numbers(taken, _EXPOSURE)
    serial = serial_number(tiff.text(taken, _SERIAL))
    values = {
        "make": tiff.text(main, _MAKE),
        "model": tiff.text(main, _MODEL),
        "firmware": tiff.text(main, _SOFTWARE),
        "serial": serial,
        "temperature_c": f"{temperature[0]:g}" if temperature and abs(temperature[0]) < 100 else "",
        "exposure_s": f"{exposure[0]:g}" if exposure and exposure[0] > 0 else "",
        "iso": str(tiff.whole(taken, _ISO) or ""),
    }
    comment = taken.get(_COMMENT)
    said = own.fields(comment[8:]) if isinstance(comment, bytes) else {}
    values |= own.facts(said)
    general = FileFacts(
        readings=(own.doubted(moment, said),) if moment else (),
        serial=serial,
        place=place,
        facts=facts_of(values, "exif"),
    )
    note = taken.get(_MAKER_NOTE)
    return merged([general, _reconyx(note)]) if isinstance(note, bytes) else general


def _below(block: bytes, main: tiff.Directory, pointer_tag: int) -> tiff.Directory:
    pointer = tiff.whole(main, pointer_tag)
    return {} if pointer is None else tiff.directory(block, pointer)


def _reading(main: tiff.Directory, taken: tiff.Directory) -> Reading | None:
    """The moment of exposure; the date of the last change only where neither of the two others is there."""
    for moment, fraction, offset in _TAKEN:
        found = _joined(tiff.text(taken, moment), tiff.text(taken, fraction), tiff.text(taken, offset))
        if found:
            return found
    fraction, offset = _CHANGED_PARTS
    return _joined(tiff.text(main, _CHANGED), tiff.text(taken, fraction), tiff.text(taken, offset))


def _joined(moment: str, fraction: str, offset: str) -> Reading | None:
    part = "." + fraction.strip() if fraction.strip().isascii() and fraction.strip().isdigit() else ""
    return iso_reading(ClockSource.EXIF, moment[:19] + part + offset)


def _place(gps: tiff.Directory) -> Place | None:
    """Latitude and longitude as degrees, minutes, seconds with N/S and E/W; altitude with its sign apart."""
    latitude, longitude = (_degrees(gps, tag) for tag in (1, 3))
    if latitude is None or longitude is None:
        return None
    altitude = tiff.numbers(gps, 6)
    below = tiff.whole(gps, 5) == 1
    elevation = (-altitude[0] if below else altitude[0]) if altitude and math.isfinite(altitude[0]) else None
    return place_of(latitude, longitude, elevation, "exif")


def _degrees(gps: tiff.Directory, reference: int) -> float | None:
    parts = tiff.numbers(gps, reference + 1)
    hemisphere = tiff.text(gps, reference)[:1].upper()
    if len(parts) != 3 or hemisphere not in ("N", "S", "E", "W"):
        return None
    size = parts[0] + parts[1] / 60 + parts[2] / 3600
    return -size if hemisphere in ("S", "W") else size


def _reconyx(note: bytes) -> FileFacts:
    """The block of a HyperFire 2: little endian, at fixed places, as found in its files.

    16: file number; 78 and 80: temperature in °F and °C; 98: battery in mV; 104: the user's label; 126: serial number
    in UTF-16.
    """
    if not note.startswith(_RECONYX) or len(note) < _RECONYX_LENGTH:
        return FileFacts()
    (file_number,) = struct.unpack_from("<H", note, 16)
    (celsius,) = struct.unpack_from("<h", note, 80)
    (millivolts,) = struct.unpack_from("<H", note, 98)
    serial = serial_number(note[126:156].decode("utf-16-le", "replace").split("\0", 1)[0])
    label = note[104:126].split(b"\0", 1)[0].decode("utf-8", "replace")
    values = {
        "serial": serial,
        "label": label,
        "temperature_c": str(celsius) if -60 < celsius < 80 else "",
        "battery_v": f"{millivolts / 1000:.3f}" if 0 < millivolts < 20_000 else "",
    }
    return FileFacts(serial=serial, sequence=file_number, facts=facts_of(values, "exif"))
