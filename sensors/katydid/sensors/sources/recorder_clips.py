"""From a stream of sound to clips of a stated length without a gap: the cutting, its clock, and what is noticed.

    blocks     |----|----|----|----|----|  !  |----|----|----|          "!": samples were lost here
    clips      |---------------|--------|     |---------------|         every clip is whole in itself

A clip begins with the sample after the last one of the clip before. Where samples were lost, the clip ends, shorter
and saying why, and the next begins behind the hole: inside a clip, time is samples over rate, always.

**While it grows** a clip is a WAV under `.unfinished` whose header promises more than is there. Finished, it gets
its sizes and GUANO chunk, or becomes a FLAC with the same GUANO text as its comment. What a killed process left is
finished by the next one, as far as it had come, and says so.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from katydid.sensors import riff
from katydid.sensors.errors import FolderUnwritable, Undecodable
from katydid.sensors.metadata import own
from katydid.sensors.sources.live_facts import guano
from katydid.sensors.sources.live_folder import LiveFolder, sync

NS = 1_000_000_000
Samples = NDArray[np.int16]
Format = Literal["flac", "wav"]
_HEADER = 44
_BYTES = 2
_UNKNOWN = 0xFFFF_FFFF
"""In the sizes of a clip that still grows."""
MOST_BYTES = (1 << 32) - (1 << 20)
"""A WAV cannot say that it is longer."""
_STEP_S = 0.25
"""A clock that is off by more than this was set, or the machine slept."""
_TRUST = 0.1
"""Of each clip's deviation from the clock, how much the next clip's time follows."""
_SYNC_S = 10.0
_FLAT_LEVELS = 1
_PIECE = 1 << 18


class SoundForm(msgspec.Struct, frozen=True, kw_only=True):
    """Of a stream: 16-bit samples."""

    sample_rate: int
    """Hertz."""
    channels: int


class ClipClock:
    """When clips began. The host's clock, read when a block comes, is late by scheduling, now more, now less; a sound
    card's own rate is off by up to some hundred parts in a million. So a clip's time is that of the one before plus
    its length, drawn a tenth of the way to what the clock says; from a clock that was set it is taken as it is."""

    def __init__(self) -> None:
        self._next_ns: int | None = None

    def start(self, read_ns: int, *, joined: bool) -> int:
        """UTC ns of a clip's first sample for which the clock says `read_ns`; `joined`: nothing was lost before it."""
        expected = self._next_ns
        if expected is None or not joined or abs(read_ns - expected) > _STEP_S * NS:
            return read_ns
        return expected + round(_TRUST * (read_ns - expected))

    def ended(self, start_ns: int, seconds: float) -> None:
        """That clip was so long."""
        self._next_ns = start_ns + round(seconds * NS)


class Flatness:
    """Channels whose samples do not move: a microphone that is dead, muted or not there. Digital silence; the quietest
    of real microphones moves by more than one step of 65,536."""

    def __init__(self, form: SoundForm, flat_s: float) -> None:
        self.flat_s = 0.0
        """Seconds in which at least one channel had been flat for `flat_s`."""
        self._wanted_s, self._rate = flat_s, form.sample_rate
        self._lowest = np.full(form.channels, np.iinfo(np.int16).max, np.int32)
        self._highest = np.full(form.channels, np.iinfo(np.int16).min, np.int32)
        self._lasted = np.zeros(form.channels)

    def take(self, samples: Samples) -> tuple[int, ...]:
        """The channels (from 1) that are flat after these samples [n, channels]."""
        seconds = len(samples) / self._rate
        lowest, highest = samples.min(axis=0).astype(np.int32), samples.max(axis=0).astype(np.int32)
        self._lowest, self._highest = np.minimum(self._lowest, lowest), np.maximum(self._highest, highest)
        moving = self._highest - self._lowest > _FLAT_LEVELS
        self._lasted = np.where(moving, np.where(highest - lowest > _FLAT_LEVELS, 0.0, seconds), self._lasted + seconds)
        self._lowest = np.where(moving, lowest, self._lowest)
        self._highest = np.where(moving, highest, self._highest)
        flat = np.flatnonzero(self._lasted >= self._wanted_s)
        self.flat_s += seconds * bool(len(flat))
        return tuple(int(channel) + 1 for channel in flat)


class Clips:
    """Writes what `add` gives it as clips of `clip_s` seconds."""

    def __init__(
        self, folder: LiveFolder, form: SoundForm, clip_s: float, *, kept_as: Format, doubt_s: float, flat_s: float
    ) -> None:
        self.kept = self.short = 0
        self.flatness = Flatness(form, flat_s)
        self.flat: tuple[int, ...] = ()
        self._folder, self._form, self._kept_as, self._doubt_s = folder, form, kept_as, doubt_s
        self._wanted = round(clip_s * form.sample_rate)
        self._clock = ClipClock()
        self._joined = False
        self._growing: Growing | None = None
        self._flat_in_clip: set[int] = set()

    def add(self, samples: Samples, first_ns: int) -> None:
        """The next samples [n, channels]; by the host's clock the first of them was at `first_ns` (UTC)."""
        self.flat = self.flatness.take(samples)
        done = 0
        while done < len(samples):
            growing = self._growing or self._begin(first_ns + round(done * NS / self._form.sample_rate))
            piece = samples[done : done + self._wanted - growing.frames]
            with self._folder.writing():
                growing.write(piece)
            done += len(piece)
            self._flat_in_clip.update(self.flat)
            if growing.frames == self._wanted:
                self.end("")

    def end(self, why: str) -> None:
        """The open clip is over; "" where it is as long as it should be. Whatever comes next joins only then."""
        growing, self._growing = self._growing, None
        self._joined = not why
        if growing is None:
            return
        self._clock.ended(growing.start_ns, growing.frames / self._form.sample_rate)
        condition = ("flat: channel " + ", ".join(map(str, sorted(self._flat_in_clip)))) if self._flat_in_clip else ""
        with self._folder.writing():
            growing.close()
        finish(
            growing.path, self._folder, kept_as=self._kept_as, doubt_s=self._doubt_s,
            own_facts={own.STOPPED_BY: why, own.CONDITION: condition},
        )  # fmt: skip
        self.kept += 1
        self.short += bool(why)

    def leave(self) -> None:
        """Let go of the open clip as it is: the next process finishes it."""
        growing, self._growing = self._growing, None
        if growing is not None:
            with suppress(OSError):
                growing.close()

    def _begin(self, read_ns: int) -> Growing:
        start_ns = self._clock.start(read_ns, joined=self._joined)
        self._flat_in_clip.clear()
        with self._folder.writing():
            self._growing = Growing(self._folder.unfinished(f"{start_ns}.wav"), start_ns, self._form)
        return self._growing


class Growing:
    """A WAV that is being written; raises OSError."""

    def __init__(self, path: Path, start_ns: int, form: SoundForm) -> None:
        self.path, self.start_ns = path, start_ns
        self.frames = self._synced = 0
        self._form = form
        self._file: BinaryIO = path.open("wb")
        self._file.write(header(form, _UNKNOWN, _UNKNOWN))

    def write(self, samples: Samples) -> None:
        self._file.write(np.ascontiguousarray(samples, dtype="<i2").tobytes())
        self._file.flush()  # Into the system's hands: killed, the process loses nothing of it.
        self.frames += len(samples)
        if self.frames - self._synced >= _SYNC_S * self._form.sample_rate:
            self._synced = self.frames
            sync(self._file)

    def close(self) -> None:
        self._file.close()


def header(form: SoundForm, riff_bytes: int, data_bytes: int) -> bytes:
    """The first 44 bytes of a WAV of 16 bits."""
    width = form.channels * _BYTES
    layout = struct.pack("<HHIIHH", 1, form.channels, form.sample_rate, form.sample_rate * width, width, 8 * _BYTES)
    return (
        b"RIFF" + struct.pack("<I", riff_bytes) + b"WAVEfmt " + struct.pack("<I", 16) + layout
        + b"data" + struct.pack("<I", data_bytes)
    )  # fmt: skip


def finish(
    growing: Path, folder: LiveFolder, *, kept_as: Format, doubt_s: float, own_facts: dict[str, str]
) -> Path | None:
    """A clip of what has been written; None where that is nothing. Raises FolderUnwritable."""
    with folder.writing():
        form, frames = _grown(growing)
        if not frames:
            growing.unlink()
            return None
        start_ns = int(growing.stem)
        text = guano(
            folder.sensor, folder.local(start_ns),
            sample_rate=form.sample_rate, frames=frames, uncertainty_s=doubt_s, own_facts=own_facts,
        )  # fmt: skip
        if kept_as == "wav":
            _finish_wav(growing, form, frames, text)
            return folder.finish(growing, start_ns, ".wav")
        copy = growing.with_suffix(".flac")
        _write_flac(growing, copy, form, frames, text)
        kept = folder.finish(copy, start_ns, ".flac")
        growing.unlink()
        return kept


def recover(folder: LiveFolder, *, kept_as: Format, doubt_s: float, told: Callable[[str], None]) -> int:
    """Finish what a killed process left; returns how many clips that made. A FLAC that was half written is gone: its
    WAV is there."""
    with folder.writing():
        for half in folder.left_over(".flac"):
            half.unlink()
    found = 0
    for growing in folder.left_over(".wav"):
        if _is_kept(growing, folder):
            with folder.writing():
                growing.unlink()
            continue
        kept = finish(growing, folder, kept_as=kept_as, doubt_s=doubt_s, own_facts={own.STOPPED_BY: "killed"})
        if kept is not None:
            found += 1
            told(f"the clip at which the last recording was killed is kept as far as it came: {kept.name}")
    return found


def _is_kept(growing: Path, folder: LiveFolder) -> bool:
    """Whether the process was killed between keeping a clip's FLAC and removing what it was made from."""
    kept = folder.final(int(growing.stem), ".flac")
    if not kept.is_file():
        return False
    with folder.writing(), suppress(soundfile.LibsndfileError), growing.open("rb") as file:
        form, frames = _grown(growing)
        file.seek(_HEADER)
        with soundfile.SoundFile(kept) as sound:
            return sound.frames == frames and all(
                np.array_equal(piece, np.fromfile(file, "<i2", piece.size).reshape(piece.shape))
                for piece in sound.blocks(_PIECE // form.channels, dtype="int16", always_2d=True)
            )
    return False


def _grown(path: Path) -> tuple[SoundForm, int]:
    """(form, whole frames that are there) of a WAV that grew; no frames where not even its header is whole."""
    length = path.stat().st_size
    with path.open("rb") as file:
        try:
            found = riff.header(file, length)
        except Undecodable:
            return SoundForm(sample_rate=1, channels=1), 0
    # Killed while it was finished, it says already how long it is, and more may stand behind its samples.
    frames = min(max(length - _HEADER, 0) // (found.channels * _BYTES), found.promised_frames)
    return SoundForm(sample_rate=found.sample_rate, channels=found.channels), frames


def _finish_wav(path: Path, form: SoundForm, frames: int, text: str) -> None:
    data_bytes = frames * form.channels * _BYTES
    content = text.encode()
    chunk = b"guan" + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    with path.open("r+b") as file:
        file.write(header(form, _HEADER - 8 + data_bytes + len(chunk), data_bytes))
        file.flush()
        file.seek(_HEADER + data_bytes)
        file.truncate()
        file.write(chunk)
        sync(file)


def _write_flac(wav: Path, flac: Path, form: SoundForm, frames: int, text: str) -> None:
    """Sample for sample the same."""
    try:
        with (
            wav.open("rb") as source,
            soundfile.SoundFile(flac, "w", form.sample_rate, form.channels, "PCM_16", format="FLAC") as target,
        ):
            target.comment = text
            source.seek(_HEADER)
            left = frames * form.channels
            while left:
                piece = np.fromfile(source, "<i2", min(_PIECE * form.channels, left))
                target.write(piece.reshape(-1, form.channels))
                left -= len(piece)
    except (
        soundfile.LibsndfileError,
        AssertionError,
    ) as exc:  # Fewer samples written than given is an assertion there.
        flac.unlink(missing_ok=True)
        raise FolderUnwritable(
            f"{flac.parent} takes no more ({exc}): make room there. What was recorded is kept, and finished next time."
        ) from exc
    with flac.open("r+b") as file:
        sync(file)
