"""Animals followed through the frames of one session, in order.

    for each frame that was looked at:
        where should each animal be that was seen before?     linking.Expected
        which of what is seen now is which of them?           linking.links
        who was not found for too long is gone; what is left over has newly come

A box in a frame is one animal, whichever models named it. Where a frame was looked at as a whole there are no boxes,
and one taxon is one animal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from katydid.models.follow.linking import Expected, Spot, links
from katydid.models.follow.looks import Look, Seen, moments
from katydid.models.follow.settings import FrameSettings

_LEAST_SIDE = 1e-4
"""Boxes of no width or height (a malformed detection) still lie somewhere: a tenth of a pixel in a frame of 1,000."""
_OLD_SHARE = 0.5
"""Of the size and velocity that an animal had, in what it has after the next sighting."""
_STEP = 0.5
"""Bodies. Less between two frames is a box that trembles."""
_NEVER = float("inf")


class Track:
    """One animal: its sightings so far, by look."""

    def __init__(self, look: Look, seen: Sequence[Seen], spot: Spot | None, at_s: float, frame: int) -> None:
        self.looks: list[Look] = [look]
        self.sightings: list[Sequence[Seen]] = [seen]
        self.at_s = at_s
        """When it was last seen, seconds as in `looks.moments`."""
        self.frame = frame
        """The number of the frame in which it was last seen, among those that were looked at."""
        self._spot = spot
        self._velocity = (0.0, 0.0)
        self._moved_at_s = at_s
        self._named = 0
        self._support: dict[str, float] = {}
        self._vote(spot)

    def expected(self, at_s: float, before_s: float, settings: FrameSettings) -> Expected:
        """Where it should be in the frame of `at_s`, after that of `before_s`: an animal that moves goes straight on,
        for a little while."""
        spot, elapsed = self._spot, at_s - self.at_s
        assert spot is not None
        vx, vy = self._velocity
        if vx or vy:
            ahead = settings.coasting_s * (1.0 - math.exp(-elapsed / settings.coasting_s))
            spot = Spot(spot.x + vx * ahead, spot.y + vy * ahead, spot.w, spot.h)
        return Expected(spot, elapsed, at_s - self._moved_at_s, before_s - self.at_s, self._support)

    def go_on(self, look: Look, seen: Sequence[Seen], spot: Spot | None, at_s: float, frame: int) -> None:
        """It is seen again."""
        if spot is not None and self._spot is not None:
            self._move(spot, at_s)
        self.looks.append(look)
        self.sightings.append(seen)
        self.at_s, self.frame = at_s, frame
        self._vote(spot)

    def _move(self, spot: Spot, at_s: float) -> None:
        before, new, elapsed = self._spot, 1.0 - _OLD_SHARE, at_s - self.at_s
        assert before is not None
        if math.hypot(spot.x - before.x, spot.y - before.y) > _STEP * math.sqrt(before.w * before.h):
            self._moved_at_s = at_s
        if elapsed > 0.0:
            vx, vy = (spot.x - before.x) / elapsed, (spot.y - before.y) / elapsed
            self._velocity = (
                (vx, vy)
                if len(self.looks) == 1
                else (_OLD_SHARE * self._velocity[0] + new * vx, _OLD_SHARE * self._velocity[1] + new * vy)
            )
        w, h = _OLD_SHARE * before.w + new * spot.w, _OLD_SHARE * before.h + new * spot.h
        self._spot = Spot(spot.x, spot.y, w, h)

    def _vote(self, spot: Spot | None) -> None:
        """Keep the share of each name up to date."""
        if spot is None or not spot.taxon_id:
            return
        self._named += 1
        share = 1.0 / self._named
        for taxon_id in self._support:
            self._support[taxon_id] *= 1.0 - share
        self._support[spot.taxon_id] = self._support.get(spot.taxon_id, 0.0) + share


def tracks(looks: Sequence[Look], settings: FrameSettings) -> Iterator[Track]:
    """The animals in the frames of one session, in the order in which each left. `looks` as `looks.in_order` has
    them."""
    view = _View(settings)
    frame = 0
    for look, at_s in zip(looks, moments(looks), strict=True):
        if not look.looked:
            continue
        yield from view.forget(at_s, frame)
        view.look(look, at_s, frame)
        frame += 1
    yield from view.forget(_NEVER, frame)


class _View:
    """Who is in view, as far as is known."""

    def __init__(self, settings: FrameSettings) -> None:
        self._settings = settings
        self._placed: list[Track] = []
        self._whole: dict[str, Track] = {}
        self._before_s = 0.0
        """When the frame before this one was made, seconds."""

    def look(self, look: Look, at_s: float, frame: int) -> None:
        """Take the next frame."""
        if look.seen:
            self._link(look, at_s, frame)
        self._before_s = at_s

    def _link(self, look: Look, at_s: float, frame: int) -> None:
        boxed, whole = _sightings(look)
        for key, seen in whole.items():
            if key in self._whole:
                self._whole[key].go_on(look, seen, None, at_s, frame)
            else:
                self._whole[key] = Track(look, seen, None, at_s, frame)
        spots = [spot for spot, _ in boxed]
        animals: list[Expected] = []
        if spots:
            animals = [track.expected(at_s, self._before_s, self._settings) for track in self._placed]
        known = {sighting: self._placed[animal] for animal, sighting in links(animals, spots, self._settings)}
        for place, (spot, seen) in enumerate(boxed):
            track = known.get(place)
            if track is None:
                self._placed.append(Track(look, seen, spot, at_s, frame))
            else:
                track.go_on(look, seen, spot, at_s, frame)

    def forget(self, at_s: float, frame: int) -> Iterator[Track]:
        """Those who will not be looked for in the frame `frame`, made at `at_s`."""
        gone = [track for track in self._everyone() if self._lost(track, at_s, frame)]
        if gone:
            lost = set(map(id, gone))
            self._placed = [track for track in self._placed if id(track) not in lost]
            self._whole = {key: track for key, track in self._whole.items() if id(track) not in lost}
            yield from gone

    def _everyone(self) -> Iterable[Track]:
        return (*self._placed, *self._whole.values())

    def _lost(self, track: Track, at_s: float, frame: int) -> bool:
        missed, elapsed = frame - track.frame - 1, at_s - track.at_s
        if elapsed > self._settings.longest_gap_s:
            return True
        return missed > self._settings.gap_frames and elapsed > self._settings.gap_s


def _sightings(look: Look) -> tuple[list[tuple[Spot, list[Seen]]], dict[str, list[Seen]]]:
    """What is seen in a frame: by box, and by taxon where there is no box."""
    boxed: dict[tuple[float, float, float, float], list[Seen]] = {}
    whole: dict[str, list[Seen]] = {}
    for seen in sorted(look.seen, key=lambda seen: (seen.ordinal, seen.detection_id)):
        if seen.box is not None:
            boxed.setdefault(seen.box, []).append(seen)
        else:
            whole.setdefault("" if seen.taxon is None else seen.taxon.taxon_id, []).append(seen)
    tall = look.height / look.width if look.width > 0 and look.height > 0 else 1.0
    return [(_spot(box, seen, tall), seen) for box, seen in boxed.items()], whole


def _spot(box: tuple[float, float, float, float], seen: Sequence[Seen], tall: float) -> Spot:
    x, y, w, h = box
    w, h, y, middle = max(w, _LEAST_SIDE), max(h * tall, _LEAST_SIDE), y * tall, x + w / 2
    best = seen[0] if len(seen) == 1 else max(seen, key=lambda one: one.confidence)
    if best.taxon is None:
        return Spot(middle, y + h / 2, w, h)
    return Spot(middle, y + h / 2, w, h, best.taxon.taxon_id, min(max(best.confidence, 0.0), 1.0))
