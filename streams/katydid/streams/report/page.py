"""The report: one HTML file with everything in it, written from what a store answers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from katydid.models.manifest import BundleManifest
from katydid.models.outcome import Detection, Outcome
from katydid.sensors.capture import Kind
from katydid.streams.media import Found, Lost, MediaFinder
from katydid.streams.report import figures, sound, text
from katydid.streams.report.findings import Findings, Species, find
from katydid.streams.store.protocol import Store


def write_report(
    store: Store,
    path: Path,
    *,
    root: Path | None,
    credits: Sequence[BundleManifest] = (),
    title: str = "What was found",
) -> Path:
    """Writes the report on everything in `store` to `path`, all or nothing, and returns `path`.

    `root` is the folder of the originals (None: no pictures or sounds). Raises OSError where `path` cannot be written.
    """
    found = find(store)
    page = _environment().get_template("page.html.j2")
    html = page.render(
        title=title,
        found=found,
        zone=text.zone_of(next(iter(found.zones), "UTC")),
        zone_name=next(iter(found.zones), "UTC"),
        exhibits=_exhibits(store, found, MediaFinder(root)),
        credits=credits,
    )
    write_whole(path, html.encode("utf-8"))
    return path


class Exhibit(msgspec.Struct, frozen=True, kw_only=True):
    """One detection as the page shows it."""

    figure: Markup
    audio: str
    slower: int
    lost: str


def _exhibits(store: Store, found: Findings, finder: MediaFinder) -> dict[str, list[Exhibit]]:
    shown: dict[str, list[Exhibit]] = {}
    for species in found.species:
        for detection_id in species.best[:1]:
            outcome = store.detection(detection_id)
            if outcome is None:
                continue
            detection = next(one for one in outcome.detections if one.detection_id == detection_id)
            if outcome.kind is Kind.CLIP:
                shown.setdefault(species.taxon_id, []).append(_exhibit(outcome, detection, species, finder))
    return shown


def _exhibit(outcome: Outcome, detection: Detection, species: Species, finder: MediaFinder) -> Exhibit:
    original = finder.find(outcome.file, outcome.sha256)
    if isinstance(original, Lost):
        return Exhibit(figure=Markup(""), audio="", slower=1, lost=original.why)
    return _heard(original, outcome, detection, species)


def _heard(original: Found, outcome: Outcome, detection: Detection, species: Species) -> Exhibit:
    start, end = sound.window(detection.span, outcome.effort.seconds, False)
    piece = sound.cut(original.path, start, end)
    highest = sound.highest_heard(piece, detection.span)
    drawn = sound.sonogram(piece, sound.shown_hz(piece, highest))
    picture = figures.data_uri(figures.jpeg(sound.coloured(drawn.levels)), "image/jpeg")
    heard = sound.playable(piece, highest)
    return Exhibit(
        figure=figures.sound_figure(drawn, picture, detection.span, f"Spectrogram of {species.name}"),
        audio=figures.data_uri(heard.data, heard.media_type),
        slower=heard.slower,
        lost="",
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("katydid.streams.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"share": text.share, "duration": text.duration, "count": text.count, "moment": _moment}
    return environment


def _moment(ns: int, zone: tzinfo, form: str = "%Y-%m-%d %H:%M") -> str:
    return text.moment(ns, zone, form)


def _safe(value: Any) -> Any:  # Any: jinja2 hands over whatever an expression gives
    """Every value on its way into the page: text has its invisible characters written out."""
    return text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def write_whole(path: Path, data: bytes) -> None:
    """Writes `data` beside `path`, then puts it in its place, so that no reader ever sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
