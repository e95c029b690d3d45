"""Where a run puts what it found, and the writing of the tables and the report."""

from __future__ import annotations

import errno
from collections.abc import Sequence
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
        """The outputs that `place` means: an output folder, its store, or the folder that was identified."""
        if place.name == STORE_FILE:
            return cls(directory=place.resolve().parent)
        beside = place.resolve().with_name(place.resolve().name + SUFFIX)
        if not (place / STORE_FILE).exists() and (beside / STORE_FILE).exists():
            return cls(directory=beside)
        return cls(directory=place.resolve())

    @property
    def store(self) -> Path:
        return self.directory / STORE_FILE

    @property
    def csv(self) -> Path:
        return self.directory / "detections.csv"

    @property
    def report(self) -> Path:
        return self.directory / "report.html"

    def complete(self) -> bool:
        """Whether the tables and the report are there."""
        return self.csv.exists() and self.report.exists()

    def write(self, store: DuckDBStore, *, root: Path | None, credits: Sequence[BundleManifest], title: str) -> None:
        """Write the CSV, the Raven tables and the report anew. Raises ExportError; the store is not touched.

        `root` is the folder of the originals; None: the report has no pictures and no sounds.
        """
        # Needed at the end of a run only, and slow to import.
        from katydid.streams.exports.csv import write_csv
        from katydid.streams.exports.raven import write_raven
        from katydid.streams.report import write_report

        try:
            write_csv(store, self.csv)
            write_raven(store, self.directory)
            write_report(store, self.report, root=root, credits=credits, title=title)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise ExportError(
                f"{self.directory} cannot be written ({error.strerror or error}); what was found is safe in "
                f"{self.store}: make room, then `katydid report` and `katydid export`"
            ) from error
