"""`katydid demo`: one simulated night through the real pipeline, truth beside result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from katydid.sensors.sources.simulated import Night
    from katydid.streams.comparison import Comparison
    from katydid.streams.identities import Identities
    from katydid.streams.local import RunSummary

MARKER = ".katydid-demo"
"""Lies in a folder that the demo made, so that a second demo may clear it."""


def demo(
    out: Path = typer.Option(Path("katydid-demo"), "--out", help="Folder for the night, its truth and the results."),
    seed: int = typer.Option(1, "--seed", help="Another seed, another night."),
    hours: float = typer.Option(12.0, "--hours", min=0.5, max=24.0, help="How much of the night, from 19:00 on."),
) -> None:
    """One simulated night of a recorder and a camera, through the real pipeline; then truth beside result.

    Takes about a minute. The models see the media alone: the truth lies in a file of its own.

    Example:  katydid demo --seed 7
    """
    from katydid.streams.cli.screen import console, safe

    screen = console()
    screen.print(f"A night at a station that never was (seed {seed}): one sound recorder, one camera over a lit sheet.")
    from katydid.sensors.sources.simulated import Night, Station, write_station

    _cleared(out)
    station = Station(Night(seed=seed, hours=hours))
    with screen.status("drawing the night") as status:
        media = write_station(
            station, out, lambda done, of: status.update(f"drawing the night: {done:,} of {of:,} files")
        )
    screen.print(f"{len(station):,} files drawn below {safe(media)}; now the same pipeline as for your own files.")
    summary = _identify(media, station.night)
    _show(out, summary)


def _cleared(out: Path) -> None:
    """An empty folder for the demo. Clears only what an earlier demo made."""
    import shutil

    from katydid.sensors.errors import SourceError

    if out.exists() and any(out.iterdir()):
        if not (out / MARKER).exists():
            raise SourceError(f"{out} is there and was not made by a demo: give another folder with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).write_text("made by `katydid demo`; a later demo may clear this folder\n", encoding="utf-8")


def _identify(media: Path, night: Night) -> RunSummary:
    from rich.live import Live

    from katydid.models.library import BUNDLED, Library
    from katydid.streams.cli.interrupts import interruptible
    from katydid.streams.cli.run import progress_line
    from katydid.streams.cli.screen import console, note
    from katydid.streams.local import RunOptions, RunProgress, run_folder

    screen = console()
    with interruptible(), Live(console=screen, auto_refresh=False, transient=True) as live:

        def watch(progress: RunProgress) -> None:
            if screen.is_terminal:
                live.update(progress_line(progress), refresh=True)

        options = RunOptions(
            folder=media,
            zone=offset(night),
            title=f"A simulated night, {night.day.isoformat()}",
        )
        summary = run_folder(options, library=Library((BUNDLED,)), watch=watch, notify=note)
    if summary.interrupted:
        from katydid.streams.cli import INTERRUPTED

        raise typer.Exit(INTERRUPTED)
    return summary


def offset(night: Night) -> str:
    """ "+02:00": what the station's clocks keep, for the broken files that cannot say so themselves."""
    return night.moment(0.0).isoformat()[-6:]


def _show(out: Path, summary: RunSummary) -> None:
    from katydid.sensors.sources.simulated import read_truth
    from katydid.streams.cli.run import summary_lines
    from katydid.streams.cli.screen import console, safe
    from katydid.streams.comparison import compare
    from katydid.streams.identities import identities
    from katydid.streams.store import open_store
    from katydid.streams.store.protocol import OutcomeFilter

    screen = console()
    for line in summary_lines(summary, out)[:1]:
        screen.print(line)
    with open_store(summary.outputs.store, read_only=True) as store:
        truth, detections = read_truth(out / "truth.csv"), store.detections(OutcomeFilter())
        comparison = compare(truth, detections)
        individuals = identities(truth, detections, store.occurrences(OutcomeFilter()))
        refused = store.outcomes(OutcomeFilter(statuses=("refused",))).to_pylist()
    screen.print(truth_table(comparison))
    screen.print(insects_line(comparison))
    screen.print(individuals_line(individuals))
    reasons = "; ".join(f"{safe(row['file'])}: {safe(row['reason'])}" for row in refused)
    screen.print(f"Refused, and kept with its reason: {reasons or 'nothing'}.")
    screen.print(f"\nReport  {safe(summary.outputs.report)}")
    screen.print("Next    katydid run YOUR_FOLDER        birds? katydid models add birdnet")


def truth_table(comparison: Comparison) -> Table:
    """Per species: clips that hold its song, clips in which it was found or made up, mean probability."""
    from rich.table import Table

    from katydid.streams.cli.screen import safe

    table = Table(title=f"Truth beside result, by clip (F1 {comparison.score:.2f})", title_justify="left")
    table.add_column("species")
    for heading in ("there", "found", "genus only", "for review", "missed", "made up", "mean probability"):
        table.add_column(heading, justify="right")
    for row in comparison.species:
        mean = "" if row.mean_probability is None else f"{row.mean_probability:.2f}"
        missed = row.there - row.found - row.genus_only - row.for_review
        numbers = (row.there, row.found, row.genus_only, row.for_review, missed, row.made_up)
        table.add_row(safe(row.species), *(str(number) for number in numbers), mean)
    return table


def insects_line(comparison: Comparison) -> str:
    """What the localiser made of the camera's frames; nobody names them without an image model."""
    return (
        f"Camera: insects sat {comparison.insects:,} times in {comparison.frames:,} frames; "
        f"{comparison.insects_found:,} were found, {comparison.insects_made_up:,} boxes fit none. "
        "They stay unnamed: no image model is in the box."
    )


def individuals_line(individuals: Identities) -> str:
    """Animals, not boxes: one that sits through eighty frames is one."""
    line = (
        f"Individuals: {individuals.there:,} came; {individuals.counted:,} were counted, {individuals.once:,} of them"
    )
    line += " each as one and nobody else"
    wrong = {
        "counted several times": individuals.split,
        "taken for another": individuals.joined,
        "never found": individuals.missed,
    }
    return "; ".join([line, *(f"{number:,} {words}" for words, number in wrong.items() if number)]) + "."
