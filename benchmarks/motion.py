"""The motion localiser on simulated cameras and on the real one in changed light: who is found, and what is false.

    python benchmarks/motion.py [--frames 60]

Each scene is drawn in full size and brought to the grey frames that localisers see; from the fourth frame on each is
compared with the eight before it. *Fresh* are animals of 24 pixels and more, half of them visible, that were at most
in three of the eight frames where they are now: the others are background by design. Found is an overlap of 0.3; a box
that touches no animal is false. CPU is that of the localiser alone, ms a frame.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import msgspec
import numpy as np
import psutil
from numpy.typing import NDArray

from katydid.models.image import motion
from katydid.models.image.earlier import EARLIER, ENOUGH, small_grey
from katydid.sensors import images
from katydid.sensors.limits import Limits
from katydid.sensors.sources.simulated.cameras import Camera, CameraScene, TimeLapse, Weather, feeder, flower_patch

SEQUENCE = Path(__file__).parents[2] / "shared/data/camera_sequences/insectdct_flowers_gpl3"
SIDE_PX = 24
LIGHT_STEP = 0.75

Rectangle = tuple[float, float, float, float]


class Animal(msgspec.Struct, frozen=True):
    """One in one frame."""

    box: Rectangle
    """x, y, w, h, shares of the frame."""
    who: str
    clear: bool


Frame = tuple[NDArray[np.uint8], list[Animal]]

SCENES: dict[str, tuple[CameraScene, int, int]] = {
    "flowers, calm, 1 s": (flower_patch(weather=Weather(wind=0.1, clouds=0.0)), 1, 10),
    "flowers, breeze, 2 s": (flower_patch(rhythm=TimeLapse(2.0), weather=Weather(wind=0.3, clouds=0.0)), 2, 11),
    "flowers, wind, near": (
        flower_patch(rhythm=TimeLapse(2.0), weather=Weather(wind=0.6, clouds=0.0), width_mm=300.0), 3, 11
    ),
    "flowers, clouds, light steps": (
        flower_patch(
            rhythm=TimeLapse(5.0), weather=Weather(wind=0.1, clouds=0.5, light_steps_per_hour=60.0), plants=25
        ), 4, 12,
    ),
    "flowers, far, 10 s": (flower_patch(rhythm=TimeLapse(10.0), plants=70, width_mm=500.0), 5, 13),
    "flowers, shaken by 2 px": (flower_patch(rhythm=TimeLapse(2.0), weather=Weather(shake_px=2.0, clouds=0.0)), 6, 11),
    "feeder, 2 s": (feeder(rhythm=TimeLapse(2.0)), 7, 14),
}  # fmt: skip
"""Scene, seed, hour (UTC) at which it begins."""


def simulated(scene: CameraScene, seed: int, hour: int, frames: int) -> list[Frame]:
    start = datetime(2026, 6, 20, hour, tzinfo=UTC)
    made: list[Frame] = []
    for frame in Camera(scene, seed).frames(start, start + timedelta(days=1)):
        animals = [
            Animal(
                (seen.box.x, seen.box.y, seen.box.w, seen.box.h),
                seen.individual,
                seen.visible_share >= 0.5 and min(seen.box.w * scene.width, seen.box.h * scene.height) >= SIDE_PX,
            )
            for seen in frame.truth
        ]
        made.append((small_grey(frame.pixels()), animals))
        if len(made) == frames:
            break
    return made


def real(gains: Sequence[float] = (1.0,)) -> list[Frame]:
    """The real sequence, its frames brightened or darkened by these in turn, five frames each."""
    rows: dict[str, list[Animal]] = defaultdict(list)
    with (SEQUENCE / "truth.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["x"]:
                x, y, w, h = (float(row[side]) for side in "xywh")
                box = (x / 1920, y / 1080, w / 1920, h / 1080)
                rows[row["frame"]].append(Animal(box, row["individual"], row["visibility"] == "clear"))
    made: list[Frame] = []
    for number, path in enumerate(sorted(SEQUENCE.glob("*.jpg"))):
        pixels = small_grey(images.decode(path.read_bytes(), Limits(), 224).pixels)
        gain = gains[number // 5 % len(gains)]
        made.append((np.asarray(cv2.convertScaleAbs(pixels, alpha=gain), dtype=np.uint8), rows[path.name]))
    return made


def overlap(one: Rectangle, other: Rectangle) -> float:
    """Intersection over union, 0..1."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    both = max(0.0, across) * max(0.0, down)
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def fresh(animal: Animal, before: Sequence[Frame]) -> bool:
    """Whether it is not background by design."""
    there = sum(any(o.who == animal.who and overlap(o.box, animal.box) > 0.3 for o in animals) for _, animals in before)
    return there < len(before) / 2


def row(name: str, frames: Sequence[Frame]) -> str:
    found = looked_for = false = too_much = 0
    spent = 0.0
    for number in range(ENOUGH, len(frames)):
        before = frames[max(0, number - EARLIER) : number]
        began = time.thread_time()
        moved = motion.moved(frames[number][0], [pixels for pixels, _ in before])
        spent += time.thread_time() - began
        boxes = [(p.box.x, p.box.y, p.box.w, p.box.h) for p in moved.proposals]
        animals = frames[number][1]
        too_much += moved.too_much or not moved.same_view
        for animal in animals:
            if animal.clear and fresh(animal, before):
                looked_for += 1
                found += any(overlap(box, animal.box) >= 0.3 for box in boxes)
        false += sum(all(overlap(box, animal.box) == 0 for animal in animals) for box in boxes)
    n = len(frames) - ENOUGH
    return f"{name:<32}{found:>6} of {looked_for:<5}{false / n:>8.2f}{too_much:>12}{1000 * spent / n:>10.1f}"


def rows(frames: int) -> Iterator[str]:
    for name, (scene, seed, hour) in SCENES.items():
        yield row(name, simulated(scene, seed, hour, frames))
    if SEQUENCE.exists():
        yield row("real flowers", real())
        yield row("real flowers, light steps", real((1.0, LIGHT_STEP)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=60)
    options = parser.parse_args()
    cv2.setNumThreads(0)
    print(f"load {psutil.getloadavg()[0]:.1f} before")
    print(f"{'':32}{'fresh found':>15}{'false':>8}{'all changed':>12}{'CPU ms':>10}")
    for line in rows(options.frames):
        print(line, flush=True)


if __name__ == "__main__":
    main()
