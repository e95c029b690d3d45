"""A look is what identification asks of a model: n items at once. Here it is cut into pieces that batches are made of,
and its answer is gathered from however many batches its pieces went into.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from katydid.models.identify import Look
from katydid.models.model import Model, Seen


@dataclass(eq=False, slots=True)
class OpenLook:
    """A look on its way through the engine. `done` is called once, when the last piece is back."""

    look: Look
    done: Callable[[OpenLook], None]
    left: int = 0
    failure: Exception | None = None
    _scores: NDArray[np.float32] | None = None
    _logits: NDArray[np.float32] | None = None
    _embedding: NDArray[np.float32] | None = None
    _boxes: NDArray[np.float32] | None = None

    def pieces(self) -> list[Piece]:
        """One piece for each item."""
        self.left = len(self.look.items)
        return [Piece(self, index) for index in range(self.left)]

    @property
    def model(self) -> Model:
        return self.look.model

    def keep(self, rows: Sequence[int], at: slice, seen: Seen) -> None:
        """Copy the answers of batch rows `at` to the items `rows` of this look."""
        n = len(self.look.items)
        if self._scores is None:
            self._scores = _room(n, seen.scores)
            self._logits = None if seen.logits is None else _room(n, seen.logits)
            self._embedding = None if seen.embedding is None else _room(n, seen.embedding)
            self._boxes = None if seen.boxes is None else _room(n, seen.boxes)
        self._scores[rows] = seen.scores[at]
        if self._logits is not None and seen.logits is not None:
            self._logits[rows] = seen.logits[at]
        if self._embedding is not None and seen.embedding is not None:
            self._embedding[rows] = seen.embedding[at]
        if self._boxes is not None and seen.boxes is not None:
            self._boxes[rows] = seen.boxes[at]

    def seen(self) -> Seen:
        """The whole answer, once every piece is back."""
        assert self._scores is not None
        return Seen(scores=self._scores, logits=self._logits, embedding=self._embedding, boxes=self._boxes)


@dataclass(frozen=True, eq=False, slots=True)
class Piece:
    """One item of a look."""

    look: OpenLook
    index: int

    @property
    def nbytes(self) -> int:
        items = self.look.look.items
        return items.nbytes // len(items)


@dataclass(slots=True)
class Group:
    """The pieces of one look that lie together in a batch."""

    look: OpenLook
    rows: list[int] = field(default_factory=list)


def groups(pieces: Sequence[Piece]) -> list[Group]:
    """Pieces of a batch, grouped by look, in batch order."""
    found: list[Group] = []
    for piece in pieces:
        if not found or found[-1].look is not piece.look:
            found.append(Group(piece.look))
        found[-1].rows.append(piece.index)
    return found


def stacked(gathered: Sequence[Group]) -> NDArray[np.generic]:
    """The items of a batch, [n, …]; a view where all come from one look and lie side by side."""
    parts = [_rows(group) for group in gathered]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _rows(group: Group) -> NDArray[np.generic]:
    first, last = group.rows[0], group.rows[-1]
    items: NDArray[np.generic] = group.look.look.items
    if group.rows == list(range(first, last + 1)):
        return items[first : last + 1]
    return items[group.rows]


def _room(n: int, like: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.empty((n, *like.shape[1:]), like.dtype)
