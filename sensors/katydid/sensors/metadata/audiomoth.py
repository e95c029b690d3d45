"""The comment that an AudioMoth writes into its recordings, in all the wordings of its firmware.

    1.0    Recorded at 19:22:14 12/06/2017 by AudioMoth 0FE0… at gain setting 2 while battery state was 3.96V
    1.1    Recorded at 10:25:00 04/04/2020 (UTC) by AudioMoth 2452… at gain setting 2 while battery state was < 3.6V
    1.2    … (UTC+5:30) by AudioMoth … at gain setting 2 while battery state was less than 3.6V. Recording cancelled …
    1.4    … (UTC-5) by AudioMoth … at medium-high gain setting while battery state was 4.6V and temperature was 19.4C.
    1.6    … (UTC) during deployment … using external microphone at low gain while battery was greater than 4.9V and …

Its clock runs in UTC; the first wording does not say so, but knows no other.
"""

from __future__ import annotations

import re
from datetime import datetime

from katydid.sensors.capture import ClockSource
from katydid.sensors.clock import Reading, offset_seconds, reading
from katydid.sensors.metadata.records import FileFacts, facts_of

_RECORDED = re.compile(
    r"Recorded at (\d\d):(\d\d):(\d\d)(?:\.(\d{3}))? (\d\d)/(\d\d)/(\d{4})"
    r"(?: \(UTC(?:([+-])(\d{1,2})(?::\s?(\d{1,2}))?)?\))?"
)
_DEVICE = re.compile(r"AudioMoth ([0-9A-F]{8,16})\b")
_DEPLOYMENT = re.compile(r"during deployment ([0-9A-F]{8,16})\b")
_GAIN = re.compile(r" at (?:gain setting (\d)|(low|low-medium|medium|medium-high|high) gain)\b")
_BATTERY = re.compile(r"battery (?:state )?was (less than |greater than |[<>] ?)?(\d+\.\d+)V")
_TEMPERATURE = re.compile(r"temperature was (-?\d+\.\d+)C")
_STOPPED = re.compile(r" due to ([a-z ]{3,60})")
_LONGEST = 4096


def read(comment: str, artist: str = "") -> FileFacts:
    """What the comment says; `artist` also names the device, which some wordings leave out of the comment."""
    comment = comment[:_LONGEST]
    moment = _RECORDED.search(comment)
    if not moment:
        return FileFacts()
    device = _DEVICE.search(comment) or _DEVICE.search(artist[:_LONGEST])
    values = {
        "make": "Open Acoustic Devices" if device else "",
        "model": "AudioMoth" if device else "",
        "serial": device[1] if device else "",
        "deployment": _first(_DEPLOYMENT, comment),
        "gain": _first(_GAIN, comment),
        "battery_v": _battery(comment),
        "temperature_c": _first(_TEMPERATURE, comment),
        "microphone": "external" if "using external microphone" in comment else "",
        "stopped_by": _first(_STOPPED, comment),
    }
    found = _reading(moment)
    return FileFacts(
        readings=(found,) if found else (),
        serial=values["serial"],
        facts=facts_of(values, "audiomoth"),
    )


def _reading(moment: re.Match[str]) -> Reading | None:
    hour, minute, second, thousandths, day, month, year, sign, hours, minutes = moment.groups()
    try:
        wall = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second))
    except ValueError:
        return None
    return reading(
        ClockSource.AUDIOMOTH,
        moment[0].removeprefix("Recorded at "),
        wall,
        offset_s=offset_seconds(sign, hours, minutes) if sign else 0,
        extra_ns=int(thousandths or 0) * 1_000_000,
        resolution_s=0.001 if thousandths else 1.0,
    )


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return next((group for group in found.groups() if group), "") if found else ""


def _battery(comment: str) -> str:
    found = _BATTERY.search(comment)
    if not found:
        return ""
    bound = {"l": "<", "<": "<", "g": ">", ">": ">"}.get((found[1] or " ")[0], "")
    return bound + found[2]
