"""A folder for copies that are worth nothing after their process: gone with it, or at the next start after a kill.

    TEMPORARY/katydid-worker-k3x9/      mode 0700
    ├── owner.lock                      locked by the living owner; holds the word that says whose it is
    └── …                               its files

**Dead or alive** is asked of the system, not of a process id, which may be another's by now: the owner holds a lock on
`owner.lock`, and the system lets go of it with the process, however that ends. The word is written after the lock is
held, so a folder that is being made this moment has none yet and is left alone. What is not a folder of this user, has
no such file, or lies where locks do not work, is left alone too.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from katydid.sensors.errors import ScratchUnusable

LOCK = "owner.lock"
WORD = b"katydid scratch 1\n"


@contextmanager
def scratch_folder(prefix: str, told: Callable[[str], None] | None = None) -> Iterator[Path]:
    """An empty folder of this process, among the machine's temporary ones. Before it is made, those with the same
    prefix whose owners were killed are removed, and `told` of it. Raises ScratchUnusable where there is no room."""
    removed = remove_stale(prefix)
    if removed and told is not None:
        told(f"{removed} scratch folder{'s' if removed > 1 else ''} of killed processes removed")
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        owner = _owned(folder)
    except OSError as error:
        raise ScratchUnusable(no_room(error)) from error
    try:
        yield folder
    finally:
        owner.close()  # Windows deletes no file that is open.
        shutil.rmtree(folder, ignore_errors=True)


def no_room(error: OSError) -> str:
    """What to do about a temporary folder that takes nothing more."""
    try:
        place = tempfile.gettempdir()
    except OSError:  # Not one of those that it tries can be written.
        place = "the temporary folder"
    return (
        f"{place} cannot be written ({error.strerror or error}): make room there, or name another folder with the "
        "environment variable TMPDIR"
    )


def remove_stale(prefix: str) -> int:
    """Remove the folders of dead owners; returns how many. What cannot be removed stays for the next start."""
    with suppress(OSError):
        return sum(_removed(folder) for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"))
    return 0


def _owned(folder: Path) -> BinaryIO:
    file = (folder / LOCK).open("xb")
    try:
        with suppress(OSError):  # A file system without locks: the folder is not marked, and nobody takes it for stale.
            lock(file)
            file.write(WORD)
            file.flush()
    except BaseException:
        file.close()
        raise
    return file


def _removed(folder: Path) -> bool:
    try:
        if not _ours(folder):
            return False
        with (folder / LOCK).open("r+b") as file:
            lock(file)  # Only where nobody has it: the owner is gone.
            file.seek(0)
            if file.read() != WORD:
                return False
            for each in folder.iterdir():
                if each.name != LOCK:
                    _remove(each)
        shutil.rmtree(folder)
    except OSError:
        return False
    return True


def _ours(folder: Path) -> bool:
    """Whether it is a folder, itself and no link to one, of this user."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    return not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def lock(file: BinaryIO) -> None:
    """Hold the file until it is closed or the process ends, however that ends. Raises OSError where another has it."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(len(WORD))  # Behind what is read: a locked range cannot be read by others there.
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
