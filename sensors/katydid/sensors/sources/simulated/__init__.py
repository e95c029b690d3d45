"""Stations that never were, with what really was apart (`docs/simulator.md` says what is modelled and what is not).

Deployments of any number of stations, drawn on demand:

    plan.py        DeploymentPlan: everything that a deployment is made from
    deployment.py  its files in the order in which they arrive; DeploymentSource
    stations.py    where each stands and what lives there      sensors.py   its recorder and camera
    recorders/     who sings, and what is heard of it          cameras/     who comes, and what is seen of it
    community.py   abundances that go together                 climate.py   temperature, rain, wind
    clocks.py      drift, lost power, steps                    faults.py    spoilt files, by share
    sightings.py   individuals by session                      writing.py   all of it into a folder
    presets.py     what can be asked for in words

One night of one station, version 0, as `katydid demo` shows it:

    night.py       when, how warm, who sings and who flies     soundscape.py  one clip
    trap_sheet.py  one frame                                   station.py     the night, file by file

Both:

    file.py        a file, and the capture of it               truth.py     what was really there
    files.py       the bytes as devices write them

Everything follows from one seed: the same seed gives the same bytes.
"""

from katydid.sensors.sources.simulated.file import SimulatedFile
from katydid.sensors.sources.simulated.night import Night
from katydid.sensors.sources.simulated.station import SimulatedSource, Station, write_station
from katydid.sensors.sources.simulated.truth import Truth, read_truth, write_truth

__all__ = [
    "Night",
    "SimulatedFile",
    "SimulatedSource",
    "Station",
    "Truth",
    "read_truth",
    "write_station",
    "write_truth",
]
