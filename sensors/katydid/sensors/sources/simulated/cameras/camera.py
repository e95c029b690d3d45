"""One camera before one scene: its frames in the order of time, each with its truth, drawn only when asked for."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from datetime import datetime
from enum import StrEnum
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from katydid.sensors.sources.simulated.cameras.high import HighFidelity
from katydid.sensors.sources.simulated.cameras.light import watches
from katydid.sensors.sources.simulated.cameras.low import LowFidelity
from katydid.sensors.sources.simulated.cameras.paths import Activity, Paths, Placed, SeenIndividual
from katydid.sensors.sources.simulated.cameras.scene import Bursts, CameraScene
from katydid.sensors.sources.simulated.cameras.stamp import stamped

SERIAL = "SIM-CAM-01"


class Fidelity(StrEnum):
    """How much is drawn."""

    HIGH = "high"
    """The scene's full size, every layer."""
    LOW = "low"
    """About 320 pixels wide, insects laid on backgrounds that were drawn once."""


class Camera:
    """A scene and a seed: the same frames, whichever part is asked for and in whichever order."""

    def __init__(self, scene: CameraScene, seed: int, activity: Activity | None = None) -> None:
        self.scene, self.seed = scene, seed
        self.paths = Paths(scene, seed, activity)
        self._high, self._low = HighFidelity(self.paths), LowFidelity(self.paths)

    def frames(self, start: datetime, end: datetime) -> Iterator[SimulatedFrame]:
        """Every frame from `start` to before `end` (aware) in which the camera works. Nothing is held but what is near
        in time, so it can go on for years."""
        rhythm = self.scene.rhythm
        fired = (math.nan, True)
        for at, number in rhythm.moments(start.timestamp(), end.timestamp()):
            if isinstance(rhythm, Bursts) and rhythm.only_when_seen:
                trigger = round(at - number * rhythm.apart_s, 3)
                if trigger != fired[0]:
                    fired = (trigger, bool(self.paths.boxes_at(trigger)))
            if fired[1] and watches(self.scene, at):
                yield SimulatedFrame(self, at, number)

    def frame(self, at: datetime) -> SimulatedFrame:
        """The frame at any moment (aware), whether the camera would take one or not."""
        return SimulatedFrame(self, at.timestamp(), 0)

    def pixels(self, at: float, fidelity: Fidelity, placed: list[Placed]) -> NDArray[np.uint8]:
        """RGB uint8 [height, width, 3] of these animals at `at` (seconds since 1970)."""
        drawn = self._high if fidelity is Fidelity.HIGH else self._low
        return drawn.frame(at, placed)


class SimulatedFrame:
    """One frame: when, who is in it, and its picture on demand."""

    __slots__ = ("__dict__", "_camera", "moment", "number")

    def __init__(self, camera: Camera, moment: float, number: int) -> None:
        self._camera, self.moment, self.number = camera, moment, number

    @cached_property
    def at(self) -> datetime:
        """The true time, aware, in the scene's zone, with fractions of a second."""
        return datetime.fromtimestamp(self.moment, self._camera.scene.tzinfo)

    @cached_property
    def truth(self) -> tuple[SeenIndividual, ...]:
        """Who can be seen in it, lowest first; the same at every fidelity."""
        return self._camera.paths.seen(self._placed, self.moment)

    @cached_property
    def _placed(self) -> list[Placed]:
        return self._camera.paths.placed(self.moment)

    def pixels(self, fidelity: Fidelity | str = Fidelity.HIGH, *, without: Collection[str] = ()) -> NDArray[np.uint8]:
        """RGB uint8 [height, width, 3]; `without` names individuals to leave out."""
        placed = [each for each in self._placed if each.who.individual not in without] if without else self._placed
        return self._camera.pixels(self.moment, Fidelity(fidelity), placed)

    def jpeg(
        self, fidelity: Fidelity | str = Fidelity.HIGH, *, reading: datetime | None = None, serial: str = SERIAL
    ) -> bytes:
        """JPEG of the scene's quality with EXIF: the clock's `reading` (default: the true time) in whole seconds, with
        its offset from UTC if it is aware, and the camera's serial number."""
        pixels = self.pixels(fidelity)
        quality = self._camera.scene.quality
        done, encoded = cv2.imencode(
            ".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )
        if not done:
            raise ValueError(f"a frame of shape {pixels.shape} could not be written as JPEG")
        return stamped(encoded.tobytes(), self.at if reading is None else reading, serial)
