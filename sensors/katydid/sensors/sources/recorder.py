"""A microphone as it is: clips of a stated length without a gap between them, in a `LiveFolder`, from which
`katydid run FOLDER --follow` and `katydid push FOLDER --follow` take them. PortAudio (the package sounddevice, extra
`record`) does the work.

    PortAudio's thread                                the caller's thread
    callback: copy, host's clock  →  at most 10 s  →  clips, flat line, durable files
                                                        ↑ nothing for 5 s: close, look for the device again

The callback does no more than copy. Lost samples are never hidden: where PortAudio says that it lost some (an overrun),
or the disk was so slow that the ten seconds were full (dropped), the open clip ends there and says why, the next
begins behind the hole, and both are counted.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Protocol

import msgspec
import numpy as np

from katydid.sensors.errors import SourceError
from katydid.sensors.limits import Limits
from katydid.sensors.sources.live_folder import LiveFolder
from katydid.sensors.sources.live_health import LiveCounts, LiveNotes
from katydid.sensors.sources.recorder_clips import MOST_BYTES, NS, Clips, Format, SoundForm, recover

EXTRA = (
    "a recorder needs the extra record, pip install 'katydid[record]', and on Linux PortAudio itself: "
    "apt install libportaudio2, or what it is called there"
)
_BLOCK_S, _WAITING_S = 0.1, 10.0
_SILENT_S = 5.0
"""No block for so long: the device is gone, or its driver stands still."""
_FIRST_REST_S, _LONGEST_REST_S = 1.0, 60.0
_POLL_S = 0.2
_DOUBT_S = 0.1
"""How far a clip's time can be off: a block's length, and the buffer of a driver. Taken, not measured."""
_SAID = (1, 10, 100, 1000, 10_000)

Told = Callable[[str], None]


class RecorderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded."""

    device: str | int | None = None
    """As PortAudio calls it, a part of its name, or its number; None: the system's own choice."""
    form: SoundForm = SoundForm(sample_rate=48_000, channels=1)
    clip_s: float = 60.0
    kept_as: Format = "flac"
    flat_s: float = 5.0
    """A channel that does not move for so long is noticed, seconds."""
    count: int | None = None
    """Stop after so many clips."""


class RecorderHealth(LiveCounts, kw_only=True):
    """Counts since the start."""

    short: int = 0
    """Clips that ended early; why is in each."""
    recorded_s: float = 0.0
    overruns: int = 0
    """Times at which PortAudio lost samples; how many it does not say."""
    dropped_s: float = 0.0
    """Lost because the disk was too slow, seconds."""
    flat_s: float = 0.0
    """With a channel that did not move."""
    drops: int = 0
    """Times at which the disk was too slow."""

    @property
    def lost(self) -> int:
        return self.overruns + self.drops

    @property
    def blind_s(self) -> float:
        return self.away_s + self.flat_s

    def words(self) -> str:
        """What was not as it should be, for a person; "" where nothing was."""
        counted = {"overruns": self.overruns, "reconnects": self.reconnects, "clips shorter than asked": self.short}
        lasted = {"dropped": self.dropped_s, "flat": self.flat_s, "away": self.away_s}
        parts = [f"{n:,} {what}" for what, n in counted.items() if n]
        return ", ".join(parts + [f"{seconds:,.1f} s {what}" for what, seconds in lasted.items() if seconds >= 0.1])


class Block(msgspec.Struct, frozen=True):
    """What one callback brought."""

    data: bytes
    ended_ns: int
    """The host's clock when it came: about that of its last sample."""
    overrun: bool
    """Samples were lost before it."""
    dropped: int
    """Frames before it that had no room."""


class Intake:
    """What PortAudio's thread calls. It copies and counts, and never waits."""

    def __init__(
        self, form: SoundForm, *, waiting_s: float = _WAITING_S, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.blocks: queue.Queue[Block] = queue.Queue(max(round(waiting_s / _BLOCK_S), 1))
        self._now_ns = now_ns
        self._dropped = 0
        self._overrun = False

    def __call__(self, data: Any, frames: int, moment: object, status: Any) -> None:
        """PortAudio's callback: `data` is a buffer of 16-bit samples, `status.input_overflow` says that some were lost.
        Their types are in sounddevice, which need not be installed."""
        self._overrun = self._overrun or bool(status.input_overflow)
        block = Block(bytes(data), self._now_ns(), self._overrun, self._dropped)
        try:
            self.blocks.put_nowait(block)
        except queue.Full:
            self._dropped += frames
        else:
            self._dropped, self._overrun = 0, False


class Sound(Protocol):
    """An open stream."""

    @property
    def active(self) -> bool:
        """Whether it still calls back."""


class Opener(Protocol):
    def __call__(self, settings: RecorderSettings, intake: Intake) -> AbstractContextManager[Sound]:
        """Start a stream that calls `intake`. Raises SourceError."""


class Recorder:
    """One microphone, recorded into one folder. `run` it once; `health` tells how it goes."""

    def __init__(
        self,
        settings: RecorderSettings,
        folder: LiveFolder,
        told: Told,
        *,
        stop: Callable[[], bool] = lambda: False,
        opener: Opener | None = None,
        waiting_s: float = _WAITING_S,
        silent_s: float = _SILENT_S,
        first_rest_s: float = _FIRST_REST_S,
    ) -> None:
        width = 2 * settings.form.channels * settings.form.sample_rate
        most_s = min(MOST_BYTES // width, int(Limits().max_seconds))
        if not settings.clip_s * settings.form.sample_rate >= 1 or settings.clip_s > most_s:
            raise SourceError(f"a clip of {settings.clip_s:g} s: at most {most_s:,} s at this rate")
        self.health = RecorderHealth()
        self._settings, self._folder, self._told = settings, folder, told
        self._stop = stop
        self._opener = opener or open_sound_device
        self._waiting_s, self._silent_s, self._first_rest_s = waiting_s, silent_s, first_rest_s
        self._clips = Clips(
            folder, settings.form, settings.clip_s, kept_as=settings.kept_as, doubt_s=_DOUBT_S, flat_s=settings.flat_s
        )
        device = "the default microphone" if settings.device is None else str(settings.device)
        self._notes = LiveNotes(folder, device, self.health)
        self._heard: float | None = None
        self._away_since: float | None = None
        """Up to when the time without sound is counted; None while there is some."""
        self._flat: tuple[int, ...] = ()

    def run(self) -> RecorderHealth:
        """Until `count` clips are kept, or `stop` says so: then the open clip is kept as far as it came. Raises
        SourceError where there is no such device, and FolderUnwritable where the disk is full."""
        recover(self._folder, kept_as=self._settings.kept_as, doubt_s=_DOUBT_S, told=self._told)
        rest_s = self._first_rest_s
        try:
            while not self._over():
                try:
                    rest_s = self._first_rest_s if self._visit() else rest_s
                except SourceError:
                    if self._heard is None:  # Never there: the name is wrong, or the right is missing.
                        raise
                if not self._over():
                    self._told(f"the microphone is silent: trying again in {rest_s:g} s, Ctrl-C ends it")
                    self._rest(rest_s)
                    rest_s = min(2 * rest_s, _LONGEST_REST_S)
        finally:
            self._clips.leave()
            self._notes.write()
        return self.health

    def _visit(self) -> bool:
        """Record until the device is silent or enough is kept; whether it gave anything."""
        intake = Intake(self._settings.form, waiting_s=self._waiting_s)
        gave = False
        with self._opener(self._settings, intake) as sound:
            since = time.monotonic()
            while not self._over():
                self._notes.tick()
                try:
                    block = intake.blocks.get(timeout=_POLL_S)
                except queue.Empty:
                    if time.monotonic() - since > self._silent_s or not sound.active:
                        break
                    continue
                since = time.monotonic()
                if not gave:
                    gave = True
                    self._again(since)
                self._heard = since
                self._take(block)
        while not self._enough() and not intake.blocks.empty():  # What came before the stream was closed.
            self._take(intake.blocks.get_nowait())
        self._end("stopped" if self._stop() else "device lost")
        return gave

    def _take(self, block: Block) -> None:
        form, health = self._settings.form, self.health
        if block.overrun:
            health.overruns += 1
            self._lost("overrun", health.overruns, "PortAudio lost samples, {:,} times so far")
        if block.dropped:
            health.drops += 1
            health.dropped_s += block.dropped / form.sample_rate
            self._lost(
                "dropped", health.drops, f"{block.dropped / form.sample_rate:.1f} s dropped: the disk is too slow"
            )
        samples = np.frombuffer(block.data, "<i2").reshape(-1, form.channels)
        if not len(samples):
            return
        self._clips.add(samples, block.ended_ns - round(len(samples) * NS / form.sample_rate))
        health.recorded_s += len(samples) / form.sample_rate
        self._count()

    def _lost(self, why: str, times: int, words: str) -> None:
        self._end(why)
        if times in _SAID:
            self._told(words.format(times))

    def _count(self) -> None:
        clips, health = self._clips, self.health
        health.kept, health.short, health.flat_s = clips.kept, clips.short, clips.flatness.flat_s
        if clips.flat != self._flat:
            self._flat = clips.flat
            which = ", ".join(map(str, clips.flat))
            self._told(f"flat line on channel {which}: is a microphone there?" if which else "no flat line any more")

    def _again(self, now: float) -> None:
        if self._away_since is not None:
            self._count_away(now)
            self._away_since = None
        if self._heard is not None:
            self.health.reconnects += 1
            self._told(f"the microphone is there again, after {now - self._heard:.0f} s")

    def _count_away(self, now: float) -> None:
        """While it lasts, so that an outage shows before it is over."""
        since = self._away_since if self._away_since is not None else self._heard
        self.health.away_s += 0.0 if since is None else now - since
        self._away_since = now

    def _end(self, why: str) -> None:
        if not self._enough():
            self._clips.end(why)
            self._count()

    def _enough(self) -> bool:
        return self._settings.count is not None and self._clips.kept >= self._settings.count

    def _over(self) -> bool:
        return self._enough() or self._stop()

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._count_away(time.monotonic())
        while not self._stop() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _POLL_S))
            self._count_away(time.monotonic())
            self._notes.tick()


@contextmanager
def open_sound_device(settings: RecorderSettings, intake: Intake) -> Iterator[Sound]:
    """A stream of PortAudio's, with its list of devices made anew. Raises SourceError."""
    sounddevice = _sounddevice()
    try:
        with suppress(sounddevice.PortAudioError):
            sounddevice._terminate()  # A device that was plugged in later is on no list that was made before.
        sounddevice._initialize()
        stream = sounddevice.RawInputStream(
            device=settings.device, samplerate=settings.form.sample_rate, channels=settings.form.channels,
            dtype="int16", blocksize=round(_BLOCK_S * settings.form.sample_rate), latency="high", callback=intake,
        )  # fmt: skip
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as exc:
        name = "the default microphone" if settings.device is None else f"the microphone {settings.device!r}"
        said = " ".join(str(exc).split())
        raise SourceError(f"{name} cannot be opened: {said}. katydid capture devices lists what there is") from exc
    try:
        yield stream
    finally:
        with suppress(sounddevice.PortAudioError):  # Of a device that was pulled out.
            stream.close(ignore_errors=True)


def devices() -> Sequence[tuple[str, int, float]]:
    """What PortAudio can record from: (name, channels, its own rate in hertz). Raises SourceError."""
    sounddevice = _sounddevice()
    return [
        (str(each["name"]), int(each["max_input_channels"]), float(each["default_samplerate"]))
        for each in sounddevice.query_devices()
        if each["max_input_channels"]
    ]


def _sounddevice() -> Any:  # It has no types.
    try:
        import sounddevice
    except (ImportError, OSError) as exc:  # OSError: the package is there, and no PortAudio.
        raise SourceError(f"{EXTRA} ({exc})") from exc
    return sounddevice
