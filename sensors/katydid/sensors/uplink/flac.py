"""A long WAV as FLAC: half the bytes over the link, and sample for sample the same sound.

The capture keeps its id, which comes from what the recorder wrote; its digest and length become those of the FLAC, and
a fact says which digest the WAV had. What stands in the WAV's other chunks (GUANO, AudioMoth) was read before and
travels with the capture's facts. The copy is decoded again and compared before it is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from katydid.sensors.capture import Capture, Fact, Kind, MediaRef
from katydid.sensors.errors import RefusedMedia
from katydid.sensors.limits import Limits

FLAC_OF = "flac_of"
"""Fact: SHA-256 of the WAV that this FLAC was made from."""
MEDIA_TYPE = "audio/flac"
_SUBTYPES = ("PCM_16", "PCM_24", "PCM_U8")
_FLAC_SUBTYPE = {"PCM_16": "PCM_16", "PCM_24": "PCM_24", "PCM_U8": "PCM_S8"}
_MOST_CHANNELS = 8
_PIECE = 1 << 20


def as_flac(capture: Capture, wav: Path, copy: Path, limits: Limits) -> Capture | None:
    """The capture with the FLAC written to `copy`: inside it where that is small enough, else as a reference to `copy`.

    None where that cannot be or does not pay: no whole WAV of 8, 16 or 24 bits with at most 8 channels, or no smaller.
    Raises OSError where `copy` cannot be written.
    """
    if capture.kind is not Kind.CLIP or capture.media_type != "audio/wav" or not _fits(wav, limits):
        return None
    try:
        if not _encode(wav, copy):
            return None
    except (soundfile.LibsndfileError, AssertionError):
        return None
    length = copy.stat().st_size
    if length >= capture.length:
        return None
    sha256 = _sha256(copy)
    inline = length <= limits.inline_bytes
    return msgspec.structs.replace(
        capture,
        media_type=MEDIA_TYPE,
        sha256=sha256,
        length=length,
        payload=copy.read_bytes() if inline else None,
        payload_ref=None if inline else MediaRef(url=str(copy), sha256=sha256, length=length),
        facts=(*capture.facts, Fact(name=FLAC_OF, value=capture.sha256, read_from="push")),
    )


def _fits(wav: Path, limits: Limits) -> bool:
    """A WAV that is whole: one that was cut off goes as it is, so that what is wrong with it is seen there."""
    from katydid.sensors import audio

    try:
        with audio.open_sound(wav, limits) as reader:
            header = reader.header
    except RefusedMedia:
        return False
    whole = header.frames == header.promised_frames
    return whole and header.subtype in _SUBTYPES and header.channels <= _MOST_CHANNELS


def _encode(wav: Path, copy: Path) -> bool:
    """Write the FLAC; whether it holds the same samples."""
    with soundfile.SoundFile(wav) as source:
        try:
            _write(source, copy)
        except (soundfile.LibsndfileError, AssertionError):  # Fewer samples written than given is an assertion there.
            _check_room(copy)
            raise
        source.seek(0)
        with soundfile.SoundFile(copy) as again:
            same = again.frames == source.frames and again.samplerate == source.samplerate
            return same and all(np.array_equal(a, b) for a, b in zip(_blocks(source), _blocks(again), strict=True))


def _write(source: soundfile.SoundFile, copy: Path) -> None:
    form = {"samplerate": source.samplerate, "channels": source.channels, "format": "FLAC"}
    with soundfile.SoundFile(copy, "w", subtype=_FLAC_SUBTYPE[source.subtype], **form) as target:
        for block in _blocks(source):
            target.write(block)


def _check_room(copy: Path) -> None:
    """libsndfile says "System error" for a full disk as for much else: write a piece more. Raises OSError."""
    with copy.open("ab") as file:
        file.write(bytes(_PIECE))


def _blocks(sound: soundfile.SoundFile) -> Iterator[NDArray[np.int32]]:
    """Samples as 32-bit integers [n, channels], which hold 8, 16 and 24 bits exactly."""
    while len(block := sound.read(_PIECE // sound.channels, dtype="int32", always_2d=True)):
        yield block


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
