"""`katydid run FOLDER`: identify what a folder holds, with progress and a clean end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from katydid.models.settings import Mask
    from katydid.streams.local import RunOptions, RunProgress, RunSummary


def run(
    folder: Path = typer.Argument(
        ..., metavar="FOLDER", help="Folder with recordings and camera frames; folders below it count too."
    ),
    out: Path | None = typer.Option(None, "--out", help="Where results go. Default: FOLDER.katydid beside FOLDER."),
    models: str = typer.Option("", "--models", help="Names of bundles, with commas. Default: all that fit."),
    sensor: str | None = typer.Option(None, "--sensor", help="The sensor's name, where files carry no serial number."),
    timezone: str | None = typer.Option(
        None, "--timezone", help='Zone of clocks without one: "Europe/Paris", "+02:00".'
    ),
    lat: float | None = typer.Option(None, "--lat", min=-90, max=90, help="Degrees north, where files have no place."),
    lon: float | None = typer.Option(None, "--lon", min=-180, max=180, help="Degrees east."),
    min_probability: float | None = typer.Option(
        None, "--min-probability", min=0, max=1, help="Leave out detections below it. Default: the bundle's own."
    ),
    overlap: float | None = typer.Option(
        None, "--overlap", min=0, help="Seconds that windows of sound share: less than a window."
    ),
    region: str = typer.Option(
        "auto", "--region", help="Where frames are looked at: auto, whole, settled, motion, both, crops."
    ),
    mask: list[str] = typer.Option(
        [],
        "--mask",
        metavar="[SENSOR=]FILE|X,Y,W,H",
        help="Where nothing is looked for: a black-and-white picture, "
        "or a rectangle in shares of the frame. Can be said several times.",
    ),
    follow: bool = typer.Option(False, "--follow", help="Go on watching the folder for new files until Ctrl-C."),
    allow: str = typer.Option(
        "", "--allow", help="Scientific names, with commas, that the place never speaks against."
    ),
    media: str = typer.Option("none", "--media", help="Crops and clips kept with the results: all, best, none."),
    models_dir: Path | None = typer.Option(
        None, "--models-dir", metavar="DIR", help="Folder of added models. Default: this user's data folder."
    ),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No progress; warnings and errors only."),
) -> None:
    """Identify what a folder of recordings and frames holds.

    Writes FOLDER.katydid/ with detections.duckdb, detections.csv, Raven tables and report.html. A second run
    identifies only what is new. Ctrl-C keeps what is finished; the same command goes on.

    Example:  katydid run ~/moorland --timezone Europe/Dublin --lat 53.4 --lon -7.9
    """
    if (lat is None) != (lon is None):
        raise typer.BadParameter("--lat and --lon go together")
    if media not in ("all", "best", "none"):
        raise typer.BadParameter(f"{media!r} is not one of all, best, none", param_hint="--media")
    from katydid.models.settings import REGIONS, IdentifySettings
    from katydid.sensors.capture import Place
    from katydid.streams.local import RunOptions

    if region not in REGIONS:
        raise typer.BadParameter(f"{region!r} is not one of {', '.join(REGIONS)}", param_hint="--region")
    identify = IdentifySettings(
        min_probability=min_probability,
        overlap_s=overlap,
        allow=names(allow),
        region=region,
        masks=tuple(_mask(text) for text in mask),
    )
    options = RunOptions(
        folder=folder,
        out=out,
        models=names(models),
        sensor=sensor,
        zone=timezone,
        place=None if lat is None or lon is None else Place(latitude=lat, longitude=lon, source="option"),
        identify=identify,
        follow=follow,
        media=media,
    )
    _go(options, models_dir, quiet=quiet)


def _mask(text: str) -> Mask:
    """A mask from the command line. Raises BadParameter."""
    from katydid.models.image.masking import mask_of
    from katydid.sensors.errors import RefusedMedia

    try:
        return mask_of(text)
    except (OSError, ValueError, RefusedMedia) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise typer.BadParameter(f"{text!r}: {words}", param_hint="--mask") from error


def names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _go(options: RunOptions, models_dir: Path | None, *, quiet: bool) -> None:
    from rich.live import Live

    from katydid.models.library import default_library
    from katydid.streams.cli.interrupts import interruptible
    from katydid.streams.cli.screen import console, note
    from katydid.streams.local import run_folder

    screen = console()
    with interruptible(), Live(console=screen, auto_refresh=False, transient=True) as live:

        def watch(progress: RunProgress) -> None:
            if not quiet and screen.is_terminal:
                live.update(progress_line(progress), refresh=True)

        def notify(message: str) -> None:
            note(message)

        summary = run_folder(options, library=default_library(models_dir), watch=watch, notify=notify)
    if not quiet:
        for line in summary_lines(summary, options.folder):
            screen.print(line)
    if summary.interrupted:
        from katydid.streams.cli import INTERRUPTED

        note(f"interrupted: what is finished is kept. The same command goes on: katydid run {options.folder}")
        raise typer.Exit(INTERRUPTED)


def progress_line(progress: RunProgress) -> str:
    """One live line: how many, how fast, how much of what this machine can do, how long still."""
    from katydid.streams.report.text import duration

    parts = [
        f"{progress.done + progress.settled_before:,}/{progress.files:,}",
        f"{progress.rate:,.1f} captures/s",
        f"{progress.pipeline.seen_items:,} looks",
        f"{progress.roofline_share:.0%} of the roofline",
    ]
    if progress.left_s is not None:
        parts.append(f"{duration(progress.left_s)} left")
    return "  ".join(parts)


def summary_lines(summary: RunSummary, folder: Path) -> list[str]:
    """What a person reads at the end."""
    from katydid.streams.cli.screen import safe
    from katydid.streams.report.text import count, duration

    outputs, progress = summary.outputs, summary.progress
    if summary.nothing_new and not progress.settled_before:
        lines = [f"Nothing to identify in {safe(folder)}: there is no recording or frame in it."]
    elif summary.nothing_new:
        lines = [f"Nothing new in {safe(folder)}: {count(progress.settled_before, 'file')} identified before."]
    else:
        counts = progress.pipeline
        lines = [
            f"{count(progress.done, 'capture')} in {duration(max(progress.elapsed_s, 0.1))}: "
            f"{counts.identified:,} with detections, {counts.empty:,} empty, {counts.refused:,} refused "
            f"({progress.rate:,.1f} captures/s, {progress.roofline_share:.0%} of this machine's roofline)."
        ]
    if summary.duplicates:
        lines.append(f"{count(summary.duplicates, 'copy', 'copies')} of captures that were identified already.")
    if summary.other_files:
        lines.append(f"{count(summary.other_files, 'other file')} left alone: neither a recording nor a frame.")
    lines += [unnamed_line(kind.value, n) for kind, n in summary.unnamed.items()]
    lines += [f"Report  {safe(outputs.report)}", f"Table   {safe(outputs.csv)}", f"Store   {safe(outputs.store)}"]
    return lines


def unnamed_line(kind: str, n: int) -> str:
    """What happened to media for which there is no model, and what to do."""
    from katydid.streams.report.text import count

    what = "searched for insects on plain ground; none is named" if kind == "frame" else "not listened to"
    return (
        f"{count(n, kind)} without a model for {kind}s: {what}. "
        "To name them: katydid models add --help, then run again with --out NEW_FOLDER."
    )
