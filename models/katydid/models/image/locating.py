"""Which parts of a frame are looked at, and why: the localisers, the mask and the choice between them.

locate(frame, earlier, settings)
  ├─ what sits on the ground, if that is plain            settled
  ├─ what has changed since the frames before, if any     motion
  └─ which of these, or the whole frame                   localise.plan
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from katydid.models.image import motion
from katydid.models.image.earlier import ENOUGH, Earlier, Reduced, comparable, counted
from katydid.models.image.localise import Proposal, plan
from katydid.models.image.masking import hidden
from katydid.models.image.motion import Moved
from katydid.models.image.settled import NAME, Settled
from katydid.models.outcome import Measure, Ran
from katydid.models.settings import IdentifySettings

_ON_ANY_GROUND = ("crops", "settled", "both")


@dataclass(frozen=True)
class Located:
    """Where to look."""

    crops: tuple[Proposal, ...] | None = None
    """None: at the whole frame."""
    looked: bool = True
    """False: without a model that looks at the whole frame, nothing was looked for."""
    measures: tuple[Measure, ...] = ()
    ran: tuple[Ran, ...] = ()
    earlier: int = 0
    """Frames before this one that it was compared with."""
    message: str = ""


WHOLE = Located()


def locate(frame: Reduced, before: Sequence[Reduced], settings: IdentifySettings) -> Located:
    """Where to look in a frame that came after `before`, oldest first. A pure function."""
    region, mask = settings.region, hidden(settings.masks, frame.sensor_id, frame.pixels.shape)
    scene = Settled(on_any_ground=region in _ON_ANY_GROUND).propose(frame.pixels, mask)
    earlier: Earlier = () if region == "settled" else comparable(frame, before)
    moved = _moved(frame, earlier, scene.plain, region, settings)
    crops = plan(region, scene, None if moved is None or not moved.same_view else moved.proposals)
    measures = [Measure(name="ground", value=scene.ground)]
    ran = [_ran(NAME)]
    if moved is not None:
        measures += [counted(earlier), *moved.measures]
        ran.append(_ran(motion.NAME))
    return Located(
        crops=crops,
        looked=region != "motion" or (moved is not None and moved.same_view),
        measures=tuple(measures),
        ran=tuple(ran),
        earlier=0 if moved is None else len(earlier),
        message=_message(region, crops, moved, len(earlier)),
    )


def _moved(frame: Reduced, earlier: Earlier, plain: bool, region: str, settings: IdentifySettings) -> Moved | None:
    """What has changed; None where that is not asked."""
    if not earlier or (plain and region not in ("motion", "both")):
        return None
    mask = hidden(settings.masks, frame.sensor_id, frame.pixels.shape)
    return motion.moved(frame.pixels, [one.pixels for one in earlier], mask)


def _message(region: str, crops: Sequence[Proposal] | None, moved: Moved | None, earlier: int) -> str:
    if region == "motion" and moved is None:
        return "nothing to compare it with: no earlier frame of this camera is known"
    if moved is None or crops is None:
        return ""
    if moved.too_much:
        return f"{moved.changed:.0%} of the frame changed at once: too much to tell an insect"
    if earlier < ENOUGH:
        return f"provisional: compared with {earlier} earlier frame{'s' * (earlier != 1)}, fewer than {ENOUGH}"
    return ""


def _ran(name: str) -> Ran:
    return Ran(bundle=name, bundle_digest="", engine="opencv", provider="CPU", entry="localiser")
