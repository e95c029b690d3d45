"""What a sensor may send: bounds that are checked on the header, before anything is decoded."""

from __future__ import annotations

import msgspec

from katydid.sensors.capture import Kind
from katydid.sensors.errors import OverLimit

MIB = 1024 * 1024
GIB = 1024 * MIB


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on one frame or clip. The defaults let every field recorder and camera through that we know of."""

    max_bytes: int = 8 * GIB
    """Encoded bytes of one file."""
    max_frame_bytes: int = 256 * MIB
    """Encoded bytes of one frame, which is read whole."""
    max_pixels: int = 80_000_000
    """Width times height of a frame. The largest sensors in camera traps give 64 million."""
    max_seconds: float = 25 * 3600.0
    """Length of a clip: a recorder that writes one file a day fits."""
    max_channels: int = 64
    """Microphone arrays have 16, some 64."""
    max_sample_rate: int = 500_000
    """Hertz; the fastest bat recorders."""
    max_expansion: float = 300.0
    """Decoded bytes per encoded byte. Noise of any microphone or camera stays under 20; a compressed void does not."""
    expansion_floor: int = 64 * MIB
    """Decoded bytes up to which the expansion is not looked at: a dark frame or a minute of silence is no bomb."""
    inline_bytes: int = 8 * MIB
    """Up to this size media travel inside a capture; larger ones as a reference."""


def check_bytes(length: int, limits: Limits, kind: Kind | None = None) -> None:
    """Raise OverLimit("too_many_bytes") where `length` bytes are more than a sensor may send as that kind."""
    most = min(limits.max_bytes, limits.max_frame_bytes) if kind is Kind.FRAME else limits.max_bytes
    if length > most:
        raise OverLimit("too_many_bytes", f"{length:,} bytes are over the limit of {most:,}")


def check_expansion(decoded: int, encoded: int, limits: Limits) -> None:
    """Raise OverLimit("expansion") where `encoded` bytes would unfold into implausibly many `decoded` bytes."""
    if decoded <= limits.expansion_floor or decoded <= limits.max_expansion * max(encoded, 1):
        return
    raise OverLimit(
        "expansion",
        f"{encoded:,} bytes would unfold to {decoded:,}, {decoded / max(encoded, 1):.0f} times as many; "
        f"the limit is {limits.max_expansion:g}",
    )
