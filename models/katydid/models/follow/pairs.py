"""Every end of a piece of path with every beginning in which it could go on, and how alike the two are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.models.follow.settings import FrameSettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HOPS = (1.0, 2.0, 4.0, 8.0)
"""How far animals move when nobody looks: normal in both directions with these deviations, in bodies; or anywhere."""
_STAY = 0.3
"""The same of a box that stays."""
_SURE = 0.02
"""Mean square by which the logarithm of an area differs between two flawless boxes of one animal: it turns a little."""
_TURN = 0.6
"""Deviation of the same where it has opened its wings, or flies."""
_MOST_NAMED = 0.98
"""A name is never quite proof."""
_PLACES = 256
"""So many beginnings tell where animals come, and of what size."""
_MOST_ENDS = 64
"""The latest ends that one beginning is compared with: bounds memory where hundreds are in view."""
_PRIOR = 3.0
"""Beginnings that are thought to lie anywhere."""


class Piece(msgspec.Struct, frozen=True, gc=False):
    """A path without a doubt in it. Lengths are shares of the frame's width."""

    first: int
    last: int
    """Numbers of frames."""
    begin: tuple[float, float]
    end: tuple[float, float]
    """Centres of its first and its last box."""
    log_area: float
    """Mean of the logarithm of its boxes' areas."""
    sightings: int
    taxon_id: str
    """The name that most of its sightings bear; "": none does."""


class Session(msgspec.Struct, frozen=True):
    """What all pieces of a session have in common."""

    times: Floats
    """When each frame was made, seconds."""
    spread: float
    """Mean square by which the logarithm of a box's area differs from its mean."""
    agree: float
    """How often two sightings of one animal in a row bear one name, 0..1."""
    tall: float
    """Height of a frame by its width."""


class Pairs:
    """Arrays over pieces, over pairs (`end` goes on in `begin`), and over frames."""

    def __init__(self, pieces: Sequence[Piece], session: Session, settings: FrameSettings) -> None:
        times = self.times = session.times
        self.count = len(pieces)
        self.first: Ints = np.array([piece.first for piece in pieces])
        self.last: Ints = np.array([piece.last for piece in pieces])
        self.sightings: Floats = np.array([piece.sightings for piece in pieces], np.float64)
        self.steps: Floats = np.diff(times)
        self.after: Floats = np.append(self.steps, 1.0)[self.last]
        """Seconds from the last frame of each piece to the next frame; `before` likewise."""
        self.before: Floats = np.append(1.0, self.steps)[self.first]
        self.span: Floats = times[self.last] - times[self.first]
        self.open = self.last < len(times) - 1
        """It ends before the session does; `born`: it begins after the session did."""
        self.born = self.first > 0
        self.single = (self.sightings == 1) & self.open & self.born
        """What may be a false box."""
        self.end, self.begin = _candidates(self.first, self.last, times, settings)
        self._compare(pieces, session)

    def _compare(self, pieces: Sequence[Piece], session: Session) -> None:
        area = np.array([piece.log_area for piece in pieces])
        unlike = area[self.begin] - area[self.end]
        near = np.abs(unlike) <= 4.0 * _TURN
        self.end, self.begin, unlike = self.end[near], self.begin[near], unlike[near]
        e, b = self.end, self.begin
        self.gap: Ints = self.first[b] - self.last[e] - 1
        """Frames in between."""
        self.dt: Floats = self.times[self.first[b]] - self.times[self.last[e]]
        begins, ends = np.array([piece.begin for piece in pieces]), np.array([piece.end for piece in pieces])
        body = np.exp(0.25 * (area[e] + area[b]))
        squares = ((begins[b] - ends[e]) ** 2).sum(1)
        self.near = [session.tall * _normal2(squares, (scale * body) ** 2) for scale in (_STAY, *HOPS)]
        """How likely it is just there: if it stays, and by each of HOPS; 1 is as likely as anywhere."""
        variance = _SURE + session.spread * (1.0 / self.sightings[e] + 1.0 / self.sightings[b])
        self.same: Floats = _normal(unlike**2, variance)
        self.turned: Floats = _normal(unlike**2, variance + _TURN**2)
        self.named: Floats = _names(pieces, e, b, session.agree)
        self._crowd(begins, area, session)

    def _crowd(self, begins: Floats, area: Floats, session: Session) -> None:
        """Where animals come, and of what size: by all beginnings but its own."""
        some = np.flatnonzero(self.born)
        self._some = some = some[:: max(1, -(-len(some) // _PLACES))]
        wide = math.exp(float(np.median(area)))
        width = _SURE + 2.0 * session.spread
        apart = ((begins[:, None, :] - begins[None, some, :]) ** 2).sum(2)
        self._places = session.tall * _normal2(apart, wide)
        self._sizes = _normal((area[:, None] - area[None, some]) ** 2, width)
        for kernel in (self._places, self._sizes):
            kernel[some, np.arange(len(some))] = 0.0
        self._own = np.isin(np.arange(self.count), some)
        self._any_size = 1.0 / (float(np.ptp(area)) + 1.0)

    def crowd(self, born: Floats) -> tuple[Floats, Floats]:
        """By pair, how likely an animal that comes is just there (1: as likely as anywhere), and of that size; `born`:
        the chance of each piece to be one that comes."""
        weights = born[self._some]
        total = weights.sum() - born * self._own + _PRIOR
        places = (self._places @ weights + _PRIOR) / total
        sizes = (self._sizes @ weights + _PRIOR * self._any_size) / total
        return places[self.begin], sizes[self.begin]


def _normal(squares: Floats, variance: Floats | float) -> Floats:
    return np.asarray(np.exp(-0.5 * squares / variance) / np.sqrt(2.0 * math.pi * variance))


def _normal2(squares: Floats, variance: Floats | float) -> Floats:
    return np.asarray(np.exp(-0.5 * squares / variance) / (2.0 * math.pi * variance))


def _names(pieces: Sequence[Piece], e: Ints, b: Ints, agree: float) -> Floats:
    """How much likelier the names of both are if they are one animal."""
    names, taxon = np.unique(np.array([piece.taxon_id for piece in pieces]), return_inverse=True)
    share = (np.bincount(taxon) + 1.0) / (len(pieces) + 1.0)
    sure = 1.0 - (1.0 - math.sqrt(agree)) / np.array([piece.sightings for piece in pieces])
    sure = np.where(names[taxon] == "", 0.0, sure)
    both = np.minimum(sure[e] * sure[b], _MOST_NAMED)
    return np.asarray(np.where(taxon[e] == taxon[b], both / share[taxon[b]], 0.0) + 1.0 - both)


def _candidates(first: Ints, last: Ints, times: Floats, settings: FrameSettings) -> tuple[Ints, Ints]:
    """Ends and beginnings near enough in time: by frames or by seconds, whichever is longer."""
    order = np.lexsort((np.arange(len(last)), last))
    in_order = last[order]
    since = np.minimum(np.searchsorted(times, times[first] - settings.gap_s), first - 1 - settings.gap_frames)
    high = np.searchsorted(in_order, first)
    low = np.maximum(np.searchsorted(in_order, since), high - _MOST_ENDS)
    count = np.maximum(high - low, 0)
    begin = np.repeat(np.arange(len(first)), count)
    place = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    end = order[np.repeat(low, count) + place]
    known = times[first[begin]] - times[last[end]] <= settings.longest_gap_s
    return end[known], begin[known]
