"""Events of one taxon, merged into bouts within and across clips.

A bout goes on over what was listened to and stayed silent for `silent_s` at most, and over pauses of the recorder for
`unheard_s` at most. Silence is counted where somebody listened: a recorder that hears one minute in ten has heard a
minute, not ten, between the same second of two clips.

A song that is answered at its species in one moment and at its genus in the next is one song: an event that is answered
at a higher rank joins the bout of the taxon below it that is nearest in time, if that would go on so far, and is a bout
of its own rank else.
"""

from __future__ import annotations

import bisect
import math
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
    for events in by_taxon.values():
        events.sort(key=_when)
    for _, events in sorted(_with_their_species(by_taxon, effort, settings).items()):
        yield from _merged(sorted(events, key=_when), effort, settings)


def _when(event: Event) -> tuple[float, float, str]:
    return event.start_s, event.end_s, event.seen.detection_id


def _with_their_species(
    by_taxon: dict[str, list[Event]], effort: _Effort, settings: ClipSettings
) -> dict[str, list[Event]]:
    """The same events, where those answered at a higher rank are with a taxon below it, if one is near."""
    below: dict[tuple[str, str], set[str]] = {}
    for key, events in by_taxon.items():
        for event in events:
            for step in event.seen.lineage[1:]:
                below.setdefault((step.rank, step.name), set()).add(key)
    placed: dict[str, list[Event]] = {}
    for key, events in by_taxon.items():
        taxon = events[0].seen.taxon
        finer = below.get((taxon.rank, taxon.name), set()) - {key} if taxon is not None else set()
        for event in events:
            near = [(_gap(event, by_taxon[other], effort, settings), other) for other in finer]
            placed.setdefault(min([(math.inf, key), *near])[1], []).append(event)
    return placed


def _gap(event: Event, others: list[Event], effort: _Effort, settings: ClipSettings) -> float:
    """Seconds between an event and the nearest of others, in order, with which it could be in one bout; infinite where
    there is none."""
    place = bisect.bisect_right(others, event.start_s, key=lambda other: other.start_s)
    pairs = [(other.end_s, event.start_s) for other in others[max(0, place - 1) : place]]
    pairs += [(event.end_s, other.start_s) for other in others[place : place + 1]]
    gaps = [max(0.0, start - end) for end, start in pairs if _goes_on(end, start, effort, settings)]
    return min(gaps, default=math.inf)


def _merged(events: Sequence[Event], effort: _Effort, settings: ClipSettings) -> Iterator[list[Event]]:
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
