"""`katydid report`: write the HTML report again."""

from __future__ import annotations

from pathlib import Path

import typer

from katydid.streams.cli.stores import Where, opened, originals


def report(
    where: Where,
    out: Path | None = typer.Option(None, "--out", metavar="FILE", help="Where to. Default: report.html beside it."),
) -> None:
    """Write the HTML report again, for example after the folder was moved.

    Example:  katydid report ~/moorland --out ~/Desktop/moorland.html
    """
    from katydid.streams.cli.screen import console, safe
    from katydid.streams.remembered import credits_of, title_of

    with opened(where) as (store, outputs):
        root = originals(store, where, outputs)
        path = out or outputs.report
        outputs.write_report(store, path, root=root, credits=credits_of(store), title=title_of(store))
    console().print(f"Report  {safe(path)}")
