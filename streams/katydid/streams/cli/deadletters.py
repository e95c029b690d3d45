"""`katydid deadletters list|show|retry`: messages that were given up, why, and sending them again after a fix."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from katydid.streams.kafka.configuration import Configuration
    from katydid.streams.kafka.letters import Letter

NEWEST = 1000
UNPACK_MIB = 256

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Messages that were given up: list, show, retry.")
Config = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="TOML file; docs/kafka.md lists every key.")
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="PARTITION:OFFSET, as `list` prints it.")]


@app.command("list")
def listing(
    config: Config = None,
    reason: str = typer.Option("", "--reason", help="Only those with this reason."),
    everything: bool = typer.Option(False, "--all", help="Also those that were sent again."),
    newest: int = typer.Option(NEWEST, min=0, help="Look at so many messages of each partition. 0: all."),
) -> None:
    """Say what was given up, why, and where it came from; the oldest first.

    Dead letters hold whole media, and to look at them is to fetch them: so only the newest are looked at.

    Example:  katydid deadletters list --config katydid.toml --reason envelope
    """
    from katydid.streams.cli.screen import console, safe
    from katydid.streams.kafka.letters import letters

    screen, configuration = console(), _configuration(config)
    with _progress() as watch:
        found = _chosen(letters(configuration, newest or None, watch), reason, everything=everything)
    for letter in found:
        whence = letter.whence
        sent = "  (sent again)" if letter.retried else ""
        screen.print(
            f"{letter.name}  {_time(whence.died_ms)}  {safe(whence.reason)}  {safe(_key(letter))}  "
            f"{safe(letter.origin)}  {safe(whence.message)}{sent}"
        )
    among = f" among the newest {newest:,} messages of each partition" if newest else ""
    screen.print(f"{len(found)} dead letter{'' if len(found) == 1 else 's'}{among}.")


@app.command()
def show(
    name: Name,
    config: Config = None,
    out: Path | None = typer.Option(None, "--out", metavar="FILE", help="Write the original's bytes there."),
) -> None:
    """Everything about one dead letter.

    Example:  katydid deadletters show 3:17 --config katydid.toml --out suspect.jpg
    """
    from katydid.streams.cli.screen import console, safe
    from katydid.streams.kafka.letters import original_of

    configuration = _configuration(config)
    letter = _named(configuration, name)
    original = original_of(configuration, letter)
    whence, screen = letter.whence, console()
    rows = {
        "reason": whence.reason,
        "message": whence.message,
        "sensor": _key(letter),
        "capture": whence.capture_id or "the envelope could not be read",
        "from": letter.origin,
        "written": _time(whence.at_ms),
        "given up": _time(whence.died_ms),
        "by": f"katydid {whence.katydid_version}",
        "bytes": f"{len(original.value or b''):,}",
    }
    for label, text in rows.items():
        screen.print(f"{label:<11}{safe(text)}")
    for header, value in original.headers:
        screen.print(f"header     {safe(header)}: {safe(value[:2000].decode('utf-8', 'backslashreplace'))}")
    if out is not None:
        try:
            out.write_bytes(original.value or b"")
        except OSError as error:
            raise typer.BadParameter(f"{out} cannot be written: {error.strerror}", param_hint="--out") from error


@app.command()
def retry(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="As `list` prints them.")] = None,
    config: Config = None,
    reason: str = typer.Option("", "--reason", help="All with this reason."),
    everything: bool = typer.Option(False, "--all", help="All that were not sent again yet."),
    unpack_mib: int = typer.Option(
        UNPACK_MIB, min=0, help="Leave a compressed batch where it is that may take more MiB of memory."
    ),
) -> None:
    """Send originals again to where they were, after what was wrong is mended. Each ends as one outcome, however often
    it is sent.

    Example:  katydid deadletters retry --reason missing --config katydid.toml
    """
    if not names and not reason and not everything:
        raise typer.BadParameter("give names, --reason or --all")
    from katydid.streams.cli.screen import complain, console
    from katydid.streams.kafka import letters as shelf

    configuration = _configuration(config)
    if names:
        chosen = [_named(configuration, name) for name in names]
    else:
        with _progress() as watch:
            chosen = _chosen(shelf.letters(configuration, watch=watch), reason, everything=False)
    sent = kept = 0
    for letter, error in shelf.retry(configuration, chosen, unpack_mib):
        sent, kept = (sent + 1, kept) if error is None else (sent, kept + 1)
        if error is not None:
            complain(f"{letter.name}: {error}")
    console().print(f"{sent} sent again, {kept} could not be.")
    if kept:
        raise typer.Exit(7)


def _configuration(path: Path | None) -> Configuration:
    from katydid.streams.kafka.configuration import read_configuration
    from katydid.streams.kafka.extra import need_extra

    need_extra()
    return read_configuration(path, os.environ)


def _chosen(found: list[Letter], reason: str, *, everything: bool) -> list[Letter]:
    return [
        letter
        for letter in found
        if (everything or not letter.retried) and (not reason or letter.whence.reason == reason)
    ]


def _named(configuration: Configuration, name: str) -> Letter:
    from katydid.streams.kafka.letters import letter_at

    partition, _, offset = name.partition(":")
    if partition.isdecimal() and offset.isdecimal():
        letter = letter_at(configuration, int(partition), int(offset))
        if letter is not None:
            return letter
    raise typer.BadParameter(f"there is no dead letter {name!r}: `katydid deadletters list` names them")


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """On a terminal, how far the topic is read."""
    from rich.console import Console
    from rich.live import Live

    screen = Console(stderr=True, highlight=False)
    with Live(console=screen, auto_refresh=False, transient=True) as live:

        def watch(read: int, of: int) -> None:
            if screen.is_terminal and (read % 100 == 0 or read == of):
                live.update(f"{read:,} of {of:,} messages looked at", refresh=True)

        yield watch


def _key(letter: Letter) -> str:
    return "no key" if letter.key is None else letter.key.decode("utf-8", "backslashreplace")


def _time(milliseconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
