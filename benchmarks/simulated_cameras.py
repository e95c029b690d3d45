"""What a frame of a simulated camera costs, at both fidelities, beside the JPEG encoder alone.

    python benchmarks/simulated_cameras.py
    python benchmarks/simulated_cameras.py --low 2000 --high 50

CPU time of the process for `SimulatedFrame.jpeg` and `.truth`, frames in the order of time, first frames not counted;
in rounds, of which the cheapest is told. The encoder is timed in the same rounds on the last picture, so that the ratio
holds on a loaded machine too. A pipeline of 100 frames/s on two cores has 20 ms a frame: a twentieth would be 1 ms of
one core, and the aim is half of that.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import cv2

from katydid.sensors.sources.simulated.cameras import (
    Camera,
    CameraScene,
    SimulatedFrame,
    TimeLapse,
    feeder,
    flower_patch,
    trap_sheet,
)

AIM_MS = 0.5
"""CPU a frame at low fidelity."""
ROUNDS = 3
DAY = datetime(2026, 7, 14, tzinfo=UTC)
SCENES: dict[str, tuple[CameraScene, float]] = {
    "flowers, every 1 s": (flower_patch(), 10.0),
    "flowers, every 60 s": (flower_patch(rhythm=TimeLapse(60.0)), 6.0),
    "sheet, every 10 s": (trap_sheet(), 21.5),
    "sheet, every 60 s": (trap_sheet(rhythm=TimeLapse(60.0)), 21.5),
    "feeder, bursts": (feeder(), 10.0),
    "feeder, infrared": (feeder(), 22.5),
}


def cpu_ms(work: Callable[[SimulatedFrame], object], frames: list[SimulatedFrame]) -> float:
    start = time.process_time()
    for frame in frames:
        work(frame)
    return 1e3 * (time.process_time() - start) / len(frames)


def measure(scene: CameraScene, hour: float, fidelity: str, count: int) -> tuple[float, float, float, float]:
    """CPU ms a frame, of the encoder alone, animals a frame, kB a frame."""
    frames = Camera(scene, 3).frames(DAY + timedelta(hours=hour), DAY + timedelta(days=30))
    picture = cv2.cvtColor(next(frames).pixels(fidelity), cv2.COLOR_RGB2BGR)
    quality = [cv2.IMWRITE_JPEG_QUALITY, scene.quality]
    costs, encoder, animals, size = [], [], 0, 0
    for _ in range(ROUNDS):
        some = list(itertools.islice(frames, count))
        costs.append(cpu_ms(lambda frame: (frame.jpeg(fidelity), frame.truth), some))
        encoder.append(cpu_ms(lambda frame: cv2.imencode(".jpg", picture, quality), some))
        animals += sum(len(frame.truth) for frame in some)
        size = len(some[-1].jpeg(fidelity))
    return min(costs), min(encoder), animals / (ROUNDS * count), size / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--low", type=int, default=400, help="frames a round at low fidelity")
    parser.add_argument("--high", type=int, default=20, help="frames a round at high fidelity")
    wanted = parser.parse_args()
    print(f"{'scene':22s} {'fidelity':9s} {'ms CPU':>8s} {'encoder':>8s} {'ratio':>6s} {'animals':>8s} {'kB':>5s}")
    for name, (scene, hour) in SCENES.items():
        for fidelity, count in (("low", wanted.low), ("high", wanted.high)):
            cost, encoder, animals, size = measure(scene, hour, fidelity, count)
            aim = f"{cost / AIM_MS:4.2f} of {AIM_MS} ms" if fidelity == "low" else ""
            numbers = f"{cost:8.3f} {encoder:8.3f} {cost / encoder:6.1f} {animals:8.1f} {size:5.0f}"
            print(f"{name:22s} {fidelity:9s} {numbers}  {aim}")


if __name__ == "__main__":
    main()
