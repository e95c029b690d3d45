"""`katydid topics`: the topics and users of the Kafka host, as the configuration says, on the broker that it names.

No password is an argument: the process list of a machine is everybody's. The administrator's own comes from
KATYDID_KAFKA_PASSWORD (or the file in …_FILE); a new user's is made here, or comes from a file or a prompt.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from katydid.streams.cli.screen import console, note, safe

if TYPE_CHECKING:
    from katydid.streams.kafka.administration import Administration
    from katydid.streams.kafka.configuration import Configuration
    from katydid.streams.kafka.rights import Right
    from katydid.streams.kafka.topics import Misalignment

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Kafka's topics and users: create, check, user, revoke."
)
user_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who may log in, and what they may do.")
app.add_typer(user_app, name="user")

MADE_PASSWORD_BYTES = 24
NOT_ALIGNED = 7

Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings (TOML). Default: a broker on this machine.")
]


@app.command()
def create(
    align: Annotated[bool, typer.Option("--align", help="Also set the settings of topics that differ.")] = False,
    config: Config = None,
) -> None:
    """Make the topics that are missing; what is there keeps what it holds.

    Example:  katydid topics create --config katydid.toml
    """
    made = _administration(config)[0].create_topics(align=align)
    for name in made.created:
        console().print(f"{safe(name)}: created")
    for name in made.aligned:
        console().print(f"{safe(name)}: aligned")
    _tell(made.left)
    if not (made.created or made.aligned or made.left):
        console().print("All topics are there, as the configuration says.")


@app.command()
def check(config: Config = None) -> None:
    """In what the topics differ from the configuration, and what to do about it; exit code 7 where they do.

    Example:  katydid topics check --config katydid.toml
    """
    problems = _administration(config)[0].check_topics()
    _tell(problems)
    if problems:
        raise typer.Exit(NOT_ALIGNED)
    console().print("All topics are there, as the configuration says.")


@user_app.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="Best the sensor's own name, one user a device.")],
    writes: Annotated[
        list[str] | None, typer.Option("--writes", metavar="frames|clips|health", help="A device that sends these.")
    ] = None,
    worker: Annotated[bool, typer.Option("--worker", help="A worker: reads captures, writes outcomes.")] = False,
    operator: Annotated[bool, typer.Option("--operator", help="Somebody who replays and retries.")] = False,
    password_file: Annotated[
        Path | None, typer.Option("--password-file", metavar="FILE", help="Take the password from there.")
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask for the password.")] = False,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Write the made password there, for you alone to read."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="A new password and these rights, if it is there.")
    ] = False,
    config: Config = None,
) -> None:
    """Let a device, a worker or an operator log in, with the rights that it needs and no others.

    The password is made here and printed once, unless one is given or --save says where to keep it.

    \b
    Examples:
      katydid topics user add trap-7 --writes frames --writes health --save trap-7.password
      katydid topics user add worker --worker --password-file worker.password
    """
    administration, configuration = _administration(config)
    rights = _rights(configuration, writes or [], worker=worker, operator=operator)
    password, made = _password(name, password_file, ask=ask)
    if made and save is not None:
        _save(save, password)  # First: a user whose password nobody has is worse than a file of no use.
    administration.add_user(name, password, rights, replace=replace)
    console().print(f"{safe(name)} may: " + ", ".join(safe(right) for right in rights))
    if made and save is not None:
        console().print(f"Its password is in {safe(save)}.")
    elif made:
        console().print("Its password, shown this once:")
        typer.echo(password)


@user_app.command("list")
def list_users(config: Config = None) -> None:
    """Who may log in, and what they may do. Administrators of the broker's own settings have no rights listed.

    Example:  katydid topics user list --config katydid.toml
    """
    for user in _administration(config)[0].users():
        state = "revoked" if user.revoked else "may log in" if user.can_log_in else "cannot log in"
        console().print(f"{safe(user.name)}: {state}" + "".join(f"\n  {safe(right)}" for right in user.rights))


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="The user: a device that was stolen, say.")], config: Config = None
) -> None:
    """Cut a user off at once, connected or not: everything is denied first, then rights and credential go.

    Example:  katydid topics revoke trap-7 --config katydid.toml
    """
    there = _administration(config)[0].revoke(name)
    if not there:
        note(f"there was no user {name}: now there cannot be one until it is added")
    console().print(f"{safe(name)}: revoked")


def _administration(config: Path | None) -> tuple[Administration, Configuration]:
    from katydid.streams.kafka.extra import need_extra

    need_extra()
    from katydid.streams.kafka.administration import Administration
    from katydid.streams.kafka.configuration import read_configuration

    configuration = read_configuration(config, os.environ)
    return Administration(configuration), configuration


def _tell(problems: tuple[Misalignment, ...]) -> None:
    for problem in problems:
        console().print(f"{safe(problem.topic)}: {safe(problem.problem)}\n  {safe(problem.remedy)}")


def _rights(configuration: Configuration, writes: list[str], *, worker: bool, operator: bool) -> tuple[Right, ...]:
    from katydid.streams.kafka.rights import Stream, of_device, of_operator, of_worker

    if sum((bool(writes), worker, operator)) != 1:
        raise typer.BadParameter("one of --writes, --worker and --operator says what it may do")
    if worker:
        return of_worker(configuration)
    if operator:
        return of_operator(configuration)
    try:
        return of_device(configuration.topics, tuple(Stream(word) for word in dict.fromkeys(writes)))
    except ValueError as error:
        raise typer.BadParameter("a device sends frames, clips or health", param_hint="--writes") from error


def _password(name: str, file: Path | None, *, ask: bool) -> tuple[str, bool]:
    """The password, and whether it was made here."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip(), False
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(f"{file} cannot be read: {error}", param_hint="--password-file") from error
    if ask:
        return str(typer.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True)), False
    return secrets.token_urlsafe(MADE_PASSWORD_BYTES), True


def _save(path: Path, password: str) -> None:
    """Into a new file that its owner alone may read, from its first byte on."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be made: {error.strerror}", param_hint="--save") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(password + "\n")
