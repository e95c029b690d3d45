"""`katydid store`: a look at a store on a server before a worker uses it."""

from __future__ import annotations

from pathlib import Path

import typer

EVERY_S = 60.0
"""Between two looks of `follow --keep`, seconds."""

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


@app.command()
def follow(
    url: str = typer.Argument(..., metavar="URL", help="influx+http://HOST:PORT/ORGANISATION/BUCKET"),
    keep: bool = typer.Option(False, "--keep", help="Go on, and look every minute; Ctrl-C ends it."),
    everything: bool = typer.Option(False, "--all", help="Also what was written before sessions were marked."),
    config: Path | None = typer.Option(
        None, "--config", "-c", metavar="FILE", help="TOML file of the workers, for the sites of sensors."
    ),
) -> None:
    """Animals and bouts of song from the detections in an InfluxDB: of the nights of sensors that were added to since.

    Let one of it run beside the workers, or start it from time to time. Two do no harm; broken off, it goes on.

    Example:  katydid store follow influx+http://127.0.0.1:8086/katydid/katydid --keep
    """
    import os
    import time

    from katydid.streams.cli.interrupts import interruptible
    from katydid.streams.cli.screen import console, note
    from katydid.streams.kafka.configuration import read_configuration
    from katydid.streams.store.influx import open_influx

    configuration = read_configuration(config, os.environ)
    screen = console()
    with (
        interruptible(),
        open_influx(url, token=configuration.secrets.influx_token, sites=configuration.sink.sites) as store,
    ):
        followed = store.follow(all_of_it=everything)
        screen.print(f"{followed} sensor nights followed")
        while keep:
            time.sleep(EVERY_S)
            followed = store.follow(now=time.time_ns())
            if followed:
                note(f"{followed} sensor nights followed")


@app.command()
def refill(
    url: str = typer.Argument(..., metavar="URL", help="influx+http://HOST:PORT/ORGANISATION/BUCKET"),
    config: Path | None = typer.Option(
        None, "--config", "-c", metavar="FILE", help="TOML file that says where the topics are; docs/kafka.md."
    ),
) -> None:
    """Write again what the topic of outcomes holds and the store has lost, for example by a full disk.

    What is there stays as it is. Can be done while workers write, and again after an interruption. Exit code 5 where
    the store refuses some for ever; the others are in it.

    Example:  katydid store refill influx+http://127.0.0.1:8086/katydid/katydid --config katydid.toml
    """
    import os

    from katydid.streams.cli.screen import console, note
    from katydid.streams.kafka.configuration import read_configuration
    from katydid.streams.kafka.extra import need_extra

    need_extra()
    from katydid.streams.kafka.refilling import Refilled, refill
    from katydid.streams.sink import Arrival
    from katydid.streams.store.influx import open_influx

    configuration = read_configuration(config, os.environ)

    screen, refused = console(), set[str]()

    def poison(arrival: Arrival, words: str) -> None:
        refused.add(arrival.outcome.capture_id)
        note(f"the store refuses the outcome of capture {arrival.outcome.capture_id}: {words}")

    with (
        open_influx(
            url, token=configuration.secrets.influx_token, poison=poison, sites=configuration.sink.sites
        ) as store,
        screen.status("reading the topic of outcomes") as status,
    ):

        def watch(done: Refilled) -> None:
            status.update(f"{done.outcomes} outcomes read, {done.lacking} were not in the store")

        done = refill(configuration, store, watch)
    screen.print(
        f"{done.outcomes} outcomes of the topic were read; {done.lacking} of them were not in the store before"
    )
    if done.unreadable:
        screen.print(f"{done.unreadable} messages are no outcomes and were left")
    if refused:
        screen.print(f"{len(refused)} are refused by the store for ever, and are not in it")
        raise typer.Exit(5)
