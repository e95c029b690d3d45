"""From findings to what the template prints: choices of words and of what fits, no reading and no drawing of media."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

import msgspec
from markupsafe import Markup

from katydid.models.manifest import BundleKind, BundleManifest
from katydid.models.outcome import Ran
from katydid.sensors.capture import Place
from katydid.streams.report.confidence import histogram, spark
from katydid.streams.report.effort import Strip, strip
from katydid.streams.report.exhibits import Shown
from katydid.streams.report.findings import BINS, Findings, Species
from katydid.streams.report.heatmap import HeatMap, HeatRow, heatmap
from katydid.streams.report.hours import LocalHours, SunTimes, starts_at, sun_times
from katydid.streams.report.individuals import Census, Followings
from katydid.streams.report.text import NS, count, duration, moment, zone_of

TABLE_ROWS = 300
HEAT_ROWS = 40
SECTIONS = 150
"""Species with a section of their own."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a reader must know before trusting the page."""

    head: str
    words: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One species in the table and in its own section."""

    anchor: str
    species: Species
    title: str
    """Its name, or what it is called that has none."""
    latin: bool
    """Whether the name is set in italics (genus and below)."""
    spark: Markup
    shown: Shown | None
    """None: it has no section."""
    followed: Followings | None
    """Its individuals and bouts; None: they were not followed."""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """One heat map with its words."""

    title: str
    figure: Markup
    caption: str


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """One model: what ran, and what its bundle says of itself (None: its bundle was not at hand)."""

    name: str
    manifest: BundleManifest | None
    runs: tuple[tuple[Ran, int], ...]
    """What really ran, with captures."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the page prints."""

    title: str
    found: Findings
    census: Census | None
    """None: the store follows nothing."""
    zone: tzinfo
    zone_name: str
    when: str
    where: str
    effort: str
    organisms: tuple[Row, ...]
    others: tuple[Row, ...]
    more_organisms: int
    """Species that the table has no room for."""
    charts: tuple[Chart, ...]
    sun_words: str
    strip: Strip | None
    histogram: Markup | None
    notes: tuple[Note, ...]
    models: tuple[ModelCard, ...]
    uncalibrated: tuple[str, ...]
    stamp: str
    """How first and last are written in the table: with the year only where there are several."""
    written: str
    originals: str
    """Where the pictures come from, or why there are none."""


def view(
    found: Findings,
    shown: dict[str, Shown],
    census: Census | None,
    *,
    title: str,
    credits: Sequence[BundleManifest],
    place: Place | None,
    now: datetime,
    originals: str,
) -> View:
    """Puts the page together."""
    zone_name = next(iter(found.zones), "UTC")
    zone = zone_of(zone_name)
    rows = [_row(number, species, shown, census) for number, species in enumerate(found.species)]
    organisms = [row for row in rows if row.species.is_organism]
    place = place or _place(found)
    sun = _sun(found, place, zone)
    uncalibrated = _uncalibrated(found)
    bars = [sum(row.species.histogram[bar] for row in organisms) for bar in range(BINS)]
    words = f"How sure the models were of {count(sum(bars), 'detection')}"
    return View(
        title=title,
        found=found,
        census=census,
        zone=zone,
        zone_name=zone_name,
        when=_when(found, zone),
        where=_where(found, place),
        effort=_effort(found),
        organisms=tuple(organisms[:TABLE_ROWS]),
        others=tuple(row for row in rows if not row.species.is_organism),
        more_organisms=max(0, len(organisms) - TABLE_ROWS),
        charts=tuple(_charts(found, organisms, zone, sun)),
        sun_words=_sun_words(found, place, sun),
        strip=strip(found.sensors, zone),
        histogram=histogram(bars, words) if sum(bars) else None,
        notes=tuple(_notes(found, census, uncalibrated)),
        models=tuple(_models(found, credits)),
        uncalibrated=uncalibrated,
        stamp=_stamp(found, zone),
        written=now.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
        originals=originals,
    )


# --- the head -----------------------------------------------------------------------------------------------------


def _when(found: Findings, zone: tzinfo) -> str:
    if found.first is None or found.last is None:
        return ""
    first, last = (datetime.fromtimestamp(ns // NS, tz=zone) for ns in (found.first, found.last))
    if last - first < timedelta(minutes=1):
        return f"{first.day} {first:%B %Y}, {first:%H:%M}"
    if first.date() == last.date():
        return f"{first.day} {first:%B %Y}, {first:%H:%M} to {last:%H:%M}"
    return f"{first.day} {first:%B %Y}, {first:%H:%M} to {last.day} {last:%B %Y}, {last:%H:%M}"


def _stamp(found: Findings, zone: tzinfo) -> str:
    if found.first is None or found.last is None:
        return "%Y-%m-%d"
    years = {datetime.fromtimestamp(ns // NS, tz=zone).year for ns in (found.first, found.last)}
    return "%d %b %H:%M" if len(years) == 1 else "%Y-%m-%d"


def _place(found: Findings) -> Place | None:
    at = next(iter(found.places), None)
    return None if at is None else Place(latitude=at[0], longitude=at[1])


def _where(found: Findings, place: Place | None) -> str:
    if place is None:
        return "place unknown"
    north = f"{abs(place.latitude):.3f}° {'N' if place.latitude >= 0 else 'S'}"
    east = f"{abs(place.longitude):.3f}° {'E' if place.longitude >= 0 else 'W'}"
    more = len(found.places) - 1
    return f"{north}, {east}" + (f" and {count(more, 'more place')}" if more > 0 else "")


def _effort(found: Findings) -> str:
    clips, frames = found.kinds.get("clip", 0), found.kinds.get("frame", 0)
    parts = []
    if clips:
        parts.append(f"{count(clips, 'recording')}, {duration(found.seconds)} of sound")
    if frames:
        parts.append(count(frames, "frame"))
    if found.sensors:
        parts.append(count(len(found.sensors), "sensor"))
    return " · ".join(parts) if parts else "nothing could be looked at"


# --- species ------------------------------------------------------------------------------------------------------


def _row(number: int, species: Species, shown: dict[str, Shown], census: Census | None) -> Row:
    title = species.name or "Found, and not named"
    return Row(
        anchor=f"s{number + 1}",
        species=species,
        title=title,
        latin=species.rank in ("species", "subspecies", "genus", "subgenus"),
        spark=spark(species.histogram, f"Confidence of {count(species.detections, 'detection')} of {title}"),
        shown=shown.get(species.taxon_id),
        followed=None if census is None else census.of(species.taxon_id),
    )


def _uncalibrated(found: Findings) -> tuple[str, ...]:
    """Models with a species that has no probability."""
    models = {model for row in found.species if row.probability is None for model in row.models}
    return tuple(sorted(models))


# --- hours --------------------------------------------------------------------------------------------------------


def _sun(found: Findings, place: Place | None, zone: tzinfo) -> SunTimes | None:
    return None if place is None else sun_times(place, {*found.seconds_at, *found.frames_at}, zone)


def _sun_words(found: Findings, place: Place | None, sun: SunTimes | None) -> str:
    if place is None:
        return (
            "Sunrise and sunset are not drawn: no recording or frame says where it was made. "
            "Give --lat and --lon to have them."
        )
    if not found.seconds_at and not found.frames_at:
        return "Sunrise and sunset are not drawn: no capture has a time that can be used."
    if sun is None:
        return "The sun neither rose nor set there on these dates."
    several = " (of the place with the most captures)" if len(found.places) > 1 else ""
    return f"The night is shaded; sunrise and sunset are drawn as dashed lines{several}."


def _charts(found: Findings, organisms: Sequence[Row], zone: tzinfo, sun: SunTimes | None) -> list[Chart]:
    hours = LocalHours(zone)
    charts = []
    for kind, unit, effort, title in (
        ("clip", "s", hours.folded(found.seconds_at), "Heard, by hour of the day"),
        ("frame", "frames", hours.folded(found.frames_at), "Seen, by hour of the day"),
    ):
        with_any = [row for row in organisms if row.species.quarters.get(kind)]
        if not with_any:
            continue
        rows = [
            HeatRow(name=row.title, detections=hours.folded(row.species.quarters[kind])) for row in with_any[:HEAT_ROWS]
        ]
        chart = HeatMap(rows=rows, effort=effort, unit=unit, start=starts_at(effort), sun=sun)
        charts.append(Chart(title=title, figure=heatmap(chart), caption=_caption(chart, len(with_any) - len(rows))))
    return charts


def _caption(chart: HeatMap, left_out: int) -> str:
    per, strongest = ("minute of sound", chart.strongest * 60) if chart.unit == "s" else ("frame", chart.strongest)
    words = f"Numbers are detections; the darker, the more of them per {per} (darkest: {strongest:.2g})."
    return words + (
        f" {count(left_out, 'more species', 'more species')} with fewer detections not drawn." if left_out else ""
    )


# --- what a reader must know --------------------------------------------------------------------------------------


def _notes(found: Findings, census: Census | None, uncalibrated: tuple[str, ...]) -> list[Note]:
    notes = []
    if census is not None and census.waiting:
        words = f"The animals and bouts of {count(census.waiting, 'sensor night')} are still to be counted."
        notes.append(Note(head="Not all followed.", words=words))
    if uncalibrated:
        names = ", ".join(uncalibrated)
        words = f"The numbers of {names} are scores: 0.80 does not mean that 80 of 100 are right. Listen and look."
        notes.append(Note(head="Not calibrated.", words=words))
    if assumed := found.zone_sources.get("assumed", 0):
        words = f"{count(assumed, 'capture')} came without a time zone: the computer's was assumed. Hours may be off."
        notes.append(Note(head="Time zone assumed.", words=words))
    if found.impossible:
        words = f"{count(found.impossible, 'capture')} had a clock that cannot be right: counted, not drawn over time."
        notes.append(Note(head="Impossible clocks.", words=words))
    if found.timeless:
        words = (
            f"{count(found.timeless, 'capture')} said nothing about time: counted, not drawn over time. "
            "The table of detections has the date of the file."
        )
        notes.append(Note(head="No time of their own.", words=words))
    if unexpected := sum(row.unexpected for row in found.species):
        words = f"{count(unexpected, 'detection')} not expected there in that week: kept, flagged, worth a look."
        notes.append(Note(head="Unexpected here.", words=words))
    return notes


def _models(found: Findings, credits: Sequence[BundleManifest]) -> list[ModelCard]:
    runs: dict[str, Counter[Ran]] = {}
    for text, captures in found.ran.items():
        for ran in msgspec.json.decode(text, type=tuple[Ran, ...]):
            runs.setdefault(ran.bundle, Counter())[ran] += captures
    by_name = {manifest.model: manifest for manifest in credits}
    names = [*runs, *(name for name in by_name if name not in runs)]
    return [
        ModelCard(name=name, manifest=by_name.get(name), runs=tuple(runs.get(name, Counter()).most_common()))
        for name in names
    ]


KINDS = {
    BundleKind.IMAGE_CLASSIFIER: "names what is in a frame",
    BundleKind.SOUND_CLASSIFIER: "names what is heard in a clip",
    BundleKind.DETECTOR: "finds animals in a frame",
    BundleKind.PRIOR: "says what is expected at a place and season",
}
"""What each kind of bundle does, in words."""


def moment_or_dash(ns: int | None, zone: tzinfo, form: str = "%Y-%m-%d %H:%M") -> str:
    """A local date and time, or a dash where no clock was right."""
    return "–" if ns is None else moment(ns, zone, form)
