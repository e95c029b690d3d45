"""The stations of a deployment: where each stands, what lives there, how its files travel and what its clocks keep."""

from __future__ import annotations

from datetime import timedelta, timezone
from math import ceil

from katydid.sensors.capture import Place
from katydid.sensors.clock import find_zone
from katydid.sensors.sources.simulated.cameras import chance
from katydid.sensors.sources.simulated.plan import DAY_S, DeploymentPlan

_LATE, _WHERE = 41, 42
_APART_S = 600.0
"""Cards are read one after another."""


class Site:
    """Station number 0, 1, … of a plan."""

    def __init__(self, plan: DeploymentPlan, number: int) -> None:
        self.plan = plan
        self.number = number
        self.name = f"{plan.name}-{number + 1:04d}"
        draw = chance.stream(plan.seed, _WHERE, number)
        self.place = Place(
            latitude=round(plan.place.latitude + draw.uniform(-1.0, 1.0) * plan.scatter_deg, 5),
            longitude=round(plan.place.longitude + draw.uniform(-1.0, 1.0) * plan.scatter_deg, 5),
            source="simulated",
        )
        self.is_late = chance.uniform(plan.seed, _LATE, number) < plan.late
        self.abundance = plan.community.abundance(number)
        self.zone = timezone(plan.start.astimezone(find_zone(plan.zone)).utcoffset() or timedelta(0))
        """What its devices were set to: an offset, which no daylight saving changes."""

    def arrival(self, ready: float, latency_s: float) -> float:
        """When a file that is ready at `ready` arrives: soon, or when the card is read."""
        if not self.is_late:
            return ready + latency_s
        card_s = self.plan.card_days * DAY_S
        return self.plan.begins + ceil((ready - self.plan.begins) / card_s) * card_s + self.number * _APART_S

    def temperature_c(self, at: float) -> float:
        return self.plan.climate.temperature_c(at, self.place, self.number)

    def is_flying(self, taxon: str, at: float) -> float:
        """How much of its usual coming and going an insect does in this weather, 0..1: little in rain, nothing under
        6 °C, all from 14 °C on; assumed, the same for all taxa."""
        warm = min(max((self.temperature_c(at) - 6.0) / 8.0, 0.0), 1.0)
        return warm * (0.1 if self.plan.climate.rains(at) else 1.0)
