"""Which taxon a label of the training data stands for, and how it is answered.

Labels come as "Genus species", or as InsectSet32 writes them, in one word: then the genus must be in GENERA.
A provisional species ("sp10", "cf. catenata") is a class like any other, since its recordings sound like each other,
but the answer steps back to the genus: such a name means nothing outside the collection that coined it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from katydid.models.errors import LabelledDataError
from katydid.models.labels import taxon_id
from katydid.models.manifest import Label, Role
from katydid.sensors.sources.songs import SONGS

NOISE = "Noise"
"""The class of everything that is no insect: wind, rain, engines, dogs."""

_CICADAS = (("family", "Cicadidae"), ("order", "Hemiptera"), ("class", "Insecta"))
_GRASSHOPPERS = (("family", "Acrididae"), ("order", "Orthoptera"), ("class", "Insecta"))
_BUSH_CRICKETS = (("family", "Tettigoniidae"), ("order", "Orthoptera"), ("class", "Insecta"))
_CRICKETS = (("family", "Gryllidae"), ("order", "Orthoptera"), ("class", "Insecta"))

GENERA: dict[str, tuple[tuple[str, str], ...]] = {
    "Azanicada": _CICADAS,
    "Brevisiana": _CICADAS,
    "Kikihia": _CICADAS,
    "Myopsalta": _CICADAS,
    "Platypleura": _CICADAS,
    "Pycna": _CICADAS,
    "Chorthippus": _GRASSHOPPERS,
    "Pseudochorthippus": _GRASSHOPPERS,
    "Pholidoptera": _BUSH_CRICKETS,
    "Roeseliana": _BUSH_CRICKETS,
    "Tettigonia": _BUSH_CRICKETS,
    "Gryllus": _CRICKETS,
    "Oecanthus": (("family", "Oecanthidae"), ("order", "Orthoptera"), ("class", "Insecta")),
    "Nemobius": (("family", "Trigonidiidae"), ("order", "Orthoptera"), ("class", "Insecta")),
}
"""Genus → higher ranks, from the family upwards (Orthoptera Species File and Cicadidae as in Sanborn 2013)."""

_PROVISIONAL = re.compile(r"^(sp\.?\s?\d+|sp\.?$|cf\.|aff\.)")


def species_name(label: str) -> str:
    """ "Grylluscampestris", "gryllus_campestris" → "Gryllus campestris". Raises LabelledDataError."""
    words = label.replace("_", " ").split()
    if len(words) > 1:
        return " ".join([words[0].capitalize(), *words[1:]])
    for genus in sorted(GENERA, key=len, reverse=True):
        if label.casefold().startswith(genus.casefold()) and len(label) > len(genus):
            return f"{genus} {_epithet(label[len(genus) :])}"
    raise LabelledDataError(f"the label {label!r} names no species: write it as 'Genus species'")


def class_label(index: int, name: str, coarse: frozenset[str] = frozenset()) -> Label:
    """The output class for a species name, or for NOISE. Species of the genera in `coarse` are answered at the genus,
    as provisional ones are."""
    if name == NOISE:
        return Label(index=index, taxon_id=taxon_id(NOISE), name=NOISE, rank="none", role=Role.NOISE)
    genus = genus_of(name)
    song = SONGS.get(name)
    return Label(
        index=index,
        taxon_id=taxon_id(name),
        name=name,
        rank="species",
        common_name=song.common_name if song else "",
        higher=(("genus", genus), *GENERA.get(genus, ())),
        answer_rank="genus" if is_provisional(name) or genus in coarse else "",
    )


def class_labels(names: Sequence[str], coarse: frozenset[str] = frozenset()) -> tuple[Label, ...]:
    """Labels for class names in the order of the network's outputs."""
    return tuple(class_label(index, name, coarse) for index, name in enumerate(names))


def genus_of(name: str) -> str:
    """The first word; of NOISE itself."""
    return name.partition(" ")[0]


def is_provisional(name: str) -> bool:
    """True for "Platypleura sp10", "Platypleura cf. catenata", "Platypleura sp11 cf. hirtipennis"."""
    return bool(_PROVISIONAL.match(name.partition(" ")[2]))


def _epithet(joined: str) -> str:
    """ "cfcatenata" → "cf. catenata"; "sp11cfhirtipennis" → "sp11 cf. hirtipennis"."""
    number = re.match(r"^sp\d+", joined)
    head, rest = (number.group(), joined[number.end() :]) if number else ("", joined)
    if rest.startswith("cf") and (head or len(rest) > 6):
        rest = f"cf. {rest[2:]}"
    return f"{head} {rest}".strip()
