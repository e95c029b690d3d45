"""`katydid train` makes a model, `katydid evaluate` says how good one is on recordings that it has never heard."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from katydid.models.errors import MissingExtra
from katydid.models.evaluation import Evaluation, evaluate_bundle
from katydid.models.labelled import name_key
from katydid.models.library import default_library
from katydid.models.metrics import Interval
from katydid.streams.cli.screen import console, note, safe

DEFAULT_MODEL = "singing-insects"

train_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@train_app.callback()
def _train() -> None:
    """Train a model of your own: katydid train sound --data DIR --out OUT"""


@train_app.command("sound")
def sound(
    data: Path = typer.Option(..., help="Folder with insectset32/labels.csv and esc10/labels.csv (file, label)."),
    out: Path = typer.Option(..., help="Where the bundle goes; an interrupted run goes on from here."),
    steps: int = typer.Option(300, min=2, help="Batches of 16 per network: the one dial."),
    folds: int = typer.Option(5, min=2, help="Into how many parts the groups are dealt for held-out figures."),
    tested: int = typer.Option(5, min=1, help="How many of the parts are held out; each costs a network."),
    seed: int = typer.Option(0, help="The same seed on the same machine gives the same bundle."),
    threads: int = typer.Option(2, min=1, help="Processor threads."),
    unheard: bool = typer.Option(False, "--unheard", help="Also measure on species left out of training (longer)."),
) -> None:
    """Train a sound model and write it as a bundle.

    Example:  katydid train sound --data recordings --out trained
    """
    try:
        from katydid.models.training.sound import Recipe, train_sound
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "katydid":
            raise
        raise MissingExtra(error.name, "train", "training") from error
    screen = console()
    recipe = Recipe(steps=steps, folds=folds, tested=tested, seed=seed, threads=threads, unheard=unheard)
    bundle = train_sound(data, out, recipe, say=lambda line: screen.print(safe(line)))
    size = sum(len(bundle.read(name)) for name in bundle.manifest.files) / 1e6
    screen.print(f"{safe(bundle.path)}: {len(bundle.labels)} classes, {size:.1f} MB; its figures are in card.md")
    screen.print(f"try it: katydid evaluate FOLDER --labels FILE --model {safe(bundle.path)}")


@train_app.command("image")
def image(
    data: Path = typer.Option(..., help="Folder with spohf_sticky_traps/_annotations.coco.json (boxes)."),
    out: Path = typer.Option(..., help="Where the bundle goes; an interrupted run goes on from here."),
    steps: int = typer.Option(1200, min=2, help="Batches of 16 per network: the one dial."),
    folds: int = typer.Option(5, min=2, help="Into how many parts the photos are dealt for held-out figures."),
    tested: int = typer.Option(3, min=1, help="How many of the parts are held out; each costs a network."),
    seed: int = typer.Option(0, help="The same seed on the same machine with one thread gives the same bundle."),
    threads: int = typer.Option(2, min=1, help="Processor threads."),
) -> None:
    """Train a detector of insects and write it as a bundle.

    Example:  katydid train image --data photos --out trained
    """
    try:
        from katydid.models.training.image import Recipe, train_image
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "katydid":
            raise
        raise MissingExtra(error.name, "train", "training") from error
    screen = console()
    recipe = Recipe(steps=steps, folds=folds, tested=tested, seed=seed, threads=threads)
    bundle = train_image(data, out, recipe, say=lambda line: screen.print(safe(line)))
    size = sum(len(bundle.read(name)) for name in bundle.manifest.files) / 1e6
    screen.print(f"{safe(bundle.path)}: {size:.1f} MB; its figures are in card.md")
    screen.print(f"try it: katydid run FOLDER --models {safe(bundle.path)}")


def evaluate(
    folder: Path = typer.Argument(..., help="Folder of recordings."),
    labels: Path = typer.Option(..., help="CSV file with the columns file, label and, if known, recording_group."),
    model: str = typer.Option(DEFAULT_MODEL, help="A model's name, or the path of a bundle."),
    models_dir: Path | None = typer.Option(None, help="Where your own bundles lie; default: as in 'models list'."),
) -> None:
    """How good a bundle is on a labelled folder: top-1, macro recall, genus, and whether it knows what it doesn't know.

    Example:  katydid evaluate recordings --labels recordings/labels.csv
    """
    bundle = default_library(models_dir).open(model)
    errors = Console(stderr=True)
    columns = (TextColumn("listening"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("listening", total=None)
        result = evaluate_bundle(
            folder, labels, bundle, heard=lambda done, of: progress.update(task, completed=done, total=of)
        )
    for path, reason in result.refused:
        note(f"{path}: not heard: {reason}")
    _show(result)


def _show(result: Evaluation) -> None:
    known, unheard = result.known, result.unheard
    screen = console()
    own = len({each.known.name for each in known if each.known})
    others = len({name_key(each.labelled.label) for each in unheard})
    screen.print(
        f"{safe(result.model)} on {len(result.judged)} recordings: {len(known)} known ({own} of its species), "
        f"{len(unheard)} unheard ({others} that it does not have)"
        + (f", {len(result.noises)} of noise" if result.noises else "")
        + (f"; {len(result.refused)} missing or not decoded" if result.refused else "")
    )
    table = Table("figure", "value", "95 % by group", "n", "groups", box=None, pad_edge=False)
    groups = len({each.labelled.group for each in known})
    if known:
        for name, interval in (
            ("top-1", result.accuracy()),
            ("macro recall", result.recall()),
            ("genus right", result.genus()),
        ):
            _row(table, name, interval, str(len(known)), groups)
        called_noise = sum(each.noise for each in known)
        table.add_row("taken for noise", f"{called_noise / len(known):.3f}", "", str(len(known)), str(groups))
    if known and unheard:
        _unheard_rows(table, result, f"{len(known)} / {len(unheard)}")
    if noises := result.noises:
        named_noise = sum(each.noise for each in noises) / len(noises)
        table.add_row("noise, taken for noise", f"{named_noise:.3f}", "", str(len(noises)), "")
    screen.print(table)
    if not unheard:
        screen.print("AUROC against unheard species: not measured, since every label is one of the model's")
    if not known:
        screen.print("top-1 and macro recall: not measured, since no label is one of the model's")


def _unheard_rows(table: Table, result: Evaluation, count: str) -> None:
    groups = len({each.labelled.group for each in (*result.known, *result.unheard)})
    by_distance = result.unheard_by_distance()
    if by_distance is not None:
        _row(table, "AUROC known/unheard, distance", by_distance, count, groups)
    _row(table, "AUROC known/unheard, probability", result.unheard_by_probability(), count, groups)


def _row(table: Table, name: str, interval: Interval, count: str, groups: int) -> None:
    table.add_row(name, f"{interval.value:.3f}", f"{interval.low:.3f} to {interval.high:.3f}", count, str(groups))
