"""Text that survives InfluxDB, and comes back as it was.

Newlines and tabs in tags, a tag that ends in a backslash, an empty tag and a carriage return in a string do not
survive, and a lone surrogate (from a file name that is no Unicode) cannot be sent at all. Such characters are written
as in URLs, "%" and two hexadecimal digits for each byte; "%" itself only where it would be read as one of these, so
that "50 % clipped" stays as it is.
"""

from __future__ import annotations

import re

_CONTROLS = "\x00-\x1f\x7f"
_AMBIGUOUS = r"%(?=[0-9A-F]{2})"
_HOSTILE_IN_FIELDS = re.compile(f"[{_CONTROLS}\ud800-\udfff]|{_AMBIGUOUS}")
_HOSTILE_IN_TAGS = re.compile(rf"[\\{_CONTROLS}\ud800-\udfff]|{_AMBIGUOUS}")
_CODED = re.compile("(?:%[0-9A-F]{2})+")
_EMPTY, _LONE = "%", "%25"
"""An empty tag, and a tag that is a lone "%"."""


def plain_text(text: str) -> str:
    """Text for a string field."""
    return _HOSTILE_IN_FIELDS.sub(_coded, text)


def plain_tag(text: str) -> str:
    """Text for the value of a tag: never empty."""
    if text in ("", "%"):
        return _LONE if text else _EMPTY
    return _HOSTILE_IN_TAGS.sub(_coded, text)


def original_text(plain: str) -> str:
    """The text that `plain_text` was given."""
    return _CODED.sub(_decoded, plain) if "%" in plain else plain


def original_tag(plain: str) -> str:
    """The text that `plain_tag` was given."""
    return "" if plain == _EMPTY else original_text(plain)


def _coded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def _decoded(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "surrogatepass")
