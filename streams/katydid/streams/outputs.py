"""Where a run puts what it found, and the writing of the tables and the report."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from katydid.models.manifest import BundleManifest
from katydid.sensors.errors import SourceError
from katydid.streams.errors import ExportError
from katydid.streams.store import DuckDBStore

SUFFIX = ".katydid"
STORE_FILE = "detections.duckdb"
_NO_ROOM = frozenset({errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, getattr(errno, "EDQUOT", errno.ENOSPC)})


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """The files of one output folder."""

    directory: Path

    @classmethod
    def beside(cls, folder: Path, out: Path | None) -> Outputs:
        """FOLDER.katydid beside FOLDER, or `out`. Raises SourceError for a folder that has no beside (a drive)."""
        if out is not None:
            return cls(directory=out.resolve())
        if not folder.name:
            raise SourceError(f"{folder} is a whole drive: say where the results go with --out")
        return cls(directory=folder.with_name(folder.name + SUFFIX))

    @classmethod
    def found(cls, place: Path) -> Outputs:
        """The outputs that `place` means: an output folder, its store, the folder that was identified, or a folder in
        which there is one output folder."""
        place = place.resolve()
        if place.name == STORE_FILE:
            return cls(directory=place.parent)
        inside = [path.parent for path in place.glob(f"*{SUFFIX}/{STORE_FILE}")]
        beside = [place.with_name(place.name + SUFFIX)] if place.name else []
        candidates = [place, *beside, *(inside if len(inside) == 1 else [])]
        found = (folder for folder in candidates if (folder / STORE_FILE).is_file())
        return cls(directory=next(found, place))

    @property
    def store(self) -> Path:
        return self.directory / STORE_FILE

    @property
    def csv(self) -> Path:
        return self.directory / "detections.csv"

    @property
    def occurrences(self) -> Path:
        return self.directory / "occurrences.csv"

    @property
    def report(self) -> Path:
        return self.directory / "report.html"

    def complete(self) -> bool:
        """Whether the tables and the report are there."""
        return self.csv.exists() and self.occurrences.exists() and self.report.exists()

    def write(
        self, store: DuckDBStore, *, root: Path | None, credits: Sequence[BundleManifest], title: str, media: str
    ) -> None:
        """Write the CSV tables, the Raven tables, the kept media ("all", "best", "none") and the report anew.

        `root` is the folder of the originals; None: the report has no pictures and no sounds. Raises ExportError; the
        store is not touched.
        """
        # Needed at the end of a run only, and slow to import.
        from katydid.streams.exports.csv import write_csv
        from katydid.streams.exports.occurrences import write_occurrences
        from katydid.streams.exports.raven import write_raven
        from katydid.streams.media import Keep, MediaFinder, keep_media

        with self.writable():
            write_csv(store, self.csv)
            write_occurrences(store, self.occurrences)
            write_raven(store, self.directory)
            keep_media(store, MediaFinder(root), self.directory / "media", Keep(media))
        self.write_report(store, self.report, root=root, credits=credits, title=title)

    def write_report(
        self, store: DuckDBStore, path: Path, *, root: Path | None, credits: Sequence[BundleManifest], title: str
    ) -> None:
        """Write the report to `path`. Raises ExportError."""
        from katydid.streams.report import write_report

        with self.writable():
            write_report(store, path, root=root, credits=credits, title=title)

    @contextmanager
    def writable(self) -> Iterator[None]:
        """A full or read-only disk inside becomes an ExportError that says what is safe and what to do."""
        try:
            yield
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise ExportError(
                f"{self.directory} cannot be written ({error.strerror or error}); what was found is safe in "
                f"{self.store}: make room, then `katydid report` and `katydid export`"
            ) from error
