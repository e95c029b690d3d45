"""What Katydid's own live sources write into their files beside the standard fields, and how it is read again.

    Katydid|Clock: host                  whose clock the time is from; film: its own, from the start that was named
    Katydid|Clock Uncertainty: 0.2       seconds that it can be off, beyond what is written
    Katydid|Trigger: every 10 s          why a frame was taken
    Katydid|Condition: black             what was wrong with it, as far as it could be noticed
    Katydid|Stopped By: overrun          why a clip is shorter than the others
    Katydid|Quality: 92                  of a JPEG that was encoded here; absent where it is the camera's own

In a GUANO block they stand under a namespace, as GUANO 1.0 asks for; in a JPEG in the EXIF field UserComment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from katydid.sensors.clock import Reading
from katydid.sensors.metadata.records import number

PREFIX = "Katydid|"
CLOCK, UNCERTAINTY, TRIGGER, CONDITION = "Clock", "Clock Uncertainty", "Trigger", "Condition"
STOPPED_BY, QUALITY = "Stopped By", "Quality"
_NAMES = {
    CLOCK: "clock",
    TRIGGER: "trigger",
    CONDITION: "condition",
    STOPPED_BY: "stopped_by",
    QUALITY: "jpeg_quality",
}
_MOST_DOUBT_S = 3.2e9


def lines(values: Mapping[str, str]) -> list[str]:
    """A line for each value that is not empty."""
    return [f"{PREFIX}{key}: {value}" for key, value in values.items() if value]


def fields(block: bytes) -> dict[str, str]:
    """The fields of lines "Katydid|Key: value"; the first of equal keys counts."""
    found: dict[str, str] = {}
    for line in block.decode("utf-8", "replace").split("\n"):
        key, colon, value = line.partition(":")
        if colon and key.strip().startswith(PREFIX):
            found.setdefault(key.strip(), value.strip(" \t\r\0"))
    return found


def facts(said: Mapping[str, str]) -> dict[str, str]:
    """Fact names and values of such fields; nothing where there are none."""
    return {name: said[PREFIX + key] for key, name in _NAMES.items() if PREFIX + key in said}


def doubted(moment: Reading, said: Mapping[str, str]) -> Reading:
    """The reading, with the doubt that its device has about it."""
    doubt = number(said.get(PREFIX + UNCERTAINTY, ""))
    if doubt is None or not math.isfinite(doubt):
        return moment
    return msgspec.structs.replace(moment, uncertainty_s=min(max(doubt, 0.0), _MOST_DOUBT_S))
