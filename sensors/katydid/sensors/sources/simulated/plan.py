"""What a simulated deployment is: one frozen record, of which everything follows.

    DeploymentPlan(stations=20, days=30, fidelity=Fidelity.LOW)

is twenty stations for a month of summer, each with a recorder (20 s every ten minutes) and a camera (a frame every
minute) over a sheet, flowers or a feeder in turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from katydid.sensors.capture import Place
from katydid.sensors.sources.simulated.cameras import CameraScene, TimeLapse, feeder, flower_patch, trap_sheet
from katydid.sensors.sources.simulated.cameras.camera import Fidelity
from katydid.sensors.sources.simulated.climate import Climate
from katydid.sensors.sources.simulated.clocks import ClockTrouble
from katydid.sensors.sources.simulated.community import Community, Lives
from katydid.sensors.sources.simulated.faults import Fault, Faults
from katydid.sensors.sources.simulated.recorders import RecorderScene

DAY_S = 86_400.0

COMMUNITY = Community(
    species=(
        Lives(taxon="Chorthippus biguttulus", mean=3.0, habitat=-0.8),
        Lives(taxon="Gryllus campestris", mean=3.0, habitat=-0.8),
        Lives(taxon="Oecanthus pellucens", mean=2.0, habitat=-0.6),
        Lives(taxon="Pseudochorthippus parallelus", mean=2.0, habitat=0.1),
        Lives(taxon="Tettigonia viridissima", mean=1.0, habitat=0.1),
        Lives(taxon="Pholidoptera griseoaptera", mean=3.0, habitat=0.8),
        Lives(taxon="Nemobius sylvestris", mean=4.0, habitat=0.8),
        Lives(taxon="Apis mellifera", habitat=-0.2),
        Lives(taxon="Bombus terrestris", habitat=0.2),
        Lives(taxon="Episyrphus balteatus", habitat=0.5),
        Lives(taxon="Pieris rapae", habitat=-0.4),
        Lives(taxon="Noctua pronuba", habitat=-0.1),
        Lives(taxon="Autographa gamma", habitat=-0.5),
        Lives(taxon="Idaea aversata", habitat=0.6),
        Lives(taxon="Biston betularia", habitat=0.7),
        Lives(taxon="Chrysoteuchia culmella", habitat=-0.5),
        Lives(taxon="Tipula oleracea", habitat=0.4),
        Lives(taxon="Carabus nemoralis", habitat=0.7),
    )
)
"""Dry grassland's species go together, and those of hedges and woods; taxa that are not named are everywhere alike.
The habitats are assumed, after what field guides say of each."""


class DeploymentPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of a simulated deployment; the same plan gives the same bytes in the same order."""

    seed: int = 1
    name: str = "SIM"
    """Sensors are NAME-0001-REC, NAME-0001-CAM, …"""
    start: datetime = datetime(2025, 7, 1, 10, 0, tzinfo=UTC)
    """Aware."""
    days: float = 1.0
    stations: int = 3
    fidelity: Fidelity = Fidelity.HIGH
    place: Place = Place(latitude=52.16, longitude=4.49, source="simulated")
    scatter_deg: float = 0.15
    """Stations lie within this of `place`, north to south and east to west."""
    zone: str = "Europe/Amsterdam"
    """IANA name. Devices are set to its offset at the start and know no daylight saving."""
    recorder: RecorderScene | None = RecorderScene()
    """Of every station; None for none. Its choirs, place, climate and station are the station's."""
    cameras: tuple[CameraScene, ...] = (
        trap_sheet(rhythm=TimeLapse(60.0)),
        flower_patch(rhythm=TimeLapse(60.0)),
        feeder(rhythm=TimeLapse(60.0)),
    )
    """Stations take them in turn; () for no cameras. Place and zone are the station's."""
    looks: int = 24
    """So many stations after each other see different grounds, then the same come again (with other animals): at low
    fidelity pictures of 32 grounds are kept, and each new one costs as much as hundreds of frames."""
    community: Community = COMMUNITY
    climate: Climate = Climate()
    clocks: ClockTrouble = ClockTrouble()
    faults: Faults = Faults()
    duplicates: float = 0.0
    """Share of files that arrive twice, under two names."""
    late: float = 0.0
    """Share of stations that send nothing: their card is read every `card_days`."""
    card_days: float = 7.0

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise ValueError("a deployment starts at a time with a zone")
        if self.stations < 1 or self.days <= 0.0:
            raise ValueError(f"{self.stations} stations for {self.days} days are no deployment")

    @property
    def begins(self) -> float:
        """Seconds since 1970."""
        return self.start.timestamp()

    @property
    def ends(self) -> float:
        return self.begins + self.days * DAY_S


def troubled(plan: DeploymentPlan, shares: Mapping[Fault, float] | None = None) -> DeploymentPlan:
    """The plan with everything that goes wrong in the field, a little of each: for tests and soaks."""
    few = dict.fromkeys(Fault, 0.002) if shares is None else dict(shares)
    return msgspec.structs.replace(
        plan,
        clocks=ClockTrouble(drift_ppm=40.0, losses_per_month=1.0, steps_per_month=1.0),
        faults=Faults(shares=few),
        duplicates=0.005,
        late=0.25,
    )
