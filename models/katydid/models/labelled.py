"""Labelled recordings: a labels.csv with the columns file, label and, where known, recording_group.

Names are matched as people write them: "Gryllusbimaculatus", "gryllus_bimaculatus" and "Gryllus bimaculatus" are one.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from katydid.models.errors import LabelledDataError

GROUP_COLUMNS = ("recording_group", "group_id", "specimen")
"""Columns that may say which recordings belong together, the first that is there counts."""


@dataclass(frozen=True)
class Labelled:
    """One recording with what sings in it."""

    path: Path
    label: str
    group: str
    """Recordings of one specimen or day: never on both sides of a split, drawn together in a bootstrap."""


def read_labelled(labels: Path, roots: Iterable[Path] = ()) -> list[Labelled]:
    """The rows of a labels.csv, in its order.

    A file is looked for below the folder of `labels`, then below each of `roots`. Without a group column every
    recording is a group of its own. Raises LabelledDataError that names the line.
    """
    try:
        text = labels.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelledDataError(f"{labels}: cannot be read as a CSV file in UTF-8: {error}") from error
    reader = csv.DictReader(text.splitlines())
    columns = reader.fieldnames or []
    if missing := [name for name in ("file", "label") if name not in columns]:
        raise LabelledDataError(
            f"{labels}: the column {missing[0]!r} is missing; it needs file,label and may have recording_group"
        )
    group_column = next((name for name in GROUP_COLUMNS if name in columns), None)
    places = (labels.parent, *roots)
    rows = [_row(row, group_column, places, f"{labels}: line {line}") for line, row in enumerate(reader, start=2)]
    if not rows:
        raise LabelledDataError(f"{labels}: no rows below the header")
    return rows


def _row(row: dict[str, str | None], group_column: str | None, places: tuple[Path, ...], where: str) -> Labelled:
    file, label = (row["file"] or "").strip(), (row["label"] or "").strip()
    if not file or not label:
        raise LabelledDataError(f"{where}: file and label must both be given")
    for place in places:
        if (place / file).is_file():
            return Labelled(path=place / file, label=label, group=(row.get(group_column or "") or file).strip())
    tried = ", ".join(str(place) for place in places)
    raise LabelledDataError(f"{where}: no file {file!r} below {tried}")


def name_key(name: str) -> str:
    """What two spellings of one name have in common: letters and digits, in lower case."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
