"""A detector, bytes in → rows durable, against the limit of this machine, taking turns in one run.

    python benchmarks/detector.py                        40 photos of 3 MP, three rounds
    python benchmarks/detector.py --photos 20 --rounds 1

The limit is `bare_detector.py`, which imports nothing of ours: the same decoder, tiles and graph, peaks, and OpenCV's
suppression. Ours is `katydid run --models insect-detector` from the first capture to the last durable row. Photos are
those of the traps in the shared data; without them, painted ones with as many insects. What is printed: see
`pipeline.py`.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
from pipeline import CORES, HERE, Timed, commented, timed

TRAPS = HERE.parents[1] / "shared/data/images_detect/spohf_sticky_traps"
MODEL = "insect-detector"
INSECTS = 86
"""On an average photo of the traps."""


def photos(folder: Path, count: int) -> Path:
    """JPEGs of 1536 x 2048 pixels in `folder`, no two alike."""
    media = folder / "photos"
    media.mkdir()
    real = sorted(TRAPS.glob("*.jpg"))[:count]
    for number in range(count):
        data = real[number % len(real)].read_bytes() if real else painted(number)
        for _ in range(number // len(real) if real else 0):
            data = commented(data)
        (media / f"IMG_{number:04d}.jpg").write_bytes(data)
    return media


def painted(seed: int) -> bytes:
    """A yellow trap with dark ellipses."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal((30, 190, 225), 6, (2048, 1536, 3)).clip(0, 255).astype(np.uint8)
    for x, y in rng.integers(40, (1496, 2008), (INSECTS, 2)):
        sides = (int(rng.integers(8, 30)), int(rng.integers(5, 12)))
        cv2.ellipse(pixels, (int(x), int(y)), sides, float(rng.uniform(0, 180)), 0, 360, (20, 25, 30), -1)
    return bytes(cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, 90))[1])


def ours(media: Path, out: Path) -> None:
    """The child: one run of the embedded host. CPU time is the whole process's, from the first capture on."""
    from katydid.models.library import BUNDLED, Library
    from katydid.streams.local import RunOptions, RunProgress, run_folder

    started: list[float] = []

    def watch(now: RunProgress) -> None:
        spent = time.process_time()
        if not started:  # The first call comes a fifth of a second after the first capture.
            started.append(spent - now.pipeline.cpu_s - now.reader_cpu_s)
        started[1:] = [spent]

    shutil.rmtree(out, ignore_errors=True)
    options = RunOptions(folder=media, out=out, models=(MODEL,), media="none")
    progress = run_folder(options, library=Library((BUNDLED,)), watch=watch, notify=print).progress
    print(len(list(media.iterdir())), progress.elapsed_s, started[1] - started[0])


def compete(rounds: int, count: int, folder: Path) -> None:
    from katydid.models.library import BUNDLED

    media = photos(folder, count)
    graph = BUNDLED / MODEL / f"{MODEL}.onnx"
    print(f"{MODEL} on {count} photos of 3 MP; {CORES} cores, load {psutil.getloadavg()[0]:.1f} before")
    print(f"{'':8}{'limit /s':>10}{'ours /s':>10}{'ratio':>8}{'limit CPU ms':>14}{'ours CPU ms':>13}{'ratio':>8}")
    ratios, of_cpu = [], []
    for number in range(rounds):
        limit = timed(["bare_detector.py", str(graph), str(media), str(CORES)])
        mine = timed(["detector.py", "--child", str(media), str(folder / "out")])
        ratios.append(mine.rate / limit.rate)
        spent = [1000 * each.cpu_s / each.items for each in (limit, mine)]
        of_cpu.append(spent[0] / spent[1])
        print(round_of(number, limit, mine, spent), flush=True)
    print(
        f"median ratio by the clock {statistics.median(ratios):.3f} (aim 0.85), by CPU {statistics.median(of_cpu):.3f}"
    )


def round_of(number: int, limit: Timed, mine: Timed, spent: list[float]) -> str:
    rates = f"{limit.rate:>10.2f}{mine.rate:>10.2f}{mine.rate / limit.rate:>8.3f}"
    return f"round {number + 1:<2}{rates}{spent[0]:>14.1f}{spent[1]:>13.1f}{spent[0] / spent[1]:>8.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        ours(*options.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        compete(options.rounds, options.photos, Path(folder))


if __name__ == "__main__":
    main()
