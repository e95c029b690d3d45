"""`katydid query`: what was found, asked from the terminal; as a table, as JSON lines or as CSV."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from katydid.streams.cli.stores import WhereToAsk, asked

if TYPE_CHECKING:
    import pyarrow as pa

TIMES = frozenset({"captured_at", "bin_start", "first_seen", "last_seen"})

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Ask what was found.")

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Csv = Annotated[bool, typer.Option("--csv", help="Comma-separated, with a header.")]
MinConfidence = Annotated[float, typer.Option("--min-confidence", min=0, max=1, help="Leave out what is less sure.")]


@app.command()
def species(where: WhereToAsk, min_confidence: MinConfidence = 0.0, json: Json = False, csv: Csv = False) -> None:
    """Every taxon: how often, how sure, first and last seen, and the effort behind it.

    Example:  katydid query species ~/moorland --csv > species.csv
    """
    from katydid.streams import questions
    from katydid.streams.store.protocol import OutcomeFilter

    with asked(where) as store:
        found = store.detections(OutcomeFilter(min_confidence=min_confidence))
        table = questions.species(found, store.sensors())
    shown = ("taxon", "common_name", "detections", "accepted", "max_confidence", "first_seen", "last_seen", "days")
    _show(table, shown, json=json, csv=csv)


@app.command()
def activity(
    where: WhereToAsk,
    by: str = typer.Option("hour", "--by", help="hour, day or week."),
    taxon: list[str] = typer.Option([], "--taxon", help="Scientific name or taxon id; may be given several times."),
    json: Json = False,
    csv: Csv = False,
) -> None:
    """Detections and occurrences per sensor, time and taxon, with the effort of that time. An occurrence counts once,
    in the hour in which it was first seen.

    The token of an InfluxDB comes from KATYDID_INFLUX_TOKEN, or the file that KATYDID_INFLUX_TOKEN_FILE names; one
    that may only read will do.

    Example:  katydid query activity ~/moorland --by day --taxon "Parus major"
    """
    from katydid.streams.cli.stores import say_unfollowed
    from katydid.streams.store.protocol import By, Window

    if by not in tuple(By):
        raise typer.BadParameter(f"{by!r} is not one of {', '.join(By)}", param_hint="--by")
    with asked(where) as store:
        table = store.activity(Window(), By(by), taxon)
        say_unfollowed(store)
    counts = ("detections", "occurrences", "accepted", "max_confidence", "effort_s", "captures")
    shown = ("sensor_id", "bin_start", "taxon", *counts)
    _show(table, shown, json=json, csv=csv)


@app.command()
def occurrences(
    where: WhereToAsk,
    taxon: list[str] = typer.Option([], "--taxon", help="Scientific name or taxon id; may be given several times."),
    min_confidence: MinConfidence = 0.0,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """Animals and bouts of song instead of detections: a moth that sits through 180 frames is one row.

    Example:  katydid query occurrences ~/moorland --taxon "Noctua pronuba"
    """
    from katydid.streams.cli.stores import say_unfollowed
    from katydid.streams.store import OutcomeFilter

    with asked(where) as store:
        table = store.occurrences(OutcomeFilter(taxa=tuple(taxon), min_confidence=min_confidence))
        say_unfollowed(store)
    if csv:
        table = table.drop_columns("detection_ids")
    shown = ("sensor_id", "first_seen", "last_seen", "taxon", "captures", "score", "probability", "decision")
    _show(table, shown, json=json, csv=csv)


@app.command()
def latest(
    where: WhereToAsk,
    n: int = typer.Option(20, "-n", "--number", min=1, help="How many."),
    json: Json = False,
    csv: Csv = False,
) -> None:
    """The newest detections.

    Example:  katydid query latest ~/moorland -n 5
    """
    with asked(where) as store:
        table = store.latest(n)
    shown = ("detection_id", "captured_at", "file", "taxon", "common_name", "score", "probability", "decision")
    _show(table, shown, json=json, csv=csv)


def _show(table: pa.Table, columns: Sequence[str], *, json: bool, csv: bool) -> None:
    if json and csv:
        raise typer.BadParameter("--json and --csv do not go together")
    table = _with_written_times(table)
    if json:
        _as_json(table)
    elif csv:
        _as_csv(table)
    else:
        _as_text(table, [name for name in columns if name in table.column_names])


def _with_written_times(table: pa.Table) -> pa.Table:
    """Times as ISO 8601 in UTC, to the microsecond: Python has no finer ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            plain = table.column(place).cast(pa.timestamp("us", tz="UTC"), safe=False).cast(pa.timestamp("us"))
            written = pc.strftime(plain, format="%Y-%m-%dT%H:%M:%SZ")
            table = table.set_column(place, field.name, written)
    return table


def _as_json(table: pa.Table) -> None:
    import msgspec

    for row in table.to_pylist():
        sys.stdout.write(msgspec.json.encode(row).decode() + "\n")


def _as_csv(table: pa.Table) -> None:
    """The same guard against formulas as in the CSV export."""
    import csv

    from katydid.streams.exports.csv import guarded

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow([guarded(value) if isinstance(value, str) else value for value in row.values()])


def _as_text(table: pa.Table, columns: Sequence[str]) -> None:
    from rich.table import Table

    from katydid.streams.cli.screen import console, safe

    screen = console()
    if table.num_rows == 0:
        screen.print("Nothing found.")
        return
    shown = Table(box=None, pad_edge=False)
    for name in columns:
        shown.add_column(name.replace("_", " "), overflow="fold", no_wrap=not screen.is_terminal)
    for row in table.select(list(columns)).to_pylist():
        shown.add_row(*(safe(_cell(name, value)) for name, value in row.items()))
    screen.print(shown)


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    if name in TIMES:
        return str(value)[:19].replace("T", " ")
    return str(value)
