"""What a device's clock shows: set once, then drifting, losing power, stepping.

    reading(at) = base + (at - since) · (1 + drift_ppm / 10⁶)

where `since` is the last event before `at` and `base` what the clock showed at it. A crystal of a field recorder is
good for some ± 20 ppm: 1.7 s a day, 52 s a month.
"""

from __future__ import annotations

import random
from bisect import bisect_right

import msgspec

from katydid.sensors.sources.simulated.cameras import chance

EPOCH = 0.0


class PowerLoss(msgspec.Struct, frozen=True, kw_only=True, tag="power_loss"):
    """No files from `at` until `at + off_s`; then the clock begins at 1970-01-01 00:00:00."""

    at: float
    off_s: float = 1800.0


class Step(msgspec.Struct, frozen=True, kw_only=True, tag="step"):
    """Someone, or a time signal, sets the clock `seconds` further (back, if negative)."""

    at: float
    seconds: float


class SetRight(msgspec.Struct, frozen=True, kw_only=True, tag="set_right"):
    """Someone sets the clock to the true time."""

    at: float


Event = PowerLoss | Step | SetRight


class DeviceClock(msgspec.Struct, frozen=True, kw_only=True):
    """One device's clock; all times are seconds since 1970, UTC."""

    set_at: float
    """When it was set before the deployment."""
    offset_s: float = 0.0
    """By how much it was set wrong."""
    drift_ppm: float = 0.0
    """Parts in a million by which it runs fast."""
    events: tuple[Event, ...] = ()
    """In order of their time."""

    def reading(self, at: float) -> float:
        """What the clock shows at the true time `at`, as if its digits were UTC."""
        shown, since = self.set_at + self.offset_s, self.set_at
        for event in self.events:
            moment = back_at(event)
            if moment > at:
                break
            shown, since = _after(event, shown + (moment - since) * self._rate), moment
        return shown + (at - since) * self._rate

    def is_on(self, at: float) -> bool:
        """Whether the device has power."""
        return not any(isinstance(each, PowerLoss) and each.at <= at < back_at(each) for each in self.events)

    def run_of(self, at: float) -> int:
        """How many events the clock has seen: within one run its readings only grow."""
        return bisect_right([back_at(event) for event in self.events], at)

    @property
    def _rate(self) -> float:
        return 1.0 + self.drift_ppm * 1e-6


class ClockTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """How bad the clocks of a deployment are."""

    drift_ppm: float = 15.0
    """Standard deviation among devices."""
    losses_per_month: float = 0.0
    steps_per_month: float = 0.0
    step_s: float = 600.0
    """Standard deviation of a step."""
    zone_s: float = 0.0
    """Every clock is set wrong by this much, as one that was left in another zone."""

    def clock(self, start: float, days: float, *keys: int) -> DeviceClock:
        """The clock of the device that `keys` stand for."""
        draw = chance.stream(*keys)
        events: list[Event] = [
            PowerLoss(at=at, off_s=draw.uniform(300.0, 7200.0))
            for at in _moments(draw, start, days, self.losses_per_month)
        ]
        events += [
            Step(at=at, seconds=float(round(draw.gauss(0.0, self.step_s))))
            for at in _moments(draw, start, days, self.steps_per_month)
        ]
        return DeviceClock(
            set_at=start,
            offset_s=self.zone_s,
            drift_ppm=draw.gauss(0.0, self.drift_ppm),
            events=tuple(sorted(events, key=back_at)),
        )


def back_at(event: Event) -> float:
    """When the clock shows what the event makes of it."""
    return event.at + event.off_s if isinstance(event, PowerLoss) else event.at


def _after(event: Event, shown: float) -> float:
    if isinstance(event, PowerLoss):
        return EPOCH
    return shown + event.seconds if isinstance(event, Step) else event.at


def _moments(draw: random.Random, start: float, days: float, per_month: float) -> list[float]:
    """Poisson moments within the deployment, whole seconds."""
    found, at = [], start
    while per_month > 0.0:
        at += draw.expovariate(per_month / (30.0 * 86_400.0))
        if at >= start + days * 86_400.0:
            break
        found.append(float(round(at)))
    return found
