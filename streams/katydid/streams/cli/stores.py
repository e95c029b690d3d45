"""The store that a command is about: from the folder that was identified, its output folder, or the store itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from katydid.streams.outputs import Outputs
    from katydid.streams.store import DuckDBStore

Where = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="The folder that was identified, or FOLDER.katydid, or its store.")
]


@contextmanager
def opened(where: Path) -> Iterator[tuple[DuckDBStore, Outputs]]:
    """The store, to be read. Raises StoreUnusable where there is none, StoreBusy where a run has it."""
    from katydid.streams.outputs import Outputs
    from katydid.streams.store import open_store

    outputs = Outputs.found(where)
    with open_store(outputs.store, read_only=True) as store:
        yield store, outputs


def originals(store: DuckDBStore, where: Path, outputs: Outputs) -> Path | None:
    """The folder of the recordings, where it can be found: as given, beside the outputs, or as a run left it."""
    from katydid.streams.outputs import SUFFIX

    beside = outputs.directory.with_name(outputs.directory.name.removesuffix(SUFFIX))
    kept = store.meta("root")
    for folder in (where, beside, Path(kept) if kept else None):
        if folder is not None and folder.is_dir() and folder.resolve() != outputs.directory:
            return folder.resolve()
    return None
