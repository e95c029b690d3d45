"""Other people's label lists, bound to names and ranks.

Read are, told apart by their content:

- "Latin name (Common name)", one a line: iNaturalist's and Coral's lists;
- "Genus species_Common name": BirdNET's; also plain "Genus_species";
- CSV with a header: a class map such as YAMNet's (index,mid,display_name), a table with scientific_name, or labels.csv;
- plain lines.

A name becomes a taxon only where it looks like one *and* the list speaks in scientific names: "Child speech" has the
shape of a binomial. What is no taxon gets the rank "none", and a role where a word says it (wind, speech, background).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from katydid.models.errors import BundleError
from katydid.models.labels import COLUMNS, NO_RANK, csv_rows, read_labels, taxon_id
from katydid.models.manifest import Label, Role

SCIENTIFIC_SHARE = 0.8
"""Plain lines are scientific names where at least this share has the shape of one."""

_GENUS = r"[A-Z][a-zäëïöü]+"
_EPITHET = r"[a-zäëïöü][a-zäëïöü-]+"
_BINOMIAL = re.compile(rf"({_GENUS}) (×? ?{_EPITHET})( ×)?( (?:ssp\. |subsp\. |var\. )?{_EPITHET})?")
_PROVISIONAL = re.compile(rf"({_GENUS}) (?:sp|spp|cf|aff|nr)\.?(?: ?[\w.-]+)?")
_FAMILY_LIKE = re.compile(r"[A-Z][a-z]+(idae|aceae|inae)")
_ENDINGS = {"idae": "family", "aceae": "family", "inae": "subfamily"}
_WITH_COMMON = re.compile(r"(?P<name>[^()]+?) ?\((?P<common>.*)\)")
_JOINED = re.compile(r"(?P<name>[^_]*)_(?P<common>.*)")

_ESCAPED = re.compile(r"\\x([a-f][0-9a-f])")

_BACKGROUND = frozenset({"background", "empty", "blank", "nothing", "none", "no animal", "silence"})
_HUMAN = frozenset({"human", "humans", "person", "people", "homo", "speech", "voice"})
_NOISE = frozenset({
    "noise", "wind", "rain", "thunder", "water", "engine", "vehicle", "car", "aircraft", "siren", "gun", "gunshot",
    "fireworks", "environmental", "power tools", "power tool", "static", "music", "machine", "chainsaw",
})  # fmt: skip
_UNKNOWN = frozenset({"unknown", "other", "unidentified"})

_NAME_COLUMNS = ("scientific_name", "scientificname", "latin_name", "latin", "species", "taxon", "name")
_DISPLAY_COLUMNS = ("display_name", "label", "class_name", "class")
_COMMON_COLUMNS = ("common_name", "commonname", "vernacular_name", "english_name", "common")
_INDEX_COLUMNS = ("index", "id", "idx", "class_id", "class_index")


def read_foreign_labels(data: bytes, where: str) -> tuple[Label, ...]:
    """The labels of a list in any of the forms above, in the order of the model's outputs.

    `where` goes into messages. Raises BundleError where the list is empty or no text in UTF-8.
    """
    try:
        lines = [_unescaped(line.strip()) for line in data.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise BundleError(f"{where}: the label list is no text in UTF-8: {error}") from error
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise BundleError(f"{where}: the label list is empty")
    if "," in lines[0] and _table_header(lines[0]):
        return _from_table(data, where)
    if "" in lines:
        raise BundleError(f"{where}: line {lines.index('') + 1} is empty: the model's outputs would shift")
    read = _line_reader(lines)
    return tuple(read(index, line) for index, line in enumerate(lines))


def bind(index: int, name: str, common_name: str = "", *, scientific: bool = True) -> Label:
    """One label from a name as it stands in a list.

    With `scientific`, a name of the right shape becomes a taxon: two words a species, three a subspecies, "Genus sp10"
    a provisional species that answers at its genus, -idae a family. Everything else gets the rank "none".
    """
    name, common_name = " ".join(name.split()), " ".join(common_name.split())
    role = role_of(name)
    rank, higher, answer_rank = _classified(name) if scientific and role is Role.TAXON else (NO_RANK, (), "")
    if common_name == name:
        common_name = ""
    return Label(
        index=index,
        taxon_id=taxon_id(name),
        name=name,
        rank=rank,
        common_name=common_name,
        role=role,
        higher=higher,
        answer_rank=answer_rank,
    )


def role_of(name: str) -> Role:
    """The role that a label's words give away; `Role.TAXON` where none does."""
    plain = name.lower()
    first = plain.split(" ")[0]
    if plain in _BACKGROUND:
        return Role.BACKGROUND
    if plain in _HUMAN or first in ("human", "homo"):
        return Role.HUMAN
    if plain in _NOISE or first in ("noise", "background"):
        return Role.NOISE
    return Role.UNKNOWN if plain in _UNKNOWN else Role.TAXON


def _classified(name: str) -> tuple[str, tuple[tuple[str, str], ...], str]:
    """(rank, higher, answer_rank) of a scientific name."""
    if provisional := _PROVISIONAL.fullmatch(name):
        return "species", (("genus", provisional[1]),), "genus"
    if binomial := _BINOMIAL.fullmatch(name):
        genus, epithet, hybrid, third = binomial.groups()
        if third and not hybrid:
            return "subspecies", (("species", f"{genus} {epithet}"), ("genus", genus)), ""
        return "species", (("genus", genus),), ""
    if above := _FAMILY_LIKE.fullmatch(name):
        return _ENDINGS[above[1]], (), ""
    return NO_RANK, (), ""


def _unescaped(line: str) -> str:
    """A list of iNaturalist's writes the hybrid sign as the four characters "\\xd7"; the same for accented letters."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), line)


def _looks_scientific(name: str) -> bool:
    return bool(_BINOMIAL.fullmatch(name) or _PROVISIONAL.fullmatch(name) or _FAMILY_LIKE.fullmatch(name))


def _line_reader(lines: Sequence[str]) -> Callable[[int, str], Label]:
    """How to read the lines of this list: by the form that most of them have."""
    if _share(lines, lambda line: _is_pair(_WITH_COMMON, line)) >= SCIENTIFIC_SHARE:
        return lambda index, line: _from_pair(_WITH_COMMON, index, line)
    if _share(lines, lambda line: re.fullmatch(rf"{_GENUS}_{_EPITHET}(_{_EPITHET})?", line) is not None) >= 0.5:
        return lambda index, line: bind(index, line.replace("_", " "))
    if _share(lines, lambda line: _JOINED.fullmatch(line) is not None) >= SCIENTIFIC_SHARE:
        return lambda index, line: _from_pair(_JOINED, index, line)
    scientific = _share(lines, _looks_scientific) >= SCIENTIFIC_SHARE
    return lambda index, line: bind(index, line, scientific=scientific)


def _share(lines: Sequence[str], fits: Callable[[str], bool]) -> float:
    return sum(map(fits, lines)) / len(lines)


def _is_pair(pattern: re.Pattern[str], line: str) -> bool:
    found = pattern.fullmatch(line)
    return found is not None and _looks_scientific(found["name"])


def _from_pair(pattern: re.Pattern[str], index: int, line: str) -> Label:
    found = pattern.fullmatch(line)
    return bind(index, line) if found is None else bind(index, found["name"], found["common"])


def _table_header(line: str) -> bool:
    header = [name.strip().strip('"').lower() for name in line.split(",")]
    return any(name in header for name in (*_NAME_COLUMNS, *_DISPLAY_COLUMNS))


def _from_table(data: bytes, where: str) -> tuple[Label, ...]:
    header, *rows = csv_rows(data, where)
    columns = [name.strip().lower() for name in header]
    if set(COLUMNS[:4]) <= set(columns):
        return read_labels(data, where)
    index_at = _first(columns, _INDEX_COLUMNS)
    name_at = _first(columns, _NAME_COLUMNS)
    common_at = _first(columns, _COMMON_COLUMNS)
    scientific = name_at is not None
    text_at = name_at if name_at is not None else _first(columns, _DISPLAY_COLUMNS)
    labels: list[Label] = []
    for line, row in enumerate(rows, start=2):
        if text_at is None or len(row) != len(columns):
            raise BundleError(f"{where}: line {line} has {len(row)} fields, the header has {len(columns)}")
        index = _index(row, index_at, len(labels), f"{where}: line {line}")
        common = "" if common_at is None else row[common_at]
        labels.append(bind(index, row[text_at], common, scientific=scientific))
    labels.sort(key=lambda label: label.index)
    if [label.index for label in labels] != list(range(len(labels))):
        raise BundleError(f"{where}: the indices do not run from 0 to {len(labels) - 1} without a gap")
    return tuple(_audio_set_roles(labels) if "mid" in columns else labels)


def _index(row: Sequence[str], at: int | None, default: int, where: str) -> int:
    if at is None:
        return default
    try:
        return int(row[at])
    except ValueError as error:
        raise BundleError(f"{where}: the index {row[at]!r} is no whole number") from error


def _audio_set_roles(labels: Sequence[Label]) -> list[Label]:
    """AudioSet's class list is in the order of its ontology: human sounds, then animals, then music and things."""
    roles, role = [], Role.HUMAN
    for label in labels:
        if label.name == "Animal":
            role = Role.TAXON
        elif label.name == "Music":
            role = Role.NOISE
        roles.append(Role.BACKGROUND if label.name == "Silence" else role)
    return [
        Label(index=label.index, taxon_id=label.taxon_id, name=label.name, rank=label.rank, role=role)
        for label, role in zip(labels, roles, strict=True)
    ]


def _first(columns: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((columns.index(name) for name in wanted if name in columns), None)
