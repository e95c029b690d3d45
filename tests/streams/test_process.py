"""What a host settles for its process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_FREED = """
import ctypes
from katydid.streams.process import fix_malloc_thresholds
assert {settle}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
libc.free(libc.malloc(20_000_000))  # glibc's own threshold follows a freed block of this size.
before = int(open("/proc/self/statm").read().split()[0])
block = libc.malloc(10_000_000)
libc.free(block)
print((before - int(open("/proc/self/statm").read().split()[0])) * 4096)
"""


def kept(settle: str) -> int:
    """Bytes of address space that stay with the process after ten million bytes were had and given back."""
    done = subprocess.run([sys.executable, "-c", _FREED.format(settle=settle)], capture_output=True, check=True)
    return -int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc moves its thresholds")
def test_a_large_block_that_is_freed_goes_back_to_the_system_whatever_was_freed_before() -> None:
    assert kept("fix_malloc_thresholds()") == 0
    assert kept("True") > 9_000_000, "glibc no longer moves its thresholds: this can go"
