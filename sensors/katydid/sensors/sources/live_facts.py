"""What a live source says in its files about when, by whom and why: EXIF in a JPEG, GUANO in a sound file."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version

from katydid.sensors.metadata import own

_EXIF_IFD, _DATE, _FRACTION, _OFFSET, _SERIAL, _COMMENT = 0x8769, 0x9003, 0x9291, 0x9011, 0xA431, 0x9286
_MAKE, _MODEL, _SOFTWARE = 0x010F, 0x0110, 0x0131
_ASCII, _LONG, _UNDEFINED = 2, 4, 7
_HEAD = b"MM\0*\0\0\0\x08"
_CODE = b"ASCII\0\0\0"
"""How an EXIF comment begins that is ASCII."""
HOST, FILM = "host", "film"
"""Whose clock: this machine's, unless own facts say another; that of a film's pictures."""


def with_exif(jpeg: bytes, sensor: str, at: datetime, *, uncertainty_s: float, own_facts: Mapping[str, str]) -> bytes:
    """The JPEG with an EXIF block behind its first marker; its picture stays byte for byte. `at` has an offset."""
    comment = _CODE + "\n".join(_own(uncertainty_s, own_facts)).encode("ascii", "replace")
    inner = {
        _DATE: (_ASCII, _text(at.strftime("%Y:%m:%d %H:%M:%S"))),
        _OFFSET: (_ASCII, _text(_offset(at))),
        _COMMENT: (_UNDEFINED, comment),
        _FRACTION: (_ASCII, _text(f"{at.microsecond // 1000:03d}")),
        _SERIAL: (_ASCII, _text(sensor)),
    }
    main = {
        _MAKE: (_ASCII, _text("Katydid")),
        _MODEL: (_ASCII, _text("Live camera")),
        _SOFTWARE: (_ASCII, _text(f"katydid {version('katydid')}")),
        _EXIF_IFD: (_LONG, bytes(4)),
    }
    start = len(_HEAD) + len(_directory(main, len(_HEAD)))
    main[_EXIF_IFD] = (_LONG, struct.pack(">I", start))
    block = b"Exif\0\0" + _HEAD + _directory(main, len(_HEAD)) + _directory(inner, start)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def _directory(entries: Mapping[int, tuple[int, bytes]], at: int) -> bytes:
    """A TIFF directory that lies `at` bytes behind the header, with its values behind it (TIFF 6.0, section 2)."""
    values_at = at + 2 + 12 * len(entries) + 4
    table, values = struct.pack(">H", len(entries)), b""
    for tag, (kind, content) in sorted(entries.items()):
        count = len(content) // 4 if kind == _LONG else len(content)
        table += struct.pack(">HHI", tag, kind, count)
        if len(content) <= 4:
            table += content.ljust(4, b"\0")
        else:
            table += struct.pack(">I", values_at + len(values))
            values += content + b"\0" * (len(content) % 2)
    return table + bytes(4) + values


def _text(words: str) -> bytes:
    return words.encode("ascii", "replace") + b"\0"


def guano(
    sensor: str, at: datetime, *, sample_rate: int, frames: int, uncertainty_s: float, own_facts: Mapping[str, str]
) -> str:
    """The text of a GUANO block, version 1.0 (guano-md.org). `at` has an offset."""
    return "\n".join(
        [
            "GUANO|Version:1.0",
            "Make:Katydid",
            "Model:Live recorder",
            f"Firmware Version:katydid {version('katydid')}",
            f"Serial:{sensor}",
            f"Timestamp:{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}{_offset(at)}",
            f"Samplerate:{sample_rate}",
            f"Length:{frames / sample_rate:.6f}",
            *_own(uncertainty_s, own_facts),
        ]
    )


def _own(uncertainty_s: float, own_facts: Mapping[str, str]) -> list[str]:
    return own.lines({own.CLOCK: HOST, own.UNCERTAINTY: f"{uncertainty_s:g}", **own_facts})


def _offset(at: datetime) -> str:
    words = at.strftime("%z")
    return f"{words[:3]}:{words[3:5]}"
