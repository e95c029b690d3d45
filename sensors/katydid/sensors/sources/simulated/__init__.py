"""A station that never was: one recorder and one camera over a trap sheet, for one night, with the truth apart.

Version 0 (`docs/simulator.md` says what it models and what it does not):

    night.py      when: hours, temperature, weather, who sings and who flies
    soundscape.py one clip: singers at stated signal-to-noise ratios over wind, rain and other voices
    trap_sheet.py one frame: insects that come, sit and leave, drawn on a lit sheet
    files.py      the bytes as a recorder and a camera write them: WAV with GUANO, JPEG with EXIF
    truth.py      what was really there
    station.py    the whole night, file by file, in the order of time

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
