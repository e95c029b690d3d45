"""Who is in view when and where, without drawing anything: pure functions of (scene, seed, time), asked in any order.

Time is cut into blocks of ten minutes since 1970. Each block, each kind of visitor and each individual has its own
chance, so what is there at a moment does not depend on what was asked before. Held are the ways of those who are there
or soon will be, and a line for each who came within the longest stay: some 10-300 kB a camera, whatever the season.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.sensors.sources.simulated.cameras import shapes, sun
from katydid.sensors.sources.simulated.cameras.behaviour import Way, follow_way
from katydid.sensors.sources.simulated.cameras.chance import mixed, stream
from katydid.sensors.sources.simulated.cameras.layout import layout_of
from katydid.sensors.sources.simulated.cameras.moves import Manner, Move, Pose, pose
from katydid.sensors.sources.simulated.cameras.scene import CameraScene, Visitors
from katydid.sensors.sources.simulated.cameras.taxa import INSECTS, Insect, Shape

Activity = Callable[[str, float], float]
"""A factor, 0..1, on a taxon's arrivals at a time (seconds since 1970): temperature, rain, what a deployment knows."""
Floats = NDArray[np.float64]

_HOUR_S, _BLOCK_S = 3600.0, 600.0
_ARRIVALS, _INDIVIDUAL = 21, 22
_LENS_MM = 800.0
"""How far the lens is above the ground: what flies `lift` mm high is larger by lift / this."""


class Box(msgspec.Struct, frozen=True):
    """Relative to the frame's width and height, 0..1, from the upper left corner; cut at the frame's edge."""

    x: float
    y: float
    w: float
    h: float


Key = tuple[int, int, int]
"""Block of ten minutes, kind of visitor, number of the candidate: one animal."""


class _Stay(NamedTuple):
    """When one animal is there, without its way."""

    arrives: float
    leaves: float
    key: Key


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


class Stands(NamedTuple):
    """All that an outline depends on."""

    shape: Shape
    flying: bool
    x: float
    y: float
    """mm from the upper left corner, as `x`."""
    heading: float
    scale: float
    """mm a unit of its outline: its length, larger where it flies nearer to the lens."""


class _Outline(NamedTuple):
    box: Box
    hull: Floats
    """[n, 2] mm."""
    inside: Floats
    """[m, 2] mm: points spread over it."""
    shown: NDArray[np.bool_]
    """[m]: which of them lie in the picture."""


class Placed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One animal at one moment, as it is drawn."""

    who: Individual
    insect: Insect
    pose: Pose
    stands: Stands
    """With the wind."""

    @property
    def x(self) -> float:
        """mm."""
        return self.stands.x

    @property
    def y(self) -> float:
        """mm."""
        return self.stands.y

    @property
    def scale(self) -> float:
        return self.stands.scale

    @property
    def order(self) -> tuple[int, float]:
        """Who lies under whom: beneath flowers, on the ground by arrival, in the air by height."""
        flying = self.pose.flying
        return (2 if flying else 0 if self.pose.beneath else 1), (self.pose.lift if flying else self.who.arrives)

    def spread(self, points: Floats) -> Floats:
        """Points of its outline [n, 2] taken to mm in the picture."""
        return _spread(self.stands, points)

    @property
    def still(self) -> bool:
        """It sits, on nothing that the wind moves."""
        return self.pose.manner is Manner.SITS and self.pose.plants[0] < 0


class Paths:
    """The animals before one camera: the same for every frame rate, size and fidelity."""

    def __init__(self, scene: CameraScene, seed: int, activity: Activity | None = None) -> None:
        self.scene, self.seed, self.layout = scene, seed, layout_of(scene, seed)
        self._activity = activity
        self._longest_s = tuple(INSECTS[each.taxon].behaviour.longest_s for each in scene.visitors)
        """No animal of each kind is there for longer: how far back the past matters, seconds."""
        self._held: dict[Key, Individual] = {}
        blocks = sum(3 + math.ceil(longest / _BLOCK_S) for longest in self._longest_s)
        self._block = lru_cache(maxsize=blocks)(self._arrivals)
        self._around = lru_cache(maxsize=2)(self._near)
        self._outlined = lru_cache(maxsize=64)(self._outline)
        self._sitting: tuple[tuple[tuple[str, Stands], ...], tuple[SeenIndividual, ...]] = ((), ())

    def individuals(self, start: datetime, end: datetime) -> Iterator[Individual]:
        """Everyone who is there at some time from `start` to before `end`, by the ten minutes in which they come."""
        first, last = start.timestamp(), end.timestamp()
        earliest = math.floor((first - max(self._longest_s, default=0.0)) / _BLOCK_S)
        for block in range(earliest, math.ceil(last / _BLOCK_S)):
            stays = sorted(
                stay for kind in range(len(self._longest_s)) for stay in self._there(kind, block, first, last)
            )
            yield from (self._individual(stay.key, stay.arrives) for stay in stays)
            self._let_go(first, last)

    def _there(self, kind: int, block: int, first: float, last: float) -> list[_Stay]:
        """Who of a kind comes in a block and is there between two moments; no look at blocks too long ago."""
        if (block + 1) * _BLOCK_S + self._longest_s[kind] < first:
            return []
        return [stay for stay in self._block(kind, block) if stay.arrives < last and stay.leaves > first]

    def boxes_at(self, at: datetime | float) -> tuple[SeenIndividual, ...]:
        """Who can be seen at a moment (aware, or seconds since 1970), lowest first."""
        moment = at.timestamp() if isinstance(at, datetime) else at
        return self.seen(self.placed(moment), moment)

    def seen(self, placed: list[Placed], at: float) -> tuple[SeenIndividual, ...]:
        """The truth of a picture with these animals in it; found anew only if someone or a leaf before them moved."""
        if self.scene.leaves or not all(each.still for each in placed):
            return self._found(placed, at)
        stand = tuple((each.who.individual, each.stands) for each in placed)
        if self._sitting[0] != stand:
            self._sitting = (stand, self._found(placed, at))
        return self._sitting[1]

    def _found(self, placed: list[Placed], at: float) -> tuple[SeenIndividual, ...]:
        outlines = [self._outlined(each.stands) if each.still else self._smeared(each, at) for each in placed]
        found = []
        for number, (each, outline) in enumerate(zip(placed, outlines, strict=True)):
            if outline.box.w <= 0.0 or outline.box.h <= 0.0:
                continue
            over = [other for other in outlines[number + 1 :] if _touch(outline.box, other.box)]
            share = self._visible(each, outline, over, at)
            if share > 0.0:
                found.append(_seen(each, outline.box, share))
        return tuple(found)

    def placed(self, at: float) -> list[Placed]:
        """Everyone in or about the picture at `at`, lowest first."""
        there = (who for who in self._around(math.floor(at / _BLOCK_S)) if who.arrives <= at < who.leaves)
        found = (self.place(who, at) for who in there)
        return sorted((each for each in found if each is not None), key=_order)

    def place(self, who: Individual, at: float) -> Placed | None:
        """Where one of them is at `at`, the wind included; None while it is away."""
        where = who.pose(at)
        return None if where is None else self._place(who, where, at)

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
        insect = INSECTS[who.taxon]
        stands = Stands(insect.shape, where.flying, x, y, where.heading, scale)
        return Placed(who=who, insect=insect, pose=where, stands=stands)

    def _outline(self, stands: Stands) -> _Outline:
        """Of an animal that does not move."""
        hull, inside = (_spread(stands, points(stands.shape, stands.flying)) for points in _OUTLINES)
        x, y = inside[:, 0], inside[:, 1]
        shown = (x >= 0) & (x < self.scene.width_mm) & (y >= 0) & (y < self.scene.height_mm)
        return _Outline(self._boxed(hull), hull, inside, shown)

    def _smeared(self, each: Placed, at: float) -> _Outline:
        """Of an animal that moves while the shutter is open."""
        outline = self._outline(each.stands)
        later = at + self.scene.exposure_s
        after = self.place(each.who, later) if each.pose.flying else None
        if after is None:
            return outline
        moved = after.stands
        both = np.concatenate([outline.hull, _spread(moved, shapes.silhouette(moved.shape, moved.flying))])
        return outline._replace(box=self._boxed(both))

    def _boxed(self, points: Floats) -> Box:
        scene = self.scene
        (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        x0, x1 = max(left / scene.width_mm, 0.0), min(right / scene.width_mm, 1.0)
        y0, y1 = max(top / scene.height_mm, 0.0), min(bottom / scene.height_mm, 1.0)
        return Box(x0, y0, max(x1 - x0, 0.0), max(y1 - y0, 0.0))

    def _visible(self, each: Placed, outline: _Outline, over: list[_Outline], at: float) -> float:
        shown = outline.shown
        if self.scene.leaves or each.pose.beneath:
            points = outline.inside
            shown = shown & ~self.layout.hidden(points[:, 0], points[:, 1], at, each.pose.beneath)
        for other in over:
            shown = shown & ~_within(outline.inside, other.hull)
        return float(np.count_nonzero(shown)) / len(shown)

    def _near(self, block: int) -> tuple[Individual, ...]:
        """Everyone who is there at some time in one block."""
        first, last = block * _BLOCK_S, (block + 1) * _BLOCK_S
        stays = [
            stay
            for kind, longest in enumerate(self._longest_s)
            for arrived in range(math.floor((first - longest) / _BLOCK_S), block + 1)
            for stay in self._there(kind, arrived, first, last)
        ]
        there = tuple(self._individual(stay.key, stay.arrives) for stay in stays)
        self._let_go(first, last)
        return there

    def _let_go(self, first: float, last: float) -> None:
        """Forget the ways of those who have left, and of those who come much later."""
        gone = [key for key, who in self._held.items() if who.leaves <= first or who.arrives > last + _BLOCK_S]
        for key in gone:
            del self._held[key]

    def _arrivals(self, kind: int, block: int) -> tuple[_Stay, ...]:
        """Who of a kind comes in a block, by time: a Poisson process thinned to the rate at each moment."""
        found = []
        visitors = self.scene.visitors[kind]
        chance = stream(self.seed, _ARRIVALS, block, kind)
        at, number = block * _BLOCK_S, 0
        while visitors.per_hour > 0.0:
            at += chance.expovariate(visitors.per_hour / _HOUR_S)
            if at >= (block + 1) * _BLOCK_S:
                break
            if chance.random() < self.rate_factor(visitors, at):
                key = (block, kind, number)
                found.append(_Stay(at, self._individual(key, at).leaves, key))
            number += 1
        return tuple(found)

    def rate_factor(self, visitors: Visitors, at: float) -> float:
        """0..1: the share of the peak's arrivals at `at`, from hour, season and what the deployment says."""
        insect = INSECTS[visitors.taxon]
        factor = sun.activity(insect.diel, at, self.scene.place)
        if self.scene.seasonal:
            factor *= sun.season(*insect.season, at)
        return factor * self._activity(visitors.taxon, at) if self._activity is not None else factor

    def _individual(self, key: Key, at: float) -> Individual:
        """The way of one animal, walked anew unless it is still held."""
        if key not in self._held:
            self._held[key] = self._walked(key, at)
        return self._held[key]

    def _walked(self, key: Key, at: float) -> Individual:
        visitors = self.scene.visitors[key[1]]
        insect = INSECTS[visitors.taxon]
        chance = stream(self.seed, _INDIVIDUAL, *key)
        mean, spread = insect.length_mm
        length = mean + spread * max(-2.0, min(2.0, chance.gauss(0.0, 1.0)))
        way = Way(self.layout, chance, length, at)
        follow_way(way, insect.behaviour, visitors.stay_factor)
        return Individual(
            individual=".".join(str(part) for part in key),
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


_OUTLINES = (shapes.silhouette, shapes.inside)


def _spread(stands: Stands, points: Floats) -> Floats:
    """Points of an outline [n, 2] taken to mm in the picture."""
    cos, sin = math.cos(stands.heading) * stands.scale, math.sin(stands.heading) * stands.scale
    turned: Floats = points @ np.array([[cos, sin], [-sin, cos]])
    turned += (stands.x, stands.y)
    return turned


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


def _order(each: Placed) -> tuple[int, float]:
    return each.order


def _start(move: Move) -> float:
    return move.start
