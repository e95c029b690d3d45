"""Raven selection tables: one for each recording, as users of BirdNET-Analyzer expect them.

The table of `site/night.wav` is `site/night.wav.katydid.selections.txt`, so that recordings that differ only in their
extension keep tables of their own. A recording in which nothing was found has a table with a header alone; a refused
one has none. Frames have none: Raven shows sound.

Where a detection has no band, the whole of the recording's spectrum is the box: from 0 Hz to half its sample rate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path, PurePosixPath

from katydid.streams.exports.replacing import replacing
from katydid.streams.store.duckdb import DuckDBStore
from katydid.streams.store.reads import SELECTIONS_QUERY

SUFFIX = ".katydid.selections.txt"
COLUMNS = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)", "Common Name",
    "Scientific Name", "Confidence", "Begin Path", "File Offset (s)", "Decision",
)  # fmt: skip
LONGEST_NAME = 200
"""Bytes of a file's name before our suffix; file systems allow 255."""

_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"|?*\u202a-\u202e\u2066-\u2069\\]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.I)
_BREAKS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")

Row = tuple[object, ...]


def write_raven(store: DuckDBStore, directory: Path) -> int:
    """Write the tables under `directory`, at the relative paths of their recordings; return how many there are.

    Nothing is written outside `directory`, whatever a file calls itself. Raises ExportError.
    """
    rows = chain.from_iterable(store.tuples(SELECTIONS_QUERY))
    taken: set[str] = set()
    for _, group in groupby(rows, key=itemgetter(0)):
        selections = list(group)
        capture_id, file = str(selections[0][0]), str(selections[0][1])
        with replacing(directory / _free_name(file, capture_id, taken), durable=False) as beside:
            beside.write_text("".join(_lines(selections)), encoding="utf-8", newline="\n")
    return len(taken)


def _free_name(file: str, capture_id: str, taken: set[str]) -> PurePosixPath:
    """A path of its own for each capture, also where file systems ignore case or a file was recorded anew."""
    name = table_path(file)
    if str(name).casefold() in taken:
        name = table_path(f"{file}.{capture_id}")
    taken.add(str(name).casefold())
    return name


def table_path(file: str) -> PurePosixPath:
    """Where the table of a recording lies, relative to the export's folder."""
    parts = [_safe(part) for part in re.split(r"[/\\]", file) if part not in ("", ".", "..")] or ["unnamed"]
    return PurePosixPath(*parts[:-1], parts[-1] + SUFFIX)


def _safe(part: str) -> str:
    """A part of a path that every file system takes and that leads nowhere else."""
    clean = _NOT_IN_NAMES.sub("_", part).rstrip(". ") or "_"
    if _RESERVED.match(clean):
        clean = "_" + clean
    return clean if len(clean.encode()) <= LONGEST_NAME else _shortened(clean)


def _shortened(name: str) -> str:
    return (
        name.encode()[: LONGEST_NAME - 60].decode(errors="ignore") + "…" + name.encode()[-56:].decode(errors="ignore")
    )


def _lines(rows: Iterable[Row]) -> Iterator[str]:
    yield "\t".join(COLUMNS) + "\n"
    found = (row for row in rows if row[2] is not None)
    for number, (_, file, start, end, low, high, common, taxon, confidence, decision) in enumerate(found, start=1):
        cells = (
            str(number), "Spectrogram 1", "1", f"{start:.3f}", f"{end:.3f}", f"{low:.1f}", f"{high:.1f}",
            _one_line(common or taxon or "unidentified"), _one_line(taxon or ""), f"{confidence:.4f}",
            _one_line(file), f"{start:.3f}", str(decision),
        )  # fmt: skip
        yield "\t".join(cells) + "\n"


def _one_line(text: object) -> str:
    """Text for one cell: a tab or a line break in a name would make new cells or rows."""
    return _BREAKS.sub(" ", str(text))
