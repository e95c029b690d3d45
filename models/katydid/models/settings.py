"""How to identify: one frozen tree, part of every outcome by its digest."""

from __future__ import annotations

import hashlib

import msgspec


class GateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds under which a detection is unidentifiable."""

    min_crop_px: int = 24
    """Shorter side of a crop in pixels of the full frame."""
    min_sharpness: float = 4.0
    """Standard deviation of the Laplacian of the grey crop at 224 px, or at its own size if that is smaller."""
    min_mean: float = 8.0
    """Mean grey level of a frame, 0..255: darker is unidentifiable."""
    max_mean: float = 247.0
    max_clipped_share: float = 0.25
    """Share of samples at full scale in a clip's window."""
    min_rms_dbfs: float = -90.0
    """Quieter than this is silence."""


Polygon = tuple[tuple[float, float], ...]
"""Corners x, y, shares of the frame's width and height, 0..1, from the upper left."""

REGIONS = ("auto", "whole", "crops", "settled", "motion", "both")
"""What `IdentifySettings.region` may be."""


class Mask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where in a camera's view nothing is looked for."""

    sensor: str = ""
    """The sensor that it is for; "": every camera."""
    polygons: tuple[Polygon, ...] = ()
    """What is hidden; a polygon within another is a hole in it."""


class IdentifySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `katydid run` may change about identification."""

    min_probability: float | None = None
    """Floor on confidence for a detection to be written; None: the bundle's own."""
    overlap_s: float | None = None
    """Seconds that neighbouring windows share; None: the bundle's own hop."""
    region: str = "auto"
    """Where frames are looked at: "whole" (one look at the frame); "settled" (what sits on a plain ground); "motion"
    (what changed since the frames before); "both"; "auto" (settled where the ground is plain, motion where it is not
    and there are earlier frames, else whole); "crops" (the same, never whole)."""
    masks: tuple[Mask, ...] = ()
    """Parts of frames where no localiser looks. Whole frames are looked at whole."""
    alternatives: int = 3
    windows_at_once: int = 16
    """Windows of a long recording that are in memory at a time."""
    allow: tuple[str, ...] = ()
    """Scientific names that the place-and-season prior never speaks against."""
    gates: GateSettings = GateSettings()

    def __post_init__(self) -> None:
        if self.region not in REGIONS:
            raise ValueError(f"region {self.region!r} is not one of {', '.join(REGIONS)}")

    def digest(self) -> str:
        """32 hexadecimal digits that change when any setting does."""
        canonical = msgspec.json.encode(self, order="deterministic")
        return hashlib.blake2b(canonical, digest_size=16).hexdigest()
