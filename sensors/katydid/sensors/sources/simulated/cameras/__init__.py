"""Simulated insect cameras: who comes when and where, and the frames that a camera takes of it, with the truth apart.

    scene = flower_patch(rhythm=TimeLapse(1.0), weather=Weather(wind=0.3))   # or trap_sheet(...), feeder(...)
    scene = busier(scene, 3.0)                    # three times the arrivals
    camera = Camera(scene, seed=7)
    for frame in camera.frames(start, end):       # aware datetimes; SimulatedFrame, one at a time, for years
        frame.at, frame.number                    # true time with fractions, number in its burst
        frame.truth                               # tuple[SeenIndividual]: individual, taxon, box, visible_share, ...
        frame.pixels("high"), frame.jpeg("low")   # drawn only when asked; jpeg(reading=, serial=) for a wrong clock

    Paths(scene, 7).boxes_at(moment)              # the truth alone, at any moment, in any order; nothing is drawn
    simulate_paths(scene, 7, start, end)          # Individuals with .pose(at), taxon, arrival and departure

Everything follows from the scene, the seed and the moment: the same in whichever order and part it is asked for,
and at any frame rate, size and fidelity. Ways and times do not depend on `rhythm`, `width` or `quality`. A frame in a
burst has the same EXIF second as its nine sisters: give files names that count (IMG_0001.jpg) to keep their order.
For many cameras give the scenes a few shared `look`s: pictures of the ground are kept for 32 looks at low fidelity and
three at high. `activity(taxon, at) -> 0..1`, a third argument of Camera and Paths, thins arrivals by what a deployment
knows: temperature, rain, a dead season. A Camera is for one thread at a time.

    taxa.py       who: size, shape, hours, season, behaviour
    scene.py      CameraScene and its presets
    chance.py     chance that can be asked out of order
    sun.py        the sun, and who is active under it
    layout.py     where flowers, food and leaves stand, and how the wind moves them
    moves.py      one move and the pose in it
    behaviour.py  whole ways: foraging, settling, walking through
    paths.py      everyone's ways, boxes and visible shares
    shapes.py     outlines of thirteen kinds of body
    sprites.py    an insect drawn once, and laid down turned, scaled and smeared
    grounds.py    sheet, flower bed, feeder
    plants.py     flower heads, stems, grass, leaves
    wet.py        dew and a spider's web
    light.py      sun, clouds, lamp, infrared, exposure
    high.py       a frame layer by layer        low.py   a small frame at a hundredth of the cost
    stamp.py      EXIF                          camera.py   Camera and SimulatedFrame
"""

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
    busier,
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
    "busier",
    "feeder",
    "flower_patch",
    "simulate_paths",
    "trap_sheet",
]
