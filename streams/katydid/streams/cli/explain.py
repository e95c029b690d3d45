"""`katydid explain`: one detection with every stage's number, the gates and their bounds, what else it could be, and
where all of it came from. For a capture without detections: why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from katydid.streams.cli.stores import opened, originals

if TYPE_CHECKING:
    from katydid.models.outcome import Detection, Measure, Outcome
    from katydid.streams.store import DuckDBStore

Row = tuple[str, str]
NEXT_BEST = 3


def explain(
    what: str = typer.Argument(..., metavar="ID|last", help="A detection's or a capture's id; last: the newest one."),
    where: Path = typer.Argument(Path(), metavar="[FOLDER]", help="As in the other commands. Default: here."),
    picture: Path | None = typer.Option(None, "--picture", help="Save the evidence as PNG: what was seen, boxed."),
) -> None:
    """Everything known about one detection, number by number.

    Example:  katydid explain last ~/moorland --picture evidence.png
    """
    from rich.table import Table

    from katydid.streams.cli.screen import console, safe

    with opened(where) as (store, outputs):
        outcome, detection = _found(store, what)
        root = originals(store, where, outputs)
        followed = [] if detection is None else _followed(store, outcome, detection)
    if picture is not None:
        _save_picture(picture, outcome, detection, root)
    screen = console()
    for title, rows in sections(outcome, detection, followed):
        screen.print(f"\n[bold]{title}[/]")
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row("  " + safe(name), safe(value))
        screen.print(table)


def _found(store: DuckDBStore, what: str) -> tuple[Outcome, Detection | None]:
    from katydid.streams.errors import StoreError

    wanted = what
    if what == "last":
        newest = store.latest(1).column("detection_id").to_pylist()
        if not newest:
            raise typer.BadParameter("there is no detection yet")
        wanted = newest[0]
    outcome = store.detection(wanted)
    if outcome is not None:
        return outcome, next(one for one in outcome.detections if one.detection_id == wanted)
    outcome = store.outcome(wanted)
    if outcome is None:
        raise StoreError(f"neither a detection nor a capture has the id {what!r} in {store.path}")
    return outcome, None


def _save_picture(path: Path, outcome: Outcome, detection: Detection | None, root: Path | None) -> None:
    """The spectrogram or frame with the detection's box. Raises MediaLost where the original cannot be cut."""
    from katydid.streams.exports.replacing import replacing
    from katydid.streams.media import MediaFinder
    from katydid.streams.report import evidence_picture

    if detection is None:
        raise typer.BadParameter("a capture without a detection has no evidence to draw", param_hint="--picture")
    drawn = evidence_picture(outcome, detection, MediaFinder(root))
    with replacing(path) as file:
        file.write_bytes(drawn)


def _followed(store: DuckDBStore, outcome: Outcome, detection: Detection) -> list[Row]:
    """The animal or bout that the detection belongs to; a session is a day, so it was first seen not long before."""
    from katydid.models.follow.sessions import WIDEST
    from katydid.streams.store.protocol import OutcomeFilter, Window

    at = outcome.captured_at
    around = OutcomeFilter(window=Window(start=at - 2 * WIDEST, end=at + WIDEST), sensors=(outcome.sensor_id,))
    for row in store.occurrences(around).to_pylist():
        if detection.detection_id in row["detection_ids"]:
            return list(_occurrence(row, detection))
    return [("none", "not followed yet: the next `katydid run` does" if store.unfollowed() else "it belongs to none")]


def _occurrence(row: dict[str, Any], detection: Detection) -> Iterator[Row]:
    form = "%Y-%m-%d %H:%M:%S"
    yield "what", "an animal in view" if row["kind"] == "frame" else "a bout of song"
    yield "seen", f"{row['first_seen']:{form}} to {row['last_seen']:{form}} UTC, in {row['captures']} captures"
    place = row["detection_ids"].index(detection.detection_id) + 1
    yield "this one", f"{place} of its {row['detections']} detections, in the order of time"
    number = row["score"] if row["probability"] is None else row["probability"]
    word = "score" if row["probability"] is None else "probability"
    yield "fused name", "none" if row["taxon"] is None else f"{row['taxon']}, {row['rank']}: {word} {number:.4f}"
    if row["body_length_mm"] is not None:
        yield "body length", f"{row['body_length_mm']:.1f} mm"
    yield "occurrence id", row["occurrence_id"]


def sections(outcome: Outcome, detection: Detection | None, followed: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Titles and rows, in the order in which the numbers came about."""
    yield "Capture", list(_capture(outcome))
    if outcome.kind.value == "frame" and outcome.quality:
        yield "Where it was looked", list(_where_looked(outcome))
    if detection is None:
        yield "Result", list(_result(outcome))
        yield "Gates", _gates(outcome.quality)
    else:
        yield "Detection", list(_detection(detection))
        yield "Numbers", list(_numbers(detection))
        yield "Gates", _gates(detection.quality)
        yield "Next best", _alternatives(detection)
        if detection.lineage:
            yield "At every rank", [(step.rank, f"{step.probability:.4f}  {step.name}") for step in detection.lineage]
        yield "Decision", _decision(detection)
        yield "Individual", followed
    yield "What ran", list(_provenance(outcome, detection))


def _capture(outcome: Outcome) -> Iterator[Row]:
    from datetime import UTC

    from katydid.streams.report.text import moment

    clock, effort = outcome.clock, outcome.effort
    yield "file", outcome.file
    yield "sensor", outcome.sensor_id
    yield "time", f"{moment(outcome.captured_at, UTC, '%Y-%m-%d %H:%M:%S')} UTC, ± {clock.uncertainty_s:g} s"
    reading = clock.recorded or "no reading"
    yield "clock", f"{reading} ({clock.source.value}), taken in {clock.zone} ({clock.zone_source.value})"
    if clock.flags:
        yield "clock flags", ", ".join(clock.flags)
    if outcome.place is not None:
        yield "place", f"{outcome.place.latitude:.5f}, {outcome.place.longitude:.5f} ({outcome.place.source})"
    yield "media", f"{outcome.media_type or 'unknown'}, {outcome.length:,} bytes"
    if effort.frames:
        yield "effort", f"{effort.width} x {effort.height} pixels"
    if effort.seconds:
        yield "effort", f"{effort.seconds:.1f} s, {effort.channels} channels at {effort.sample_rate:,} Hz"
    for fact in outcome.facts:
        yield fact.name, f"{fact.value} ({fact.read_from})"


def _where_looked(outcome: Outcome) -> Iterator[Row]:
    """What chose the parts of the frame that were looked at, and on what grounds."""
    from katydid.models.image.settled import PLAIN_GROUND

    measures = {measure.name: measure for measure in outcome.quality}
    boxed = any(detection.box is not None for detection in outcome.detections)
    searched = [ran.bundle for ran in outcome.ran if ran.entry == "localiser"]
    yield "searched by", ", ".join(searched) or "none: the whole frame was looked at, as asked"
    if "ground" in measures:
        ground = measures["ground"].value
        kind = "plain" if ground <= PLAIN_GROUND else "restless"
        yield "ground", f"{ground:.1f} grey levels: {kind} (plain up to {PLAIN_GROUND:g})"
    if "earlier_frames" in measures:
        yield "earlier frames", f"compared with {outcome.earlier_frames} of this camera"
        yield "changed", f"{measures['changed_share'].value:.2%} of the frame"
        yield "same view", f"correlation {measures['same_view'].value:.2f} with the frames before"
    if outcome.detections:
        yield "looked at", "boxes that were proposed" if boxed else "the whole frame"
    if outcome.message:
        yield "note", outcome.message


def _result(outcome: Outcome) -> Iterator[Row]:
    yield "status", outcome.status.value
    if outcome.reason:
        yield "reason", outcome.reason
    if outcome.message:
        yield "in words", outcome.message
    yield "detections", str(len(outcome.detections))


def _detection(detection: Detection) -> Iterator[Row]:
    taxon = detection.taxon
    if taxon is None:
        yield "what", "something that no model named"
    else:
        yield "what", f"{taxon.name}" + (f" ({taxon.common_name})" if taxon.common_name else "") + f", {taxon.rank}"
    if detection.span is not None:
        span = detection.span
        band = "" if span.high_hz is None else f", {span.low_hz or 0:.0f} to {span.high_hz:.0f} Hz"
        yield "where", f"{span.start_s:.1f} to {span.end_s:.1f} s{band}"
    if detection.box is not None:
        box = detection.box
        yield "where", f"x {box.x:.3f}, y {box.y:.3f}, width {box.w:.3f}, height {box.h:.3f} of the frame"


def _numbers(detection: Detection) -> Iterator[Row]:
    """Raw, calibrated and contextual side by side; a stage that did not run says so."""
    context = detection.context
    yield "score", f"{detection.score:.4f}  what the model said"
    yield "probability", _or_dash(detection.probability, "calibrated, from the media alone", "the bundle has none")
    prior = None if context is None else context.prior
    missing = "no place, no time of its own, no prior model or no name"
    yield "prior", _or_dash(prior, "of place and season" + _prior_words(detection), missing)
    yield "posterior", _or_dash(detection.posterior, "with the prior", "no prior")
    if context is not None and context.sun_elevation_deg is not None:
        yield "sun", f"{context.sun_elevation_deg:.1f}° above the horizon"
    if context is not None and context.local_solar_hour is not None:
        yield "solar time", f"{context.local_solar_hour:.2f} h"


def _prior_words(detection: Detection) -> str:
    context = detection.context
    if context is None:
        return ""
    words = f", {context.prior_bundle}" if context.prior_bundle else ""
    if context.allowed:
        return words + ", on the allow-list: not used"
    return words + (", not expected here" if context.expected is False else "")


def _or_dash(value: float | None, words: str, missing: str) -> str:
    return f"–       not run: {missing}" if value is None else f"{value:.4f}  {words}"


def _gates(quality: Iterable[Measure]) -> list[Row]:
    rows = [(measure.name, _measured(measure)) for measure in quality]
    return rows or [("none", "no gate looked at it")]


def _measured(measure: Measure) -> str:
    if measure.bound is None:
        return f"{measure.value:.4g}"
    word = {True: "passed", False: "FAILED", None: "not judged"}[measure.passed]
    return f"{measure.value:.4g}  bound {measure.bound:.4g}  {word}"


def _alternatives(detection: Detection) -> list[Row]:
    rows = [
        (other.taxon.name, f"score {other.score:.4f}" + _probability(other.probability))
        for other in detection.alternatives[:NEXT_BEST]
    ]
    return rows or [("none", "the model named nothing else")]


def _probability(value: float | None) -> str:
    return "" if value is None else f"  probability {value:.4f}"


def _decision(detection: Detection) -> list[Row]:
    decision = detection.decision
    certificate = "none" if decision.certificate is None else f"alpha {decision.certificate.alpha:g}"
    return [("decision", decision.verdict.value), ("because", decision.reason), ("certificate", certificate)]


def _provenance(outcome: Outcome, detection: Detection | None) -> Iterator[Row]:
    for ran in outcome.ran:
        yield ran.bundle, f"{ran.engine}, {ran.provider}, entry {ran.entry}, digest {ran.bundle_digest[:16]}"
    if not outcome.ran:
        yield "none", "no model looked at it"
    yield "settings", outcome.settings_digest or "none"
    yield "katydid", outcome.katydid_version or "unknown"
    yield "capture id", outcome.capture_id
    if detection is not None:
        yield "detection id", detection.detection_id
        yield "named by", detection.model
    yield "sha256", outcome.sha256
