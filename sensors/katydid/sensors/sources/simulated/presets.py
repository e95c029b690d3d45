"""What can be asked for in words: a night (version 0), a deployment, one in which a little of everything fails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from katydid.sensors.sources.protocol import Source
from katydid.sensors.sources.simulated.cameras import Fidelity
from katydid.sensors.sources.simulated.deployment import DeploymentSource
from katydid.sensors.sources.simulated.faults import faults_of
from katydid.sensors.sources.simulated.night import Night
from katydid.sensors.sources.simulated.plan import DeploymentPlan, troubled
from katydid.sensors.sources.simulated.station import SimulatedSource, Station
from katydid.sensors.sources.simulated.truth import Truth

EXAMPLES = "simulated:seed=1,hours=2 (at most 24) or simulated:preset=deployment,stations=3,days=1,fidelity=low"
_BEGINS_H = 10
"""Hours of UTC: noon in the deployment's zone, in summer, so that days are whole sessions."""


class Preset(StrEnum):
    NIGHT = "night"
    DEPLOYMENT = "deployment"
    TROUBLED = "troubled"


class Sensors(StrEnum):
    """Which sensors a station has."""

    BOTH = "both"
    RECORDERS = "recorders"
    CAMERAS = "cameras"


class AskedNight(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Version 0: one recorder and one camera over a sheet."""

    seed: Annotated[int, Meta(ge=0)] = 1
    hours: Annotated[float, Meta(gt=0, le=24)] = 12.0

    def night(self) -> Night:
        return Night(seed=self.seed, hours=self.hours)


class AskedDeployment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deployment in a few words; all else is `DeploymentPlan`'s default."""

    seed: Annotated[int, Meta(ge=0)] = 1
    stations: Annotated[int, Meta(ge=1)] = 3
    days: Annotated[float, Meta(gt=0)] = 1.0
    start: date = date(2025, 7, 1)
    fidelity: Fidelity = Fidelity.HIGH
    sensors: Sensors = Sensors.BOTH
    faults: str = ""
    """ "truncated=0.01,black_frame=0.02"; within other words "truncated:0.01+black_frame:0.02"."""
    late: Annotated[float, Meta(ge=0, le=1)] | None = None
    drift: Annotated[float, Meta(ge=0)] | None = None
    """Parts in a million."""

    def plan(self, *, in_trouble: bool = False) -> DeploymentPlan:
        """The plan. Raises ValueError for a fault that does not exist."""
        plan = DeploymentPlan(
            seed=self.seed,
            stations=self.stations,
            days=self.days,
            start=datetime(self.start.year, self.start.month, self.start.day, _BEGINS_H, tzinfo=UTC),
            fidelity=self.fidelity,
        )
        plan = troubled(plan) if in_trouble else plan
        return msgspec.structs.replace(
            plan,
            recorder=None if self.sensors is Sensors.CAMERAS else plan.recorder,
            cameras=() if self.sensors is Sensors.RECORDERS else plan.cameras,
            faults=faults_of(self.faults.replace("+", ",").replace(":", "=")) if self.faults else plan.faults,
            late=plan.late if self.late is None else self.late,
            clocks=plan.clocks if self.drift is None else msgspec.structs.replace(plan.clocks, drift_ppm=self.drift),
        )


def simulated_source(words: str, tell: Callable[[Truth], object] = lambda row: None) -> Source:
    """The source of "seed=1,hours=2" or "preset=deployment,stations=20,days=30,fidelity=low"; `tell` is given the truth
    of a deployment. Raises ValueError that says what can be written."""
    given = dict(word.partition("=")[::2] for word in filter(None, words.split(",")))
    try:
        preset = Preset(given.pop("preset", Preset.NIGHT))
        if preset is Preset.NIGHT:
            return SimulatedSource(Station(msgspec.convert(given, AskedNight, strict=False).night()))
        asked = msgspec.convert(given, AskedDeployment, strict=False)
        plan = asked.plan(in_trouble=preset is Preset.TROUBLED)
    except ValueError as exc:  # msgspec's errors are ValueErrors too.
        raise ValueError(f"{words!r}: {exc}. Write {EXAMPLES}") from exc
    return DeploymentSource(plan, tell)
