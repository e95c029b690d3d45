"""The command line: `katydid`. Each command lives in the module of its name and is imported only when it is called,
so `katydid --help` answers at once.

Exit codes: 0 fine, 1 unexpected, 2 wrong arguments, 3 source, 4 model, 5 store in use or unusable, 6 disk full or
read-only, 7 the broker or something on it, 75 try again, 130 interrupted. Errors that are meant for a person are one
message on stderr, never a traceback.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import typer

INTERRUPTED = 130


@dataclass(frozen=True)
class Command:
    """One line of `katydid --help`, and where the rest of it is."""

    name: str
    module: str
    attribute: str
    help: str
    group: bool = False


COMMANDS = (
    Command("run", "run", "run", "Identify what a folder of recordings and frames holds."),
    Command("demo", "demo", "demo", "One simulated night through the real pipeline, truth beside result."),
    Command("report", "report", "report", "Write the HTML report again."),
    Command("export", "export", "app", "Write CSV, Parquet or Raven files.", group=True),
    Command("query", "query", "app", "Ask what was found: species, activity, latest.", group=True),
    Command("explain", "explain", "explain", "Everything known about one detection, number by number."),
    Command("doctor", "doctor", "doctor", "What this installation is, what really runs, and whether it agrees."),
    Command("models", "models", "app", "Bundles: list, add, card, verify.", group=True),
    Command("simulate", "simulate", "simulate", "Write simulated stations' media and truth into a folder."),
    Command("capture", "capture", "app", "Cameras and microphones, live, into a folder.", group=True),
    Command("push", "push", "push", "Send what a folder holds to Kafka, for workers to identify."),
    Command("worker", "worker", "worker", "Take captures from Kafka, identify them, keep their outcomes."),
    Command("deadletters", "deadletters", "app", "Messages that were given up: list, show, retry.", group=True),
    Command("replay", "replay", "replay", "Identify what the topics still hold by other models, into a second store."),
    Command("store", "store", "app", "Stores on servers: check one before a worker uses it.", group=True),
    Command("topics", "topics", "app", "Kafka's topics and users: create, check, user, revoke.", group=True),
    Command("train", "train", "train_app", "Train a model of your own.", group=True),
    Command("evaluate", "train", "evaluate", "How good a bundle is on a labelled folder."),
)

OVERVIEW = """Field sensors in, named species out.

Example:  katydid run RECORDINGS    writes RECORDINGS.katydid/ with detections.csv and report.html
"""


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """The application with the one command that `arguments` call imported; the others stand there with their help."""
    called = next((word for word in arguments if not word.startswith("-")), None)
    app = typer.Typer(
        help=OVERVIEW,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_version)
    for command in COMMANDS:
        _add(app, command, imported=command.name == called)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with a documented exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run_command(words))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code and prints what went wrong, if anything, on stderr."""
    from katydid.sensors.errors import KatydidError

    try:
        app_for(arguments)(args=list(arguments), prog_name="katydid")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KatydidError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`katydid query … | head`): nothing to say, and nobody to say it to.
        _mute_stdout()
        return 0
    return 0


def _complain(message: str) -> None:
    from katydid.streams.cli.screen import complain

    complain(message)


def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"katydid {version_of('katydid')}")
        raise typer.Exit


def _add(app: typer.Typer, command: Command, *, imported: bool) -> None:
    if imported:
        found = getattr(importlib.import_module(f"katydid.streams.cli.{command.module}"), command.attribute)
        if command.group:
            app.add_typer(found, name=command.name, help=command.help)
        else:
            app.command(command.name, no_args_is_help=False)(found)
        return
    app.command(command.name, help=command.help)(_not_called())


def _not_called() -> Callable[[], None]:
    def stand_in() -> None:
        raise AssertionError("a command that was not called")

    return stand_in


def _mute_stdout() -> None:
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
