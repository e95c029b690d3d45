"""What a host settles once for its process: no library starts threads of its own, and the heap gives back."""

from __future__ import annotations

import cv2

from katydid.models.sound.blas import keep_blas_to_one_thread
from katydid.streams.allocator import return_large_blocks


def settle_process() -> None:
    """The pipeline's workers are the parallelism: OpenCV and BLAS keep to the thread that calls them. Large blocks of
    memory go back to the system when they are freed. Can be called again."""
    cv2.setNumThreads(0)
    keep_blas_to_one_thread()
    return_large_blocks()
