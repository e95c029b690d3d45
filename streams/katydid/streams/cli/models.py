"""`katydid models`: the bundles on this machine. Labels, names and cards are other people's text: they pass `safe`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from katydid.models.bundle import Bundle
from katydid.models.library import BUNDLED, Library, Shelf, default_library, user_models
from katydid.models.manifest import Activation, BundleKind, BundleManifest, Resize
from katydid.streams.cli.screen import console, note, safe

if TYPE_CHECKING:
    from katydid.models.adding_detector import DetectorWishes

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The models on this machine: list, add, card, verify."
)

ModelsDir = Annotated[
    Path | None,
    typer.Option("--models-dir", metavar="DIR", help="Folder of added models. Default: this user's data folder."),
]

BIRDNET = "birdnet"
NOT_STATED = "Not stated: ask whoever made the model."


@app.command("list")
def list_models(models_dir: ModelsDir = None) -> None:
    """What can be run here, and under which licence.

    Example:  katydid models list
    """
    library = default_library(models_dir)
    shelves = library.shelves()
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "version", "looks at", "input", "licence", "where"):
        table.add_column(heading, overflow="fold")
    for shelf in shelves:
        manifest = shelf.manifest
        cells = (manifest.name, manifest.version, _what(manifest), _input(manifest), manifest.licence, _where(shelf))
        table.add_row(*map(safe, cells))
    screen = console()
    if shelves:
        screen.print(table)
    else:
        screen.print("No models yet. Birds: katydid models add birdnet. Your own: katydid models add --help")
    for problem in library.problems():
        note(str(problem))


@app.command()
def add(
    what: Annotated[
        str, typer.Argument(metavar="birdnet|FILE|BUNDLE", help="birdnet, a .tflite or .onnx file, or a bundle.")
    ],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Agree to the licence that is shown, without being asked.")
    ] = False,
    fast: Annotated[bool, typer.Option("--fast", help="BirdNET: the front end in float32 (docs/birdnet.md).")] = False,
    labels: Annotated[Path | None, typer.Option(help="The label list of FILE, one name an output.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the new bundle. Default: from FILE.")] = None,
    kind: Annotated[
        str | None, typer.Option(metavar="image|sound", help="Default: told from the input's shape.")
    ] = None,
    sample_rate: Annotated[
        int | None, typer.Option(min=1000, max=1_000_000, help="Hertz that a sound model wants.")
    ] = None,
    window: Annotated[
        float | None, typer.Option(min=0.01, help="Seconds, for sound models that take any length.")
    ] = None,
    hop: Annotated[float | None, typer.Option(min=0.01, help="Seconds between windows. Default: a window.")] = None,
    size: Annotated[
        tuple[int, int] | None, typer.Option(metavar="HEIGHT WIDTH", help="For image models that take any size.")
    ] = None,
    pixels: Annotated[
        str | None, typer.Option(metavar="unit|signed|raw|imagenet", help="What float pixels should be.")
    ] = None,
    resize: Annotated[Resize, typer.Option(help="How a frame becomes the model's square.")] = Resize.STRETCH,
    activation: Annotated[Activation | None, typer.Option(help="Where the model gives logits.")] = None,
    scores: Annotated[str | None, typer.Option(help="The output that holds the scores.")] = None,
    embedding: Annotated[str | None, typer.Option(help="The output that holds the embedding.")] = None,
    detector: Annotated[
        str | None, typer.Option(metavar="yolo|ssd|rt-detr|centre", help="FILE finds boxes: the shape of its output.")
    ] = None,
    output: Annotated[
        list[str] | None, typer.Option(metavar="ROLE=NAME", help="Detectors: which output is boxes, classes, count, ….")
    ] = None,
    coordinates: Annotated[
        str | None, typer.Option(metavar="pixels|shares", help="Detectors: what boxes are given in.")
    ] = None,
    corners: Annotated[str | None, typer.Option(metavar="yx|xy", help="SSD: the order in a corner.")] = None,
    first_class: Annotated[int | None, typer.Option(min=0, max=1, help="SSD: the number of the first label.")] = None,
    tiles: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Detectors: cut frames into tiles, their short side reduced to this. Repeatable."),
    ] = None,
    tile_overlap: Annotated[int, typer.Option(min=0, help="Detectors: pixels that tiles share.")] = 64,
    version: Annotated[str, typer.Option(help="Version of the model.")] = "1",
    licence: Annotated[str, typer.Option(help="Licence of the weights, for example Apache-2.0.")] = "not stated",
    credit: Annotated[str, typer.Option(help="One line that reports print.")] = "",
    uses: Annotated[str, typer.Option(help="What it may be used for, in a sentence.")] = NOT_STATED,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a bundle of this name.")] = False,
    models_dir: ModelsDir = None,
) -> None:
    """Add BirdNET, somebody's TFLite or ONNX classifier or detector, or a finished bundle.

    \b
    Examples:
      katydid models add birdnet
      katydid models add yamnet.tflite --labels yamnet_class_map.csv --sample-rate 16000
      katydid models add insects.tflite --labels insects.txt --name inat-insects
      katydid models add yolo.onnx --labels insects.txt --detector yolo --pixels unit --tiles 1536
      katydid models add my-bundle.zip
    """
    directory = models_dir or user_models()
    if what == BIRDNET:
        _tell(_add_birdnet(directory, fast=fast, accepted=accept_licence))
        return
    file = Path(what)
    if not file.exists():
        raise typer.BadParameter(f"there is no file {what!r} ('birdnet' is the one model that is added by its name)")
    if labels is None and file.suffix.lower() in (".tflite", ".onnx"):
        raise typer.BadParameter(
            f"{what} needs its label list: --labels FILE, one name an output", param_hint="--labels"
        )
    if labels is None:
        _tell([Library((directory,)).add(file, replace=replace)])
        return
    from katydid.models.adding import Wishes, add_model

    wishes = Wishes(
        kind=_kind(kind),
        detector=_detector(detector, output or [], coordinates, corners, first_class, tiles or [], tile_overlap),
        sample_rate=sample_rate,
        window_s=window,
        hop_s=hop,
        size=size,
        pixels=pixels,
        resize=resize,
        activation=activation,
        scores=scores,
        embedding=embedding,
        version=version,
        licence=licence,
        credit=credit,
        uses=uses,
    )
    chosen = name or _name_from(file)
    _tell([add_model(file, labels=labels, name=chosen, directory=directory, wishes=wishes, replace=replace)])


@app.command()
def card(name: Annotated[str, typer.Argument(help="Name of a model.")], models_dir: ModelsDir = None) -> None:
    """What a model is, how good it is, and what it must not be used for.

    Example:  katydid models card birdnet
    """
    bundle = default_library(models_dir).open(name)
    screen = console()
    if "card.md" in bundle.manifest.files:
        for line in bundle.read("card.md").decode("utf-8", "replace").splitlines():
            screen.print(safe(line))
        screen.print()
    for label, value in _facts(bundle):
        screen.print(f"[bold]{label}:[/] {safe(value)}")


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="Name of a model. Default: all of them.")] = None,
    models_dir: ModelsDir = None,
) -> None:
    """Compare every file with its SHA-256, and the graph that runs with the original where the bundle has it.

    Example:  katydid models verify birdnet
    """
    from katydid.models.verifying import check, compare

    library = default_library(models_dir)
    for problem in library.problems():
        if name is None:
            raise problem
    screen = console()
    for each in [name] if name else library.names():
        bundle = library.open(each)
        screen.print(f"{safe(bundle.name)}: {len(bundle.manifest.files)} files as they were made")
        comparison = compare(bundle)
        if comparison is not None:
            check(bundle, comparison)
            screen.print(
                f"{safe(bundle.name)}: on {comparison.items} items within {comparison.largest_difference:.1e} of the "
                "original, every top label equal"
            )


def _add_birdnet(directory: Path, *, fast: bool, accepted: bool) -> list[Bundle]:
    from katydid.models.adding_birdnet import add_birdnet

    def accept(terms: str) -> bool:
        screen = console()
        for line in terms.splitlines():
            screen.print(safe(line))
        return accepted or typer.confirm("Do you agree?", default=False)

    bundles = add_birdnet(directory, precision="fast" if fast else "exact", accept=accept)
    if not bundles:
        note("nothing was added")
        raise typer.Exit(1)
    return bundles


def _tell(bundles: list[Bundle]) -> None:
    screen = console()
    for bundle in bundles:
        screen.print(f"added [bold]{safe(bundle.manifest.model)}[/]: {len(bundle.labels)} classes, {safe(bundle.path)}")
        taxa = sum(label.rank != "none" for label in bundle.labels)
        first = ", ".join(label.name for label in bundle.labels[:3])
        screen.print(f"  {taxa} of them are taxa; the first are {safe(first)}")


def _kind(word: str | None) -> BundleKind | None:
    kinds = {None: None, "image": BundleKind.IMAGE_CLASSIFIER, "sound": BundleKind.SOUND_CLASSIFIER}
    if word not in kinds:
        raise typer.BadParameter(f"{word!r} is no kind; there are image and sound", param_hint="--kind")
    return kinds[word]


def _detector(
    shape: str | None,
    outputs: Sequence[str],
    coordinates: str | None,
    corners: str | None,
    first_class: int | None,
    tiles: Sequence[int],
    tile_overlap: int,
) -> DetectorWishes | None:
    from katydid.models.adding_detector import DetectorWishes

    if shape is None:
        if outputs or coordinates or corners or first_class is not None or tiles:
            raise typer.BadParameter("this is for detectors: say of which shape it is", param_hint="--detector")
        return None
    named = dict(each.partition("=")[::2] for each in outputs)
    if not all(named) or not all(named.values()):
        raise typer.BadParameter("say it as ROLE=NAME, for example boxes=output_1", param_hint="--output")
    return DetectorWishes(
        shape=shape,
        outputs=named,
        relative=_one_of(coordinates, {"pixels": False, "shares": True}, "--coordinates"),
        y_first=_one_of(corners, {"yx": True, "xy": False}, "--corners"),
        first_class=first_class,
        short_sides=tuple(tiles),
        tile_overlap=tile_overlap,
    )


def _one_of(word: str | None, words: Mapping[str, bool], option: str) -> bool | None:
    if word is not None and word not in words:
        raise typer.BadParameter(f"{word!r} is neither {' nor '.join(words)}", param_hint=option)
    return None if word is None else words[word]


def _name_from(file: Path) -> str:
    words = "".join(letter if letter.isalnum() and letter.isascii() else " " for letter in file.stem.lower()).split()
    return "-".join(words) or "model"


def _what(manifest: BundleManifest) -> str:
    return {
        BundleKind.IMAGE_CLASSIFIER: "frames",
        BundleKind.SOUND_CLASSIFIER: "clips",
        BundleKind.DETECTOR: "frames (finds boxes)",
        BundleKind.PRIOR: "place and week",
    }[manifest.kind]


def _input(manifest: BundleManifest) -> str:
    if manifest.sound is not None:
        seconds = manifest.sound.samples / manifest.sound.sample_rate
        return f"{seconds:.3g} s at {manifest.sound.sample_rate / 1000:g} kHz"
    if manifest.image is not None:
        return f"{manifest.image.width} x {manifest.image.height} px"
    return ""


def _where(shelf: Shelf) -> str:
    return "shipped" if shelf.path.is_relative_to(BUNDLED) else "added"


def _facts(bundle: Bundle) -> list[tuple[str, str]]:
    manifest = bundle.manifest
    return [
        ("Model", f"{manifest.model}, {len(bundle.labels)} classes"),
        ("Licence", manifest.licence),
        ("Uses", manifest.uses),
        ("Credit", manifest.credit),
        ("Citation", manifest.citation or "none stated"),
        ("Digest", bundle.digest),
        ("Path", str(bundle.path)),
    ]
