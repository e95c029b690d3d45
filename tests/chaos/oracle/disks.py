"""A small disk of its own for a store, so that it can be full: a file system in memory, where one may be mounted."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

FILLER = "filler"
MIB = 2**20


class SmallDisk:
    """`folder` on a file system of `size_mib` MiB; an ordinary folder, which cannot be filled, where mounting is not
    allowed (`can_fill` is False)."""

    def __init__(self, folder: Path, size_mib: int) -> None:
        self.folder = folder
        self._size_mib = size_mib
        self.can_fill = False

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.can_fill = self._mount()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.can_fill:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)

    def fill(self) -> None:
        """Leave no byte free."""
        if not self.can_fill:
            raise PermissionError("a disk of its own could not be mounted, so it is not filled")
        with (self.folder / FILLER).open("ab", buffering=0) as file:
            try:
                while file.write(b"\0" * MIB):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Give the room back."""
        (self.folder / FILLER).unlink(missing_ok=True)

    def _mount(self) -> bool:
        if shutil.which("mount") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
            return False
        options = f"size={self._size_mib}m"
        return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]).returncode == 0
