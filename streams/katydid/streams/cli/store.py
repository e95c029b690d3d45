"""`katydid store`: a look at a store on a server before a worker uses it."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def store() -> None:
    """Stores on servers.

    Example:  katydid store check influx+http://127.0.0.1:8086/katydid/katydid
    """


@app.command()
def check(
    url: str = typer.Argument(..., metavar="URL", help="influx+http://HOST:PORT/ORGANISATION/BUCKET"),
) -> None:
    """Is the server there, may the token write and read, has every field one type, how long are captures kept?

    The token comes from KATYDID_INFLUX_TOKEN, or the file that KATYDID_INFLUX_TOKEN_FILE names. Nothing is written.
    Exit code 5 where a worker could not use the store.

    Example:  katydid store check influx+http://127.0.0.1:8086/katydid/katydid
    """
    import os

    from katydid.streams.cli.screen import console, safe
    from katydid.streams.kafka.configuration import read_configuration
    from katydid.streams.store.influx.checks import check as look
    from katydid.streams.store.influx.store import connect

    connection = connect(url, read_configuration(None, os.environ).secrets.influx_token)
    try:
        findings = connection.run(look(connection, mend=False))
    finally:
        connection.close()
    screen = console()
    for finding in findings:
        word = "[green]good[/]" if finding.good else "[bold red]wrong[/]" if finding.fatal else "[yellow]note[/]"
        screen.print(f"{word}  {finding.what:<13} {safe(finding.said)}")
    if any(finding.fatal and not finding.good for finding in findings):
        raise typer.Exit(5)
