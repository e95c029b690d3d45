"""What the name of a file says: the patterns of AudioMoth, Song Meter, Reconyx and of plain dates and times.

    20240528_100000.WAV, 20240528_100000T.WAV     AudioMoth
    5D8A9C10.WAV                                  AudioMoth before 2018: seconds since 1970, hexadecimal
    S4A03895_20190522_050000.wav, SMM01_20240528_100000_123.wav     Song Meter, with or without milliseconds
    20210531082538-RCNX0031.JPG                   Reconyx, renamed on import, with the running number
    2024-05-28T10-00-00Z.flac, pi2_2025_02_21_11_57_31.jpg          plain

A date without a time is no reading, nor is a number that could be anything.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from katydid.sensors.capture import ClockSource, Kind
from katydid.sensors.clock import Reading, offset_seconds, reading
from katydid.sensors.metadata.records import FileFacts, facts_of

_MOMENT = re.compile(
    r"(?<![0-9A-Fa-f])"
    r"(\d{4})([-_.]?)(\d\d)\2(\d\d)"
    r"(?:[T _$-]|(?<=\d{8})(?=\d{6}))"
    r"(\d\d)([-_.:]?)(\d\d)\6(\d\d)"
    r"(?:[._](\d{3})(?!\d)|\.(\d{6})(?!\d)|(\d{3})(?!\d))?"
    r"(?:(Z)|([+-])(\d\d)[:-]?(\d\d)(?!\d))?"
    r"(?![0-9A-Fa-f])"
)
_HEXADECIMAL = re.compile(r"[0-9A-F]{8}")
_FIRST_AUDIOMOTH_S, _LAST_HEXADECIMAL_S = 1_451_606_400, 2_208_988_800
"""2016, when the first AudioMoths were made, to 2040."""
_SERIAL = re.compile(r"(S4[A-Z]\d{5}|SM[A-Z0-9]{1,2}\d{5}|2M[A-Z]\d{5}|24[0-9A-F]{14})_")
_SEQUENCE = re.compile(r"(?:^|[-_])(?:RCNX|IMG_?|DSC[FN_]?|PICT|IMAG|MFDC|EK|SYFW|SUNP|STC_)(\d{4,6})(?!\d)")
_YEARS = range(1970, 2100)


def read(file_name: str, kind: Kind) -> FileFacts:
    """What the name (without its folders) says about a file of that kind."""
    stem = file_name.rpartition(".")[0] or file_name
    moment = _moment(stem) or (_hexadecimal(stem) if kind is Kind.CLIP else None)
    serial = _SERIAL.match(stem)
    sequence = _SEQUENCE.search(stem) if kind is Kind.FRAME else None
    return FileFacts(
        readings=(moment,) if moment else (),
        serial=serial[1] if serial else "",
        sequence=int(sequence[1]) if sequence else None,
        facts=facts_of({"serial": serial[1]}, "file_name") if serial else (),
    )


def _moment(stem: str) -> Reading | None:
    for found in _MOMENT.finditer(stem):
        year, _, month, day, hour, _, minute, second, *fractions, zulu, sign, hours, minutes = found.groups()
        fraction = next((part for part in fractions if part), "")
        try:
            wall = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second))
        except ValueError:
            continue
        if wall.year not in _YEARS:
            continue
        return reading(
            ClockSource.FILE_NAME,
            found[0],
            wall,
            offset_s=0 if zulu else offset_seconds(sign, hours, minutes) if sign else None,
            extra_ns=int(fraction.ljust(9, "0")),
            resolution_s=10.0 ** -len(fraction),
        )
    return None


def _hexadecimal(stem: str) -> Reading | None:
    if not _HEXADECIMAL.fullmatch(stem):
        return None
    seconds = int(stem, 16)
    if not _FIRST_AUDIOMOTH_S <= seconds < _LAST_HEXADECIMAL_S:
        return None
    wall = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return reading(ClockSource.FILE_NAME, stem, wall, offset_s=0)
