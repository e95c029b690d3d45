"""What goes wrong with files, on demand: each fault by chance, a share of the files of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from katydid.sensors.capture import Kind
from katydid.sensors.sources.simulated.cameras import chance
from katydid.sensors.sources.simulated.community import key_of


class Fault(StrEnum):
    """One sort of spoilt file."""

    TRUNCATED = "truncated"
    """Cut off somewhere, as when a card is pulled."""
    ZERO_BYTE = "zero_byte"
    RUBBISH = "rubbish"
    """Random bytes under a media file's name."""
    WRONG_EXTENSION = "wrong_extension"
    """A good JPEG called .png, a good WAV called .mp3."""
    NO_METADATA = "no_metadata"
    """Without EXIF or GUANO: the file's name may still say when."""
    BLACK_FRAME = "black_frame"
    FLAT_LINE = "flat_line"
    """A clip of one value, as from a microphone that broke."""
    CLIPPED = "clipped"
    """A gain of 30 dB too much."""
    DROPPED_SAMPLES = "dropped_samples"
    """Some buffers were lost, and nothing in the file says so."""


ONLY = {
    Fault.BLACK_FRAME: Kind.FRAME,
    Fault.FLAT_LINE: Kind.CLIP,
    Fault.CLIPPED: Kind.CLIP,
    Fault.DROPPED_SAMPLES: Kind.CLIP,
}
"""Faults that happen to one kind of files; the others happen to both."""
UNKNOWABLE = frozenset({Fault.TRUNCATED, Fault.ZERO_BYTE, Fault.RUBBISH})
"""What is in such a file cannot be said: its truth is the fault alone."""


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Fault → share of the files, 0..1. A file has one fault at most: the first of the enumeration that hits it."""

    shares: Mapping[Fault, float] = msgspec.field(default_factory=dict)

    def of(self, kind: Kind, *keys: int) -> Fault | None:
        """The fault of the file that `keys` stand for."""
        for fault in Fault:
            share = self.shares.get(fault, 0.0)
            fits = ONLY.get(fault, kind) is kind
            if fits and share > 0.0 and chance.uniform(*keys, key_of(fault.value)) < share:
                return fault
        return None


def faults_of(words: str) -> Faults:
    """From "truncated=0.01,black_frame=0.02". Raises ValueError that names the word that is wrong."""
    shares: dict[Fault, float] = {}
    for word in filter(None, words.split(",")):
        name, _, share = word.partition("=")
        try:
            fault, part = Fault(name.strip()), float(share)
        except ValueError:
            part = -1.0
        if not 0.0 <= part <= 1.0:
            raise ValueError(
                f"{word!r} is no fault with a share: write {Fault.TRUNCATED}=0.01; there are {', '.join(Fault)}"
            )
        shares[fault] = part
    return Faults(shares=shares)


def spoilt(fault: Fault | None, data: bytes, *keys: int) -> bytes:
    """The bytes with the faults that are of bytes."""
    if fault is Fault.TRUNCATED:
        return data[: max(int(len(data) * (0.02 + 0.88 * chance.uniform(*keys, 1))), 16)]
    if fault is Fault.ZERO_BYTE:
        return b""
    if fault is Fault.RUBBISH:
        return chance.stream(*keys, 2).randbytes(min(len(data), 20_000))
    return data


def misnamed(fault: Fault | None, name: str) -> str:
    """The name with another medium's ending, where that is the fault."""
    if fault is not Fault.WRONG_EXTENSION:
        return name
    stem, _, ending = name.rpartition(".")
    return f"{stem}.{'png' if ending == 'jpg' else 'mp3'}"
