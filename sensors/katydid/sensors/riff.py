"""WAV files as chunks: the format and where the samples lie, read without trusting any size in them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from katydid.sensors.errors import Undecodable

_MOST_CHUNKS = 1000
_PCM, _FLOAT, _A_LAW, _MU_LAW, _EXTENSIBLE = 0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE
_BITS = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64), _A_LAW: (8,), _MU_LAW: (8,)}
_SUBTYPES = {
    (_PCM, 8): "PCM_U8",
    (_PCM, 16): "PCM_16",
    (_PCM, 24): "PCM_24",
    (_PCM, 32): "PCM_32",
    (_FLOAT, 32): "FLOAT",
    (_FLOAT, 64): "DOUBLE",
    (_A_LAW, 8): "ALAW",
    (_MU_LAW, 8): "ULAW",
}


class Chunk(msgspec.Struct, frozen=True):
    """One chunk: four letters, where its content starts, how long it says it is and how long it can be."""

    name: bytes
    start: int
    promised: int
    length: int
    """Bytes that are really there."""


class WavHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The format of a WAV file and how many frames it promises and holds."""

    channels: int
    sample_rate: int
    bits: int
    """Of one sample as stored."""
    form: int
    """Format number: 1 PCM, 3 float, 6 and 7 logarithmic."""
    frames: int
    """Whole frames that are really there."""
    promised_frames: int
    """What the header says; equal to `frames` in a whole file."""
    start: int
    """Where the samples begin."""

    @property
    def damaged(self) -> bool:
        """The sizes in the header are not those of the file: the samples go on to its end, more or fewer."""
        return self.frames != self.promised_frames

    @property
    def subtype(self) -> str:
        """As libsndfile calls it."""
        return _SUBTYPES[self.form, self.bits]


def chunks(file: BinaryIO, length: int) -> Iterator[Chunk]:
    """The chunks of a RIFF or RF64 file of `length` bytes, in order, as far as they make sense."""
    file.seek(0)
    large = file.read(4) == b"RF64"
    large_data = 0
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at > length:  # A size of 64 bits may be more than a file can be sought to.
            return
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        name, promised = head[:4], int.from_bytes(head[4:], "little")
        if large and name == b"ds64":
            large_data = int.from_bytes(file.read(16)[8:], "little")
        if large and name == b"data" and promised == 0xFFFFFFFF:
            promised = large_data
        yield Chunk(name, at + 8, promised, max(0, min(promised, length - at - 8)))
        at += 8 + promised + (promised & 1)


def content(file: BinaryIO, chunk: Chunk, most: int) -> bytes:
    """At most `most` bytes of what a chunk holds."""
    file.seek(chunk.start)
    return file.read(min(chunk.length, most))


def info(content: bytes) -> dict[bytes, str]:
    """The texts of a LIST chunk of the form INFO, by their four letters; empty for other lists."""
    texts: dict[bytes, str] = {}
    at = 4 if content[:4] == b"INFO" else len(content)
    while at + 8 <= len(content) and len(texts) < _MOST_CHUNKS:
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        value = content[at + 8 : at + 8 + length].split(b"\0", 1)[0]
        texts.setdefault(content[at : at + 4], value.decode("utf-8", "replace"))
        at += 8 + length + (length & 1)
    return texts


def header(file: BinaryIO, length: int) -> WavHeader:
    """Read the format of a WAV file of `length` bytes.

    Raises Undecodable: "truncated" (ends before its samples), "bad_header" (no sane format), "unsupported" (a
    compressed format), "empty" (no samples).
    """
    found: tuple[int, int, int, int, int] | None = None
    for chunk in chunks(file, length):
        if chunk.name == b"fmt ":
            found = _format(content(file, chunk, 64))
        elif chunk.name == b"data":
            if found is None:
                raise Undecodable("bad_header", "a WAV whose samples come before their format")
            file.seek(4)
            return _with_samples(found, chunk, length, int.from_bytes(file.read(4), "little"))
    raise Undecodable("truncated", "a WAV that ends before its samples")


def _format(content: bytes) -> tuple[int, int, int, int, int]:
    """(format, channels, sample rate, bits, bytes per frame), checked for sanity."""
    if len(content) < 16:
        raise Undecodable("truncated", "a WAV that ends inside its format")
    tag, channels, rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", content)
    if tag == _EXTENSIBLE and len(content) >= 26:
        (tag,) = struct.unpack_from("<H", content, 24)
    if tag not in _BITS:
        raise Undecodable("unsupported", f"a WAV in the compressed format {tag:#06x}; PCM and float are read")
    if channels < 1 or rate < 1 or bits not in _BITS[tag] or frame_bytes != channels * bits // 8:
        said = f"{channels} channels, {rate} Hz, {bits} bits, {frame_bytes} bytes per frame"
        raise Undecodable("bad_header", f"a WAV whose format makes no sense: {said}")
    return tag, channels, rate, bits, frame_bytes


def _with_samples(found: tuple[int, int, int, int, int], chunk: Chunk, length: int, riff_size: int) -> WavHeader:
    tag, channels, rate, bits, frame_bytes = found
    # A recorder that lost power leaves 0 in the header and its samples behind it.
    unfinished = chunk.promised == 0 and riff_size <= chunk.start
    there = length - chunk.start if unfinished else chunk.length
    if there < frame_bytes:
        reason = "empty" if chunk.promised < frame_bytes else "truncated"
        raise Undecodable(reason, "a WAV that holds no samples")
    return WavHeader(
        channels=channels,
        sample_rate=rate,
        bits=bits,
        form=tag,
        frames=there // frame_bytes,
        promised_frames=chunk.promised // frame_bytes,
        start=chunk.start,
    )
