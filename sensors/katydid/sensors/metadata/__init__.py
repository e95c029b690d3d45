"""What a file says about itself: EXIF, GUANO, AudioMoth comments, wamd and its name, each fact with where it was read.

Nothing here raises for bad metadata: a file that says nothing, or nonsense, gives an empty record. Only the parts that
hold metadata are read, so a recording of an hour costs no more than one of a second.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import soundfile

from katydid.sensors import images, riff
from katydid.sensors.capture import Kind
from katydid.sensors.errors import Undecodable
from katydid.sensors.metadata import audiomoth, exif, file_name, guano, wamd
from katydid.sensors.metadata.records import FileFacts, facts_of, merged
from katydid.sensors.signature import HEAD_BYTES, media_type

__all__ = ["FileFacts", "read"]

_FRAME_HEAD = 2 * 1024 * 1024
"""EXIF stands in the first segments of a photo."""
_LONGEST_CHUNK = 256 * 1024


def read(media: bytes | Path, kind: Kind, name: str) -> FileFacts:
    """Everything that the media (bytes, or a file that is opened and closed) and their file name say."""
    from_name = file_name.read(name, kind)
    try:
        with io.BytesIO(media) if isinstance(media, bytes) else media.open("rb") as file:
            inside = _frame(file) if kind is Kind.FRAME else _clip(file)
    except OSError:
        return from_name
    return merged([inside, from_name])


def _frame(file: BinaryIO) -> FileFacts:
    return exif.read(images.exif(file.read(_FRAME_HEAD)))


def _clip(file: BinaryIO) -> FileFacts:
    found = media_type(file.read(HEAD_BYTES))
    if found == "audio/wav":
        return _wav(file, file.seek(0, io.SEEK_END))
    if found in ("audio/flac", "audio/ogg"):
        return _tagged(file)
    return FileFacts()


def _wav(file: BinaryIO, length: int) -> FileFacts:
    parts: dict[bytes, FileFacts] = {}
    for chunk in list(riff.chunks(file, length)):
        if chunk.name == b"guan":
            parts[chunk.name] = guano.read(riff.content(file, chunk, _LONGEST_CHUNK))
        elif chunk.name == b"wamd":
            parts[chunk.name] = wamd.read(riff.content(file, chunk, _LONGEST_CHUNK))
        elif chunk.name == b"LIST":
            info = riff.info(riff.content(file, chunk, _LONGEST_CHUNK))
            if b"ICMT" in info:
                parts[chunk.name] = audiomoth.read(info[b"ICMT"], info.get(b"IART", ""))
    said = [parts[name] for name in (b"guan", b"LIST", b"wamd") if name in parts]
    return merged([*said, _damage(file, length)])


def _damage(file: BinaryIO, length: int) -> FileFacts:
    """The length that the header promises, where the file holds another: it was cut off, or never finished."""
    try:
        header = riff.header(file, length)
    except Undecodable:
        return FileFacts()
    if not header.damaged:
        return FileFacts()
    return FileFacts(facts=facts_of({"promised_s": f"{header.promised_frames / header.sample_rate:.3f}"}, "wav_header"))


def _tagged(file: BinaryIO) -> FileFacts:
    """Comments of FLAC and OGG, where converters keep what an AudioMoth wrote."""
    file.seek(0)
    try:
        with soundfile.SoundFile(file, mode="r") as sound:
            tags: dict[str, str] = sound.copy_metadata()
    except (soundfile.LibsndfileError, OSError, ValueError):
        return FileFacts()
    comment = tags.get("comment", "")
    if comment.startswith(guano.START):  # Of our own recorder: FLAC has no chunk for it.
        return guano.read(comment.encode())
    return audiomoth.read(comment, tags.get("artist", ""))
