"""Train `singing-insects`, the sound model that ships with Katydid.

    katydid train sound --data DIR --out OUT            the bundle, and held-out figures on its card
    katydid train sound --data DIR --out OUT --unheard  also: species that it was never taught
    katydid train sound --data DIR --out OUT --steps 3  a dry run

DIR holds `insectset32/labels.csv` (Zenodo 7072196, CC BY 4.0) and `esc10/labels.csv` (CC BY 3.0), each with the columns
file and label; a column recording_group says which recordings belong together. Only rows that may train a shipped
model belong in there. OUT gets `singing-insects/`, the bundle, and `held-out/`, from which a run that was interrupted
goes on.

The story: (1) hear every recording once, by the front end that the runtime has; (2) teach a network on all groups but
some, and ask it about those, until every group was held out once; (3) from these answers alone, fit the temperature,
find the genera whose species cannot be told apart, fit the thresholds for naming a species and a genus and the distance
beyond which nothing is named, and write down how good it is, each fold by what the others chose; (4) teach the network
that ships on everything; (5) export it with its weights as int8, and write the bundle.

One dial, `steps`: everything else is derived from it or stands beside what it is for.
"""

from __future__ import annotations

import importlib.resources
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from katydid.models.bundle import Bundle, write_bundle
from katydid.models.labelled import Labelled, read_labelled
from katydid.models.labels import write_labels
from katydid.models.training.card import card
from katydid.models.training.choices import Choices, choose, crossed
from katydid.models.training.contract import GRAPH, NAME, NEIGHBOURS, manifest
from katydid.models.training.export import onnx_bytes
from katydid.models.training.features import Heard, Listener, front_end_arrays, hear_all
from katydid.models.training.figures import by_species, rows_of, table
from katydid.models.training.fit import fit
from katydid.models.training.held_out import HeldOut, class_names, digest_of, folds_of, hold_out, kept, reference
from katydid.models.training.network import SongNet, load_network, save_network
from katydid.models.training.taxa import NOISE, class_labels, species_name

SONGS, NOISES = "insectset32/labels.csv", "esc10/labels.csv"
STEPS = 300
"""Batches of 16; longer training was not seen to help."""
FOLDS = 5
UNHEARD_FITS, UNHEARD_SETS = 2, 4
"""How many networks are each taught without every fourth species."""
TEACHING = 2
"""Goes up when batches or fit change: the networks that an earlier run left do not count then."""
ASKING = 1
"""Goes up when a network is asked otherwise (windows, distances): its answers are asked anew then."""
ARRAYS = "arrays.npz"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """What a run depends on, besides the recordings."""

    steps: int = STEPS
    folds: int = FOLDS
    """Into how many parts the groups are dealt."""
    tested: int = FOLDS
    """How many of them are held out, each at the cost of a network."""
    seed: int = 0
    unheard: bool = False
    threads: int = 2


def train_sound(
    data: Path, out: Path, recipe: Recipe | None = None, *, cache: Path | None = None, say: Progress = lambda _: None
) -> Bundle:
    """The whole story; returns the bundle OUT/singing-insects, opened and verified.

    Raises LabelledDataError for labels that cannot be used, RefusedMedia for a recording that cannot be decoded.
    """
    recipe = recipe or Recipe()
    torch.set_num_threads(recipe.threads)
    heard = hear_all(recordings(data), cache, say)
    school = School(heard, recipe, out / "held-out", say)
    folds = held_out_folds(school)
    choices = choose(folds)
    unheard = unheard_species(school) if recipe.unheard else []
    classes = class_names(heard)
    net = school.taught("all", "the network that ships, on all recordings", heard)
    contents = {
        "labels.csv": write_labels(class_labels(classes, choices.coarse)),
        "card.md": text(folds, unheard, choices, recipe).encode(),
        "LICENSE.txt": importlib.resources.files("katydid.models.training").joinpath("LICENSE.txt").read_bytes(),
        GRAPH: onnx_bytes(net),
        ARRAYS: _npz({**front_end_arrays(), NEIGHBOURS: reference(net, heard)}),
    }
    fitted_on = f"InsectSet32, ESC-10: {recipe.tested} of {recipe.folds} folds of held-out groups"
    return write_bundle(out / NAME, manifest(choices, fitted_on), contents, replace=True)


def recordings(data: Path) -> list[Labelled]:
    """Songs under their species' names, noises under NOISE with their kind as the group."""
    roots = (data,)
    songs = [
        Labelled(path=row.path, label=species_name(row.label), group=row.group)
        for row in read_labelled(data / SONGS, roots)
    ]
    noises = [
        Labelled(path=row.path, label=NOISE, group=f"{NOISE}|{row.label}")
        for row in read_labelled(data / NOISES, roots)
    ]
    return songs + noises


@dataclass(frozen=True)
class School:
    """Teaches networks and asks them, or takes what an earlier run of the same recipe left in the folder."""

    heard: Sequence[Heard]
    recipe: Recipe
    folder: Path
    say: Progress

    def taught(self, name: str, news: str, some: Sequence[Heard]) -> SongNet:
        """A network taught these recordings."""
        file = self.folder / f"network-{name}-{digest_of(self._key)}.npz"
        classes = class_names(some)
        if not file.exists():
            self.say(news)
            self.folder.mkdir(parents=True, exist_ok=True)
            save_network(fit(some, classes, steps=self.recipe.steps, seed=self.recipe.seed, say=self.say), file)
        return load_network(file, len(classes))

    def held_out(self, name: str, news: str, held: Callable[[Heard], bool]) -> HeldOut:
        """What a network that was taught all but the `held` recordings says about these."""

        def make() -> HeldOut:
            rest = [each for each in self.heard if not held(each)]
            return hold_out(self.taught(name, news, rest), rest, [each for each in self.heard if held(each)])

        return kept(self.folder, f"answers-{name}", f"{ASKING}\n{self._key}", make)

    @cached_property
    def fold(self) -> Mapping[str, int | None]:
        """Group → fold."""
        return folds_of(self.heard, self.recipe.folds, self.recipe.seed)

    @cached_property
    def _key(self) -> str:
        """What a network depends on."""
        content = [f"{each.label}/{each.group}/{each.features.shape[1]}" for each in self.heard]
        recipe = (TEACHING, self.recipe.steps, self.recipe.folds, self.recipe.seed)
        return "\n".join([Listener().digest, str(recipe), *content])


def held_out_folds(school: School) -> list[HeldOut]:
    """Every group but a species' only one is held out once."""
    folds = school.recipe.folds
    results = []
    for number in range(min(school.recipe.tested, folds)):

        def held(each: Heard, number: int = number) -> bool:
            return school.fold[each.group] == number

        results.append(school.held_out(f"fold-{number}", f"fold {number + 1} of {folds} held out", held))
    return results


def unheard_species(school: School) -> list[HeldOut]:
    """Whole species held out, together with one fold of the others to compare with."""
    species = sorted({each.label for each in school.heard} - {NOISE})
    results = []
    for number in range(min(UNHEARD_FITS, len(species))):
        strange = frozenset(species[number::UNHEARD_SETS])

        def held(each: Heard, number: int = number, strange: frozenset[str] = strange) -> bool:
            return each.label in strange or school.fold[each.group] == number % school.recipe.folds

        news = f"taught without {len(strange)} species: {', '.join(sorted(strange))}"
        results.append(school.held_out(f"unheard-{number}", news, held))
    return results


def text(folds: Sequence[HeldOut], unheard: Sequence[HeldOut], choices: Choices, recipe: Recipe) -> str:
    """The card: every fold judged by what the other folds choose, species that were never heard by what ships."""
    rows = rows_of(folds, crossed(folds))
    strangers = rows_of(unheard, [choices] * len(unheard))
    int8 = (
        f"| int8 weights name the same class as float32 | {np.mean([each.int8_agreement for each in folds]):.4f} "
        f"of held-out windows, probabilities within {max(each.int8_difference for each in folds):.3f} | |\n"
    )
    return card(
        table(rows, strangers, choices.reject_above) + int8,
        by_species(rows),
        coarse=choices.coarse,
        folds=recipe.folds,
        tested=len(folds),
        steps=recipe.steps,
    )


def _npz(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays)
    return out.getvalue()
