"""Where in a frame to look: boxes that something proposes, each with how strong the evidence is.

A localiser finds things and names nothing. `image/settled.py` is the one that needs no weights; a detector bundle
takes the same place: whatever answers `propose`. Choosing between crops and the whole frame is `plan`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from katydid.models.outcome import Box


@dataclass(frozen=True)
class Proposal:
    """A box, relative to the upright frame, and its score 0..1 (a localiser's own scale: comparable within one)."""

    box: Box
    score: float


@dataclass(frozen=True)
class Scene:
    """What a localiser says about a frame."""

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

    def propose(self, pixels: NDArray[np.uint8]) -> Scene:
        """Look at an upright frame, uint8 [H, W, 3] RGB, reduced or not."""


def plan(region: str, scene: Scene) -> tuple[Proposal, ...] | None:
    """The crops to look at, or None for the whole frame.

    `region` (`IdentifySettings.region`): "crops" always takes the proposals; "auto" takes them where the ground is
    plain, and the whole frame where it is not, or where something stands out that is too large to be a proposal (a
    portrait on a plain ground). An empty tuple: an empty sheet.
    """
    if region == "crops":
        return scene.proposals
    if scene.plain and (scene.proposals or scene.blank):
        return scene.proposals
    return None
