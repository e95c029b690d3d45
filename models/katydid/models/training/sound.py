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
the threshold for naming a species and the distance beyond which nothing is named, and write down how good it is;
(4) teach the network that ships on everything; (5) export it with its weights as int8, and write the bundle.

One dial, `steps`: everything else is derived from it or stands beside what it is for.
"""

from __future__ import annotations

import importlib.resources
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from katydid.models.bundle import Bundle, write_bundle
from katydid.models.labelled import Labelled, read_labelled
from katydid.models.labels import write_labels
from katydid.models.manifest import (
    FORMAT,
    Activation,
    BundleKind,
    BundleManifest,
    Calibration,
    Graph,
    NearestNeighbours,
    SoundInput,
    Thresholds,
)
from katydid.models.training.card import card
from katydid.models.training.choices import Choices, choose
from katydid.models.training.export import EMBEDDING, INPUT, SCORES, onnx_bytes
from katydid.models.training.features import (
    FRONT_END,
    SAMPLE_RATE,
    WINDOW_SAMPLES,
    Heard,
    Listener,
    front_end_arrays,
    hear_all,
)
from katydid.models.training.figures import by_species, rows_of, table
from katydid.models.training.fit import fit
from katydid.models.training.held_out import (
    NEAREST,
    HeldOut,
    class_names,
    digest_of,
    folds_of,
    hold_out,
    kept,
    reference,
)
from katydid.models.training.network import SongNet, load_network, save_network
from katydid.models.training.taxa import NOISE, class_labels, species_name

NAME, VERSION = "singing-insects", "1.0"
SONGS, NOISES = "insectset32/labels.csv", "esc10/labels.csv"
STEPS = 300
"""Batches of 16; longer training was not seen to help."""
FOLDS = 5
UNHEARD_FITS, UNHEARD_SETS = 1, 4
"""How many networks are each taught without every fourth species."""
TEACHING = 2
"""Goes up when batches or fit change: what an earlier run left does not count then."""
REPORT = 0.3
"""Below this a sound is not written down."""
LOWEST_HZ = 1_000.0
"""What lies below is wind to this model; goes into the boxes of detections."""
ARRAYS, GRAPH = "arrays.npz", "singing-insects.onnx"
NEIGHBOURS = "neighbours"

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
    folds = held_out_folds(heard, recipe, out / "held-out", say)
    choices = choose(folds)
    unheard = unheard_species(heard, recipe, out / "held-out", say) if recipe.unheard else []
    figures = Figures.of(folds, unheard, choices)
    say("the network that ships, on all recordings")
    classes = class_names(heard)
    net = shipped_network(heard, classes, recipe, out / "held-out", say)
    contents = {
        "labels.csv": write_labels(class_labels(classes)),
        "card.md": card(
            figures.table,
            figures.by_species,
            folds=recipe.folds,
            tested=recipe.tested,
            steps=recipe.steps,
        ).encode(),
        "LICENSE.txt": importlib.resources.files("katydid.models.training").joinpath("LICENSE.txt").read_bytes(),
        GRAPH: onnx_bytes(net),
        ARRAYS: _npz({**front_end_arrays(), NEIGHBOURS: reference(net, heard)}),
    }
    return write_bundle(out / NAME, manifest(choices, recipe), contents, replace=True)


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


def held_out_folds(heard: Sequence[Heard], recipe: Recipe, folder: Path, say: Progress) -> list[HeldOut]:
    """Every group but a species' only one is held out once."""
    fold = folds_of(heard, recipe.folds, recipe.seed)
    results = []
    for number in range(min(recipe.tested, recipe.folds)):

        def make(number: int = number) -> HeldOut:
            say(f"fold {number + 1} of {recipe.folds} held out")
            return hold_out(
                heard, lambda each: fold[each.group] == number, steps=recipe.steps, seed=recipe.seed, say=say
            )

        results.append(kept(folder, f"fold-{number}", _key(heard, recipe), make))
    return results


def unheard_species(heard: Sequence[Heard], recipe: Recipe, folder: Path, say: Progress) -> list[HeldOut]:
    """Whole species held out, together with one fold of the others to compare with."""
    fold = folds_of(heard, recipe.folds, recipe.seed)
    species = sorted({each.label for each in heard} - {NOISE})
    results = []
    for number in range(UNHEARD_FITS):
        strange = frozenset(species[number::UNHEARD_SETS])

        def make(number: int = number, strange: frozenset[str] = strange) -> HeldOut:
            say(f"taught without {len(strange)} species: {', '.join(sorted(strange))}")
            return hold_out(
                heard,
                lambda each: each.label in strange or fold[each.group] == number,
                steps=recipe.steps,
                seed=recipe.seed,
                say=say,
            )

        results.append(kept(folder, f"unheard-{number}", _key(heard, recipe), make))
    return results


def shipped_network(
    heard: Sequence[Heard], classes: Sequence[str], recipe: Recipe, folder: Path, say: Progress
) -> SongNet:
    """The network taught on everything, or what an earlier run of the same recipe left."""
    file = folder / f"network-{digest_of(_key(heard, recipe))}.npz"
    if not file.exists():
        save_network(fit(heard, classes, steps=recipe.steps, seed=recipe.seed, say=say), file)
    return load_network(file, len(classes))


@dataclass(frozen=True)
class Figures:
    """The two tables of the card."""

    table: str
    by_species: str

    @classmethod
    def of(cls, folds: Sequence[HeldOut], unheard: Sequence[HeldOut], choices: Choices) -> Figures:
        rows = rows_of(folds, choices.temperature)
        int8 = (
            f"| int8 weights name the same class as float32 | {np.mean([each.int8_agreement for each in folds]):.4f} "
            f"of held-out windows, probabilities within {max(each.int8_difference for each in folds):.3f} | |\n"
        )
        return cls(table(rows, rows_of(unheard, choices.temperature), choices) + int8, by_species(rows))


def manifest(choices: Choices, recipe: Recipe) -> BundleManifest:
    """What the bundle says about itself."""
    return BundleManifest(
        format=FORMAT,
        name=NAME,
        version=VERSION,
        title="Singing insects: crickets, bush-crickets, grasshoppers and cicadas",
        kind=BundleKind.SOUND_CLASSIFIER,
        graphs=(Graph(file=GRAPH, engine="onnx", input=INPUT, scores=SCORES, embedding=EMBEDDING, max_batch=32),),
        sound=SoundInput(
            sample_rate=SAMPLE_RATE,
            samples=WINDOW_SAMPLES,
            hop_s=WINDOW_SAMPLES / SAMPLE_RATE / 2,
            low_hz=LOWEST_HZ,
            high_hz=SAMPLE_RATE / 2,
            front_end=FRONT_END,
            min_samples=WINDOW_SAMPLES // 3,
        ),
        activation=Activation.SOFTMAX,
        thresholds=Thresholds(report=min(REPORT, choices.accept), accept=choices.accept),
        calibration=Calibration(
            temperature=choices.temperature,
            fitted_on=f"InsectSet32, ESC-10: {recipe.tested} of {recipe.folds} folds of held-out groups",
        ),
        neighbours=NearestNeighbours(embeddings=NEIGHBOURS, nearest=NEAREST, reject_above=choices.reject_above),
        licence="CC-BY-4.0",
        credit=(
            "singing-insects, trained on InsectSet32 (Baudewijn Odé, Ed Baker; CC BY 4.0) and ESC-10 (K. J. Piczak; "
            "CC BY 3.0), from EfficientNet-Lite0 (Apache-2.0)"
        ),
        citation=(
            "Faiß, M. & Stowell, D. (2023). Adaptive representations of sound for automatic insect recognition. "
            "PLOS Computational Biology 19(10): e1011541. Data: InsectSet32, Zenodo 7072196."
        ),
        uses="Screening of recordings for 26 singing insects; any use with credit. Not for species outside its list.",
        files={},
    )


def _key(heard: Sequence[Heard], recipe: Recipe) -> str:
    """What held-out answers depend on."""
    content = [f"{each.label}/{each.group}/{each.features.shape[1]}" for each in heard]
    return "\n".join([Listener().digest, str((TEACHING, recipe.steps, recipe.folds, recipe.seed)), *content])


def _npz(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays)
    return out.getvalue()
