"""A whole outcome or occurrence as the JSON text of one point, and back.

The point of a capture is written at once or not at all, so what is read from it is always one outcome, never a mixture
of two. A string of InfluxDB holds 64 kB: longer evidence fills further fields of the same point.

JSON knows no NaN and UTF-8 no lone surrogate: as in the DuckDB store, a number that is not finite is written as the
text "nan", "inf" or "-inf", a lone surrogate as its escape, for example "\\udc80".
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import msgspec

from katydid.models.occurrence import Occurrence
from katydid.models.outcome import Outcome
from katydid.streams.store.influx.plain import speakable

PART, WIDE_PART = 30_000, 15_000
"""Characters a field, of ASCII and of other text: at most 60,000 bytes, also where "%" had to be written as "%25"."""

_NOT_FINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")
"""The head of a NaN or infinity in MessagePack, or now and then of something else."""

_json = msgspec.json.Encoder()
_packed = msgspec.msgpack.Encoder()
_decoder = msgspec.json.Decoder(Outcome, strict=False)
_occurrence_decoder = msgspec.json.Decoder(Occurrence, strict=False)


def evidence_of(record: Outcome | Occurrence) -> list[str]:
    """The JSON of a record in parts that a field can hold. Raises OverflowError for a number over 64 bits."""
    try:
        whole = _NOT_FINITE.search(_packed.encode(record)) is None
        text = _json.encode(record if whole else _plain(msgspec.to_builtins(record))).decode()
    except UnicodeEncodeError:
        text = _json.encode(_plain(msgspec.to_builtins(record))).decode()
    part = PART if text.isascii() else WIDE_PART
    return [text[start : start + part] for start in range(0, len(text), part)]


def outcome_of_evidence(parts: Sequence[str]) -> Outcome:
    """The outcome that `evidence_of` was given. Raises msgspec.ValidationError for what is none."""
    return _decoder.decode("".join(parts))


def occurrence_of_evidence(parts: Sequence[str]) -> Occurrence:
    """The occurrence that `evidence_of` was given. Raises msgspec.ValidationError for what is none."""
    return _occurrence_decoder.decode("".join(parts))


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return speakable(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
