"""labels.csv: what each output of a model stands for.

One row an output, in order: index, taxon_id, name, rank, common_name, role, answer_rank, then one column for each
higher rank that any row knows, from genus upwards ("species" comes before it where subspecies are among the labels).
`foreign_labels.py` reads the lists that come with other people's models.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from katydid.models.errors import BundleError
from katydid.models.manifest import Label, Role

COLUMNS = ("index", "taxon_id", "name", "rank", "common_name", "role", "answer_rank")
REQUIRED = COLUMNS[:4]

RANKS = (
    "subspecies", "species", "subgenus", "genus", "subtribe", "tribe", "subfamily", "family", "superfamily",
    "infraorder", "suborder", "order", "superorder", "subclass", "class", "subphylum", "phylum", "kingdom",
)  # fmt: skip
"""From the leaf upwards: the order of the columns, and of `Label.higher`."""

NO_RANK = "none"
"""Rank of a label that is no taxon: wind, an engine, "Bird" as a class of sounds."""


def taxon_id(name: str) -> str:
    """The id of a name until a TaxonMap gives a better one."""
    return f"name:{name}"


def write_labels(labels: Sequence[Label]) -> bytes:
    """labels.csv as bytes: UTF-8, comma, a header, line feeds. Raises BundleError for a rank that has no place."""
    for label in labels:
        _check_higher(label)
    ranks = [rank for rank in RANKS if any(rank == known for label in labels for known, _ in label.higher)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *ranks])
    for label in labels:
        own = [label.index, label.taxon_id, label.name, label.rank, label.common_name, label.role, label.answer_rank]
        higher = dict(label.higher)
        writer.writerow([*own, *(higher.get(rank, "") for rank in ranks)])
    return text.getvalue().encode()


def read_labels(data: bytes, where: str) -> tuple[Label, ...]:
    """Labels in the order of their index, which must run from 0 without a gap. `where` goes into messages.

    Raises BundleError that names the line.
    """
    rows = csv_rows(data, where)
    if not rows:
        raise BundleError(f"{where}: no header line")
    header = [name.strip() for name in rows[0]]
    if missing := [name for name in REQUIRED if name not in header]:
        raise BundleError(f"{where}: the column {missing[0]!r} is missing")
    if len(set(header)) != len(header):
        raise BundleError(f"{where}: two columns have one name")
    higher_ranks = [name for name in RANKS if name in header]
    labels = []
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise BundleError(f"{where}: line {line} has {len(row)} fields, the header has {len(header)}")
        labels.append(_label(dict(zip(header, row, strict=True)), higher_ranks, f"{where}: line {line}"))
    labels.sort(key=lambda label: label.index)
    if [label.index for label in labels] != list(range(len(labels))):
        raise BundleError(f"{where}: the indices do not run from 0 to {len(labels) - 1} without a gap")
    return tuple(labels)


def csv_rows(data: bytes, where: str) -> list[list[str]]:
    """The rows of a CSV file, blank lines left out. Raises BundleError."""
    try:
        text = data.decode("utf-8-sig")
        return [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BundleError(f"{where}: no CSV in UTF-8: {error}") from error


def _label(fields: dict[str, str], higher_ranks: Sequence[str], where: str) -> Label:
    try:
        return Label(
            index=int(fields["index"]),
            taxon_id=fields["taxon_id"],
            name=fields["name"],
            rank=fields["rank"],
            common_name=fields.get("common_name", ""),
            role=Role(fields.get("role") or Role.TAXON),
            higher=tuple((rank, fields[rank]) for rank in higher_ranks if fields[rank]),
            answer_rank=fields.get("answer_rank", ""),
        )
    except ValueError as error:
        raise BundleError(f"{where}: {error}") from error


def _check_higher(label: Label) -> None:
    ranks = [rank for rank, _ in label.higher]
    if unknown := [rank for rank in ranks if rank not in RANKS]:
        raise BundleError(f"label {label.name!r}: {unknown[0]!r} is no rank that labels.csv has a column for")
    if len(set(ranks)) != len(ranks):
        raise BundleError(f"label {label.name!r}: a rank stands twice among the higher ones")
