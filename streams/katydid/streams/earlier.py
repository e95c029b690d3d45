"""Which frames came before a frame, in its own camera's sequence. Pure: no threads, no clock.

Frames of one camera are decoded side by side, so one may be ready before those ahead of it. Each takes its place when
it is taken in, and goes on when all places ahead of it are filled: by a reduced frame, or by nothing where the frame
could not be decoded. Then the frames before it are the newest `EARLIER` of those ahead, whichever thread was faster.

A camera's frames stay in memory while some of them are not durable; after that they may be let go, the camera that
has been quiet longest first, when all together are over the bound. What was let go, or was made before a restart,
is asked of the host: `load`. Since outcomes of one camera become durable in the order of its frames, what a store
keeps is always the newest of a sequence without gaps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from katydid.models.image.earlier import EARLIER, Earlier, Reduced

Load = Callable[[str], Sequence[Reduced]]
"""Sensor id → the frames of that camera that were kept, oldest first."""


@dataclass(eq=False, slots=True)
class Place:
    """A frame's place in the sequence of its camera."""

    sensor_id: str
    loads: bool
    """It is the first of a camera of which nothing is in memory: whoever fills it says first what was kept."""
    filled: bool = False
    own: Reduced | None = None
    before: Earlier | None = None
    """Set when all places ahead are filled."""


@dataclass(eq=False, slots=True)
class _Camera:
    kept: Earlier = ()
    waiting: deque[Place] = field(default_factory=deque)
    """Places from the first that is not filled."""
    not_durable: int = 0


class EarlierFrames:
    """The last frames of every camera."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._cameras: dict[str, _Camera] = {}
        """The one that was quiet longest comes first."""
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the frames in memory."""
        return self._bytes

    def has_room(self, sensor_id: str) -> bool:
        """Whether a frame of that camera can be taken within the bound, when quiet cameras are let go for it."""
        if sensor_id in self._cameras or self._bytes < self._most_bytes:
            return True
        for quiet in [name for name, camera in self._cameras.items() if not camera.waiting and not camera.not_durable]:
            self._bytes -= sum(one.nbytes for one in self._cameras.pop(quiet).kept)
            if self._bytes < self._most_bytes:
                return True
        return not self._cameras

    def take(self, sensor_id: str) -> Place:
        """A place behind all that were taken of this camera."""
        camera = self._cameras.pop(sensor_id, None)
        place = Place(sensor_id, loads=camera is None)
        camera = camera or _Camera()
        camera.waiting.append(place)
        self._cameras[sensor_id] = camera
        return place

    def loaded(self, place: Place, kept: Sequence[Reduced]) -> None:
        """What was kept of the camera before this place, the first in memory."""
        place.loads = False
        self._keep(self._cameras[place.sensor_id], tuple(kept))

    def fill(self, place: Place, own: Reduced | None) -> list[Place]:
        """Fill a place with its frame, or with nothing; returns the places that know now what was before them."""
        place.filled, place.own = True, own
        camera = self._cameras[place.sensor_id]
        if own is not None:
            camera.not_durable += 1
        ready = []
        while camera.waiting and camera.waiting[0].filled:
            first = camera.waiting.popleft()
            first.before = camera.kept
            if first.own is not None:
                again = (one for one in camera.kept if one.capture_id != first.own.capture_id)
                self._keep(camera, (*again, first.own))
            ready.append(first)
        return ready

    def durable(self, frame: Reduced) -> None:
        """A frame is kept where `load` finds it, or need not be kept."""
        self._cameras[frame.sensor_id].not_durable -= 1

    def _keep(self, camera: _Camera, frames: Earlier) -> None:
        self._bytes -= sum(one.nbytes for one in camera.kept)
        camera.kept = frames[-EARLIER:]
        self._bytes += sum(one.nbytes for one in camera.kept)
