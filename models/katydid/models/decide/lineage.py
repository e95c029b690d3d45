"""The probability at every rank, from flat scores.

A bundle's labels say, for each class, which genus, family, … it belongs to. Every node of that tree is a set of
classes, and a node's probability comes from the scores of its set:

- exclusive classes (softmax): their sum. Children sum to their parent.
- independent labels (sigmoid): their maximum, which is a **lower bound**: two kinds of tit, each at 0.6, make "a tit"
  at least 0.6 likely; how much more, the model does not say.

Summing flat scores upwards beats classifiers that walk down the tree (Valmadre 2022, "Hierarchical classification at
multiple operating points").

Where two labels disagree on what stands above a node, or one of them does not know, the node above holds the classes
of both, so the sets are nested along every path and the probability never falls on the way up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from katydid.models.manifest import Label, Role
from katydid.models.outcome import RankProbability

Node = tuple[str, str]
"""(rank, name)"""

GENUS = "genus"


class Lineage:
    """The tree over a bundle's classes. `exclusive`: probabilities are sums, else maxima."""

    def __init__(self, labels: Sequence[Label], *, exclusive: bool) -> None:
        self._exclusive = exclusive
        self._paths = [_path(label) for label in labels]
        self._members = _nested_members(self._paths)

    def path(self, index: int) -> tuple[Node, ...]:
        """(rank, name) from class `index` upwards; empty for what is no taxon."""
        return self._paths[index]

    def members(self, node: Node) -> NDArray[np.intp]:
        """The classes below a node, ascending."""
        return self._members[node]

    def genus(self, index: int) -> str | None:
        """The genus of a class, where its label knows one."""
        return dict(self._paths[index]).get(GENUS)

    def probability(self, node: Node, values: NDArray[np.floating]) -> float:
        """The probability of one node, 0..1, from `values` [classes]."""
        below = values[self._members[node]].astype(np.float64)
        return min(1.0, float(below.sum() if self._exclusive else below.max()))

    def probabilities(self, index: int, values: NDArray[np.floating]) -> tuple[RankProbability, ...]:
        """The probability at every rank of class `index`, leaf first; never falls on the way up."""
        return tuple(
            RankProbability(rank=rank, name=name, probability=self.probability((rank, name), values))
            for rank, name in self._paths[index]
        )


def _path(label: Label) -> tuple[Node, ...]:
    if label.role is not Role.TAXON:
        return ()
    return ((label.rank, label.name), *label.higher)


def _nested_members(paths: Sequence[tuple[Node, ...]]) -> dict[Node, NDArray[np.intp]]:
    """The classes of each node, made nested along every path."""
    members: dict[Node, set[int]] = {}
    above: dict[Node, set[Node]] = {}
    for index, path in enumerate(paths):
        for place, node in enumerate(path):
            members.setdefault(node, set()).add(index)
            above.setdefault(node, set()).update(path[place + 1 : place + 2])
    grown = True
    while grown:
        grown = False
        for node, parents in above.items():
            for parent in parents:
                missing = members[node] - members[parent]
                members[parent] |= missing
                grown = grown or bool(missing)
    return {node: np.array(sorted(indices), dtype=np.intp) for node, indices in members.items()}
