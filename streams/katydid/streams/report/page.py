"""The report: one HTML file with everything in it, written from what a store answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path

import jinja2
from markupsafe import Markup

from katydid.models.manifest import BundleManifest
from katydid.sensors.capture import Place
from katydid.streams.exports.replacing import replacing
from katydid.streams.media.finder import MediaFinder
from katydid.streams.report import text
from katydid.streams.report.exhibits import Allowance, gather
from katydid.streams.report.findings import find
from katydid.streams.report.individuals import census
from katydid.streams.report.view import KINDS, SECTIONS, View, moment_or_dash, view
from katydid.streams.store.protocol import Store

LIMIT_BYTES = 15_000_000
"""No report is larger: it is made to be mailed."""
MEDIA_BYTES = 9_000_000
"""For pictures and sounds: with tables and charts a page stays near what mail servers let through, and opens fast."""


def write_report(
    store: Store,
    path: Path,
    *,
    root: Path | None,
    credits: Sequence[BundleManifest] = (),
    title: str = "What was found",
    place: Place | None = None,
    now: datetime | None = None,
) -> Path:
    """Writes the report on everything in `store` to `path`, all or nothing, and returns `path`.

    `root` is the folder of the originals (None: no pictures or sounds). `credits` are the manifests of the bundles
    that ran, for their cards. `place` overrides where the sun is drawn for; `now` (aware) is printed as the time of
    writing. The file is at most `LIMIT_BYTES` long. Raises ExportError where `path` cannot be
    written.
    """
    found = find(store)
    with_section = [row for row in found.species if row.is_organism or not row.taxon_id][:SECTIONS]
    counted = census(store)
    shown = gather(store, with_section, MediaFinder(root), Allowance(MEDIA_BYTES), counted)
    seen = view(
        found,
        shown,
        counted,
        title=title,
        credits=credits,
        place=place,
        now=now or datetime.now(UTC),
        originals="" if root else "The folder of the originals was not given, so there are no pictures or sounds.",
    )
    html = render(seen)
    with replacing(path) as beside:
        beside.write_text(html, encoding="utf-8", newline="\n")
    return path


def render(seen: View) -> str:
    """The page as HTML."""
    style = files("katydid.streams.report").joinpath("templates", "style.css").read_text("utf-8")
    return _environment().get_template("page.html.j2").render(view=seen, found=seen.found, style=Markup(style))


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("katydid.streams.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_readable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "share": text.share,
        "duration": text.duration,
        "count": text.count,
        "moment": moment_or_dash,
    }
    environment.globals |= {"kinds": KINDS}
    return environment


def _readable(value: object) -> object:
    """Every value on its way into the page: text has its invisible characters written out, before it is escaped."""
    return text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
