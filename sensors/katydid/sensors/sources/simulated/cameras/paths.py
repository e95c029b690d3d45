"""Who is in view when and where, without drawing anything: pure functions of (scene, seed, time), asked in any order.

Time is cut into hours since 1970. Each hour, each kind of visitor and each individual has its own chance, so what is
there at a moment does not depend on what was asked before, and nothing but the hours around that moment is held.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.sensors.sources.simulated.cameras import shapes, sun
from katydid.sensors.sources.simulated.cameras.behaviour import Way, follow_way
from katydid.sensors.sources.simulated.cameras.chance import mixed, stream
from katydid.sensors.sources.simulated.cameras.layout import Layout
from katydid.sensors.sources.simulated.cameras.moves import Move, Pose, pose
from katydid.sensors.sources.simulated.cameras.scene import CameraScene, Visitors
from katydid.sensors.sources.simulated.cameras.taxa import INSECTS, Insect

Activity = Callable[[str, float], float]
"""A factor, 0..1, on a taxon's arrivals at a time (seconds since 1970): temperature, rain, what a deployment knows."""
Floats = NDArray[np.float64]

_HOUR_S, _CELL_S = 3600.0, 60.0
_ARRIVALS, _INDIVIDUAL = 21, 22
_LENS_MM = 800.0
"""How far the lens is above the ground: what flies `lift` mm high is larger by lift / this."""


class Box(msgspec.Struct, frozen=True):
    """Relative to the frame's width and height, 0..1, from the upper left corner; cut at the frame's edge."""

    x: float
    y: float
    w: float
    h: float


class Individual(msgspec.Struct, frozen=True, kw_only=True):
    """One animal from its first coming to its last leaving."""

    individual: str
    """Unique within one scene and seed."""
    taxon: str
    length_mm: float
    pattern: int
    """The seed of its looks."""
    arrives: float
    """Seconds since 1970, as `leaves`."""
    leaves: float
    moves: tuple[Move, ...]
    """In the order of time; between two there may be a gap, when it is away."""

    def pose(self, at: float) -> Pose | None:
        """Where it is at `at`; None before, after, and while it is away. It may be outside the picture's edge."""
        number = bisect.bisect_right(self.moves, at, key=_start) - 1
        if number < 0 or at >= self.moves[number].end:
            return None
        return pose(self.moves[number], at)


class SeenIndividual(msgspec.Struct, frozen=True, kw_only=True):
    """One animal in one frame. Its box is that of body and wings (legs and antennae may reach out), hidden or not."""

    individual: str
    taxon: str
    box: Box
    visible_share: float
    """Of its outline: what no leaf, flower, other animal or edge of the picture hides, above 0 to 1."""
    visit: int
    """How often it had come into the picture before: 0 for the first time."""
    manner: str
    """"flies", "hovers", "walks" or "sits"."""


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """One animal at one moment, as it is drawn."""

    who: Individual
    insect: Insect
    pose: Pose
    x: float
    """mm, the wind included, as `y`."""
    y: float
    scale: float
    """mm a unit of its outline: its length, larger where it flies nearer to the lens."""

    @property
    def order(self) -> tuple[int, float]:
        """Who lies under whom: beneath flowers, on the ground by arrival, in the air by height."""
        return (0 if self.pose.beneath else 2 if self.pose.flying else 1), self.pose.lift or self.who.arrives

    def spread(self, points: Floats) -> Floats:
        """Points of its outline [n, 2] taken to mm in the picture."""
        cos, sin = math.cos(self.pose.heading) * self.scale, math.sin(self.pose.heading) * self.scale
        turned: Floats = points @ np.array([[cos, sin], [-sin, cos]])
        turned += (self.x, self.y)
        return turned


class Paths:
    """The animals before one camera: the same for every frame rate, size and fidelity."""

    def __init__(self, scene: CameraScene, seed: int, activity: Activity | None = None) -> None:
        self.scene, self.seed, self.layout = scene, seed, Layout(scene, seed)
        self._activity = activity
        longest = [INSECTS[each.taxon].behaviour.longest_s for each in scene.visitors]
        self.longest_s = max(longest, default=0.0)
        """No animal is there for longer: how far back the past matters, seconds."""
        self._hour = lru_cache(maxsize=3 + math.ceil(self.longest_s / _HOUR_S))(self._arrivals)
        self._cell = lru_cache(maxsize=2)(self._near)

    def individuals(self, start: datetime, end: datetime) -> Iterator[Individual]:
        """Everyone who is there at some time from `start` to before `end`, by the hour of arrival; one at a time."""
        first, last = start.timestamp(), end.timestamp()
        for hour in range(math.floor((first - self.longest_s) / _HOUR_S), math.ceil(last / _HOUR_S)):
            yield from (each for each in self._hour(hour) if each.arrives < last and each.leaves > first)

    def boxes_at(self, at: datetime | float) -> tuple[SeenIndividual, ...]:
        """Who can be seen at a moment (aware, or seconds since 1970), lowest first."""
        moment = at.timestamp() if isinstance(at, datetime) else at
        placed = self.placed(moment)
        boxes = [self._box(each, moment) for each in placed]
        seen = []
        for number, (each, (box, inside)) in enumerate(zip(placed, boxes, strict=True)):
            over = [placed[later] for later in range(number + 1, len(placed)) if _touch(box, boxes[later][0])]
            share = self._visible(each, inside, over, moment)
            if share > 0.0:
                seen.append(_seen(each, box, share))
        return tuple(seen)

    def placed(self, at: float) -> list[Placed]:
        """Everyone in or about the picture at `at`, lowest first."""
        found = []
        for who in self._cell(math.floor(at / _CELL_S)):
            where = who.pose(at)
            if where is not None:
                found.append(self._place(who, where, at))
        found.sort(key=lambda each: each.order)
        return found

    def _place(self, who: Individual, where: Pose, at: float) -> Placed:
        first, second, share = where.plants
        x, y = where.x, where.y
        if first >= 0 or second >= 0:
            sway = self.layout.sway(at)
            for plant, weight in ((first, 1.0 - share), (second, share)):
                if plant >= 0:
                    x += weight * float(sway[0, plant])
                    y += weight * float(sway[1, plant])
        scale = who.length_mm * (1.0 + where.lift / _LENS_MM)
        return Placed(who=who, insect=INSECTS[who.taxon], pose=where, x=x, y=y, scale=scale)

    def _box(self, each: Placed, at: float) -> tuple[Box, Floats]:
        """Its box, smeared over the exposure, and points of its outline in mm."""
        scene, shape = self.scene, each.insect.shape
        outline = each.spread(shapes.silhouette(shape, each.pose.flying))
        if each.pose.flying:
            after = each.who.pose(at + scene.exposure_s)
            if after is not None:
                moved = self._place(each.who, after, at + scene.exposure_s)
                outline = np.concatenate([outline, moved.spread(shapes.silhouette(shape, after.flying))])
        (left, top), (right, bottom) = outline.min(axis=0), outline.max(axis=0)
        x0, x1 = max(left / scene.width_mm, 0.0), min(right / scene.width_mm, 1.0)
        y0, y1 = max(top / scene.height_mm, 0.0), min(bottom / scene.height_mm, 1.0)
        box = Box(float(x0), float(y0), float(max(x1 - x0, 0.0)), float(max(y1 - y0, 0.0)))
        return box, each.spread(shapes.inside(shape, each.pose.flying))

    def _visible(self, each: Placed, points: Floats, over: list[Placed], at: float) -> float:
        scene = self.scene
        x, y = points[:, 0], points[:, 1]
        shown = (x >= 0) & (x < scene.width_mm) & (y >= 0) & (y < scene.height_mm)
        if not shown.any():
            return 0.0
        if scene.leaves or each.pose.beneath:
            shown &= ~self.layout.hidden(x, y, at, each.pose.plants[0] if each.pose.beneath else -1)
        for other in over:
            shown &= ~_within(points, other.spread(shapes.silhouette(other.insect.shape, other.pose.flying)))
        return float(shown.mean())

    def _near(self, cell: int) -> tuple[Individual, ...]:
        """Everyone who is there at some time in one minute since 1970."""
        first, last = cell * _CELL_S, (cell + 1) * _CELL_S
        hours = range(math.floor((first - self.longest_s) / _HOUR_S), math.floor(first / _HOUR_S) + 1)
        return tuple(who for hour in hours for who in self._hour(hour) if who.arrives < last and who.leaves > first)

    def _arrivals(self, hour: int) -> tuple[Individual, ...]:
        """Everyone who comes in one hour since 1970, by time: a Poisson process thinned to the rate at each moment."""
        found = []
        for kind, visitors in enumerate(self.scene.visitors):
            chance = stream(self.seed, _ARRIVALS, hour, kind)
            at, number = hour * _HOUR_S, 0
            while visitors.per_hour > 0.0:
                at += chance.expovariate(visitors.per_hour / _HOUR_S)
                if at >= (hour + 1) * _HOUR_S:
                    break
                if chance.random() < self.rate_factor(visitors, at):
                    found.append(self._individual(visitors, at, f"{hour}.{kind}.{number}", (hour, kind, number)))
                number += 1
        return tuple(sorted(found, key=lambda each: each.arrives))

    def rate_factor(self, visitors: Visitors, at: float) -> float:
        """0..1: the share of the peak's arrivals at `at`, from hour, season and what the deployment says."""
        insect = INSECTS[visitors.taxon]
        factor = sun.activity(insect.diel, at, self.scene.place)
        if self.scene.seasonal:
            factor *= sun.season(*insect.season, at)
        return factor * self._activity(visitors.taxon, at) if self._activity is not None else factor

    def _individual(self, visitors: Visitors, at: float, name: str, key: tuple[int, int, int]) -> Individual:
        insect = INSECTS[visitors.taxon]
        chance = stream(self.seed, _INDIVIDUAL, *key)
        mean, spread = insect.length_mm
        length = mean + spread * max(-2.0, min(2.0, chance.gauss(0.0, 1.0)))
        way = Way(self.layout, chance, length, at)
        follow_way(way, insect.behaviour, visitors.stay_factor)
        return Individual(
            individual=name,
            taxon=visitors.taxon,
            length_mm=length,
            pattern=mixed(self.seed, _INDIVIDUAL, *key),
            arrives=at,
            leaves=way.moves[-1].end,
            moves=tuple(way.moves),
        )


def simulate_paths(
    scene: CameraScene, seed: int, start: datetime, end: datetime, activity: Activity | None = None
) -> Iterator[Individual]:
    """Everyone before the camera from `start` to before `end` (aware), with where they are at any time; not drawn."""
    return Paths(scene, seed, activity).individuals(start, end)


def _seen(each: Placed, box: Box, share: float) -> SeenIndividual:
    return SeenIndividual(
        individual=each.who.individual,
        taxon=each.who.taxon,
        box=box,
        visible_share=share,
        visit=each.pose.visit,
        manner=each.pose.manner.value,
    )


def _touch(one: Box, other: Box) -> bool:
    across = one.x < other.x + other.w and other.x < one.x + one.w
    return across and one.y < other.y + other.h and other.y < one.y + one.h


def _within(points: Floats, hull: Floats) -> NDArray[np.bool_]:
    """Which points [n, 2] lie in a convex outline [m, 2], in whichever order it goes round."""
    edges = np.roll(hull, -1, axis=0) - hull
    off = points[:, None, :] - hull[None, :, :]
    side = edges[None, :, 0] * off[:, :, 1] - edges[None, :, 1] * off[:, :, 0]
    return np.asarray((side >= 0).all(axis=1) | (side <= 0).all(axis=1))


def _start(move: Move) -> float:
    return move.start
