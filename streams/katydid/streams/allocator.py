"""The C library's heap, told to give large blocks back.

glibc serves a block from its heap, where a long-lived small neighbour keeps it from ever shrinking, unless the block is
larger than a threshold; and it raises that threshold to the largest block that was ever freed, up to 32 MiB. Windows,
pictures and batches of a few megabytes, made in one thread and freed in another, so leave holes that grow for hours: a
recording of two hours took 1.22 of what one of a minute takes, and with a fixed threshold 1.10
(`benchmarks/memory_soak.py --two-hours`).
"""

from __future__ import annotations

import ctypes
import sys

LARGE_BYTES = 8 << 20
"""Blocks from this size on are mapped by themselves and returned when freed. Lower frees more and costs page faults."""

_M_MMAP_THRESHOLD = -3
"""mallopt(3)."""


def return_large_blocks(threshold: int = LARGE_BYTES) -> bool:
    """Fix glibc's threshold for this process; whether it did. Other C libraries have none to fix."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, threshold) == 1)
