"""`katydid export`: what was found, as files for other programs."""

from __future__ import annotations

from pathlib import Path

import typer

from katydid.streams.cli.stores import Where, opened, say_unfollowed

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Write CSV, Parquet or Raven files.")


@app.command()
def csv(
    where: Where, out: Path | None = typer.Option(None, "--out", metavar="FILE", help="Default: detections.csv there.")
) -> None:
    """One table: a row a detection, and one for each capture without any.

    Example:  katydid export csv ~/moorland --out moorland.csv
    """
    from katydid.streams.exports.csv import write_csv

    with opened(where) as (store, outputs), outputs.writable():
        path = out or outputs.csv
        rows = write_csv(store, path)
    _say(f"{rows:,} rows", path)


@app.command()
def occurrences(
    where: Where, out: Path | None = typer.Option(None, "--out", metavar="FILE", help="Default: occurrences.csv there.")
) -> None:
    """One table: a row an animal that stayed in view, or a bout of song.

    Example:  katydid export occurrences ~/moorland --out individuals.csv
    """
    from katydid.streams.exports.occurrences import write_occurrences

    with opened(where) as (store, outputs), outputs.writable():
        path = out or outputs.occurrences
        rows = write_occurrences(store, path)
        say_unfollowed(store)
    _say(f"{rows:,} rows", path)


@app.command()
def parquet(
    where: Where, out: Path | None = typer.Option(None, "--out", metavar="DIR", help="Default: parquet/ there.")
) -> None:
    """Tables for R, Python and DuckDB: outcomes and detections with all their columns.

    Example:  katydid export parquet ~/moorland
    """
    from katydid.streams.exports.parquet import write_parquet

    with opened(where) as (store, outputs), outputs.writable():
        path = out or outputs.directory / "parquet"
        files = write_parquet(store, path)
        say_unfollowed(store)
    _say(f"{len(files)} files", path)


@app.command()
def raven(
    where: Where, out: Path | None = typer.Option(None, "--out", metavar="DIR", help="Default: the output folder.")
) -> None:
    """One Raven selection table for each recording: NAME.katydid.selections.txt.

    Example:  katydid export raven ~/moorland --out ~/moorland
    """
    from katydid.streams.exports.raven import write_raven

    with opened(where) as (store, outputs), outputs.writable():
        path = out or outputs.directory
        tables = write_raven(store, path)
    _say(f"{tables:,} tables", path)


def _say(what: str, path: Path) -> None:
    from katydid.streams.cli.screen import console, safe

    console().print(f"{what} in {safe(path)}")
