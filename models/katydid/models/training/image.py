"""Train `insect-detector`, the detector that ships with Katydid.

    katydid train image --data DIR --out OUT             the bundle, and held-out figures on its card
    katydid train image --data DIR --out OUT --steps 3   a dry run

DIR holds `spohf_sticky_traps/_annotations.coco.json` (boxes, CC BY 4.0) and, if wanted, the points of
`bnn_hive_entrance/bee_points.csv` (MIT). OUT gets `insect-detector/`, the bundle, and `held-out/`, from which a run
that was interrupted goes on.

The story: (1) deal the photos into folds; (2) teach a network on all folds but one, put it into a bundle and ask it, as
the runtime does, about the photos of that one; (3) ask the localiser without weights and a blob detector about the same
photos; (4) from the held-out answers, fit what a score means and write down how good it is; (5) teach the network that
ships on everything, export it in eight bits, and write the bundle.

One dial, `steps`: everything else stands beside what it is for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from katydid.models.box_metrics import Judged
from katydid.models.bundle import Bundle, write_bundle
from katydid.models.image.tiling import cut_out
from katydid.models.labels import write_labels
from katydid.models.manifest import Calibration
from katydid.models.model import Model, open_model
from katydid.models.training.held_out import digest_of
from katydid.models.training.image_contract import GRAPH, LABELS, LICENCE, NAME, REPORT, SIDE, card, manifest
from katydid.models.training.image_export import int8_bytes, onnx_bytes
from katydid.models.training.image_figures import Contestant, calibration, score_of, table
from katydid.models.training.image_fit import fit
from katydid.models.training.image_held_out import BLOB_LEVEL, ask, blobs, kept, settled
from katydid.models.training.image_network import DotNet, load_dots, save_dots
from katydid.models.training.image_photos import Photo, dealt, read_photos

STEPS = 1200
"""Batches of 16 patches: seven minutes of CPU on one Zen 4 core in bfloat16."""
FOLDS, TESTED = 5, 3
EVERY, CORNER = 8, (200, 200)
"""Every how many-th photo gives a tile, and where in it, that the ranges of eight bits are taken from."""
SECONDS_A_STEP = 0.35
"""Of CPU, measured."""
TEACHING = 1
"""Goes up when patches or fit change: the networks that an earlier run left do not count then."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """What a run depends on, besides the photos."""

    steps: int = STEPS
    folds: int = FOLDS
    """Into how many parts the photos are dealt."""
    tested: int = TESTED
    """How many of them are held out, each at the cost of a network."""
    seed: int = 0
    threads: int = 2


def train_image(data: Path, out: Path, recipe: Recipe | None = None, *, say: Progress = lambda _: None) -> Bundle:
    """The whole story; returns the bundle OUT/insect-detector, opened and verified.

    Raises LabelledDataError for photos or boxes that cannot be used.
    """
    recipe = recipe or Recipe()
    torch.set_num_threads(recipe.threads)
    school = School(read_photos(data), recipe, out / "held-out", say)
    photos, said = school.held_out()
    sure = calibration([each for each, photo in zip(said, photos, strict=True) if photo.sized], _fitted_on(recipe))
    net = school.taught("all", "the network that ships, on all photos", school.photos)
    words = text(photos, said, sure, recipe, net)
    return write_bundle(out / NAME, manifest(sure), contents(net, school.photos, words), replace=True)


@dataclass(frozen=True)
class School:
    """Teaches networks and asks them, or takes what an earlier run of the same recipe left in the folder."""

    photos: Sequence[Photo]
    recipe: Recipe
    folder: Path
    say: Progress

    def taught(self, name: str, news: str, some: Sequence[Photo]) -> DotNet:
        """A network taught these photos."""
        file = self.folder / f"dots-{name}-{self.key}.npz"
        if not file.exists():
            self.say(news)
            save_dots(fit(some, steps=self.recipe.steps, seed=self.recipe.seed, say=self.say), file)
        return load_dots(file)

    def held_out(self) -> tuple[list[Photo], list[Judged]]:
        """The photos of the folds that were held out, and what was said about each."""
        fold = dealt(self.photos, self.recipe.folds, self.recipe.seed)
        photos: list[Photo] = []
        said: list[Judged] = []
        for number in range(min(self.recipe.tested, self.recipe.folds)):
            held = [photo for photo, part in zip(self.photos, fold, strict=True) if part == number]
            rest = [photo for photo, part in zip(self.photos, fold, strict=True) if part != number]
            photos += held
            said += self._answers(number, rest, held)
        return photos, said

    def _answers(self, number: int, rest: Sequence[Photo], held: Sequence[Photo]) -> list[Judged]:
        news = f"fold {number + 1} of {self.recipe.folds} held out"

        def make() -> list[Judged]:
            net = self.taught(f"fold-{number}", news, rest)
            with tempfile.TemporaryDirectory() as folder:
                model = _opened(net, rest, Path(folder))
                answers = [ask(model, photo) for photo in held]
                model.close()
            return answers

        return kept(self.folder / f"boxes-fold-{number}-{self.key}.npz", held, make)

    @property
    def key(self) -> str:
        """What a network depends on."""
        content = [f"{photo.path.name}/{len(photo.boxes)}" for photo in self.photos]
        recipe = (TEACHING, self.recipe.steps, self.recipe.folds, self.recipe.seed)
        return digest_of("\n".join([str(recipe), *content]))


def contents(net: DotNet, taught: Sequence[Photo], words: str) -> dict[str, bytes]:
    """The files of the bundle: the graph in eight bits, with ranges from photos that the network was taught."""
    image = manifest(Calibration()).image
    assert image is not None
    sized = [photo for photo in taught if photo.sized][::EVERY]
    tiles = [cut_out(photo.pixels, np.array(CORNER), image) for photo in sized]
    return {
        "labels.csv": write_labels(LABELS),
        "card.md": words.encode(),
        "LICENSE.txt": LICENCE.encode(),
        GRAPH: int8_bytes(onnx_bytes(net, SIDE), tiles),
    }


def text(photos: Sequence[Photo], said: Sequence[Judged], sure: Calibration, recipe: Recipe, net: DotNet) -> str:
    """The card."""
    ours = Contestant(NAME, *_parted(photos, said), score_of(REPORT, sure))
    others = [
        Contestant(name, *_parted(photos, [look(photo) for photo in photos]), 0.0)
        for name, look in (("settled", settled), ("dark blobs", blobs))
    ]
    return card(
        table([ours, *others]),
        weights=sum(each.numel() for each in net.parameters()) / 1e6,
        steps=recipe.steps,
        minutes=recipe.steps * SECONDS_A_STEP / 60,
        folds=recipe.folds,
        tested=min(recipe.tested, recipe.folds),
        taught=1 - 1 / recipe.folds,
        photos=len(ours.traps),
        boxes=sum(len(each.truth) for each in ours.traps),
        frames=len(ours.hive),
        points=sum(len(each.truth) for each in ours.hive),
        level=BLOB_LEVEL,
    )


def _parted(photos: Sequence[Photo], said: Sequence[Judged]) -> tuple[list[Judged], list[Judged]]:
    """On traps, and on the hive."""
    pairs = list(zip(photos, said, strict=True))
    return [each for photo, each in pairs if photo.sized], [each for photo, each in pairs if not photo.sized]


def _opened(net: DotNet, taught: Sequence[Photo], folder: Path) -> Model:
    """A network as the runtime opens it."""
    bundle = write_bundle(folder / NAME, manifest(Calibration()), contents(net, taught, "held out\n"))
    return open_model(bundle, slots=1)


def _fitted_on(recipe: Recipe) -> str:
    return f"SPOHF: {min(recipe.tested, recipe.folds)} of {recipe.folds} folds of held-out photos"
