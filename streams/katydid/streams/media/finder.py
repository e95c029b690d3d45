"""Originals found again, and verified before anything is cut from them.

Originals in a folder are referenced, never copied: a row names its file below the folder and the SHA-256 of its
bytes, and `MediaFinder` hands out a path only after the bytes were seen to match. What is gone or has changed is
said in words, so that a report or `explain` can show that instead of a wrong picture.
"""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

import msgspec

CHUNK = 1 << 20


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The original, byte for byte the one that was identified."""

    path: Path


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """No original to show, and why, in words for a reader."""

    why: str


class MediaFinder:
    """Finds originals below `root` by the `file` of a row. Remembers what it has verified while it lives."""

    def __init__(self, root: Path | None) -> None:
        self._root = None if root is None else root.resolve()
        self._digests: dict[tuple[Path, int, int], str] = {}

    def find(self, file: str, sha256: str) -> Found | Lost:
        """The original of a row, verified against `sha256` (64 hexadecimal digits), or why there is none."""
        if self._root is None:
            return Lost(why="the folder of the recordings was not given")
        path = self._inside(self._root, file)
        if path is None:
            return Lost(why="its name does not lie in the folder of the recordings")
        try:
            digest = self._digest(path)
        except FileNotFoundError:
            return Lost(why="the original is gone from the folder")
        except (OSError, ValueError) as reason:
            return Lost(why=f"the original cannot be read ({reason.__class__.__name__})")
        if digest != sha256:
            return Lost(why="the original has changed since it was identified")
        return Found(path=path)

    @staticmethod
    def _inside(root: Path, file: str) -> Path | None:
        """`root` / `file`, or None for what is empty, absolute or climbs out."""
        parts = PurePosixPath(file).parts
        if not parts or ".." in parts or PurePosixPath(file).is_absolute() or "\0" in file:
            return None
        path = root.joinpath(*parts)
        return path if path.is_relative_to(root) else None

    def _digest(self, path: Path) -> str:
        stat = path.stat()
        key = (path, stat.st_size, stat.st_mtime_ns)
        if key not in self._digests:
            digest = hashlib.sha256()
            with path.open("rb") as stream:
                while chunk := stream.read(CHUNK):
                    digest.update(chunk)
            self._digests[key] = digest.hexdigest()
        return self._digests[key]
