"""Adds place and season to each outcome as it is made: `situate` with the place-and-season prior of the library."""

from __future__ import annotations

from collections.abc import Sequence

from katydid.models.library import Library
from katydid.models.model import Model, open_model
from katydid.models.outcome import Outcome
from katydid.models.settings import IdentifySettings
from katydid.models.situate import Priors, PriorTable, place_of, situate
from katydid.sensors.capture import Place
from katydid.sensors.clock import is_dated


class Situator:
    """Called by the pipeline's workers for each outcome; safe from several threads.

    `place` stands in where a file has none. Without a prior model or a place the prior stays null; without a time that
    the device itself gave and that can be right, it is that of the whole year.
    """

    def __init__(self, prior: Model | None, place: Place | None, settings: IdentifySettings) -> None:
        self._model = prior
        self._priors = None if prior is None else Priors(prior)
        self._place = place
        self._settings = settings

    @classmethod
    def open(cls, library: Library, place: Place | None, settings: IdentifySettings, *, slots: int) -> Situator:
        """With the first prior bundle of the library, if there is one. Raises BundleError, EngineError."""
        bundles = library.priors()
        return cls(open_model(bundles[0], slots=slots) if bundles else None, place, settings)

    def __call__(self, outcome: Outcome) -> Outcome:
        return situate(outcome, place=self._place, prior=self._prior(outcome), settings=self._settings)

    def models(self) -> Sequence[Model]:
        """What it holds open."""
        return () if self._model is None else (self._model,)

    def _prior(self, outcome: Outcome) -> PriorTable | None:
        place = place_of(outcome, self._place)
        if self._priors is None or place is None or not outcome.detections:
            return None
        return self._priors.table(place, outcome.captured_at if is_dated(outcome.clock) else None)
