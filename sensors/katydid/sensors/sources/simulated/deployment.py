"""A whole simulated deployment: its files in the order in which they arrive, as an iterator and as a `Source`.

    source = DeploymentSource(DeploymentPlan(stations=20, days=30, fidelity=Fidelity.LOW), tell=rows.append)
    for taken in source.captures(lambda position: False): ...

Nothing is held but the next file of each sensor, undrawn: `heapq.merge` over the sensors, and a file is drawn when its
turn comes. The truth goes to `tell`, row by row, and never into a capture.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator

import msgspec

from katydid.sensors.capture import Deployment
from katydid.sensors.sources.assembly import Assembly
from katydid.sensors.sources.protocol import Position, Taken
from katydid.sensors.sources.simulated.file import SimulatedFile
from katydid.sensors.sources.simulated.plan import DeploymentPlan
from katydid.sensors.sources.simulated.sensors import Due, Sensor, sensors_of
from katydid.sensors.sources.simulated.stations import Site
from katydid.sensors.sources.simulated.truth import Truth

SOURCE = "simulated"


class SimulatedDeployment:
    """The sensors of a plan."""

    def __init__(self, plan: DeploymentPlan) -> None:
        self.plan = plan
        self.sites = [Site(plan, number) for number in range(plan.stations)]
        self.sensors: list[Sensor] = sensors_of(self.sites)

    def due(self) -> Iterator[Due]:
        """Every file in the order of arrival, undrawn; each sensor's in the order in which it was made."""
        return heapq.merge(*(sensor.due() for sensor in self.sensors), key=lambda due: due.key)

    def files(self) -> Iterator[SimulatedFile]:
        """The same, drawn one by one."""
        for due in self.due():
            yield due.file()

    def deployments(self) -> Iterator[Deployment]:
        """Where and when each sensor stood."""
        for sensor in self.sensors:
            yield sensor.deployment()


class DeploymentSource:
    """A `Source` over a simulated deployment: the captures that a folder source takes from the same files.

    "Now" is the moment of arrival: a clock that runs ahead of it is flagged as it would be in the field.
    """

    def __init__(self, plan: DeploymentPlan, tell: Callable[[Truth], object] = lambda row: None) -> None:
        self.deployment = SimulatedDeployment(plan)
        self.mark = hashlib.blake2b(msgspec.json.encode(plan), digest_size=8).hexdigest()
        """Of the plan: positions of another plan settle nothing here."""
        self._tell = tell
        self._now_ns = 0
        self._assembly = Assembly(name=plan.name, zone=plan.zone, now_ns=lambda: self._now_ns)

    def captures(self, settled: Callable[[Position], bool]) -> Iterator[Taken]:
        """Every file whose position `settled` does not know, in the order of arrival; what it knows is not drawn."""
        for due in self.deployment.due():
            position = Position(source=SOURCE, partition=due.name, mark=self.mark)
            if settled(position):
                continue
            file = due.file()
            for row in file.truth:
                self._tell(row)
            self._now_ns = round(due.arrives * 1e9)
            yield Taken(capture=file.capture(self._assembly, file.sha256), position=position)

    def durable(self, position: Position) -> None:
        """Nothing to do: it can be drawn again."""
