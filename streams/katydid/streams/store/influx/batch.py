"""One batch on its way into InfluxDB.

There are no transactions, so order does their work. Each step is durable before the next begins:

    1. captures      each point holds its outcome whole: it is there or it is not, and once there it stays as it is
                     (but for a refusal, which gives way to a later outcome that is none)
    2. detections    made from what step 1 keeps, also for captures that were there before
    3. hours         the sums of the hours that the batch touched, made anew; and that its sessions are to be followed

A kill in between leaves a batch that was not acknowledged. It comes again and ends as if nothing had happened.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from katydid.models.outcome import Outcome, Status
from katydid.streams.errors import StoreUnusable
from katydid.streams.sink import Arrival, one_each
from katydid.streams.store.influx import captures
from katydid.streams.store.influx.answers import Refusal
from katydid.streams.store.influx.connection import Connection
from katydid.streams.store.influx.hours import Hours, hour_of
from katydid.streams.store.influx.lines import Unwritable
from katydid.streams.store.influx.patience import Insistence
from katydid.streams.store.influx.plain import speakable
from katydid.streams.store.influx.points import Sites, capture_lines, capture_time, detection_lines
from katydid.streams.store.influx.sessions import touched_lines
from katydid.streams.store.influx.writer import Writer

T = TypeVar("T")
_TOO_OLD = "retention policy"
"""In the words of a server that is told to delete what is old, where an hour began before that and its captures did
not: within the hour they go too."""


@dataclass
class _Prepared:
    """One arrival as lines; of a capture that is known the outcome that is kept."""

    arrival: Arrival
    outcome: Outcome
    captures: list[bytes]
    detections: list[bytes]
    fresh: bool
    """Nothing of it was there before."""
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class BatchWriter:
    """Writes batches; lives on the connection's loop."""

    connection: Connection
    writer: Writer
    insistence: Insistence
    sites: Sites
    hours: Hours = field(default_factory=Hours)

    async def write(self, arrivals: Sequence[Arrival]) -> list[tuple[Arrival, str]]:
        """All three steps; returns what can never be kept, and why. Raises StoreUnusable, StoreUnreachable."""
        fresh = one_each(arrivals)
        kept = await self._asked(lambda: captures.known(self.connection, fresh))
        batch = [self._prepared(arrival, kept.get(each)) for each, arrival in fresh.items()]
        await self._step([(one, line) for one in batch for line in one.captures])
        good = [one for one in batch if not one.refused]
        await self._step([(one, line) for one in good for line in one.detections])
        await self._sum_up([one for one in good if not one.refused])
        return [(one.arrival, one.refused[0]) for one in batch if one.refused]

    def _prepared(self, arrival: Arrival, kept: Outcome | None) -> _Prepared:
        stays = kept is not None and not _gives_way(kept, arrival.outcome)
        outcome = kept if kept is not None and stays else arrival.outcome
        try:
            lines = [] if stays else capture_lines(outcome, self.sites)
            return _Prepared(arrival, outcome, lines, detection_lines(outcome, self.sites), kept is None)
        except Unwritable as error:
            return _Prepared(arrival, outcome, [], [], kept is None, [str(error)])

    async def _step(self, lines: Sequence[tuple[_Prepared, bytes]]) -> None:
        """Write lines, and note with its arrival each that is refused."""
        for refused in await self.writer.write([line for _, line in lines]):
            lines[refused.index][0].refused.append(refused.reason)

    async def _sum_up(self, good: Sequence[_Prepared]) -> None:
        for one in good:
            if one.fresh:
                self.hours.wrote(one.outcome, self.sites)
        for one in good:
            if not one.fresh:
                self.hours.forget(hour_of(one.outcome))
        touched = {hour_of(one.outcome) for one in good}
        lines = await self._asked(lambda: self.hours.lines(self.connection, touched))
        lines += touched_lines((one.outcome for one in good), time.time_ns())
        for refused in await self.writer.write(lines):
            if _TOO_OLD not in refused.reason:
                raise StoreUnusable(
                    f"an hourly sum or session is refused: {refused.reason}. `katydid store check` says more"
                )
        self.hours.settled(touched)

    async def _asked(self, question: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self.insistence.insist(question)
        except Refusal as refusal:
            raise StoreUnusable(f"a question before writing is refused: {refusal}") from refusal


def _gives_way(kept: Outcome, later: Outcome) -> bool:
    """A refusal gives way to what is none (a dead letter that was tried again after a fix), as long as its point is
    the one that is written over: the same capture, at the same time."""
    if kept.status is not Status.REFUSED or later.status is Status.REFUSED:
        return False
    return capture_time(kept) == capture_time(later) and kept.sensor_id == speakable(later.sensor_id)
