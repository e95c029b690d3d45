"""Whole ways of single animals: foraging from spot to spot, settling at a light, walking through."""

from __future__ import annotations

import bisect
import math
from random import Random

from katydid.sensors.sources.simulated.cameras.layout import Layout
from katydid.sensors.sources.simulated.cameras.moves import Manner, Move, turned
from katydid.sensors.sources.simulated.cameras.taxa import Behaviour, Forages, Settles, Walks

_HIGH_MM = 90.0
"""How high it flies where it crosses the picture's edge."""
_TURN_S = 0.25


class Way:
    """Moves as they are added, with where the animal is now."""

    def __init__(self, layout: Layout, chance: Random, length_mm: float, arrives: float) -> None:
        self.layout, self.chance, self.length_mm = layout, chance, length_mm
        self.at, self.visit = arrives, 0
        self.x = self.y = self.heading = self.lift = 0.0
        self.plant = -1
        self.moves: list[Move] = []

    def outside(self) -> tuple[float, float]:
        """A place beyond one of the four edges, far enough to be out of the picture."""
        scene, chance = self.layout.scene, self.chance
        past = 1.3 * self.length_mm + 12.0
        wide, high = scene.width_mm, scene.height_mm
        along = chance.uniform(0.0, 2.0 * (wide + high))
        if along < 2.0 * wide:
            return along % wide, -past if along < wide else high + past
        along -= 2.0 * wide
        return (-past if along < high else wide + past), along % high

    def anywhere(self) -> tuple[float, float]:
        """A place in the picture, not at its very edge."""
        scene = self.layout.scene
        return self.chance.uniform(0.04, 0.96) * scene.width_mm, self.chance.uniform(0.06, 0.94) * scene.height_mm

    def on(self, plant: int, reach: float = 0.8) -> tuple[float, float]:
        """A place on a flower head or spot."""
        far = reach * self.layout.radius[plant] * math.sqrt(self.chance.random())
        turn = self.chance.uniform(0, 2 * math.pi)
        return float(self.layout.x[plant]) + far * math.cos(turn), float(self.layout.y[plant]) + far * math.sin(turn)

    def enter(self, place: tuple[float, float], lift: float) -> None:
        """Stand outside, ready to come in."""
        (self.x, self.y), self.lift, self.plant = place, lift, -1

    def wait(self, seconds: float) -> None:
        """Be away: no move covers this time."""
        self.at += seconds

    def sit(self, seconds: float, *, turn_to: float | None = None, beneath: bool = False) -> None:
        self._add(Manner.SITS, seconds, (self.x, self.y), turn_to, beneath=beneath)

    def hover(self, seconds: float) -> None:
        self._add(Manner.HOVERS, seconds, (self.x, self.y), self.heading + self.chance.gauss(0, 1.0))

    def walk(self, place: tuple[float, float], mm_s: float, plant: int, *, beneath: bool = False) -> None:
        """Turn to a place and walk there in a straight line."""
        heading = math.atan2(place[1] - self.y, place[0] - self.x)
        if abs(turned(self.heading, heading)) > 0.5:
            self.sit(_TURN_S, turn_to=heading, beneath=beneath)
        self.heading = heading
        far = math.hypot(place[0] - self.x, place[1] - self.y)
        self._add(Manner.WALKS, max(far / mm_s, 0.05), place, heading, plant=plant, beneath=beneath)

    def fly(self, place: tuple[float, float], mm_s: float, plant: int = -1, lift: float = 0.0) -> None:
        """Fly to a place in a bow."""
        far = math.hypot(place[0] - self.x, place[1] - self.y)
        speed = mm_s * self.chance.uniform(0.7, 1.3)
        bend = self.chance.gauss(0.0, 0.16) * far
        self._add(Manner.FLIES, max(far / speed, 0.12), place, None, plant=plant, lift=lift, bend=bend)
        self.heading = math.atan2(place[1] - self.y, place[0] - self.x) if not self.moves else self._last_heading()

    def leave(self, mm_s: float) -> None:
        self.fly(self.outside(), mm_s, lift=_HIGH_MM)

    def _last_heading(self) -> float:
        """Where it looks at the end of the flight: along the tangent of the bow."""
        last = self.moves[-1]
        dx, dy = last.x1 - last.x0, last.y1 - last.y0
        lean = -4.0 * last.bend / (math.hypot(dx, dy) or 1.0)
        return math.atan2(dy + lean * dx, dx - lean * dy)

    def _add(
        self,
        manner: Manner,
        seconds: float,
        place: tuple[float, float],
        heading: float | None,
        *,
        plant: int | None = None,
        lift: float | None = None,
        bend: float = 0.0,
        beneath: bool = False,
    ) -> None:
        heading = self.heading if heading is None else heading
        plant = self.plant if plant is None else plant
        lift = self.lift if lift is None else lift
        move = Move(
            start=self.at,
            end=self.at + seconds,
            manner=manner,
            x0=self.x,
            y0=self.y,
            x1=place[0],
            y1=place[1],
            heading0=self.heading,
            heading1=heading,
            plant0=self.plant,
            plant1=plant,
            lift0=self.lift,
            lift1=lift,
            bend=bend,
            beneath=beneath,
            visit=self.visit,
        )
        self.moves.append(move)
        self.at, (self.x, self.y), self.heading, self.plant, self.lift = move.end, place, heading, plant, lift


def follow_way(way: Way, behaviour: Behaviour, stay_factor: float) -> None:
    """Fill `way` from arrival to departure."""
    if isinstance(behaviour, Forages):
        _forage(way, behaviour, stay_factor)
    elif isinstance(behaviour, Settles):
        _settle(way, behaviour, stay_factor)
    else:
        _walk_through(way, behaviour)


def _forage(way: Way, forages: Forages, stay_factor: float) -> None:
    chance, until = way.chance, way.at + forages.longest_s - 20.0
    while True:
        way.enter(way.outside(), _HIGH_MM)
        flowers = _geometric(chance, forages.flowers)
        for _ in range(flowers):
            _next_spot(way, forages)
            median = forages.visit_s * stay_factor
            seconds = min(chance.lognormvariate(math.log(median), forages.visit_spread), 20.0 * median)
            _feed(way, forages, min(seconds, until - way.at))
            if way.at >= until - 1.0:
                break
        way.leave(forages.flight_mm_s)
        pause = 1.0 + chance.expovariate(1.0 / forages.away_s)
        if chance.random() >= forages.returns or way.at + pause > until - 2.0 * forages.visit_s * stay_factor:
            return
        way.wait(pause)
        way.visit += 1


def _next_spot(way: Way, forages: Forages) -> None:
    """Go to another flower, the near ones more often; without any, to any place in the picture."""
    layout, chance = way.layout, way.chance
    if layout.plants == 0:
        way.fly(way.anywhere(), forages.flight_mm_s)
        return
    plant = _near(way)
    if way.plant >= 0 and chance.random() < forages.on_foot:
        way.walk(way.on(plant), forages.walk_mm_s, plant)
        return
    if forages.hovers_s and chance.random() < 0.8:
        x, y = way.on(plant, 3.0)
        way.fly((x, y), forages.flight_mm_s, lift=25.0)
        way.hover(chance.expovariate(1.0 / forages.hovers_s))
    way.fly(way.on(plant), forages.flight_mm_s, plant)


def _near(way: Way) -> int:
    """Another flower, the near ones more often; any of them for one who comes."""
    layout, chance = way.layout, way.chance
    if way.plant < 0:
        return chance.randrange(layout.plants)
    sums = layout.nearness[way.plant]
    return min(bisect.bisect_right(sums, chance.random() * sums[-1]), layout.plants - 1)


def _feed(way: Way, forages: Forages, seconds: float) -> None:
    """On the flower: sit for a second or some, walk a little, turn; or hang beneath it all the while."""
    chance, until = way.chance, way.at + max(seconds, 0.3)
    beneath = way.layout.plants > 0 and way.plant >= 0 and chance.random() < forages.beneath
    while way.at < until:
        rest = min(0.4 + chance.expovariate(0.5), until - way.at)
        way.sit(rest, turn_to=way.heading + chance.gauss(0.0, 0.4), beneath=beneath)
        if until - way.at < 1.0 or way.plant < 0:
            continue
        way.walk(way.on(way.plant, 0.6 if beneath else 0.8), forages.walk_mm_s, way.plant, beneath=beneath)


def _settle(way: Way, settles: Settles, stay_factor: float) -> None:
    chance = way.chance
    latest = way.at + settles.longest_s - 30.0
    way.enter(way.outside(), _HIGH_MM)
    settled = way.at + chance.expovariate(1.0 / settles.circles_s)
    while way.at < settled:
        way.fly(way.anywhere(), settles.flight_mm_s, lift=chance.uniform(10.0, 60.0))
    way.fly(way.anywhere(), settles.flight_mm_s)
    leaves = min(way.at + chance.expovariate(1.0 / (settles.stay_s * stay_factor)), latest)
    while way.at < leaves:
        way.sit(min(chance.expovariate(1.0 / settles.fidgets_every_s), leaves - way.at) + 0.01)
        if way.at < leaves:
            _fidget(way, settles)
    way.leave(settles.flight_mm_s)


def _fidget(way: Way, settles: Settles) -> None:
    """A turn on the spot, a shuffle, or a flight to another place in the picture."""
    chance, kind = way.chance, way.chance.random()
    if kind < settles.moves_house:
        way.fly(way.anywhere(), settles.flight_mm_s)
    elif kind < 0.4:
        way.sit(chance.uniform(0.3, 1.5), turn_to=way.heading + chance.gauss(0.0, 0.9))
    else:
        heading, far = way.heading + chance.gauss(0.0, 0.6), min(chance.expovariate(1.0 / settles.shuffle_mm), 200.0)
        scene = way.layout.scene
        x = min(max(way.x + far * math.cos(heading), 0.02 * scene.width_mm), 0.98 * scene.width_mm)
        y = min(max(way.y + far * math.sin(heading), 0.03 * scene.height_mm), 0.97 * scene.height_mm)
        way.walk((x, y), settles.walk_mm_s, -1)


def _walk_through(way: Way, walks: Walks) -> None:
    chance = way.chance
    until = way.at + walks.longest_s - 300.0
    way.enter(way.outside(), 0.0)
    aim = way.anywhere()
    way.heading = math.atan2(aim[1] - way.y, aim[0] - way.x)
    for _ in range(_geometric(chance, walks.stretches)):
        way.walk(aim, walks.walk_mm_s * chance.uniform(0.7, 1.2), -1)
        if chance.random() < walks.rests:
            way.sit(chance.expovariate(1.0 / walks.rest_s))
        aim = way.anywhere()
        if way.at > until:
            break
    way.walk(way.outside(), walks.walk_mm_s, -1)


def _geometric(chance: Random, mean: float) -> int:
    """At least 1."""
    count = 1
    while chance.random() < 1.0 - 1.0 / mean:
        count += 1
    return count
