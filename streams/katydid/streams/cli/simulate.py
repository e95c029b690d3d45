"""`katydid simulate`: a night or a deployment that never was, written into a folder with its truth apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from katydid.sensors.sources.simulated import Night
    from katydid.sensors.sources.simulated.plan import DeploymentPlan
    from katydid.sensors.sources.simulated.writing import Written

_ONLY_NIGHT = ("hours",)
_ONLY_DEPLOYMENT = ("stations", "days", "start", "fidelity", "sensors", "faults", "late", "drift")


def simulate(
    context: typer.Context,
    out: Path = typer.Argument(..., help="Folder to write: media/ with the files, and beside it what really was."),
    preset: str = typer.Option(
        "night",
        "--preset",
        help="night: one recorder and one camera over a sheet; deployment: any number of stations, for days; "
        "troubled: a deployment in which a little of everything goes wrong.",
    ),
    seed: int = typer.Option(1, "--seed", min=0, help="Another seed, another night."),
    hours: float = typer.Option(12.0, "--hours", min=0.5, max=24.0, help="Of a night: how much, from 19:00 on."),
    stations: int = typer.Option(
        3, "--stations", min=1, help="Of a deployment, as all below: recorder and camera each."
    ),
    days: float = typer.Option(1.0, "--days", min=0.01, help="How long."),
    start: str = typer.Option("2025-07-01", "--start", metavar="DATE", help="Its first day; it begins at noon."),
    fidelity: str = typer.Option(
        "high", "--fidelity", help="high, or low: small frames, clips cut from prepared songs."
    ),
    sensors: str = typer.Option("both", "--sensors", help="recorders, cameras or both."),
    faults: str = typer.Option(
        "", "--faults", metavar="KIND=SHARE,…", help="Spoilt files: truncated=0.01,rubbish=0.01"
    ),
    late: float | None = typer.Option(
        None, "--late", min=0, max=1, help="Share of stations whose cards are read once a week."
    ),
    drift: float | None = typer.Option(
        None, "--drift", min=0, metavar="PPM", help="How far clocks drift: standard deviation, parts in a million."
    ),
    truth: Path | None = typer.Option(None, "--truth", metavar="FILE", help="Default: OUT/truth.csv."),
) -> None:
    """Write media as field devices do (WAV with GUANO, JPEG with EXIF), and apart from them what really was.

    The same options give the same bytes. The folder must be new or empty. docs/simulator.md says what is modelled.

    Example:  katydid simulate night1 --seed 7

    Example:  katydid simulate month --preset deployment --stations 20 --days 30 --fidelity low

    Example:  katydid simulate bad --preset troubled --faults truncated=0.05,flat_line=0.02 --late 0.5
    """
    from katydid.sensors.errors import SourceError
    from katydid.sensors.sources.simulated import Night

    if out.exists() and not out.is_dir():
        raise SourceError(f"{out} is a file: give a new folder")
    if out.exists() and any(out.iterdir()):
        raise SourceError(f"{out} is not empty: give a new folder, so that nothing of yours is mixed with it")
    try:
        asked = _asked(context)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    if isinstance(asked, Night):
        _write_night(asked, out, truth)
    else:
        _write_deployment(asked, out, truth or out / "truth.csv")


def _asked(context: typer.Context) -> Night | DeploymentPlan:
    """What the options ask for. Raises ValueError for words that mean nothing."""
    import msgspec

    from katydid.sensors.sources.simulated.presets import AskedDeployment, AskedNight, Preset

    given = context.params
    if given["preset"] not in tuple(Preset):
        raise ValueError(f"--preset {given['preset']} is none of {', '.join(Preset)}")
    preset = Preset(given["preset"])
    _refuse_others(context, preset is Preset.NIGHT)
    if preset is Preset.NIGHT:
        return AskedNight(seed=given["seed"], hours=given["hours"]).night()
    words = {name: given[name] for name in ("seed", *_ONLY_DEPLOYMENT)}
    return msgspec.convert(words, AskedDeployment, strict=False).plan(in_trouble=preset is Preset.TROUBLED)


def _refuse_others(context: typer.Context, is_night: bool) -> None:
    """Raises ValueError for an option that the preset would not heed."""
    for name in _ONLY_DEPLOYMENT if is_night else _ONLY_NIGHT:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            other = "deployment or troubled" if is_night else "night"
            raise ValueError(f"--{name} goes with --preset {other}")


def _write_night(night: Night, out: Path, truth: Path | None) -> None:
    from katydid.sensors.sources.simulated import Station, write_station
    from katydid.streams.cli.screen import console, safe

    screen, station = console(), Station(night)
    with screen.status("drawing the night") as status:
        media = write_station(
            station, out, lambda done, of: status.update(f"drawing the night: {done:,} of {of:,} files"), truth
        )
    screen.print(f"{len(station):,} files below {safe(media)}, their truth in {safe(truth or out / 'truth.csv')}")
    screen.print(f"Next: katydid run {safe(media)}")


def _write_deployment(plan: DeploymentPlan, out: Path, truth: Path) -> None:
    from katydid.sensors.sources.simulated.writing import DEPLOYMENTS, INDIVIDUALS, write_deployment
    from katydid.streams.cli.screen import console, safe

    screen = console()
    latest: list[Written] = []
    with screen.status("drawing the deployment") as status:

        def watch(written: Written) -> None:
            latest[:] = [written]
            status.update(
                f"drawing: {written.files:,} files, {written.bytes / 1e6:,.0f} MB, {written.simulated:%d %b %H:%M}"
            )

        media = write_deployment(plan, out, truth=truth, watch=watch)
    files, size = (latest[0].files, latest[0].bytes) if latest else (0, 0)
    screen.print(f"{files:,} files ({size / 1e6:,.0f} MB) of {plan.stations:,} stations below {safe(media)}.")
    screen.print(
        f"What really was: {safe(truth)}, {safe(truth.with_name(INDIVIDUALS))}; sensors: {safe(out / DEPLOYMENTS)}"
    )
    screen.print(f"Next: katydid run {safe(media)} --timezone {plan.zone}")
