"""How to follow: one frozen tree, part of every occurrence by its digest."""

from __future__ import annotations

import hashlib

import msgspec

ALGORITHM = 2
"""To be raised when the same settings no longer give the same occurrences: stores are then followed again."""


class FrameSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which detections of neighbouring frames may be the same animal. Lengths are shares of the frame's width; a body
    is the square root of a box's area."""

    speed: float = 0.4
    """How far an animal that moves gets, widths a second; measured flower visitors need 0.15 on the wing."""
    watched_s: float = 1.0
    """But only between frames that follow one another so fast: its reach by `speed` falls by e in this time. Where it
    went while nobody looked is for `joining`."""
    calm_s: float = 30.0
    """An animal that has not moved (by half a body) for so long is not expected to dart off: what appears elsewhere
    while it is missed is another one. Its reach by `speed` falls by e in this time."""
    missing_s: float = 3.0
    """And one that has moved, and that frames have missed since, has probably left: its reach by `speed` falls by e in
    this time."""
    floor: float = 0.02
    """Reach at any speed: small boxes jump by some pixels."""
    trembling_bodies: float = 0.5
    """Reach of any animal, in bodies: boxes tremble."""
    sudden_bodies: float = 2.0
    """Most reach of an animal that sat still, between frames that follow one another fast: it starts to walk."""
    settled_bodies: float = 0.5
    """And between frames that are minutes apart: it may have shuffled, but what is farther off is likelier another."""
    settling_s: float = 3.0
    """In this time the one becomes the other, but for 1/e."""
    size_ratio: float = 4.0
    """Most that the area may change between two frames, in either direction: wings open."""
    coasting_s: float = 0.5
    """How long an animal that moves is expected to go straight on."""
    sure_frames: int = 1
    """So many frames may miss it, and what is there then is still it."""
    sure_s: float = 1.0
    """And for so long, however many frames those are."""
    linked_s: float = 20.0
    """For so long, or `gap_frames`, others are not taken for it where it was last seen."""
    gap_frames: int = 3
    """So many frames may miss an animal that moved or was hidden. Frames at which nobody looked do not count."""
    gap_s: float = 90.0
    """And for so long, however many frames those are."""
    longest_gap_s: float = 3600.0
    """Without a frame for longer than this nobody knows who sits there."""
    distance_weight: float = 0.35
    overlap_weight: float = 0.25
    size_weight: float = 0.2
    name_weight: float = 0.2
    most: float = 0.6
    """Cost of a link above which it is likelier that one animal left and another came."""


class ClipSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events of a taxon are one bout."""

    silent_s: float = 30.0
    """A bout goes on when at most so many seconds were listened to in between without hearing it."""
    unheard_s: float = 960.0
    """And when recording paused for at most so long: a recorder that listens every quarter of an hour hears one bout of
    a cricket that sings all night."""


class FollowSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be changed about following."""

    frames: FrameSettings = FrameSettings()
    clips: ClipSettings = ClipSettings()
    alternatives: int = 3
    mm_per_px: float | None = None
    """Scale of the deployment: millimetres of a sheet that a pixel of the full frame shows. None: no lengths in mm."""

    def digest(self) -> str:
        """32 hexadecimal digits that change when any setting does, or the way of following."""
        canonical = msgspec.json.encode((ALGORITHM, self), order="deterministic")
        return hashlib.blake2b(canonical, digest_size=16).hexdigest()
