"""Where in a frame to look: boxes that something proposes, each with how strong the evidence is.

A localiser finds things and names nothing. Two need no weights: `image/settled.py` sees what sits on a plain ground,
`image/motion.py` what has changed since the frames before. A detector bundle takes the same place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from katydid.models.image.classify import CONTEXT
from katydid.models.outcome import Box


@dataclass(frozen=True)
class Proposal:
    """A box, relative to the upright frame, and its score 0..1 (a localiser's own scale: comparable within one)."""

    box: Box
    score: float
    by: str = "settled-1"
    """Name and version of the localiser, as it stands in a detection that no model named."""
    context: float = CONTEXT
    """Of the box's longer side: how much of what is around it classifiers are shown, on each side."""


@dataclass(frozen=True)
class Scene:
    """What a localiser of one frame says about it."""

    proposals: tuple[Proposal, ...]
    """The strongest first."""
    ground: float
    """How restless the ground is, grey levels: under 14 on trap sheets, over 20 where plants or fur fill the frame."""
    plain: bool
    """The localiser is made for such a ground; on another its boxes mean little."""
    blank: bool
    """Nothing stands out from the ground, neither an insect nor anything larger."""


class Localiser(Protocol):
    """Finds things in one frame."""

    @property
    def name(self) -> str:
        """Name and version, as it stands in a detection that no model named."""

    def propose(self, pixels: NDArray[np.uint8], hidden: NDArray[np.bool_] | None = None) -> Scene:
        """Look at an upright frame, uint8 [H, W, 3] RGB, reduced or not; nothing is looked for where `hidden` is."""


def plan(region: str, scene: Scene, moved: Sequence[Proposal] | None = None) -> tuple[Proposal, ...] | None:
    """The crops to look at, or None for the whole frame. An empty tuple: an empty sheet, or nothing moved.

    `region` is `IdentifySettings.region`; `moved` is what has changed since earlier frames, None where there are none
    that show the same view. "auto" takes what sits there where the ground is plain; what moved where it is not, or
    where something stands out that is too large to sit there; and the whole frame (a portrait, say) where nothing is
    known of earlier ones. "crops" is the same without the whole frame.
    """
    if region == "settled":
        return scene.proposals
    if region == "motion":
        return tuple(moved or ())
    if region == "both":
        return (*scene.proposals, *outside(moved or (), scene.proposals))
    if scene.plain and (scene.proposals or scene.blank):
        return scene.proposals
    if moved is not None:
        return tuple(moved)
    return scene.proposals if region == "crops" else None


def outside(moved: Iterable[Proposal], settled: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """What moved and is not part of what sits there: a moth that turns on its sheet is one moth."""
    return tuple(one for one in moved if all(_within(one.box, other.box) <= 0.5 for other in settled))


def _within(box: Box, other: Box) -> float:
    """Share of `box` that lies in `other`, 0..1."""
    across = min(box.x + box.w, other.x + other.w) - max(box.x, other.x)
    down = min(box.y + box.h, other.y + other.h) - max(box.y, other.y)
    return max(0.0, across) * max(0.0, down) / (box.w * box.h) if box.w and box.h else 0.0
