"""Reading a whole store a stretch of time at a time, so that memory does not grow with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa

from katydid.streams.store.protocol import By, Store, Window

ROWS_AT_ONCE = 100_000


def stretches(store: Store, rows: int = ROWS_AT_ONCE) -> Iterator[Window]:
    """Windows that cover everything in the store once, cut between UTC days where about `rows` rows are together."""
    per_day: Counter[int] = Counter()
    activity = store.activity(Window(), By.DAY)
    starts = activity.column("bin_start").cast(pa.int64()).to_pylist()
    counts = (activity.column(name).to_pylist() for name in ("detections", "captures"))
    for start, *found in zip(starts, *counts, strict=True):
        per_day[start] += sum(number or 0 for number in found)
    begin: int | None = None
    held = 0
    for start in sorted(per_day):
        if held and held + per_day[start] > rows:
            yield Window(start=begin, end=start)
            begin, held = start, 0
        held += per_day[start]
    yield Window(start=begin, end=None)
