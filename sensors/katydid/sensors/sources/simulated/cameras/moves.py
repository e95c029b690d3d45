"""What an animal does from one moment to the next: moves that follow each other, and the pose at any time."""

from __future__ import annotations

import math
from enum import StrEnum

import msgspec


class Manner(StrEnum):
    """How it moves."""

    FLIES = "flies"
    HOVERS = "hovers"
    WALKS = "walks"
    SITS = "sits"


class Move(msgspec.Struct, frozen=True, gc=False):
    """One stretch of a way. Places are mm from the picture's upper left corner with every plant at rest."""

    start: float
    """Seconds since 1970, as `end`."""
    end: float
    manner: Manner
    x0: float
    y0: float
    x1: float
    y1: float
    heading0: float
    """Radians from +x towards +y, as `heading1`."""
    heading1: float
    plant0: int = -1
    """The plant that carries it along in the wind at the start, -1 for none."""
    plant1: int = -1
    lift0: float = 0.0
    """Height above the ground at the start, mm."""
    lift1: float = 0.0
    bend: float = 0.0
    """How far the way bows out sideways in its middle, mm."""
    beneath: bool = False
    """Under the flower: only what reaches out over its edge can be seen."""
    visit: int = 0
    """Counts from 0 each time that it comes into the picture."""


class Pose(msgspec.Struct, frozen=True, gc=False):
    """Where an animal is at one moment, before the wind moves its plant."""

    x: float
    y: float
    heading: float
    lift: float
    manner: Manner
    beneath: bool
    visit: int
    plants: tuple[int, int, float]
    """Two plants and the share of the second: the wind carries it by the mean of their sways."""

    @property
    def flying(self) -> bool:
        return self.manner is Manner.FLIES or self.manner is Manner.HOVERS


def pose(move: Move, at: float) -> Pose:
    """The pose at `at`, within the move."""
    part = (at - move.start) / max(move.end - move.start, 1e-6)
    if move.manner is Manner.SITS:
        heading = move.heading0 + part * turned(move.heading0, move.heading1)
        plants = (move.plant0, move.plant1, 0.0)
        return Pose(move.x0, move.y0, heading, move.lift0, move.manner, move.beneath, move.visit, plants)
    if move.manner is Manner.HOVERS:
        return _hovering(move, at, part)
    ease = part * part * (3.0 - 2.0 * part) if move.manner is Manner.FLIES else part
    dx, dy = move.x1 - move.x0, move.y1 - move.y0
    x, y = move.x0 + ease * dx, move.y0 + ease * dy
    lift = move.lift0 + ease * (move.lift1 - move.lift0)
    heading = move.heading0 + part * turned(move.heading0, move.heading1)
    if move.bend or move.manner is Manner.FLIES:
        far = math.hypot(dx, dy) or 1.0
        bow = move.bend * 4.0 * ease * (1.0 - ease)
        x, y = x - bow * dy / far, y + bow * dx / far
        lean = move.bend * 4.0 * (1.0 - 2.0 * ease) / far
        heading = math.atan2(dy + lean * dx, dx - lean * dy)
        lift += min(25.0, 0.25 * far) * 4.0 * ease * (1.0 - ease)
    return Pose(x, y, heading, lift, move.manner, move.beneath, move.visit, (move.plant0, move.plant1, ease))


def _hovering(move: Move, at: float, part: float) -> Pose:
    """Still in the air but for a tremble of a millimetre or two and small darts."""
    since = at - move.start
    x = move.x0 + 1.6 * math.sin(5.1 * since + move.x0) + 1.0 * math.sin(11.3 * since)
    y = move.y0 + 1.6 * math.sin(4.3 * since + move.y0) + 1.0 * math.cos(12.7 * since)
    heading = move.heading0 + part * turned(move.heading0, move.heading1)
    return Pose(x, y, heading, move.lift0, move.manner, False, move.visit, (move.plant0, move.plant1, part))


def turned(before: float, after: float) -> float:
    """The shorter turn from one heading to another, -pi..pi."""
    return (after - before + math.pi) % (2.0 * math.pi) - math.pi
