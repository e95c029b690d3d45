"""Labelled recordings: a labels.csv with the columns file, label and, where known, recording_group.

Names are matched as people write them: "Gryllusbimaculatus", "gryllus_bimaculatus" and "Gryllus bimaculatus" are one.
Other columns and their order do not matter; commas, semicolons and tabs may part them.

A labels file outlives the folder that it was written beside, so `file` is looked for where people leave it: below the
labels file and the folders given, below what these lie in, by the end of its path (a folder of the collection alone was
copied), and at any depth within the folders given. A file of that name in a folder of another name is not taken.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from katydid.models.errors import LabelledDataError

GROUP_COLUMNS = ("recording_group", "group_id", "specimen")
"""Columns that may say which recordings belong together, the first that is there counts."""
ANCESTORS = 3
"""How many folders upwards a file is looked for."""
SHOWN = 5
"""Of the files that are missing, in a message."""


@dataclass(frozen=True)
class Labelled:
    """One recording with what sings in it."""

    path: Path
    label: str
    group: str
    """Recordings of one specimen or day: never on both sides of a split, drawn together in a bootstrap."""


@dataclass(frozen=True)
class Missing:
    """A row whose recording is nowhere."""

    file: str
    where: str
    """The labels file and the line."""
    reason: str


def read_labelled(labels: Path, roots: Iterable[Path] = ()) -> list[Labelled]:
    """The rows of a labels.csv, in its order; raises LabelledDataError that names the lines, also where any recording
    is missing."""
    rows, missing = find_labelled(labels, roots)
    if missing:
        raise LabelledDataError(told(missing))
    return rows


def find_labelled(labels: Path, roots: Iterable[Path] = ()) -> tuple[list[Labelled], list[Missing]]:
    """The rows whose recordings are there, in the file's order, and those whose recordings are not.

    Where a file is looked for, the module says. Without a group column every recording is a group of its own. Raises
    LabelledDataError for a labels file that cannot be used.
    """
    try:
        text = labels.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelledDataError(f"{labels}: cannot be read as a CSV file in UTF-8: {error}") from error
    header = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    columns = [name.strip().casefold() for name in reader.fieldnames or []]
    reader.fieldnames = columns
    if absent := [name for name in ("file", "label") if name not in columns]:
        raise LabelledDataError(
            f"{labels}: the column {absent[0]!r} is missing; it needs file,label and may have recording_group"
        )
    group_column = next((name for name in GROUP_COLUMNS if name in columns), "")
    places = _Places(labels.parent, tuple(roots))
    rows: list[Labelled] = []
    missing: list[Missing] = []
    for row in reader:
        where = f"{labels}: line {reader.line_num}"
        file, label = (row["file"] or "").strip(), (row["label"] or "").strip()
        if not file or not label:
            raise LabelledDataError(f"{where}: file and label must both be given")
        found = places.find(file)
        if isinstance(found, Path):
            rows.append(Labelled(path=found, label=label, group=(row.get(group_column) or file).strip()))
        else:
            missing.append(Missing(file=file, where=where, reason=found))
    if not rows and not missing:
        raise LabelledDataError(f"{labels}: no rows below the header")
    return rows, missing


def told(missing: list[Missing]) -> str:
    """Where the first few of them are asked for, and how many more there are."""
    lines = [f"{each.where}: {each.reason}" for each in missing[:SHOWN]]
    more = len(missing) - SHOWN
    return "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])


def name_key(name: str) -> str:
    """What two spellings of one name have in common: letters and digits, in lower case."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


@dataclass(frozen=True)
class _Places:
    """Where recordings may lie."""

    beside: Path
    roots: tuple[Path, ...]

    def find(self, file: str) -> Path | str:
        """The path of a recording, or why there is none."""
        wanted = PurePosixPath(file.replace("\\", "/"))
        ends = [PurePosixPath(*wanted.parts[cut:]) for cut in range(1, len(wanted.parts))]
        nearby = (place / name for place in self._nearby for name in (file, wanted))
        copied = (root / end for end in ends for root in self.roots)
        for path in (*nearby, *copied):
            if path.is_file():
                return path
        deeper = [path for path in self._named.get(wanted.name, []) if path.parts[-len(wanted.parts) :] == wanted.parts]
        if len(deeper) == 1:
            return deeper[0]
        if deeper:
            return f"{len(deeper)} files could be {file!r}: {deeper[0]}, {deeper[1]}"
        return f"no file {file!r} below {', '.join(map(str, dict.fromkeys((self.beside, *self.roots))))}"

    @cached_property
    def _nearby(self) -> list[Path]:
        first = (self.beside, *self.roots)
        above = [parent for place in first for parent in list(place.resolve().parents)[:ANCESTORS]]
        return list(dict.fromkeys((*first, *above)))

    @cached_property
    def _named(self) -> dict[str, list[Path]]:
        """All files within `roots` by their names."""
        found: dict[str, list[Path]] = defaultdict(list)
        for path in sorted({path for root in self.roots for path in root.rglob("*") if path.is_file()}):
            found[path.name].append(path)
        return found
