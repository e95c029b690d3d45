"""Simulated insect cameras."""

from katydid.sensors.sources.simulated.cameras.camera import Camera, Fidelity, SimulatedFrame
from katydid.sensors.sources.simulated.cameras.paths import (
    Activity,
    Box,
    Individual,
    Paths,
    SeenIndividual,
    simulate_paths,
)
from katydid.sensors.sources.simulated.cameras.scene import (
    Bursts,
    CameraScene,
    Ground,
    TimeLapse,
    Visitors,
    Watch,
    Weather,
    feeder,
    flower_patch,
    trap_sheet,
)

__all__ = [
    "Activity",
    "Box",
    "Bursts",
    "Camera",
    "CameraScene",
    "Fidelity",
    "Ground",
    "Individual",
    "Paths",
    "SeenIndividual",
    "SimulatedFrame",
    "TimeLapse",
    "Visitors",
    "Watch",
    "Weather",
    "feeder",
    "flower_patch",
    "simulate_paths",
    "trap_sheet",
]
