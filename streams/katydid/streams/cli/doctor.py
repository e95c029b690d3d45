"""`katydid doctor`: what this installation is, what really runs, and whether it agrees with itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from katydid.models.library import Library

Row = tuple[str, str]

PACKAGES = (
    "katydid", "numpy", "scipy", "msgspec", "onnxruntime", "ai-edge-litert", "opencv-python-headless", "Pillow",
    "soundfile", "soxr", "duckdb", "pyarrow", "jinja2", "typer", "rich",
)  # fmt: skip
RIVALS = ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")
"""Distributions that write the same `cv2` folder: which one is there is whichever came last."""
LITTLE_ROOM = 2**30
"""Bytes under which `doctor` warns of a full disk."""


def doctor(
    parity: bool = typer.Option(False, "--parity", help="Measure that batches, hosts and engines agree (a minute)."),
    models_dir: Path | None = typer.Option(
        None, "--models-dir", metavar="DIR", help="Folder of added models. Default: this user's data folder."
    ),
) -> None:
    """What is installed, which engines and models really run here, and what is wrong.

    Exit code 4 where a model is damaged or cannot run, or a parity check fails.

    Example:  katydid doctor --parity
    """
    from katydid.models.library import default_library
    from katydid.streams.cli.screen import console, safe

    library = default_library(models_dir)
    screen = console()
    troubles: list[str] = []
    for title, rows in (
        ("Packages", packages()),
        ("Machine", machine(library)),
        ("Engines", engines()),
        ("Models", models(library, troubles)),
    ):
        screen.print(f"[bold]{title}[/]")
        for name, value in rows:
            screen.print(f"  {safe(name):<28} {safe(value)}")
    for warning in clashes():
        screen.print(f"[yellow]warning:[/] {safe(warning)}")
    if parity:
        troubles += _parity(library)
    for trouble in troubles:
        screen.print(f"[bold red]wrong:[/] {safe(trouble)}")
    if troubles:
        raise typer.Exit(4)


def packages() -> Iterator[Row]:
    """Python and what Katydid stands on."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, "not installed"


def clashes() -> Iterator[str]:
    """Distributions that overwrite each other."""
    from importlib.metadata import distributions

    installed = {str(each.metadata["Name"]).lower() for each in distributions() if each.metadata["Name"]}
    for rival in RIVALS:
        if rival in installed:
            yield (
                f"{rival} and opencv-python-headless overwrite each other's files: pip uninstall {rival}, then "
                "pip install --force-reinstall opencv-python-headless"
            )


def machine(library: Library) -> Iterator[Row]:
    """Cores, memory, room on the disk."""
    import shutil

    import psutil

    from katydid.streams.report.text import count
    from katydid.streams.tunables import PipelineSettings, cores

    settings = PipelineSettings.for_this_machine()
    yield "cores", f"{cores()} for this process, {count(settings.workers, 'worker')}"
    yield "memory", f"{psutil.virtual_memory().available / 2**30:.1f} GiB free"
    yield "in flight at most", f"{settings.max_bytes >> 20} MiB encoded, {settings.open_at_once} captures decoded"
    for name, folder in (("room here", Path()), ("room for models", _existing(library.directories[0]))):
        free = shutil.disk_usage(folder).free
        yield name, f"{free / 2**30:.1f} GiB" + (" – little" if free < LITTLE_ROOM else "")


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def engines() -> Iterator[Row]:
    """Engines that can be opened here."""
    from katydid.models.engines import ENGINES

    for name in sorted(ENGINES):
        yield name, _engine(name)


def _engine(name: str) -> str:
    try:
        if name == "onnx":
            import onnxruntime

            providers = ", ".join(onnxruntime.get_available_providers())
            return f"ONNX Runtime {onnxruntime.__version__}; providers {providers}; Katydid runs CPUExecutionProvider"
        if name == "litert":
            from importlib.metadata import version

            return f"LiteRT {version('ai-edge-litert')}, XNNPACK on the CPU"
    except ImportError as error:
        return f"not here: {error}"
    return "a stand-in for tests"


def models(library: Library, troubles: list[str]) -> Iterator[Row]:
    """Every bundle: verified, opened and run once; what is wrong goes into `troubles`."""
    from katydid.sensors.errors import KatydidError

    shelves = library.shelves()
    if not shelves:
        yield "none", "katydid models add birdnet"
    for shelf in shelves:
        try:
            yield shelf.manifest.model, _opened(library, shelf.manifest.name)
        except KatydidError as error:
            troubles.append(str(error))
            yield shelf.manifest.model, "damaged or cannot run, see below"
    troubles += [str(problem) for problem in library.problems()]


def _opened(library: Library, name: str) -> str:
    from katydid.models.model import open_model
    from katydid.models.verifying import trial_items

    bundle = library.open(name)
    model = open_model(bundle, slots=1)
    try:
        model.infer(trial_items(bundle, 1))
        running = model.running
    finally:
        model.close()
    remark = f" ({running.note})" if running.note else ""
    return f"{bundle.manifest.kind.value}, {running.engine} on {running.provider}{remark}, digest {bundle.digest[:16]}"


def _parity(library: Library) -> list[str]:
    from rich.table import Table

    from katydid.streams.cli.screen import console, safe
    from katydid.streams.parity import differences

    screen = console()
    table = Table("model", "check", "items", "largest difference", "labels that differ", "", box=None, pad_edge=False)
    failed = []
    with screen.status("comparing"):
        for name in library.names():
            for found in differences(library.open(name)):
                verdict = "agrees" if found.passed else "DIFFERS"
                cells = (found.bundle, found.check, found.items, f"{found.largest:.1e}", found.labels_differ, verdict)
                table.add_row(*(safe(cell) for cell in cells))
                if not found.passed:
                    failed.append(f"{found.bundle}: {found.check} differs by up to {found.largest:.1e}")
    screen.print("[bold]Parity[/]")
    screen.print(table)
    return failed
