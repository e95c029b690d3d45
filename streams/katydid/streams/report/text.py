"""Words and numbers for people, and names from the field made safe to read.

File names, EXIF strings, labels and sensor names come from outside. `visible` turns every character that would hide
or turn text around into its escape, and the page's template passes every value through it before escaping HTML.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, tzinfo

from katydid.sensors.clock import ZoneError, find_zone

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that no reader can see: controls, bidi and zero-width marks, lone surrogates, unassigned."""

NS = 1_000_000_000


def visible(text: str) -> str:
    """`text` with control, bidi and other invisible characters written as escapes, for example "\\u202e"."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(character) for character in text)


def _escape(character: str) -> str:
    if unicodedata.category(character) not in HIDDEN:
        return character
    return character.encode("unicode_escape", errors="surrogatepass").decode("ascii")


def count(number: int, singular: str, plural: str | None = None) -> str:
    """ "1 frame", "2,400 frames"."""
    word = singular if number == 1 else (plural or singular + "s")
    return f"{number:,} {word}"


def duration(seconds: float) -> str:
    """ "40 s", "4 min", "2 h 05 min", "3 d 4 h"."""
    if seconds < 10 and seconds != round(seconds):
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"
    return f"{round(seconds / 3600):,} h"


def share(number: float | None) -> str:
    """A number in 0..1 with two decimals, or a dash where the stage did not run."""
    return "–" if number is None else f"{number:.2f}"


def zone_of(name: str) -> tzinfo:
    """The zone called `name`; UTC where no such zone is known on this machine."""
    try:
        return find_zone(name)
    except ZoneError:
        return UTC


def moment(ns: int, zone: tzinfo, form: str = "%Y-%m-%d %H:%M") -> str:
    """UTC nanoseconds as a local date and time."""
    return datetime.fromtimestamp(ns // NS, tz=zone).strftime(form)
