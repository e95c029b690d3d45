"""Which taxa a geo model knows at all.

A geo model has an output for every label of its classifier, and was taught only some of them: BirdNET's gives 0.001
for crickets, frogs, engines and voices, everywhere and always. A taxon that is expected nowhere on earth is not rare,
it is unknown to the model, and must not be held against a detection.

Asked once, by who makes the bundle: the answer goes into arrays.npz as `known`, bool [classes]. A bundle without it is
taken to know all its taxa.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Ask = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""float32 [n, 3] of latitude, longitude and week → the model's outputs, float32 [n, classes]."""

KNOWN = "known"
"""Name in arrays.npz."""

NOWHERE = 0.002
"""On the grid below, BirdNET's geo model never gives more than 0.0019 for what it was not taught (Engine, frogs, *Apis
mellifera*), and more than 0.0022 for all but a handful of what it was; any taxon above this, anywhere, is known."""

_LATITUDES = range(-55, 76, 5)
_LONGITUDES = range(-180, 180, 6)
_WEEKS = (3, 15, 27, 39)


def known_taxa(ask: Ask) -> NDArray[np.bool_]:
    """bool [classes]: is it likelier than `NOWHERE` anywhere on a grid of 5 by 6 degrees in one of four weeks? A bird
    of one small island may be missed, and then has no prior."""
    points = [(float(y), float(x), float(week)) for y in _LATITUDES for x in _LONGITUDES for week in _WEEKS]
    highest = ask(np.array(points, dtype=np.float32)).max(axis=0)
    return np.asarray(highest > NOWHERE)
