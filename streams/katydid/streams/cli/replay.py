"""`katydid replay`: what the topics still hold, identified again by other models, into a store beside the first."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from katydid.streams.kafka.configuration import Configuration
    from katydid.streams.pipeline import Progress


def replay(
    begin: str = typer.Option(..., "--from", metavar="TIME", help="2026-06-01 or 2026-06-01T04:00Z; UTC."),
    models: str = typer.Option(..., "--models", help="Names of bundles, with commas."),
    until: str | None = typer.Option(None, "--until", metavar="TIME", help="Up to, not including. Default: all."),
    sink: str | None = typer.Option(
        None, "--sink", metavar="URL", help="Where outcomes go. Default: beside the DuckDB store of the configuration."
    ),
    config: Path | None = typer.Option(
        None, "--config", "-c", metavar="FILE", help="TOML file; docs/kafka.md lists every key."
    ),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No progress; errors only."),
) -> None:
    """Identify what the topics still hold once more, by other models, into a store beside the first.

    TIME is when a capture came into its topic. What the store holds already is left out, so the same command goes on
    after a kill.

    Example:  katydid replay --from 2026-06-01 --models birdnet --config katydid.toml
    """
    from katydid.streams.cli.run import names

    from_ms, until_ms = _milliseconds(begin, "--from"), None if until is None else _milliseconds(until, "--until")
    configuration = _configuration(config, names(models), sink)
    _go(configuration, from_ms, until_ms, quiet=quiet)


def _configuration(path: Path | None, models: tuple[str, ...], sink: str | None) -> Configuration:
    import msgspec

    from katydid.streams.kafka.configuration import read_configuration, with_sink
    from katydid.streams.kafka.extra import need_extra

    need_extra()
    from katydid.streams.kafka.replaying import beside

    read = read_configuration(path, os.environ)
    read = msgspec.structs.replace(read, models=msgspec.structs.replace(read.models, names=models))
    return with_sink(read, beside(read.sink.url, models) if sink is None else sink)


def _go(configuration: Configuration, from_ms: int, until_ms: int | None, *, quiet: bool) -> None:
    from rich.live import Live

    from katydid.streams.cli.screen import console, safe
    from katydid.streams.kafka.replaying import replay as run

    screen = console()
    with Live(console=screen, auto_refresh=False, transient=True) as live:

        def watch(progress: Progress) -> None:
            if not quiet and screen.is_terminal:
                done = progress.identified + progress.empty + progress.refused
                live.update(f"{done:,} captures  {progress.seen_items:,} looks", refresh=True)

        done = run(configuration, from_ms, until_ms, watch)
    found = done.progress
    if not quiet:
        screen.print(
            f"{found.taken:,} captures: {found.identified:,} with detections, {found.empty:,} empty, "
            f"{found.refused:,} refused; {done.stored_before:,} were there, {done.dead:,} messages are no captures."
        )
        screen.print(f"Store  {safe(configuration.sink.url)}")


def _milliseconds(text: str, option: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time: write 2026-06-01T04:00Z", param_hint=option) from error
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
