"""What is shown of each species: its best clips to look at and hear, its best frame, and a contact sheet with a picture
of each individual, or of each of the best detections where individuals were not followed.

Everything stays inside an allowance of bytes that is spent in turns: every species gets its best clip before any gets
its second, so a page about a hundred species shows a hundred. Originals are verified before they are cut; what is gone
or has changed is counted and said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from markupsafe import Markup

from katydid.models.outcome import Detection, Outcome
from katydid.sensors.clock import is_dated
from katydid.streams.media import frames
from katydid.streams.media.finder import Lost, MediaFinder
from katydid.streams.report import figures, originals, sound, svg
from katydid.streams.report.findings import Species
from katydid.streams.report.individuals import REMEMBERED, Census, Followings, Individual
from katydid.streams.report.text import NS
from katydid.streams.store.protocol import Store

CLIPS = 3
CROPS = 12
"""Of detections, where individuals were not followed."""
MOST_CROPS = 240
"""On one page, all species together."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one detection under its picture."""

    detection_id: str
    at: int | None
    """UTC, nanoseconds, of the detection itself; None: its capture has no time, or none that can be right."""
    sensor_id: str
    file: str
    score: float
    probability: float | None
    posterior: float | None
    expected: bool | None
    verdict: str
    reason: str
    others: tuple[tuple[str, float], ...]
    """The next best names with their probability or score."""


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    figure: Markup
    audio: str
    """A data URI."""
    slower: int
    facts: Facts


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    figure: Markup
    facts: Facts


class Crop(msgspec.Struct, frozen=True, kw_only=True):
    picture: str
    """A data URI."""
    facts: Facts
    individual: Individual | None = None
    """None: a detection that belongs to nobody, since individuals were not followed."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is shown of one species."""

    clips: tuple[Clip, ...] = ()
    frame: Picture | None = None
    crops: tuple[Crop, ...] = ()
    lost: tuple[tuple[str, int], ...] = ()
    """Why originals could not be shown → how many of those that were looked for."""
    full: bool = False
    """The page's allowance was used up before this species had all its pictures."""


T = TypeVar("T")


class Allowance:
    """Bytes that may still go into the page."""

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, size: int) -> bool:
        """Takes `size` bytes if they are there."""
        if size > self.left:
            return False
        self.left -= size
        return True


def gather(
    store: Store, species: Sequence[Species], finder: MediaFinder, allowance: Allowance, census: Census | None = None
) -> dict[str, Shown]:
    """Taxon id → what is shown of it. With a census, the contact sheet shows individuals."""
    stands = [
        _Stand(store, row, finder, allowance, None if census is None else census.of(row.taxon_id)) for row in species
    ]
    _turns(stands, 1, _Stand.add_clip)
    _turns(stands, 1, _Stand.add_frame)
    most = CROPS if census is None else REMEMBERED
    _turns(stands, min(most, max(1, MOST_CROPS // max(1, sum(stand.has_frames for stand in stands)))), _Stand.add_crop)
    _turns(stands, CLIPS - 1, _Stand.add_clip)
    return {stand.species.taxon_id: stand.shown() for stand in stands}


def _turns(stands: Sequence[_Stand], turns: int, add: Callable[[_Stand], None]) -> None:
    for _ in range(turns):
        for stand in stands:
            add(stand)


class _Stand:
    """One species while the page is being filled."""

    def __init__(
        self, store: Store, species: Species, finder: MediaFinder, allowance: Allowance, followed: Followings | None
    ) -> None:
        self.species = species
        self._individuals = {one.best_detection_id: one for one in (followed.shown if followed else ())}
        self._store, self._finder, self._allowance = store, finder, allowance
        self._clip_ids = list(species.best.get("clip", ()))
        self._frame_ids = list(species.best.get("frame", ()))
        self._crop_ids = list(self._frame_ids) if followed is None else list(self._individuals)
        self._clips: list[Clip] = []
        self._crops: list[Crop] = []
        self._frame: Picture | None = None
        self._lost: dict[str, str] = {}
        self._full = False

    @property
    def has_frames(self) -> bool:
        return bool(self._frame_ids)

    def add_clip(self) -> None:
        """Shows the next clip whose original is there."""
        clip = self._next(self._clip_ids, self._clip)
        if clip is not None:
            self._clips.append(clip)

    def add_frame(self) -> None:
        self._frame = self._next(self._frame_ids, self._picture)

    def add_crop(self) -> None:
        crop = self._next(self._crop_ids, self._crop)
        if crop is not None:
            self._crops.append(crop)

    def shown(self) -> Shown:
        return Shown(
            clips=tuple(self._clips),
            frame=self._frame,
            crops=tuple(self._crops),
            lost=tuple(Counter(self._lost.values()).most_common()),
            full=self._full,
        )

    def _next(self, ids: list[str], make: Callable[[Outcome, Detection], tuple[T, int] | Lost]) -> T | None:
        """What `make` makes of the first of `ids` that it can show, if the allowance has room for it."""
        while ids and not self._full:
            detection_id = ids.pop(0)
            found = find_detection(self._store, detection_id)
            made = Lost(why="it is no longer in the store") if found is None else make(*found)
            if isinstance(made, Lost):
                self._lost[detection_id] = made.why
            elif self._allowance.take(made[1]):
                return made[0]
            else:
                self._full = True
        return None

    def _clip(self, outcome: Outcome, detection: Detection) -> tuple[Clip, int] | Lost:
        heard = originals.heard(self._finder, outcome, detection)
        if isinstance(heard, Lost):
            return heard
        drawn = svg.data_uri(svg.jpeg(sound.coloured(heard.sonogram.levels)), "image/jpeg")
        audio = svg.data_uri(heard.playable.data, heard.playable.media_type)
        figure = figures.sound_figure(heard.sonogram, drawn, detection.span, self._label("Spectrogram", detection))
        clip = Clip(figure=figure, audio=audio, slower=heard.playable.slower, facts=facts_of(outcome, detection))
        return clip, len(figure) + len(audio)

    def _picture(self, outcome: Outcome, detection: Detection) -> tuple[Picture, int] | Lost:
        pixels = originals.frame(self._finder, outcome)
        if isinstance(pixels, Lost):
            return pixels
        small = frames.shrunk(pixels)
        drawn = svg.data_uri(svg.jpeg(small), "image/jpeg")
        label = self._label("Frame", detection)
        figure = figures.frame_figure(drawn, small.shape[1], small.shape[0], detection.box, label)
        return Picture(figure=figure, facts=facts_of(outcome, detection)), len(figure)

    def _crop(self, outcome: Outcome, detection: Detection) -> tuple[Crop, int] | Lost:
        pixels = originals.frame(self._finder, outcome)
        if isinstance(pixels, Lost):
            return pixels
        drawn = svg.data_uri(svg.jpeg(frames.thumbnail(pixels, detection.box)), "image/jpeg")
        individual = self._individuals.get(detection.detection_id)
        return Crop(picture=drawn, facts=facts_of(outcome, detection), individual=individual), len(drawn)

    def _label(self, what: str, detection: Detection) -> str:
        name = self.species.name or "something that no model named"
        return f"{what} with {name}, {number_of(detection)}"


def number_of(detection: Detection) -> str:
    """ "probability 0.93", or "score 0.93" where there is no calibration."""
    if detection.probability is None:
        return f"score {detection.score:.2f}"
    return f"probability {detection.probability:.2f}"


def facts_of(outcome: Outcome, detection: Detection) -> Facts:
    """What the page says of a detection in words."""
    into = detection.span.start_s if detection.span else 0.0
    others = tuple(
        (other.taxon.name, other.score if other.probability is None else other.probability)
        for other in detection.alternatives[:3]
    )
    return Facts(
        detection_id=detection.detection_id,
        at=outcome.captured_at + round(into * NS) if is_dated(outcome.clock) else None,
        sensor_id=outcome.sensor_id,
        file=outcome.file,
        score=detection.score,
        probability=detection.probability,
        posterior=detection.posterior,
        expected=detection.context.expected if detection.context else None,
        verdict=detection.decision.verdict,
        reason=detection.decision.reason,
        others=others,
    )


def find_detection(store: Store, detection_id: str) -> tuple[Outcome, Detection] | None:
    """A detection with the outcome that holds it."""
    outcome = store.detection(detection_id)
    if outcome is None:
        return None
    return next(((outcome, one) for one in outcome.detections if one.detection_id == detection_id), None)
