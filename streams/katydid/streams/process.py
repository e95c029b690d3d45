"""What a host settles once for its process: no library starts threads of its own."""

from __future__ import annotations

import cv2

from katydid.models.sound.blas import keep_blas_to_one_thread


def settle_process() -> None:
    """The pipeline's workers are the parallelism: OpenCV and BLAS keep to the thread that calls them. Can
    be called again."""
    cv2.setNumThreads(0)
    keep_blas_to_one_thread()
