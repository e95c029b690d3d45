"""A camera as it is: frames of a device, a network stream or a film, at a fixed rate and when something moves, kept as
JPEGs in a `LiveFolder`, from which `katydid run FOLDER --follow` and `katydid push FOLDER --follow` take them.

    grabbing thread                                                     the caller's thread
    open → grab → due? moved? frozen? black?  →  at most 4 frames  →  JPEG, EXIF, durable file
      ↑  ends or stands still: close, wait 1, 2, 4 … 60 s

The thread takes every picture off the stream, so that none is old, and decodes those that are looked at. Where the disk
cannot keep up a frame is dropped, and counted; nothing waits inside. A film is read by the caller itself: nothing is
dropped, and its times are those of its own pictures after `start_ns`.

While a stream stands still (the same picture bit by bit for ten seconds) its frames are not kept, for they would say
that somebody looked and saw nothing; they are counted as withheld. Black frames are kept, with the fact `condition`.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import msgspec

from katydid.sensors.errors import RefusedMedia, SourceError
from katydid.sensors.limits import Limits
from katydid.sensors.metadata import own
from katydid.sensors.sources.camera_stream import Address, Picture, Stream, open_stream
from katydid.sensors.sources.camera_watch import Motion, MotionSettings, Schedule, Stillness
from katydid.sensors.sources.live_facts import FILM, with_exif
from katydid.sensors.sources.live_folder import LiveFolder
from katydid.sensors.sources.live_health import LiveCounts, LiveNotes

_WAITING = 4
"""Frames between grabbing and the disk: 25 MB at 1920 x 1080."""
_LOOK_S, _MOTION_LOOK_S = 1.0, 0.1
"""How often a picture is decoded and looked at: for what is wrong, and for motion."""
_FIRST_REST_S, _LONGEST_REST_S = 1.0, 60.0
_REOPEN_S = 30.0
"""Frozen for so long after it was noticed: the stream is opened anew."""
_DEVICE_DOUBT_S, _NETWORK_DOUBT_S, _FILM_DOUBT_S = 0.2, 2.0, 1.0
"""How far the time can be off: buffers of a driver; of an encoder, a camera and a network. Taken, not measured."""
_GOOD_S = 10.0
"""A stream that gave pictures for so long is tried again at once when it ends."""
_POLL_S = 0.2
_SAID = (1, 10, 100, 1000, 10_000, 100_000)
"""Dropped frames are told at these counts."""

Told = Callable[[str], None]
Opener = Callable[[Address, Limits], Stream | None]


class CameraSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a stream. At least one of `every_s` and `motion` is given."""

    address: Address
    every_s: float | None = None
    """Seconds between frames of a time lapse."""
    motion: MotionSettings | None = None
    quality: int = 92
    """Of JPEGs that are encoded here, 1-100; a camera's own JPEGs are kept as they are."""
    frozen_s: float = 10.0
    start_ns: int | None = None
    """Of a film: when it begins, UTC ns since 1970."""
    count: int | None = None
    """Stop after so many frames."""
    limits: Limits = Limits()


class CameraHealth(LiveCounts, kw_only=True):
    """Counts since the start. The grabbing thread writes, others may read."""

    grabbed: int = 0
    """Pictures that came off the stream."""
    dropped: int = 0
    """Frames that were due or moved and for which the disk was too slow."""
    withheld: int = 0
    """Frames that were due while the stream stood still."""
    missed: int = 0
    """Ticks of the time lapse for which no picture came."""
    broken: int = 0
    """Pictures that could not be decoded."""
    frozen_s: float = 0.0
    black_s: float = 0.0
    upheavals: int = 0
    """Pictures that changed nearly everywhere: light, or the camera was moved."""

    @property
    def lost(self) -> int:
        return self.dropped + self.withheld

    @property
    def blind_s(self) -> float:
        return self.away_s + self.frozen_s + self.black_s

    def words(self) -> str:
        """What was not as it should be, for a person; "" where nothing was."""
        counted = {
            "dropped": self.dropped, "withheld while frozen": self.withheld, "due without a picture": self.missed,
            "broken": self.broken, "reconnects": self.reconnects,
        }  # fmt: skip
        lasted = {"away": self.away_s, "frozen": self.frozen_s, "black": self.black_s}
        parts = [f"{n:,} {what}" for what, n in counted.items() if n]
        return ", ".join(parts + [f"{seconds:,.0f} s {what}" for what, seconds in lasted.items() if seconds >= 1])


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that is to be kept."""

    picture: Picture
    at_ns: int
    trigger: str
    condition: str = ""


class Watcher:
    """Which pictures are kept, and what is wrong with a stream: everything but the stream and the disk."""

    def __init__(self, settings: CameraSettings, health: CameraHealth, told: Told) -> None:
        self.settings = settings
        self.health = health
        self._told = told
        self._schedule = Schedule(settings.every_s) if settings.every_s else None
        self._motion = Motion(settings.motion) if settings.motion else None
        self._stillness = Stillness(frozen_s=settings.frozen_s)
        self._look_s = _MOTION_LOOK_S if self._motion else _LOOK_S
        self._looked: float | None = None
        self._frozen_since: float | None = None
        self._said_black = False

    def take(self, stream: Stream, t: float, at_ns: int) -> Shot | None:
        """What to keep of the picture that was just grabbed: `t` in seconds of a steady clock, `at_ns` in UTC.
        Raises OverLimit."""
        self.health.grabbed += 1
        due = self._schedule is not None and self._schedule.due(t)
        if self._schedule is not None:
            self.health.missed = self._schedule.missed
        look = self._looked is None or t - self._looked >= self._look_s
        if not (due or look):
            return None
        picture = stream.picture()
        moved = False
        if picture is not None:
            moved, picture = self._look(picture, t)
        if picture is None:
            self.health.broken += 1
            return None
        return self._shot(picture, at_ns, due=due, moved=moved)

    def lost(self) -> None:
        """The stream broke off."""
        self._stillness.lost()
        self._frozen_since = None

    def stands_still(self, t: float) -> bool:
        """Whether the stream has been frozen for so long that it should be opened anew."""
        return self._frozen_since is not None and t - self._frozen_since >= _REOPEN_S

    def _look(self, picture: Picture, t: float) -> tuple[bool, Picture | None]:
        try:
            grey = picture.grey()
        except RefusedMedia:
            return False, None
        self._looked = t
        self._stillness.look(picture.signature(), grey, t)
        self._notice(t)
        moved = self._motion is not None and self._motion.moved(grey, t)
        if self._motion is not None:
            self.health.upheavals = self._motion.upheavals
        return moved, picture

    def _notice(self, t: float) -> None:
        still, health, live = self._stillness, self.health, self.settings.address.live
        health.frozen_s, health.black_s = still.frozen_total_s, still.black_total_s
        if still.frozen and self._frozen_since is None:
            what = "its frames are not kept" if live else "they are kept"
            self._told(f"the picture has not changed by one bit for {self.settings.frozen_s:g} s: {what}")
            self._frozen_since = t
        elif not still.frozen and self._frozen_since is not None:
            self._told(f"the picture changes again after {t - self._frozen_since + self.settings.frozen_s:.0f} s")
            self._frozen_since = None
        if still.black and not self._said_black:
            self._told("the picture is black: a lid, a lamp that is out, or night")
        self._said_black = still.black

    def _shot(self, picture: Picture, at_ns: int, *, due: bool, moved: bool) -> Shot | None:
        if not (due or moved):
            return None
        if self._stillness.frozen and self.settings.address.live:
            self.health.withheld += 1
            return None
        trigger = f"every {self.settings.every_s:g} s" if due else "motion"
        return Shot(picture=picture, at_ns=at_ns, trigger=trigger, condition="black" if self._stillness.black else "")


class Grabber(threading.Thread):
    """Takes pictures off a live stream, opens it again where it breaks, and puts what is kept into `shots`.

    What ends it (OverLimit, a device that is not there, a fault) is in `error`, for its caller to raise.
    """

    def __init__(
        self,
        settings: CameraSettings,
        watcher: Watcher,
        told: Told,
        *,
        opener: Opener = open_stream,
        first_rest_s: float = _FIRST_REST_S,
    ) -> None:
        super().__init__(name="camera", daemon=True)
        self.shots: queue.Queue[Shot] = queue.Queue(_WAITING)
        self.error: BaseException | None = None
        self.stopping = threading.Event()
        self._settings, self._watcher, self._told, self._opener = settings, watcher, told, opener
        self._first_rest_s = first_rest_s
        self._last: float | None = None
        """When the last picture came, on the steady clock."""
        self._away_since: float | None = None
        """Up to when the time without a stream is counted; None while there is one."""

    def run(self) -> None:
        """Until `stopping` is set, or nothing can come of it."""
        rest_s = self._first_rest_s
        try:
            while not self.stopping.is_set():
                lasted_s = self._visit()
                if lasted_s >= _GOOD_S:
                    rest_s = self._first_rest_s
                if self.stopping.is_set():
                    return
                what = "has ended" if lasted_s else "does not answer"
                self._told(f"{self._shown} {what}: trying again in {rest_s:g} s, Ctrl-C ends it")
                self._count_away(time.monotonic())
                self.stopping.wait(rest_s)
                self._count_away(time.monotonic())
                rest_s = min(2 * rest_s, _LONGEST_REST_S)
        except BaseException as exc:  # noqa: BLE001 - the thread's end: else it would look as if the stream had ended
            self.error = exc

    @property
    def _shown(self) -> str:
        return self._settings.address.shown

    def _visit(self) -> float:
        """Open the stream and read it until it ends; for how long it gave pictures, seconds. Raises SourceError for a
        device that was never there."""
        stream = self._opener(self._settings.address, self._settings.limits)
        if stream is None:
            if self._last is None and not self._settings.address.network:
                raise SourceError(f"{self._shown} cannot be opened: is it there, and does no other program have it?")
            return 0.0
        try:
            return self._read(stream)
        finally:
            stream.close()
            self._watcher.lost()

    def _read(self, stream: Stream) -> float:
        first: float | None = None
        while not self.stopping.is_set() and stream.grab():
            t, at_ns = time.monotonic(), time.time_ns()
            if first is None:
                first = t
                self._again(t)
            self._last = t
            shot = self._watcher.take(stream, t, at_ns)
            if shot is not None:
                self._hand_over(shot)
            if self._watcher.stands_still(t):
                self._told(f"{self._shown} still stands still: opening it anew")
                break
        return 0.0 if first is None else time.monotonic() - first

    def _again(self, t: float) -> None:
        if self._away_since is not None:
            self._count_away(t)
            self._away_since = None
        if self._last is not None:
            self._watcher.health.reconnects += 1
            self._told(f"{self._shown} is there again, after {t - self._last:.0f} s")

    def _count_away(self, t: float) -> None:
        """While it lasts, so that an outage shows before it is over."""
        since = self._away_since if self._away_since is not None else self._last
        self._watcher.health.away_s += 0.0 if since is None else t - since
        self._away_since = t

    def _hand_over(self, shot: Shot) -> None:
        health = self._watcher.health
        try:
            self.shots.put_nowait(shot)
        except queue.Full:
            health.dropped += 1
            if health.dropped in _SAID:
                self._told(f"{health.dropped:,} frames dropped: the disk is too slow for this rate")


class Camera:
    """One camera, captured into one folder. `run` it once; `health` tells how it goes."""

    def __init__(
        self,
        settings: CameraSettings,
        folder: LiveFolder,
        told: Told,
        *,
        stop: Callable[[], bool] = lambda: False,
        opener: Opener = open_stream,
        first_rest_s: float = _FIRST_REST_S,
    ) -> None:
        if not settings.every_s and settings.motion is None:
            raise ValueError("a camera needs a rate, motion, or both")
        self.health = CameraHealth()
        self._settings, self._folder, self._told = settings, folder, told
        self._stop, self._opener, self._first_rest_s = stop, opener, first_rest_s
        self._notes = LiveNotes(folder, settings.address.shown, self.health)

    def run(self) -> CameraHealth:
        """Until the film ends, `count` frames are kept, or `stop` says so: then what was taken is kept. Raises
        SourceError, OverLimit, and FolderUnwritable where the disk is full."""
        with self._folder.writing():
            for leaving in self._folder.left_over(".jpg"):  # Never whole, and nothing was told of it.
                leaving.unlink(missing_ok=True)
        watcher = Watcher(self._settings, self.health, self._told)
        try:
            if self._settings.address.live:
                self._follow(watcher)
            else:
                self._play(watcher)
        finally:
            self._notes.write()
        return self.health

    def _follow(self, watcher: Watcher) -> None:
        grabber = Grabber(self._settings, watcher, self._told, opener=self._opener, first_rest_s=self._first_rest_s)
        grabber.start()
        try:
            while not self._enough() and not self._stop():
                self._notes.tick()
                try:
                    self._keep(grabber.shots.get(timeout=_POLL_S))
                except queue.Empty:
                    if not grabber.is_alive():
                        break
        finally:
            grabber.stopping.set()
            grabber.join(_POLL_S * 5)
            while not self._enough() and not grabber.shots.empty():
                self._keep(grabber.shots.get())
        if grabber.error is not None:
            raise grabber.error

    def _play(self, watcher: Watcher) -> None:
        if self._settings.start_ns is None:
            raise SourceError(
                f"{self._settings.address.shown} does not say when it was recorded: --start 2026-06-01T12:00:00+02:00"
            )
        stream = self._opener(self._settings.address, self._settings.limits)
        if stream is None:
            raise SourceError(f"{self._settings.address.shown} cannot be opened: there is no such film, or it is none")
        try:
            while not self._enough() and not self._stop() and stream.grab():
                self._notes.tick()
                t = stream.film_s()
                shot = watcher.take(stream, t, self._settings.start_ns + round(t * 1000) * 1_000_000)
                if shot is not None:
                    self._keep(shot)
        finally:
            stream.close()

    def _enough(self) -> bool:
        return self._settings.count is not None and self.health.kept >= self._settings.count

    def _keep(self, shot: Shot) -> None:
        raw = shot.picture.data is not None
        facts = {
            own.TRIGGER: shot.trigger,
            own.CONDITION: shot.condition,
            own.QUALITY: "" if raw else str(self._settings.quality),
        }
        if not self._settings.address.live:
            facts[own.CLOCK] = FILM
        sensor, at = self._folder.sensor, self._folder.local(shot.at_ns)
        jpeg = shot.picture.jpeg(self._settings.quality)
        self._folder.write(
            shot.at_ns, ".jpg", with_exif(jpeg, sensor, at, uncertainty_s=self._doubt_s, own_facts=facts)
        )
        self.health.kept += 1

    @property
    def _doubt_s(self) -> float:
        address = self._settings.address
        return _NETWORK_DOUBT_S if address.network else _DEVICE_DOUBT_S if address.live else _FILM_DOUBT_S
