"""Which pieces of paths are one animal: the end of one and the beginning of another, a moment later and elsewhere.

From frame to frame only those are linked that hardly moved, or move before the camera's eyes (`frames`). A visitor that
sits on another flower two seconds later is two pieces then, and so is a moth that a leaf hid for a while. Whether two
pieces are one animal is a matter of odds:

    stayed on × moved, or was missed × so far, in that time × so much larger × under that name
    ------------------------------------------------------------------------------------------
                       one left × another came, just there, of that size

How often animals come, leave, move, how far, and how often they are missed differs between a sheet and a flower, so it
is estimated from the session itself (`rates`). Then as many pairs are joined as are expected to be one animal, the
likeliest first: so the count is right in the mean also where no pair is certain.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from katydid.models.follow.pairs import Pairs, Piece, Session
from katydid.models.follow.rates import Rates
from katydid.models.follow.settings import FrameSettings


def joined(pieces: Sequence[Piece], session: Session, settings: FrameSettings) -> dict[int, int]:
    """Index of a piece → index of the piece in which it goes on; each is in one at most on either side."""
    if len(pieces) < 2 or len(session.times) < 2:
        return {}
    pairs = Pairs(pieces, session, settings)
    if not len(pairs.end):
        return {}
    chance = Rates(pairs).chances()
    onward: dict[int, int] = {}
    taken: set[int] = set()
    expected = round(float(chance.sum()))
    for place in np.lexsort((pairs.end, pairs.begin, -chance)).tolist():
        if len(onward) >= expected:
            break
        end, begin = int(pairs.end[place]), int(pairs.begin[place])
        if end not in onward and begin not in taken:
            onward[end] = begin
            taken.add(begin)
    return onward
