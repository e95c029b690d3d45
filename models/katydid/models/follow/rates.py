"""How often animals come, leave, move and are missed in one session, and what follows for each pair of pieces.

Expectation and maximisation: from the rates follow the odds of each pair, from the odds the chance that it is one
animal (by belief propagation, for an end goes on in one beginning at most: Williams & Lau 2014, IEEE TSP 62), from
the chances the rates. What cannot be told from the few animals of a short session is what is usual: who stays for
seconds goes to a few more flowers before it leaves, who stays for long hardly moves.
"""

from __future__ import annotations

import math

import numpy as np

from katydid.models.follow.pairs import HOPS, Floats, Ints, Pairs

_ROUNDS = 16
_SWEEPS = 3
_MOST_ODDS = 1e9
_DWELLS_S, _MOVES, _USUAL = (60.0, 600.0), (2.0, 0.03), (5.0, 20.0)
"""Moves a departure that are usual at those dwelling times, and departures that are thought to have gone as usual; in
between by the logarithm."""
_FLIGHT_S = 20.0
"""Frames further apart do not show that somebody flies about: what they see once need not."""
_UNSEEN_S = 2.0
"""A move takes about so long: frames that follow faster show it on the way, and then it is no move between pieces."""
_AWAY_S = 25.0
"""Mean time for which some stay out of sight, beneath a leaf or out of the picture."""
_QUICKEST_S, _SLOWEST_S = 0.05, 3.0
"""Bounds of the mean time that a move takes out of sight."""
_STILL_TURNS = 0.05
"""Share of boxes at one place that differ in size as if it had turned."""


def _lived(rate: Floats, seconds: Floats) -> Floats:
    """Mean time to an event at a rate that happened within so many seconds."""
    return np.asarray(1.0 / rate - seconds / np.expm1(np.clip(rate * seconds, 1e-12, 500.0)))


def _usual(dwells_s: float) -> tuple[float, float]:
    """Moves a departure where animals stay for so long, and how many departures that knowledge is worth."""
    share = min(max(math.log(max(dwells_s, 1e-9) / _DWELLS_S[0]) / math.log(_DWELLS_S[1] / _DWELLS_S[0]), 0.0), 1.0)
    moves, weight = (few ** (1.0 - share) * many**share for few, many in (_MOVES, _USUAL))
    return moves, weight


class Rates:
    """The rates of one session, and what they say of its pairs. All rates are per second.

    Pieces of one sighting have rates of their own: what flies about is seen once in each place, and moves at once.
    """

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs
        ends, begins = float(pairs.open.sum()), float(pairs.born.sum())
        lived = float(pairs.span.sum() + 0.5 * pairs.after[pairs.open].sum()) + 1e-9
        self._kind: Ints = (pairs.sightings == 1).astype(np.int64)
        step = float(np.median(pairs.steps))
        self._restless = 1.0 / max(step, 1e-3) if step <= _FLIGHT_S else 0.0
        """Moves a second of what flies about, where frames follow fast enough to see it do so more than once."""
        self._leave = ends / 4.0 / lived
        self._leaves = np.full(2, self._leave)
        self._moves = np.array([3.0 * self._leave, self._restless or 3.0 * self._leave])
        self._come = begins / 4.0 / float(pairs.times[-1] - pairs.times[0])
        self._false = 0.2 * float(pairs.single.sum()) / len(pairs.times) + 1e-9
        seen = float(pairs.sightings.sum())
        self._seen, self._skipped = seen, float((pairs.last - pairs.first + 1).sum()) - seen
        self._missed, self._lost = self._share_missed(0.0), 0.02
        self._quick_s, self._away, self._turns = 1.0, 0.1, 0.15
        self._bin: Ints = np.log2(pairs.gap + 1).astype(np.int64)
        self._gaps = 0.5 ** np.arange(1, int(self._bin.max()) + 2)
        self._hops = np.full(len(HOPS) + 1, 1.0 / (len(HOPS) + 1))
        self._born = pairs.born.astype(np.float64)
        self._message: Floats = np.zeros(len(pairs.end))
        self._chance: Floats = np.zeros(len(pairs.end))
        self._in: Floats = np.zeros(pairs.count)
        self._unseen = 1.0 - math.exp(-float(pairs.after[pairs.open].mean() if ends else 1.0) / _UNSEEN_S)

    def chances(self) -> Floats:
        """The chance of each pair to be one animal, 0..1."""
        for _ in range(_ROUNDS):
            self._weigh()
            self._propagate()
            self._learn()
        return self._chance

    def _weigh(self) -> None:
        """The odds of each pair, and for what may be a false box the odds that it is."""
        pairs, e, b = self._pairs, self._pairs.end, self._pairs.begin
        place, size = pairs.crowd(self._born)
        leaves, moves = self._leaves[self._kind], self._moves[self._kind]
        self._quick, self._late = self._hidden(self._quick_s), self._hidden(_AWAY_S)
        self._wait = (1.0 - self._away) * self._quick + self._away * self._late
        self._near = sum((share * near for share, near in zip(self._hops, pairs.near[1:], strict=False)), np.zeros(1))
        self._far = self._near / place + self._hops[-1]
        self._alike = (1.0 - self._turns) * pairs.same + self._turns * pairs.turned
        stays_on = np.exp(-leaves[e] * pairs.dt) * pairs.named / size
        self._move = stays_on * self._far * self._alike * self._wait * (1.0 - np.exp(-(moves * pairs.after)[e]))
        still = (1.0 - _STILL_TURNS) * pairs.same + _STILL_TURNS * pairs.turned
        missed = self._lost * self._gaps[self._bin] / np.exp2(self._bin)
        self._stay = stays_on * pairs.near[0] / place * still * missed * np.exp(-moves[e] * pairs.dt)
        gone = 1.0 - np.exp(-leaves * pairs.after)
        came = self._come * (1.0 - np.exp(-self._leave * pairs.before)) / self._leave
        self._odds = np.minimum((self._move + self._stay) / np.maximum(gone[e] * came[b], 1e-300), _MOST_ODDS)
        self._alone = np.where(pairs.single, self._false / np.maximum(gone * came, 1e-300), 0.0)

    def _hidden(self, seconds: float) -> Floats:
        """By pair, the chance to be seen again just then by one that is out of sight for so long in the mean."""
        pairs = self._pairs
        hidden = self._missed + (1.0 - self._missed) * np.exp(-np.append(1.0, pairs.steps) / seconds)
        since, last, first = np.cumsum(np.log(hidden)), pairs.last[pairs.end], pairs.first[pairs.begin]
        return np.asarray(np.exp(since[first - 1] - since[last]) * (1.0 - hidden[first]))

    def _propagate(self) -> None:
        """Messages from ends to beginnings and back, and the chances that they come to."""
        e, b, n = self._pairs.end, self._pairs.begin, self._pairs.count
        back = forth = self._message
        for _ in range(_SWEEPS):
            out = np.bincount(e, back, n)
            forth = self._odds / (1.0 + (self._alone / (1.0 + self._in))[e] + np.maximum(out[e] - back, 0.0))
            self._in = np.asarray(np.bincount(b, forth, n), np.float64)
            back = self._odds / (1.0 + (self._alone / (1.0 + out))[b] + np.maximum(self._in[b] - forth, 0.0))
        out = np.bincount(e, back, n)
        others = 1.0 + (self._alone / (1.0 + self._in))[e] + np.maximum(out[e] - back, 0.0)
        rivals = 1.0 + (self._alone / (1.0 + out))[b] + np.maximum(self._in[b] - forth, 0.0)
        self._message = back
        self._chance = self._odds / (self._odds + others * rivals)
        self._is_false = self._alone / ((1.0 + self._in) * (1.0 + out) + self._alone)

    def _learn(self) -> None:
        pairs, e, b, n = self._pairs, self._pairs.end, self._pairs.begin, self._pairs.count
        moved = self._chance * self._move / (self._move + self._stay + 1e-300)
        stayed = self._chance - moved
        true = 1.0 - self._is_false
        self._born = np.where(pairs.born, np.maximum(true - np.bincount(b, self._chance, n), 0.0), 0.0)
        gone = np.where(pairs.open, np.maximum(true - np.bincount(e, self._chance, n), 0.0), 0.0)
        visible = float(((1.0 - np.exp(-self._leave * pairs.steps)) / self._leave).sum())
        self._come = max(float(self._born.sum()), 0.5) / visible
        self._false = float(self._is_false.sum()) / len(pairs.times) + 1e-9
        self._learn_rates(moved, stayed, gone)
        self._learn_moves(moved)
        self._lost = (float(stayed.sum()) + 0.5) / (self._seen + 10.0)
        self._missed = self._share_missed(float((stayed * pairs.gap).sum()))
        bins = len(self._gaps)
        gaps = np.bincount(self._bin, stayed, bins) + 0.5 ** np.arange(1, bins + 1)
        self._gaps = gaps / gaps.sum()

    def _learn_rates(self, moved: Floats, stayed: Floats, gone: Floats) -> None:
        pairs, e, n, kind = self._pairs, self._pairs.end, self._pairs.count, self._kind
        leaves, moves = self._leaves[kind], self._moves[kind]
        here = pairs.span + np.bincount(e, stayed * pairs.dt, n) + gone * _lived(leaves, pairs.after)
        at_risk = np.bincount(kind, here + np.bincount(e, moved * pairs.dt, n), 2)
        sitting = np.bincount(kind, here + np.bincount(e, moved * _lived(moves, pairs.after)[e], n), 2)
        left, hopped = np.bincount(kind, gone, 2), np.bincount(kind[e], moved, 2)
        self._leave = float((left.sum() + 0.5) / (at_risk.sum() + 1e-9))
        dwells = float(at_risk.sum() / (left.sum() + hopped.sum() + 1.0))
        usual, weight = _usual(dwells)
        usual *= self._unseen
        self._leaves = np.array([(left[0] + 0.5) / (at_risk[0] + 0.5 / self._leave), self._leave])
        settled = (hopped[0] + weight * usual) / (sitting[0] + weight / self._leave)
        prior = (1.0, 1.0 / self._restless) if self._restless else (weight * usual, weight / self._leave)
        flying = (hopped[1] + prior[0]) / (sitting[1] + prior[1])
        self._moves = np.array([settled, flying])

    def _learn_moves(self, moved: Floats) -> None:
        """How far, after how long and in what posture those are seen again that moved."""
        pairs, total = self._pairs, float(moved.sum())
        near = moved * (1.0 - self._hops[-1] / self._far) / np.maximum(self._near, 1e-300)
        parts = [share * float((near * one).sum()) for share, one in zip(self._hops, pairs.near[1:], strict=False)]
        hops = np.array([*parts, max(total - sum(parts), 0.0)]) + 0.2
        self._hops = hops / hops.sum()
        self._turns = (float((moved * self._turns * pairs.turned / self._alike).sum()) + 0.6) / (total + 2.0)
        late = moved * self._away * self._late / self._wait
        quick = moved - late
        waited = float((quick * np.maximum(pairs.dt - pairs.before[pairs.begin], 0.0)).sum())
        self._away = (float(late.sum()) + 0.4) / (total + 2.0)
        self._quick_s = min(max((waited + 1.0) / (float(quick.sum()) + 1.0), _QUICKEST_S), _SLOWEST_S)

    def _share_missed(self, more: float) -> float:
        missed = self._skipped + more
        return (missed + 1.0) / (missed + self._seen + 10.0)
