"""What a simulated recorder hears.

bands.py   in which band a signal-to-noise ratio is stated
noise.py   a meadow's background, wind, rain, traffic, a bird
scene.py   `soundscape_with`: songs at stated onsets and ratios
"""

from katydid.sensors.sources.simulated.recorders.scene import HeardSong, Noise, Scene, Sings, soundscape_with

__all__ = ["HeardSong", "Noise", "Scene", "Sings", "soundscape_with"]
