"""Directories of a TIFF structure (what EXIF is), read from bytes that nobody vouches for.

Every offset and count is checked against the block; what does not fit is left out. No library's reader is used,
because none both stays silent and can be called from several threads.
"""

from __future__ import annotations

import struct
from typing import Literal, TypeAlias

Value: TypeAlias = str | bytes | tuple[float, ...]
Directory: TypeAlias = dict[int, Value]

_MOST_ENTRIES = 500
_LONGEST = 65_536
_FORMATS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d"}
_ASCII, _RATIONAL, _UNDEFINED, _SIGNED_RATIONAL = 2, 5, 7, 10


def directory(block: bytes, pointer: int | None = None) -> Directory:
    """Tag → value of the directory at offset `pointer` (None: the first one); empty where there is none.

    Values are text (ASCII), bytes (undefined), or a tuple of numbers.
    """
    order = _order(block)
    if order is None:
        return {}
    start = int(struct.unpack_from(order + "I", block, 4)[0]) if pointer is None else pointer
    if not 8 <= start <= len(block) - 2:
        return {}
    count = min(int(struct.unpack_from(order + "H", block, start)[0]), _MOST_ENTRIES)
    entries: Directory = {}
    for at in range(start + 2, min(start + 2 + 12 * count, len(block) - 11), 12):
        tag = int(struct.unpack_from(order + "H", block, at)[0])
        value = _value(block, order, at)
        if value is not None:
            entries.setdefault(tag, value)
    return entries


def whole(entries: Directory, tag: int) -> int | None:
    """The first number of an entry as an integer, or None."""
    value = entries.get(tag)
    return int(value[0]) if isinstance(value, tuple) and value else None


def text(entries: Directory, tag: int) -> str:
    """An entry as text, "" where it is missing or no text."""
    value = entries.get(tag)
    return value if isinstance(value, str) else ""


def numbers(entries: Directory, tag: int) -> tuple[float, ...]:
    """An entry as numbers, empty where it is missing or none."""
    value = entries.get(tag)
    return value if isinstance(value, tuple) else ()


def _order(block: bytes) -> Literal["<", ">"] | None:
    if len(block) < 14:
        return None
    if block[:2] == b"II":
        return "<"
    return ">" if block[:2] == b"MM" else None


def _value(block: bytes, order: str, at: int) -> Value | None:
    kind, count = struct.unpack_from(order + "HI", block, at + 2)
    size = 8 if kind in (_RATIONAL, _SIGNED_RATIONAL) else struct.calcsize(_FORMATS.get(kind, "B"))
    length = size * count
    if not 0 < length <= _LONGEST:
        return None
    start = at + 8 if length <= 4 else int(struct.unpack_from(order + "I", block, at + 8)[0])
    content = block[start : start + length]
    if len(content) < length:
        return None
    if kind == _ASCII:
        return content.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
    if kind == _UNDEFINED:
        return content
    if kind in (_RATIONAL, _SIGNED_RATIONAL):
        parts = struct.unpack(f"{order}{2 * count}{'I' if kind == _RATIONAL else 'i'}", content)
        return tuple(top / bottom if bottom else 0.0 for top, bottom in zip(parts[::2], parts[1::2], strict=True))
    if kind in _FORMATS:
        return tuple(float(part) for part in struct.unpack(f"{order}{count}{_FORMATS[kind]}", content))
    return None
