"""Numbers gathered into runs, so that a batch of live and months-old rows is looked up in a few narrow ranges."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

MOST_RUNS = 16
"""More ranges than this cost more than one wide look."""


def runs(numbers: Iterable[int], *, gap: int, most: int = MOST_RUNS) -> list[tuple[int, int]]:
    """Inclusive ranges that cover all numbers, split where neighbours lie more than `gap` apart.

    With more than `most` ranges, the narrowest gaps are closed until `most` are left.
    """
    ordered = sorted(set(numbers))
    if not ordered:
        return []
    gaps = [(after - before, place) for place, (before, after) in enumerate(pairwise(ordered))]
    widest = sorted((wide for wide in gaps if wide[0] > gap), reverse=True)[: most - 1]
    cuts = sorted(place for _, place in widest)
    starts = [0, *(place + 1 for place in cuts)]
    ends = [*cuts, len(ordered) - 1]
    return [(ordered[start], ordered[end]) for start, end in zip(starts, ends, strict=True)]
