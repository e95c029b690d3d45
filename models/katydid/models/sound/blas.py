"""One BLAS thread a call, whatever the environment says.

A recording is spread over the cores window by window, so a matrix product should keep to the core that it is called
on. OpenBLAS, which numpy's wheels carry, would use all of them for every product, and its threads wait for each other
in a busy loop: on a machine that does something else as well, BirdNET's front end took ten times as long (measured).
The usual remedy, OPENBLAS_NUM_THREADS=1, works only before numpy is imported; this asks the library itself.

Builds with another BLAS (Accelerate on Apple silicon, MKL, a distribution's own) are left as they are.
"""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path

import numpy as np

SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)
"""The function's names in the builds that numpy's wheels have carried."""


@functools.cache
def keep_blas_to_one_thread() -> bool:
    """Set numpy's OpenBLAS to one thread a call, for this process; whether that was possible.

    Where OPENBLAS_NUM_THREADS is set already, that stands.
    """
    if os.environ.get("OPENBLAS_NUM_THREADS"):
        return False
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".libs", package / ".dylibs"):
        for library in sorted(folder.glob("*openblas*")):
            if _limited(library):
                return True
    return False


def _limited(library: Path) -> bool:
    try:
        # The library is in memory since numpy was imported: this only finds it again.
        loaded = ctypes.CDLL(str(library))
    except OSError:
        return False
    for name in SETTERS:
        setter = getattr(loaded, name, None)
        if setter is not None:
            setter(ctypes.c_int(1))
            return True
    return False
