"""What a simulated recorder hears.

scene.py       `soundscape_with`: songs at stated onsets and ratios, for evaluations
recorder.py    `Recorder`: clips for as long as one likes, from males that live around it
singers.py     who sings, from where, in which bouts
hearing.py     a clip at full fidelity      prepared.py    a clip at low fidelity
absorption.py  distance and air             microphone.py  response, ears, lost samples
noise.py       a meadow's background, wind, rain, traffic, a bird
bands.py       in which band a signal-to-noise ratio is stated
"""

from katydid.sensors.sources.simulated.recorders.microphone import Ears, Microphone
from katydid.sensors.sources.simulated.recorders.recorder import Clip, Recorder, RecorderScene
from katydid.sensors.sources.simulated.recorders.scene import HeardSong, Noise, Scene, Sings, soundscape_with
from katydid.sensors.sources.simulated.recorders.singers import Bout, Choir, Male

__all__ = [
    "Bout",
    "Choir",
    "Clip",
    "Ears",
    "HeardSong",
    "Male",
    "Microphone",
    "Noise",
    "Recorder",
    "RecorderScene",
    "Scene",
    "Sings",
    "soundscape_with",
]
