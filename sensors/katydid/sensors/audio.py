"""Clips: WAV, FLAC, OGG and MP3 to float32 [channels, samples], streamed in blocks with flat memory.

The header is read and checked against the limits before anything is decoded. Samples are full scale at 1.0, as
libsndfile gives them, at the rate they were recorded with.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, cast

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from katydid.sensors import riff
from katydid.sensors.errors import OverLimit, Undecodable
from katydid.sensors.limits import Limits, check_bytes, check_expansion
from katydid.sensors.signature import HEAD_BYTES, READABLE, media_type, mp3_start

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Samples = NDArray[np.float32]

_UNKNOWN_LENGTH = 1 << 62
_LOUDEST = 1e6
"""Float samples beyond this are no sound: 120 dB over full scale."""
_COUNTING_BLOCK = 1 << 16


class SoundHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What the header of a clip says, after it was checked."""

    media_type: str
    sample_rate: int
    """Hertz."""
    channels: int
    frames: int
    """Samples per channel that are there."""
    seconds: float
    subtype: str
    """As libsndfile calls it, for example "PCM_16", "FLOAT", "VORBIS"."""
    promised_frames: int = 0
    """What a WAV header promises; more than `frames` where the recorder lost power or the file was cut off."""


class SoundReader:
    """An open clip; a context manager. Make it with `open_sound`."""

    def __init__(self, header: SoundHeader, file: BinaryIO, sound: _Forward, wav: riff.WavHeader | None) -> None:
        self.header = header
        self._file = file
        self._sound = sound
        self._wav = wav
        self._fresh = True
        self._integers = header.subtype.startswith("PCM_")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        self._sound.close()
        self._file.close()

    def blocks(self, frames_per_block: int) -> Iterator[Samples]:
        """The clip from its start in arrays float32 [channels, n], n = `frames_per_block` but for the last.

        Raises Undecodable: "truncated" (a compressed clip ends before its stated length), "undecodable",
        "not_finite" (NaN or infinity among float samples), "out_of_range".
        """
        self._rewind()
        left = self.header.frames
        while left > 0:
            block = self._read(min(frames_per_block, left))
            if not len(block):
                self._ended_early(left)
                return
            left -= len(block)
            if not self._integers:
                _check_finite(block)
            yield np.ascontiguousarray(block.T)

    def _rewind(self) -> None:
        """Opened anew rather than sought: what does not know its own length cannot be sought in."""
        if not self._fresh:
            self._sound.close()
            self._sound = _open_soundfile(self._file, self._wav)
        self._fresh = False

    def _read(self, frames: int) -> Samples:
        try:
            return np.asarray(self._sound.read(frames, dtype="float32", always_2d=True), dtype=np.float32)
        except (soundfile.LibsndfileError, OSError) as exc:
            raise Undecodable("truncated", "the clip breaks off or is damaged inside") from exc

    def _ended_early(self, left: int) -> None:
        share = 1 - left / self.header.frames
        raise Undecodable("truncated", f"the clip ends after {share:.0%} of its stated length")


def open_sound(media: bytes | Path, limits: Limits) -> SoundReader:
    """Open encoded bytes or a file, read its header and check it.

    Raises OverLimit ("too_many_bytes", "too_many_channels", "sample_rate", "too_long", "expansion") and Undecodable
    ("empty_file", "empty", "truncated", "bad_header", "unsupported", "not_media", "undecodable", "unreadable").
    """
    file, length = _open(media)
    try:
        check_bytes(length, limits)
        found = _media_type(file, length)
        wav = riff.header(file, length) if found == "audio/wav" else None
        if wav is not None:
            _check(wav.channels, wav.sample_rate, wav.frames, wav.frames * wav.channels * wav.bits // 8, length, limits)
        file = _past_padding(file, found)
        sound = _open_soundfile(file, wav)
        try:
            header = _header(found, sound, wav, length, limits)
        except BaseException:
            sound.close()
            raise
        if _counted(found, sound):
            sound.close()
            sound = _open_soundfile(file, wav)
    except BaseException:
        file.close()
        raise
    return SoundReader(header, file, sound, wav)


def decode(media: bytes | Path, limits: Limits) -> Samples:
    """The whole clip as float32 [channels, samples]. For long recordings use `open_sound(...).blocks(n)`."""
    with open_sound(media, limits) as reader:
        whole = np.empty((reader.header.channels, reader.header.frames), np.float32)
        at = 0
        for block in reader.blocks(_COUNTING_BLOCK):
            whole[:, at : at + block.shape[1]] = block
            at += block.shape[1]
        return whole[:, :at]


def _open(media: bytes | Path) -> tuple[BinaryIO, int]:
    if isinstance(media, bytes):
        return _in_memory(media), len(media)
    try:
        return media.open("rb"), media.stat().st_size
    except OSError as exc:
        raise Undecodable("unreadable", f"the file cannot be read: {exc.strerror}") from exc


def _in_memory(media: bytes) -> BinaryIO:
    """Bytes as a file; where the system has files in memory (Linux), as one of those, see `_open_soundfile`."""
    if sys.platform == "linux":
        file = None
        try:
            file = os.fdopen(os.memfd_create("clip"), "w+b", buffering=0)
            if file.write(media) == len(media):
                file.seek(0)
                return cast(BinaryIO, file)
        except OSError:  # No descriptor or no memory to spare: slower without.
            pass
        if file is not None:
            file.close()
    return io.BytesIO(media)


def _media_type(file: BinaryIO, length: int) -> str:
    if not length:
        raise Undecodable("empty_file", "the file has no bytes")
    found = media_type(file.read(HEAD_BYTES))
    if found.startswith("audio/") and found in READABLE:
        return found
    if found:
        raise Undecodable("unsupported", f"this is {found}; clips are read from WAV, FLAC, OGG and MP3")
    raise Undecodable("not_media", "the bytes are no sound that is known here")


def _past_padding(file: BinaryIO, found: str) -> BinaryIO:
    """The file itself, or for an MP3 whose tag was wiped to zeros the part that libsndfile can recognise."""
    if found != "audio/mpeg":
        return file
    file.seek(0)
    start = mp3_start(file.read(HEAD_BYTES))
    return cast(BinaryIO, _From(file, start)) if start else file


class _From(io.RawIOBase):
    """A file from `start` on, for libsndfile's virtual input: read, seek, tell and close."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        super().__init__()
        self._file = file
        self._start = start
        file.seek(start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        piece = self._file.read(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset + (self._start if whence == io.SEEK_SET else 0), whence) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start

    def close(self) -> None:
        self._file.close()
        super().close()


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """Read from its start to its end. Seekable files are sought after every read, which some formats cannot bear."""

    def seekable(self) -> bool:
        return False


def _open_soundfile(file: BinaryIO, wav: riff.WavHeader | None) -> _Forward:
    try:
        if wav is not None and wav.damaged:  # libsndfile would believe some of the sizes.
            samples = cast(BinaryIO, _From(file, wav.start))
            return _Forward(samples, "r", wav.sample_rate, wav.channels, wav.subtype, "LITTLE", "RAW")
        file.seek(0)
        if (descriptor := _descriptor(file)) is not None:
            os.lseek(descriptor, 0, os.SEEK_SET)
            return _Forward(descriptor, "r", closefd=False)
        return _Forward(file, "r")
    except (soundfile.LibsndfileError, OSError, ValueError, TypeError) as exc:
        raise Undecodable("undecodable", "the decoder finds no sound in these bytes") from exc


def _descriptor(file: BinaryIO) -> int | None:
    """What libsndfile can read from by itself. From any other file it reads by callbacks, ninety for a clip of 3 s, and
    each waits for the interpreter. On Windows a library's descriptors are not those of the interpreter."""
    if sys.platform == "win32" or not isinstance(file, io.FileIO | io.BufferedReader):
        return None
    return file.fileno()


def _header(found: str, sound: _Forward, wav: riff.WavHeader | None, length: int, limits: Limits) -> SoundHeader:
    channels, rate, frames = sound.channels, sound.samplerate, sound.frames
    _check(channels, rate, 1, 0, length, limits)
    if _counted(found, sound):
        frames = _count(sound, length, limits)
    if frames <= 0:
        raise Undecodable("empty", "the clip holds no samples")
    _check(channels, rate, frames, frames * channels * 2, length, limits)
    return SoundHeader(
        media_type=found,
        sample_rate=rate,
        channels=channels,
        frames=frames,
        seconds=frames / rate,
        subtype=sound.subtype,
        promised_frames=max(frames, wav.promised_frames) if wav else frames,
    )


def _check(channels: int, rate: int, frames: int, decoded: int, encoded: int, limits: Limits) -> None:
    if channels < 1 or rate < 1:
        raise Undecodable("bad_header", f"the header says {channels} channels at {rate} Hz")
    if channels > limits.max_channels:
        raise OverLimit("too_many_channels", f"{channels} channels are over the limit of {limits.max_channels}")
    if rate > limits.max_sample_rate:
        raise OverLimit("sample_rate", f"{rate:,} Hz are over the limit of {limits.max_sample_rate:,}")
    if frames > limits.max_seconds * rate:
        raise OverLimit("too_long", f"{frames / rate:,.0f} s are over the limit of {limits.max_seconds:,.0f}")
    check_expansion(decoded, encoded, limits)


def _counted(found: str, sound: _Forward) -> bool:
    """Whether the length has to be counted: some streams do not say it, and MP3 only guesses."""
    return found == "audio/mpeg" or not 0 < sound.frames < _UNKNOWN_LENGTH


def _count(sound: _Forward, encoded: int, limits: Limits) -> int:
    """Frames of a clip, by decoding it once, in blocks, within the limits."""
    count = 0
    try:
        while read := len(sound.read(_COUNTING_BLOCK, dtype="float32", always_2d=True)):
            count += read
            _check(sound.channels, sound.samplerate, count, count * sound.channels * 2, encoded, limits)
    except soundfile.LibsndfileError as exc:
        raise Undecodable("truncated", "the clip breaks off or is damaged inside") from exc
    return count


def _check_finite(block: Samples) -> None:
    loudest = max(float(block.max()), -float(block.min()))
    if not np.isfinite(loudest):
        raise Undecodable("not_finite", "there are values among the samples that are no numbers (NaN or infinity)")
    if loudest > _LOUDEST:
        raise Undecodable("out_of_range", f"a sample of {loudest:.3g}, where full scale is 1")
