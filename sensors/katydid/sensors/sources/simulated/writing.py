"""A simulated deployment written into a folder: media below, and beside them what really was.

OUT/media/SIM-0001-REC/20250701_120000.wav …
OUT/deployments.csv     where and when each sensor stood (columns of Camtrap DP 1.0, and `zone`)
OUT/plan.json           all that it was made from
OUT/truth.csv           one row an animal in a frame or a song in a clip
OUT/individuals.csv     one row an individual, sensor and session
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from katydid.sensors.capture import Deployment
from katydid.sensors.clock import find_zone
from katydid.sensors.sources.simulated.deployment import SimulatedDeployment
from katydid.sensors.sources.simulated.plan import DeploymentPlan
from katydid.sensors.sources.simulated.sightings import Sighting, Sightings, write_sightings
from katydid.sensors.sources.simulated.truth import Truth, write_truth

MEDIA, TRUTH, INDIVIDUALS, DEPLOYMENTS, PLAN = "media", "truth.csv", "individuals.csv", "deployments.csv", "plan.json"
_COLUMNS = (
    "deploymentID",
    "locationID",
    "locationName",
    "latitude",
    "longitude",
    "deploymentStart",
    "deploymentEnd",
    "cameraID",
    "deploymentComments",
    "zone",
)


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """How far the writing is."""

    files: int
    bytes: int
    simulated: datetime
    """The moment at which the latest file arrived."""


def write_deployment(
    plan: DeploymentPlan,
    folder: Path,
    *,
    truth: Path | None = None,
    watch: Callable[[Written], object] = lambda written: None,
) -> Path:
    """Write media, deployments and plan below `folder`, and to `truth` what really was, with the individuals beside it
    (None: nowhere). Returns the media folder. Files are dated by their arrival."""
    deployment = SimulatedDeployment(plan)
    media = folder / MEDIA
    media.mkdir(parents=True, exist_ok=True)
    (folder / PLAN).write_bytes(msgspec.json.format(msgspec.json.encode(plan), indent=2))
    write_deployments(folder / DEPLOYMENTS, deployment.deployments())
    rows = _media(deployment, media, watch)
    if truth is None:
        for _ in rows:
            pass
        return media
    seen: list[Sighting] = []
    gathered = Sightings(find_zone(plan.zone))
    write_truth(truth, _passing(rows, gathered, seen))
    write_sightings(truth.with_name(INDIVIDUALS), [*seen, *gathered.rest()])
    return media


def write_deployments(path: Path, deployments: Iterable[Deployment]) -> None:
    """Write Camtrap DP's deployments with their required columns; `cameraID` is the sensor, recorders too."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for each in deployments:
            place = (each.place.latitude, each.place.longitude) if each.place else ("", "")
            names = (each.deployment_id, each.location_name, each.location_name)
            writer.writerow(
                (*names, *place, _moment(each.start), _moment(each.end), each.sensor_id, each.comments, each.zone or "")
            )


def _media(deployment: SimulatedDeployment, media: Path, watch: Callable[[Written], object]) -> Iterator[Truth]:
    """Write each file when it is due, and give its truth."""
    size = 0
    for number, due in enumerate(deployment.due(), 1):
        file = due.file()
        path = media / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
        os.utime(path, ns=(round(due.arrives * 1e9),) * 2)
        size += len(file.data)
        yield from file.truth
        watch(Written(files=number, bytes=size, simulated=datetime.fromtimestamp(due.arrives, UTC)))


def _passing(rows: Iterable[Truth], gathered: Sightings, seen: list[Sighting]) -> Iterator[Truth]:
    for row in rows:
        seen.extend(gathered.add((row,)))
        yield row


def _moment(ns: int | None) -> str:
    return "" if ns is None else datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
