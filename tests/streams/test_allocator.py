"""Large blocks go back to the system when they are freed."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

CHILD = """
import numpy as np, psutil
from katydid.streams.allocator import return_large_blocks
assert return_large_blocks()
np.ones(30 << 20, np.uint8)  # without a fixed threshold this alone moves it to 30 MiB
before = psutil.Process().memory_info().rss
blocks, pins = [], []
for _ in range(12):
    blocks.append(np.ones(10 << 20, np.uint8))
    pins.append(bytes(3000))
blocks.clear()
print(psutil.Process().memory_info().rss - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has this threshold")
def test_freed_blocks_of_ten_megabytes_are_returned_though_small_ones_lie_between() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 10 << 20
