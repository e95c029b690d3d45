"""Models with their batchers: looks go in, batches come out for whatever thread is free, and answers go back.

Not safe by itself: the pipeline calls everything but `Work.run` under its lock.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from katydid.models.batching import Batch, Batcher, Lane
from katydid.models.errors import EngineError
from katydid.models.model import Model, Seen
from katydid.streams.looks import Group, OpenLook, Piece, groups, stacked
from katydid.streams.tunables import PipelineSettings


@dataclass(frozen=True, eq=False, slots=True)
class Work:
    """One batch of one model."""

    slot: Slot
    batch: Batch[Piece]
    gathered: list[Group]

    def run(self) -> Seen:
        """Run the model on it; any thread, without the lock. Raises EngineError."""
        return self.slot.model.infer(stacked(self.gathered))


@dataclass(eq=False, slots=True)
class Slot:
    """One model and what waits for it."""

    model: Model
    batcher: Batcher[Piece]
    failures: int = 0
    """Items that failed with no success between."""


@dataclass(eq=False)
class Engines:
    """All models of a pipeline. `take` goes round them, so none starves."""

    models: Sequence[Model]
    settings: PipelineSettings
    seen_items: int = 0
    """Windows and crops that models have looked at."""
    _slots: list[Slot] = field(default_factory=list)
    _by_model: dict[int, Slot] = field(default_factory=dict)
    _turn: int = 0

    def __post_init__(self) -> None:
        for model in self.models:
            self._by_model[id(model)] = slot = Slot(model, _batcher(model, self.settings))
            self._slots.append(slot)

    def submit(self, look: OpenLook, lane: Lane) -> int:
        """Take a look in; returns how many batches it may make, to wake as many threads."""
        slot = self._by_model[id(look.model)]
        pieces = look.pieces()
        for piece in pieces:
            slot.batcher.submit(piece, nbytes=piece.nbytes, lane=lane)
        return -(-len(pieces) // self.settings.batch)

    def take(self) -> Work | None:
        """The next batch of any model with a free slot."""
        count = len(self._slots)
        for offset in range(count):
            slot = self._slots[(self._turn + offset) % count]
            if (batch := slot.batcher.take()) is not None:
                self._turn = (self._turn + offset + 1) % count
                return Work(slot, batch, groups(batch.items))
        return None

    def succeeded(self, work: Work, seen: Seen) -> list[OpenLook]:
        """The batch ran; returns the looks that are answered in full now."""
        work.slot.batcher.succeeded(work.batch)
        work.slot.failures = 0
        self.seen_items += len(work.batch)
        answered = []
        start = 0
        for group in work.gathered:
            stop = start + len(group.rows)
            group.look.keep(group.rows, slice(start, stop), seen)
            answered += _less(group.look, len(group.rows))
            start = stop
        return answered

    def failed(self, work: Work, error: Exception) -> list[OpenLook]:
        """The batch did not run; an item that failed alone is charged to its look.

        Raises EngineError where so many failed in a row that the model itself must be broken.
        """
        answered = []
        for piece in work.slot.batcher.failed(work.batch):
            work.slot.failures += 1
            if work.slot.failures >= self.settings.failures_in_row:
                name = work.slot.model.bundle.manifest.model
                raise EngineError(
                    f"{name} failed on {work.slot.failures} items in a row, the last with: {error}. "
                    f"`katydid models verify {work.slot.model.bundle.name}` tests it"
                ) from error
            piece.look.failure = error
            answered += _less(piece.look, 1)
        return answered


def _less(look: OpenLook, pieces: int) -> list[OpenLook]:
    look.left -= pieces
    return [] if look.left else [look]


def _batcher(model: Model, settings: PipelineSettings) -> Batcher[Piece]:
    """Unbounded by itself: what is inside is bounded by the pipeline's open captures, each with one look at a time."""
    cap = max(1, min(settings.batch, model.max_batch))
    return Batcher(slots=model.slots, cap=cap, max_items=sys.maxsize, max_bytes=sys.maxsize)
