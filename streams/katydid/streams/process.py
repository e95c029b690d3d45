"""What a host settles once for its process: no library starts threads of its own, and memory that was used is kept."""

from __future__ import annotations

import ctypes
import sys

import cv2

from katydid.models.sound.blas import keep_blas_to_one_thread

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Names of `mallopt`'s parameters in glibc's malloc.h."""
KEPT_BYTES = 64_000_000
"""Free memory at the end of the heap that glibc keeps. With 1 MB a clip cost a quarter more CPU."""
MAPPED_BYTES = 4_000_000
"""Blocks from this size on are mapped alone, and given back when freed."""


def settle_process() -> None:
    """The pipeline's workers are the parallelism: OpenCV and BLAS keep to the thread that calls them. Can
    be called again."""
    cv2.setNumThreads(0)
    keep_blas_to_one_thread()
    fix_malloc_thresholds()


def fix_malloc_thresholds() -> bool:
    """Keep glibc from moving its thresholds with each larger block that is freed, up to 32 MB, until blocks of all
    sizes share a heap full of holes: two hours of sound then took 1.12 to 1.21 times the memory of a minute, with
    fixed ones 1.07 to 1.09. True: done; False: another allocator (Windows, macOS, musl), left alone."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    mapped: bool = mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES) == 1
    kept: bool = mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES) == 1
    return mapped and kept
