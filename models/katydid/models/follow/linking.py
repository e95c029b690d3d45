"""Which of the animals seen before are those in this frame.

Each pair of an animal and a sighting within reach has a cost between 0 and 1, and the links of a frame are those with
the least cost in sum (Hungarian assignment, `scipy.optimize.linear_sum_assignment`), where a pair that costs more than
`FrameSettings.most` had better stay two animals. Pairs out of reach have no cost, so a frame falls apart into groups
that share no pair; most are one animal and one sighting, and only the others are solved. The answer is the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from scipy.optimize import linear_sum_assignment

from katydid.models.follow.settings import FrameSettings


class Spot(msgspec.Struct, frozen=True, gc=False):
    """Where something is in a frame. All lengths are shares of the frame's width, downwards too."""

    x: float
    y: float
    """Centre."""
    w: float
    h: float
    taxon_id: str = ""
    confidence: float = 0.0
    """Of that name; 0 without one."""


class Expected(msgspec.Struct, frozen=True, gc=False):
    """Where an animal that was seen before should be now."""

    spot: Spot
    elapsed_s: float
    """Since it was last seen."""
    still_s: float
    """Since it last moved, or came."""
    missing_s: float
    """From then to the last frame that missed it; 0: it was in the frame before this one."""
    support: dict[str, float]
    """Taxon id → share of its sightings, weighted by confidence, that bear the name; empty: none does."""


Link = tuple[int, int]
"""Index of an animal, index of a sighting."""


def links(animals: Sequence[Expected], sightings: Sequence[Spot], settings: FrameSettings) -> list[Link]:
    """The links of one frame. Each animal and each sighting is in one at most."""
    if not animals or not sightings:
        return []
    costs: dict[Link, float] = {}
    for animal, sighting, nearness in _in_reach(animals, sightings, settings):
        cost = _cost(animals[animal], sightings[sighting], nearness, settings)
        if cost < settings.most:
            costs[animal, sighting] = cost
    found: list[Link] = []
    for group in _groups(costs):
        found.extend(group if len(group) == 1 else _assigned(group, costs, settings.most))
    return found


def _in_reach(
    animals: Sequence[Expected], sightings: Sequence[Spot], settings: FrameSettings
) -> list[tuple[int, int, float]]:
    """The pairs that are near enough and of like size, with their distance as a share of the reach."""
    here = np.array([(spot.x, spot.y, spot.w * spot.h) for spot in sightings]).T
    there = np.array([(a.spot.x, a.spot.y, a.spot.w * a.spot.h, *_reach(a, settings)) for a in animals]).T[:, :, None]
    body = 0.5 * (np.sqrt(here[2]) + np.sqrt(there[2]))
    reach = there[3] + np.minimum(there[4] + settings.trembling_bodies * body, there[5] * body)
    distance = np.hypot(here[0] - there[0], here[1] - there[1])
    most = settings.size_ratio
    near = (distance <= reach) & (here[2] <= most * there[2]) & (there[2] <= most * here[2])
    rows, columns = np.nonzero(near)
    return list(zip(rows.tolist(), columns.tolist(), (distance[near] / reach[near]).tolist(), strict=True))


def _reach(animal: Expected, settings: FrameSettings) -> tuple[float, float, float]:
    """How far an animal may be from where it is expected if it is on the move, how far it gets at its speed, and how
    far one that sits may be, in bodies."""
    run = settings.speed * animal.elapsed_s * math.exp(-animal.elapsed_s / settings.watched_s)
    restless = math.exp(-animal.still_s / settings.calm_s - animal.missing_s / settings.missing_s)
    sudden = (settings.sudden_bodies - settings.settled_bodies) * math.exp(-animal.elapsed_s / settings.settling_s)
    return settings.floor + run * restless, run, settings.settled_bodies + sudden


def _cost(animal: Expected, sighting: Spot, nearness: float, settings: FrameSettings) -> float:
    """0: the same place, size and name; 1: all as different as they may be."""
    ratio = (sighting.w * sighting.h) / (animal.spot.w * animal.spot.h)
    unlike = sighting.confidence * (1.0 - animal.support.get(sighting.taxon_id, 0.0)) if animal.support else 0.0
    return (
        settings.distance_weight * nearness
        + settings.overlap_weight * (1.0 - overlap(animal.spot, sighting))
        + settings.size_weight * abs(math.log(ratio)) / math.log(settings.size_ratio)
        + settings.name_weight * unlike
    )


def overlap(one: Spot, other: Spot) -> float:
    """Intersection over union of two boxes, 0..1."""
    across = min(one.x + one.w / 2, other.x + other.w / 2) - max(one.x - one.w / 2, other.x - other.w / 2)
    down = min(one.y + one.h / 2, other.y + other.h / 2) - max(one.y - one.h / 2, other.y - other.h / 2)
    if across <= 0.0 or down <= 0.0:
        return 0.0
    both = across * down
    return both / (one.w * one.h + other.w * other.h - both)


def _groups(costs: dict[Link, float]) -> list[list[Link]]:
    """The pairs, by what hangs together: groups that share no animal and no sighting."""
    of_animal: dict[int, list[Link]] = {}
    of_sighting: dict[int, list[Link]] = {}
    for link in costs:
        of_animal.setdefault(link[0], []).append(link)
        of_sighting.setdefault(link[1], []).append(link)
    groups: list[list[Link]] = []
    left = dict.fromkeys(costs)
    while left:
        group = [left.popitem()[0]]
        for link in group:  # Grows while it is walked through.
            for other in (*of_animal[link[0]], *of_sighting[link[1]]):
                if other in left:
                    del left[other]
                    group.append(other)
        groups.append(group)
    return groups


def _assigned(group: Sequence[Link], costs: dict[Link, float], most: float) -> list[Link]:
    """The cheapest links of a group; a pair that is not in it gains nothing and is none."""
    animals = sorted({animal for animal, _ in group})
    sightings = sorted({sighting for _, sighting in group})
    row = {animal: place for place, animal in enumerate(animals)}
    column = {sighting: place for place, sighting in enumerate(sightings)}
    gains = np.zeros((len(animals), len(sightings)))
    for animal, sighting in group:
        gains[row[animal], column[sighting]] = costs[animal, sighting] - most
    chosen = zip(*linear_sum_assignment(gains), strict=True)
    pairs = ((animals[int(i)], sightings[int(j)]) for i, j in chosen)
    return [pair for pair in pairs if pair in costs]
