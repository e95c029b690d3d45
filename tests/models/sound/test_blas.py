"""Asked in a process of its own, since the setting is one for the whole process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ASK = """
import ctypes, pathlib, numpy
from katydid.models.sound.blas import keep_blas_to_one_thread
found = keep_blas_to_one_thread()
threads = None
package = pathlib.Path(numpy.__file__).parent
for folder in (package.parent / "numpy.libs", package / ".dylibs"):
    for library in folder.glob("*openblas*"):
        for name in ("scipy_openblas_get_num_threads64_", "openblas_get_num_threads"):
            getter = getattr(ctypes.CDLL(str(library)), name, None)
            threads = threads if getter is None else getter()
print(found, threads)
"""


def answer(**variables: str) -> list[str]:
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=environment | variables, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_numpys_blas_is_left_with_one_thread() -> None:
    found, threads = answer()
    if threads == "None":
        pytest.skip("this numpy carries no OpenBLAS whose threads can be asked")
    assert (found, threads) == ("True", "1")


def test_a_number_in_the_environment_stands() -> None:
    found, threads = answer(OPENBLAS_NUM_THREADS="2")
    assert found == "False"
    assert threads in ("None", "2", str(os.cpu_count() or 1))
