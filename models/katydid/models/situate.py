"""What place and time say about an outcome: the sun, and how likely the taxon is there in that week.

    posterior = confidence · max(prior, FLOOR) ^ WEIGHT          (log p_post = log p + a · log max(prior, floor))

with a = 1 and floor = 0.001: both are plain choices, **not fitted** to anything yet. The posterior is not normalised:
it is a number to rank and to doubt by, beside the media-only one, never instead of it.

- A taxon whose prior lies under the geo bundle's own cut is *not expected*; if it was accepted, it goes to review,
  and the reason says both. Nothing is ever deleted for being unexpected.
- A capture that says nothing about time itself (its file's date is that of the last copy), or whose clock cannot be
  right, has no sun, and the prior of the whole year: the largest of its 48 weeks. From a wrong week every migrant
  would be unexpected.
- A name on the allow-list is expected: its prior is stored and not used.
- A genus has the largest prior of its species, a lower bound. A taxon that the geo bundle does not know (see
  `coverage.py`), and what is no taxon, has no prior.

Running it again, with another place, prior or list, starts from the media-only decision: the same arguments give the
same outcome however often it ran before.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.models.coverage import KNOWN
from katydid.models.manifest import Label, Role
from katydid.models.model import Model
from katydid.models.outcome import Context, Decision, Detection, Outcome, Taxon, Verdict
from katydid.models.settings import IdentifySettings
from katydid.models.sun import sun_at
from katydid.sensors.capture import Place
from katydid.sensors.clock import is_dated

WEIGHT = 1.0
"""The a of the formula."""
FLOOR = 1e-3
"""No prior counts for less: a geo model's zeros are not that sure."""

_GIVEN = ("deployment", "option")
"""Sources of a place that a later word may replace; what the file itself says stays."""
_UNEXPECTED = "not expected here in "
_AND = "; "


@dataclass(frozen=True)
class PriorTable:
    """What one geo bundle says for one place and week."""

    bundle: str
    """Name and version."""
    week: int | None
    """1..48, four a month, as BirdNET counts; None: the largest of all weeks, for a time that is not known."""
    cut: float | None
    """At or above it a taxon is expected; None: the bundle has none, and nothing is unexpected."""
    by_taxon: Mapping[str, float]
    """Taxon id and scientific name → probability, 0..1; for a genus the largest of its species."""

    def prior(self, taxon: Taxon) -> float | None:
        """The prior of a taxon; None where the bundle does not know it."""
        if taxon.rank == "none":
            return None
        by_id = self.by_taxon.get(taxon.taxon_id)
        return self.by_taxon.get(taxon.name) if by_id is None else by_id


WEEKS = range(1, 49)
TABLES = 64
"""Tables that `Priors` keeps: a year at one place is 48."""


class Priors:
    """Tables of one geo bundle, made when they are first asked for. Safe to use from several threads."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._known = model.bundle.arrays().get(KNOWN)
        self._tables: dict[tuple[float, float, int | None], PriorTable] = {}

    def table(self, place: Place, time_ns: int | None) -> PriorTable:
        """The table for a place at UTC `time_ns`, None for the whole year. Raises EngineError where the geo model
        cannot run."""
        week = None if time_ns is None else week_of(time_ns, place.longitude)
        key = (place.latitude, place.longitude, week)
        found = self._tables.get(key)
        if found is None:
            if len(self._tables) >= TABLES:
                self._tables.clear()
            found = self._tables[key] = prior_table(self._model, place, week, self._known)
        return found


def prior_table(model: Model, place: Place, week: int | None, known: NDArray[np.generic] | None = None) -> PriorTable:
    """Ask a geo model about a place in a week, 1..48, or, with None, in the likeliest week of each taxon. `known`: bool
    [classes]; None: it knows all its taxa."""
    weeks = WEEKS if week is None else (week,)
    asked = np.array([[place.latitude, place.longitude, each] for each in weeks], dtype=np.float32)
    likely = model.infer(asked).scores.max(axis=0)
    manifest = model.bundle.manifest
    return PriorTable(
        bundle=manifest.model,
        week=week,
        cut=manifest.prior_cut,
        by_taxon=_by_taxon(
            (label, float(likely[label.index])) for label in model.bundle.labels if known is None or known[label.index]
        ),
    )


def week_of(time_ns: int, longitude: float = 0.0) -> int:
    """1..48 for UTC `time_ns`: four weeks a month, the last from the 22nd on, by the sun's date at that longitude."""
    local = time_ns // 1_000_000_000 + round(longitude / 360.0 * 86400.0)
    day = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=local)
    return 4 * (day.month - 1) + min((day.day - 1) // 7, 3) + 1


def place_of(outcome: Outcome, given: Place | None) -> Place | None:
    """Where a capture was made: what the file itself says, else the deployment or the option, else what an earlier
    run was given."""
    known = outcome.place
    if known is not None and (known.source not in _GIVEN or given is None):
        return known
    return given


def situate(outcome: Outcome, *, place: Place | None, prior: PriorTable | None, settings: IdentifySettings) -> Outcome:
    """Add context, posterior and, where a taxon is not expected, a decision for review. Pure.

    `place`: of the deployment or the option; `prior`: for `place_of(outcome, place)` and the outcome's week, or of the
    whole year; the prior of a week says nothing about an outcome whose time is not known.
    """
    where = place_of(outcome, place)
    detections = tuple(_situated(detection, outcome, where, prior, settings) for detection in outcome.detections)
    return msgspec.structs.replace(outcome, place=where, detections=detections)


def _situated(
    detection: Detection, outcome: Outcome, place: Place | None, prior: PriorTable | None, settings: IdentifySettings
) -> Detection:
    decision = _media_only(detection.decision)
    if place is None:
        return msgspec.structs.replace(detection, context=None, posterior=None, decision=decision)
    start = 0.0 if detection.span is None else detection.span.start_s
    context = Context()
    if not is_dated(outcome.clock):
        prior = None if prior is None or prior.week is not None else prior
    else:
        sun = sun_at(outcome.captured_at + round(start * 1e9), place.latitude, place.longitude)
        context = Context(local_solar_hour=sun.solar_hour, sun_elevation_deg=sun.elevation_deg)
    value = None if prior is None or detection.taxon is None else prior.prior(detection.taxon)
    posterior = None
    if prior is not None and value is not None:
        context = _with_prior(context, detection, prior, value, settings)
        posterior = _posterior(detection.confidence, value, used=not context.allowed)
        decision = _weighed(decision, context, prior, value)
    return msgspec.structs.replace(detection, context=context, posterior=posterior, decision=decision)


def _with_prior(
    context: Context, detection: Detection, prior: PriorTable, value: float, settings: IdentifySettings
) -> Context:
    allowed = detection.taxon is not None and detection.taxon.name in settings.allow
    expected = None if prior.cut is None else allowed or value >= prior.cut
    return msgspec.structs.replace(context, prior=value, prior_bundle=prior.bundle, expected=expected, allowed=allowed)


def _posterior(confidence: float, prior: float, *, used: bool) -> float:
    if not used or confidence <= 0.0:
        return confidence
    return math.exp(math.log(confidence) + WEIGHT * math.log(max(prior, FLOOR)))


def _weighed(decision: Decision, context: Context, prior: PriorTable, value: float) -> Decision:
    """An accepted taxon that is not expected goes to review."""
    if context.expected is not False or decision.verdict is not Verdict.ACCEPTED:
        return decision
    week = "any week" if prior.week is None else f"week {prior.week}"
    reason = f"{_UNEXPECTED}{week}: prior {value:.3f} under {prior.cut:.2f}{_AND}{decision.reason}"
    return Decision(verdict=Verdict.REVIEW, reason=reason, certificate=decision.certificate)


def _media_only(decision: Decision) -> Decision:
    """The decision before any context: undoes `_weighed`, whose reason ends with the one before it."""
    if decision.verdict is not Verdict.REVIEW or not decision.reason.startswith(_UNEXPECTED):
        return decision
    _, _, reason = decision.reason.partition(_AND)
    return Decision(verdict=Verdict.ACCEPTED, reason=reason, certificate=decision.certificate)


def _by_taxon(rows: Iterable[tuple[Label, float]]) -> dict[str, float]:
    table: dict[str, float] = {}
    for label, value in rows:
        if label.role is not Role.TAXON:
            continue
        for key in (label.taxon_id, label.name, *(name for rank, name in label.higher if rank == "genus")):
            table[key] = max(table.get(key, 0.0), value)
    return table
