"""Animals followed through the frames of one session, in order.

    for each frame that was looked at:
        where should each animal be that was seen before?     linking.Expected
        which of what is seen now is which of them?           linking.links
        what is left over begins a new piece of a path
    which pieces are one animal?                              joining

A box in a frame is one animal, whichever models named it. Where a frame was looked at as a whole there are no boxes,
and one taxon is one animal.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

import numpy as np

from katydid.models.follow.joining import joined
from katydid.models.follow.linking import Expected, Spot, links
from katydid.models.follow.looks import Look, Seen, moments
from katydid.models.follow.pairs import Piece, Session
from katydid.models.follow.settings import FrameSettings

_LEAST_SIDE = 1e-4
"""Boxes of no width or height (a malformed detection) still lie somewhere: a tenth of a pixel in a frame of 1,000."""
_OLD_SHARE = 0.5
"""Of the size and velocity that an animal had, in what it has after the next sighting."""
_STEP = 0.5
"""Bodies. Less between two frames is a box that trembles."""
_NEVER = float("inf")
_TALL = 0.75
"""Of a frame whose size is not known."""
_MEDIAN_SQUARE = 0.455
"""Of a normal deviate: from a median of squares, which a few wrong links do not move, to their mean."""


class Track:
    """A piece of one animal's path, and at last the whole: its sightings, by look."""

    def __init__(self, look: Look, seen: Sequence[Seen], spot: Spot | None, at_s: float, frame: int) -> None:
        self.looks: list[Look] = [look]
        self.sightings: list[Sequence[Seen]] = [seen]
        self.at_s = at_s
        """When it was last seen, seconds as in `looks.moments`."""
        self.frame = frame
        """The number of the frame in which it was last seen, among those that were looked at."""
        self.first = frame
        self.begin = self._spot = spot
        self._areas = [] if spot is None else [math.log(spot.w * spot.h)]
        self.names: list[str] = []
        """The names of its sightings, where they have one."""
        self._velocity = (0.0, 0.0)
        self._moved_at_s = at_s
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

    def piece(self) -> Piece:
        """What joining needs to know of it."""
        begin, end = self.begin, self._spot
        assert begin is not None and end is not None
        area = sum(self._areas) / len(self._areas)
        name = max(self._support, key=lambda taxon_id: (self._support[taxon_id], taxon_id), default="")
        return Piece(self.first, self.frame, (begin.x, begin.y), (end.x, end.y), area, len(self.looks), name)

    def unsteady(self) -> Iterator[float]:
        """Squares by which the logarithm of its area changed from sighting to sighting."""
        return ((new - old) ** 2 for old, new in itertools.pairwise(self._areas))

    def join(self, later: Track) -> None:
        """Another piece of its path follows."""
        self.looks.extend(later.looks)
        self.sightings.extend(later.sightings)

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
        self._areas.append(math.log(spot.w * spot.h))
        w, h = _OLD_SHARE * before.w + new * spot.w, _OLD_SHARE * before.h + new * spot.h
        self._spot = Spot(spot.x, spot.y, w, h)

    def _vote(self, spot: Spot | None) -> None:
        """Keep the share of each name up to date."""
        if spot is None or not spot.taxon_id:
            return
        self.names.append(spot.taxon_id)
        share = 1.0 / len(self.names)
        for taxon_id in self._support:
            self._support[taxon_id] *= 1.0 - share
        self._support[spot.taxon_id] = self._support.get(spot.taxon_id, 0.0) + share


def tracks(looks: Sequence[Look], settings: FrameSettings) -> Iterator[Track]:
    """The animals in the frames of one session. `looks` as `looks.in_order` has them."""
    view = _View(settings)
    pieces: list[Track] = []
    times: list[float] = []
    for look, at_s in zip(looks, moments(looks), strict=True):
        if look.looked:
            pieces.extend(view.forget(at_s, len(times)))
            pieces.extend(view.look(look, at_s, len(times)))
            times.append(at_s)
    pieces.extend(view.forget(_NEVER, len(times)))
    yield from (piece for piece in pieces if piece.begin is None)
    placed = sorted((piece for piece in pieces if piece.begin is not None), key=_first)
    session = Session(np.array(times), _spread(placed), _agreement(placed), _tallness(looks))
    onward = joined([piece.piece() for piece in placed], session, settings)
    later = set(onward.values())
    for number, piece in enumerate(placed):
        if number not in later:
            while number in onward:
                number = onward[number]
                piece.join(placed[number])
            yield piece


def _first(piece: Track) -> tuple[int, int, str]:
    return piece.first, piece.sightings[0][0].ordinal, piece.sightings[0][0].detection_id


def _spread(pieces: Sequence[Track]) -> float:
    squares = [square for piece in pieces for square in piece.unsteady()]
    return median(squares) / _MEDIAN_SQUARE / 2.0 if squares else 0.0


def _agreement(pieces: Sequence[Track]) -> float:
    told = agreed = 0
    for piece in pieces:
        told += max(0, len(piece.names) - 1)
        agreed += sum(old == new for old, new in itertools.pairwise(piece.names))
    return (agreed + 1.0) / (told + 2.0)


def _tallness(looks: Sequence[Look]) -> float:
    return next((look.height / look.width for look in looks if look.width > 0 and look.height > 0), _TALL)


class _View:
    """Who is in view, as far as is known."""

    def __init__(self, settings: FrameSettings) -> None:
        self._settings = settings
        self._placed: list[Track] = []
        self._whole: dict[str, Track] = {}
        self._before_s = 0.0
        """When the frame before this one was made, seconds."""

    def look(self, look: Look, at_s: float, frame: int) -> list[Track]:
        """Take the next frame. Returned are those found again after so long that whether they are the same is open:
        they are looked for all the same, lest another be taken for them."""
        found = self._link(look, at_s, frame) if look.seen else []
        self._before_s = at_s
        return found

    def _link(self, look: Look, at_s: float, frame: int) -> list[Track]:
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
            if track is None or self._doubtful(track, at_s, frame):
                self._placed.append(Track(look, seen, spot, at_s, frame))
            else:
                track.go_on(look, seen, spot, at_s, frame)
        doubtful = [track for track in known.values() if self._doubtful(track, at_s, frame)]
        gone = set(map(id, doubtful))
        if gone:
            self._placed = [track for track in self._placed if id(track) not in gone]
        return doubtful

    def forget(self, at_s: float, frame: int) -> Iterator[Track]:
        """Those who will not be looked for in the frame `frame`, made at `at_s`."""
        gone = [track for track in self._everyone() if self._lost(track, at_s, frame)]
        if gone:
            lost = set(map(id, gone))
            self._placed = [track for track in self._placed if id(track) not in lost]
            self._whole = {key: track for key, track in self._whole.items() if id(track) not in lost}
            yield from gone

    def _doubtful(self, track: Track, at_s: float, frame: int) -> bool:
        return frame - track.frame > 1 + self._settings.sure_frames and at_s - track.at_s > self._settings.sure_s

    def _everyone(self) -> Iterable[Track]:
        return (*self._placed, *self._whole.values())

    def _lost(self, track: Track, at_s: float, frame: int) -> bool:
        missed, elapsed = frame - track.frame - 1, at_s - track.at_s
        if elapsed > self._settings.longest_gap_s:
            return True
        return missed > self._settings.gap_frames and elapsed > self._settings.linked_s


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
