"""Text that survives InfluxDB, and comes back as it was.

Newlines and tabs in tags, a tag that ends in a backslash, an empty tag and a carriage return in a string do not
survive. Such characters are written as in URLs, "%" and two hexadecimal digits for each byte; "%" itself only where
it would be read as one of these, so that "50 % clipped" stays as it is. A lone surrogate (from a file name that is no
Unicode) is written as its escape, for example "\\udc80", as in the DuckDB store.
"""

from __future__ import annotations

import re

_CONTROLS = "\x00-\x1f\x7f"
_AMBIGUOUS = r"%(?=[0-9A-F]{2})"
_HOSTILE_IN_FIELDS = re.compile(f"[{_CONTROLS}]|{_AMBIGUOUS}")
_HOSTILE_IN_TAGS = re.compile(rf"[\\{_CONTROLS}]|{_AMBIGUOUS}")
_CODED = re.compile("(?:%[0-9A-F]{2})+")
_EMPTY, _LONE = "%", "%25"
"""An empty tag, and a tag that is a lone "%"."""


def speakable(text: str) -> str:
    """The text with lone surrogates as their escapes: what every store keeps of it."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def plain_text(text: str) -> str:
    """Text for a string field."""
    return _HOSTILE_IN_FIELDS.sub(_coded, speakable(text))


def plain_tag(text: str) -> str:
    """Text for the value of a tag: never empty."""
    if text in ("", "%"):
        return _LONE if text else _EMPTY
    return _HOSTILE_IN_TAGS.sub(_coded, speakable(text))


def original_text(plain: str) -> str:
    """The text that `plain_text` was given, speakable."""
    return _CODED.sub(_decoded, plain) if "%" in plain else plain


def original_tag(plain: str) -> str:
    """The text that `plain_tag` was given, speakable."""
    return "" if plain == _EMPTY else original_text(plain)


def _coded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def _decoded(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("%", "")).decode()
