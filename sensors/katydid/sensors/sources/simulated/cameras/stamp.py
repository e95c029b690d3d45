"""The EXIF block that a simulated camera writes: when by its own clock, and which camera. Cheap: one block, patched."""

from __future__ import annotations

import struct
from datetime import datetime
from functools import lru_cache

from PIL import Image

_EXIF_IFD, _DATE_TAKEN, _OFFSET_TAKEN, _SERIAL, _MAKE, _MODEL = 0x8769, 0x9003, 0x9011, 0xA431, 0x010F, 0x0110
_NO_DATE, _NO_OFFSET = b"0000:00:00 00:00:00", b"+99:99"


def stamped(encoded: bytes, reading: datetime, serial: str) -> bytes:
    """A JPEG with an EXIF segment behind its start: the reading to the second, with its offset if it is aware."""
    block = _block(serial, reading.utcoffset() is not None)
    block = block.replace(_NO_DATE, reading.strftime("%Y:%m:%d %H:%M:%S").encode(), 1)
    if reading.utcoffset() is not None:
        offset = reading.strftime("%z")
        block = block.replace(_NO_OFFSET, f"{offset[:3]}:{offset[3:5]}".encode(), 1)
    return encoded[:2] + block + encoded[2:]


@lru_cache(maxsize=64)
def _block(serial: str, with_offset: bool) -> bytes:
    exif = Image.Exif()
    exif[_MAKE], exif[_MODEL] = "Katydid", "Simulated camera"
    inner = exif.get_ifd(_EXIF_IFD)
    inner[_DATE_TAKEN] = _NO_DATE.decode()
    inner[_SERIAL] = serial
    if with_offset:
        inner[_OFFSET_TAKEN] = _NO_OFFSET.decode()
    content = exif.tobytes()
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
