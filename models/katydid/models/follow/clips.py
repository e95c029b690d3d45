"""Events of one taxon, merged into bouts within and across clips.

A bout goes on over what was listened to and stayed silent for `silent_s` at most, and over pauses of the recorder for
`unheard_s` at most. Silence is counted where somebody listened: a recorder that hears one minute in ten has heard a
minute, not ten, between the same second of two clips.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence

from katydid.models.follow.looks import Look, Seen
from katydid.models.follow.settings import ClipSettings


class Event:
    """One detection of a clip, in absolute time (seconds since the first clip began)."""

    __slots__ = ("end_s", "look", "seen", "start_s")

    def __init__(self, look: Look, seen: Seen, begin_s: float) -> None:
        first, last = seen.span or (0.0, look.seconds)
        self.look = look
        self.seen = seen
        self.start_s = begin_s + first
        self.end_s = begin_s + max(first, last)


def bouts(looks: Sequence[Look], settings: ClipSettings) -> Iterator[list[Event]]:
    """The bouts in the clips of one session, each with its events in order. `looks` as `looks.in_order` has them."""
    if not looks:
        return
    start = looks[0].at
    heard = [look for look in looks if look.looked]
    effort = _Effort([((look.at - start) / 1e9, look.seconds) for look in heard])
    by_taxon: dict[str, list[Event]] = {}
    for look in heard:
        for seen in look.seen:
            key = "" if seen.taxon is None else seen.taxon.taxon_id
            by_taxon.setdefault(key, []).append(Event(look, seen, (look.at - start) / 1e9))
    for key in sorted(by_taxon):
        yield from _merged(by_taxon[key], effort, settings)


def _merged(events: list[Event], effort: _Effort, settings: ClipSettings) -> Iterator[list[Event]]:
    events.sort(key=lambda event: (event.start_s, event.end_s, event.seen.detection_id))
    bout: list[Event] = []
    end = 0.0
    for event in events:
        if bout and not _goes_on(end, event.start_s, effort, settings):
            yield bout
            bout = []
        end = max(end, event.end_s) if bout else event.end_s
        bout.append(event)
    if bout:
        yield bout


def _goes_on(end: float, start: float, effort: _Effort, settings: ClipSettings) -> bool:
    gap = start - end
    if gap <= 0.0:
        return True
    listened = min(effort.between(end, start), gap)
    return listened <= settings.silent_s and gap - listened <= settings.unheard_s


class _Effort:
    """How much was listened to between two moments; clips that overlap count once."""

    def __init__(self, clips: Sequence[tuple[float, float]]) -> None:
        """`clips`: begin and length in seconds, by begin."""
        self._begins: list[float] = []
        self._ends: list[float] = []
        self._before: list[float] = []
        """Seconds listened to before each stretch."""
        total = 0.0
        for begin, length in clips:
            if self._ends and begin <= self._ends[-1]:
                longer = max(0.0, begin + length - self._ends[-1])
                self._ends[-1] += longer
            else:
                longer = length
                self._begins.append(begin)
                self._ends.append(begin + length)
                self._before.append(total)
            total += longer

    def between(self, first: float, last: float) -> float:
        """Seconds listened to from `first` to `last`."""
        return self._until(last) - self._until(first)

    def _until(self, moment: float) -> float:
        place = bisect.bisect_right(self._begins, moment) - 1
        if place < 0:
            return 0.0
        return self._before[place] + min(moment, self._ends[place]) - self._begins[place]
