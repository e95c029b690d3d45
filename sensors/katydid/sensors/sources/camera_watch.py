"""What a camera's stream shows before any model looks: when a frame is due, whether something moved, whether the
picture is frozen or black. Pure arithmetic over small grey pictures and seconds; no clock and no camera of its own.

**Due.** The ticks of a time lapse stand at start + k x every, so lateness of one frame moves no other. A tick for which
no frame came is counted as missed, never made up for.

**Motion.** Each small picture is compared with a background that follows slowly (time constant `settle_s`); what
differs by more than `levels` counts as changed. Between `share` and `whole` of the picture changed is motion. More is
the light or the whole camera: the background starts anew, nothing is taken.

**Frozen.** No sensor gives the same picture twice, for it has noise. Pictures that are the same bit by bit for
`frozen_s` are a stream that stands still. **Black** is a picture with next to no light and no contrast: a closed
lid, a lamp that is out, or night.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]


class MotionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When something moved. The shares are of the picture's area."""

    share: float = 0.0001
    """6 of the 57,600 pixels of a small picture; 14 x 14 of 1920 x 1080, a sweat bee where a metre is seen."""
    whole: float = 0.5
    levels: int = 16
    """Of 255. The noise of a camera in a small picture stays under 5."""
    settle_s: float = 10.0
    """What has not moved for some times this is background."""
    rest_s: float = 1.0
    """Least time between two frames that motion takes."""


class Schedule:
    """A time lapse: `due` is asked with each frame's time, seconds of any steady clock."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self.missed = 0
        self._start: float | None = None
        self._tick = 0

    def due(self, t: float) -> bool:
        """Whether this frame is the first at or after a tick. Asked twice for one tick it says no."""
        if self._start is None:
            self._start = t
        passed = math.floor((t - self._start) / self.every_s + 1e-9)
        if passed < self._tick:
            return False
        self.missed += passed - self._tick
        self._tick = passed + 1
        return True


class Motion:
    """Change against a slowly following background; `moved` is asked with each small picture in order."""

    def __init__(self, settings: MotionSettings) -> None:
        self.settings = settings
        self.share = 0.0
        """Of the last picture, how much had changed."""
        self.upheavals = 0
        """Pictures that had changed nearly everywhere."""
        self._background: NDArray[np.float32] | None = None
        self._t = 0.0
        self._taken: float | None = None

    def moved(self, grey: Grey, t: float) -> bool:
        """Whether this picture (uint8 [h, w]) at `t` seconds is worth a frame."""
        background = self._background
        if background is None or background.shape != grey.shape:
            self._start(grey, t)
            return False
        self.share = float(np.mean(np.abs(grey - background) > self.settings.levels))
        if self.share > self.settings.whole:
            self.upheavals += 1
            self._start(grey, t)
            return False
        background += (grey - background) * np.float32(1.0 - math.exp(-max(t - self._t, 0.0) / self.settings.settle_s))
        self._t = t
        rested = self._taken is None or t - self._taken >= self.settings.rest_s
        if self.share < self.settings.share or not rested:
            return False
        self._taken = t
        return True

    def _start(self, grey: Grey, t: float) -> None:
        self._background, self._t = grey.astype(np.float32), t


class Stillness:
    """Frozen and black stretches, from a picture's signature and small grey form."""

    def __init__(self, *, frozen_s: float = 10.0, dark: float = 8.0, contrast: float = 4.0) -> None:
        """Frozen after `frozen_s` of the same picture; black under a mean of `dark` and a spread of `contrast`
        levels of 255."""
        self.frozen_total_s = self.black_total_s = 0.0
        self.frozen = self.black = False
        self._frozen_s, self._dark, self._contrast = frozen_s, dark, contrast
        self._signature: bytes | None = None
        self._since = self._t = 0.0
        self._held: tuple[bytes | None, float] = (None, 0.0)
        """Of a stream that was frozen when it broke off: its picture, and since when."""

    def look(self, signature: bytes, grey: Grey, t: float) -> None:
        """Take in one picture at `t` seconds; `frozen` and `black` hold from then on."""
        if self._signature is not None:
            self.frozen_total_s += (t - self._t) * self.frozen
            self.black_total_s += (t - self._t) * self.black
        if signature != self._signature:
            held, since = self._held
            self._signature, self._since = signature, since if signature == held else t
            self._held = (None, 0.0)
        self._t = t
        self.frozen = t - self._since >= self._frozen_s
        self.black = float(grey.mean()) < self._dark and float(grey.std()) < self._contrast

    def lost(self) -> None:
        """The stream broke off: what comes next is compared with nothing, but for the picture of a stream that was
        frozen, which is still the same where opening it anew did not help."""
        if self.frozen:
            self._held = (self._signature, self._since)
        self._signature, self.frozen, self.black = None, False, False
