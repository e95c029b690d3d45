"""The store that a command is about: from the folder that was identified, its output folder, or the store itself, which
may also be an InfluxDB's URL where a command does nothing but ask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from katydid.streams.outputs import Outputs
    from katydid.streams.store import DuckDBStore
    from katydid.streams.store.influx import InfluxStore

INFLUX, DUCKDB = "influx+", "duckdb:"

Where = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="The folder that was identified, or FOLDER.katydid, or its store.")
]
WhereToAsk = Annotated[
    str,
    typer.Argument(
        metavar="STORE",
        help="The folder that was identified, FOLDER.katydid, its store, another store's file, or "
        "influx+http://HOST:PORT/ORGANISATION/BUCKET.",
    ),
]


@contextmanager
def asked(where: str) -> Iterator[DuckDBStore | InfluxStore]:
    """The store, to be asked. The token of an InfluxDB comes from KATYDID_INFLUX_TOKEN, or the file that
    KATYDID_INFLUX_TOKEN_FILE names. Raises StoreError, ConfigurationError, MissingExtra."""
    if where.startswith(INFLUX):
        with _influx(where) as store:
            yield store
        return
    if where.startswith(DUCKDB):
        from katydid.streams.kafka.stores import duckdb_path

        where = str(duckdb_path(where))
    with opened(Path(where)) as (store, _):
        yield store


def _influx(url: str) -> InfluxStore:
    """Without the checks before writing: whoever asks may have a token that only reads, and changes nothing."""
    from katydid.streams.kafka.configuration import read_configuration
    from katydid.streams.store.influx import InfluxStore, Patience
    from katydid.streams.store.influx.store import connect

    connection = connect(url, read_configuration(None, os.environ).secrets.influx_token)
    return InfluxStore(connection, findings=(), poison=None, sites={}, patience=Patience())


@contextmanager
def opened(where: Path) -> Iterator[tuple[DuckDBStore, Outputs]]:
    """The store, to be read. Raises StoreUnusable where there is none, StoreBusy where a run has it."""
    from katydid.streams.outputs import Outputs
    from katydid.streams.store import open_store

    outputs = Outputs(directory=where.resolve().parent) if where.is_file() else Outputs.found(where)
    with open_store(where if where.is_file() else outputs.store, read_only=True) as store:
        yield store, outputs


def say_unfollowed(store: DuckDBStore | InfluxStore) -> None:
    """One line on stderr where occurrences lag behind the detections: a run that was broken off, a server's store that
    nobody follows."""
    waiting = store.unfollowed()
    if waiting:
        from katydid.streams.store import DuckDBStore

        who = (
            "the next `katydid run` or worker that writes here"
            if isinstance(store, DuckDBStore)
            else ("`katydid store follow`")
        )
        typer.echo(f"{waiting} sensor nights have detections that were not followed yet: {who} does", err=True)


def originals(store: DuckDBStore, where: Path, outputs: Outputs) -> Path | None:
    """The folder of the recordings, where it can be found: as given, beside the outputs, or as a run left it."""
    from katydid.streams.outputs import SUFFIX

    beside = outputs.directory.with_name(outputs.directory.name.removesuffix(SUFFIX))
    kept = store.meta("root")
    for folder in (where, beside, Path(kept) if kept else None):
        if folder is not None and folder.is_dir() and folder.resolve() != outputs.directory:
            return folder.resolve()
    return None
