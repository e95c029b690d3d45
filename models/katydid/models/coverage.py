"""Which taxa a geo model knows at all.

A geo model has an output for every label of its classifier, and was taught only some of them: BirdNET's gives 0.001
for crickets, frogs, engines and voices, everywhere and always. A taxon that is expected nowhere on earth is not rare,
it is unknown to the model, and must not be held against a detection.

Asked once, by who makes the bundle: the answer goes into arrays.npz as `known`, bool [classes]. A bundle without it is
taken to know all its taxa.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from katydid.models.model import Model

KNOWN = "known"
"""Name in arrays.npz."""

NOWHERE = 0.0015
"""BirdNET's geo model gives 0.0009-0.0013 for what it was not taught; any taxon seen above this, anywhere, is known."""

_LATITUDES = range(-50, 71, 10)
_LONGITUDES = range(-180, 180, 15)
_WEEKS = (3, 15, 27, 39)


def known_taxa(model: Model) -> NDArray[np.bool_]:
    """bool [classes]: is it likelier than `NOWHERE` anywhere on a grid of 10 by 15 degrees in one of four weeks? Some
    eight seconds for BirdNET's. A bird of one island may be missed, and then has no prior."""
    points = [(float(y), float(x), float(week)) for y in _LATITUDES for x in _LONGITUDES for week in _WEEKS]
    highest = model.infer(np.array(points, dtype=np.float32)).scores.max(axis=0)
    return np.asarray(highest > NOWHERE)
