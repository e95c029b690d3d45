"""Bytes in → rows durable, against the limit of this machine, taking turns in one run.

    python benchmarks/pipeline.py                     frames, clips and BirdNET, three rounds each
    python benchmarks/pipeline.py frames --rounds 5

The limit is a script of at most thirty lines (`bare_*.py`) that keeps all cores busy with the same decoder and model
over the same files and imports nothing of ours. Ours is `katydid run` from the first capture to the last durable row:
reading, hashing, facts, decoding, batching, model, decisions, DuckDB. Start-up (imports, opening the model) is apart on
both sides. Printed is the ratio of the rates (aim 0.85) and of the CPU time an item takes, per round and the median,
and the share of the cores that each side kept busy: the ratio by the clock is that by CPU times the one share over the
other. What else runs on the machine takes from both shares.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import graphs
import msgspec
import numpy as np
import psutil
import soundfile

HERE = Path(__file__).parent
CORES = os.cpu_count() or 1
FRAMES, CLIPS = 480, 1920
SOUNDSCAPE = HERE.parents[1] / "shared/data/soundscapes/birdnet_soundscape/soundscape.flac"


class Timed(msgspec.Struct, frozen=True):
    """One contestant's round."""

    items: int
    wall_s: float
    cpu_s: float

    @property
    def rate(self) -> float:
        return self.items / self.wall_s

    @property
    def busy(self) -> float:
        """Share of the cores' time that it had, 0..1: the rest it waited, or others ran."""
        return self.cpu_s / (self.wall_s * CORES)


def frames(folder: Path) -> tuple[Path, Path, list[str]]:
    """2 MP JPEG frames (1920 × 1080) of a lit sheet, each twice (told apart by a comment), and the bundle of a B0-sized
    graph."""
    from katydid.sensors.sources.simulated import Night, Station

    media = folder / "frames"
    media.mkdir()
    night = Night(frame_size=(1920, 1080), hours=FRAMES / 60, clip_every_s=1e9)
    made = (file for file in Station(night).files() if file.name.endswith("jpg") and file.data)
    for number, file in zip(range(0, FRAMES, 2), made, strict=False):
        (media / f"IMG_{number:05d}.jpg").write_bytes(file.data)
        (media / f"IMG_{number + 1:05d}.jpg").write_bytes(commented(file.data))
    bundle = frame_bundle(folder / "models" / "b0")
    return media, bundle, [str(bundle / "graph.onnx"), str(media), str(CORES)]


def frame_bundle(folder: Path) -> Path:
    """The bundle of a B0-sized graph that looks at frames, in `folder`."""
    from katydid.models.bundle import write_bundle
    from katydid.models.manifest import ImageInput

    image = ImageInput(height=224, width=224)
    files = contents(graphs.b0_like())
    return write_bundle(folder, manifest("image_classifier", "pixels", image=image), files).path


def commented(jpeg: bytes) -> bytes:
    """The same picture in a file of another digest: a copy would be identified once."""
    return jpeg[:2] + b"\xff\xfe\x00\x06copy" + jpeg[2:]


def clips(folder: Path) -> tuple[Path, Path, list[str]]:
    """3 s FLAC clips at 48 kHz, 2048/512/128 log-mel, and the bundle of a B0-sized graph."""
    media = folder / "clips"
    media.mkdir()
    rng = np.random.default_rng(1)
    for number in range(CLIPS):
        write_clip(media / f"clip_{number:05d}.flac", rng)
    bundle = clip_bundle(folder / "models" / "b0")
    graph, npz = bundle / "graph.onnx", bundle / "arrays.npz"
    return media, bundle, [str(graph), str(media), str(CORES), str(npz)]


def write_clip(path: Path, rng: np.random.Generator) -> None:
    """3 s of noise at 48 kHz, as wind and a microphone make it."""
    samples = np.cumsum(rng.normal(0, 0.01, 144_000)) * 0.01 + rng.normal(0, 0.01, 144_000)
    soundfile.write(path, np.clip(samples, -1, 1), 48_000)


def clip_bundle(folder: Path) -> Path:
    """The bundle of a B0-sized graph that listens to clips through 2048/512/128 log-mel, in `folder`."""
    import io

    from katydid.models.bundle import write_bundle
    from katydid.models.manifest import LogMelFrontEnd, SoundInput
    from katydid.models.sound.filters import hann_window, mel_filters

    arrays = io.BytesIO()
    np.savez(arrays, window=hann_window(2048), filters=mel_filters(48_000, 2048, 128))
    sound = SoundInput(
        sample_rate=48_000, samples=144_000, hop_s=3.0, front_end=LogMelFrontEnd(n_fft=2048, hop=512, floor=1e-10)
    )
    files = {**contents(graphs.b0_like(sound_bands=128)), "arrays.npz": arrays.getvalue()}
    return write_bundle(folder, manifest("sound_classifier", "spectrogram", sound=sound), files).path


def birdnet(folder: Path) -> tuple[Path, Path, list[str]]:
    """BirdNET over four FLAC recordings of ten minutes; rates are windows of 3 s."""
    from katydid.models.adding_birdnet import add_birdnet

    media = folder / "recordings"
    media.mkdir()
    samples, rate = soundfile.read(SOUNDSCAPE, dtype="int16")
    for number in range(4):
        turned = np.roll(samples, number * rate * 7)
        soundfile.write(media / f"night_{number}.flac", np.resize(turned, 600 * rate), rate)
    bundle = add_birdnet(folder / "models", precision="exact", accept=lambda terms: True)[0]
    return media, bundle.path, [str(bundle.path), str(media), str(CORES)]


CASES: dict[str, tuple[Callable[[Path], tuple[Path, Path, list[str]]], str, str]] = {
    "frames": (frames, "bare_frames.py", "2 MP JPEG frames, B0-sized graph"),
    "clips": (clips, "bare_clips.py", "3 s FLAC clips, log-mel, B0-sized graph"),
    "birdnet": (birdnet, "bare_birdnet.py", "BirdNET (exact) over ten-minute FLAC recordings, windows"),
}


def manifest(kind: str, entry: str, **inputs: object):  # type: ignore[no-untyped-def]
    from katydid.models.manifest import BundleManifest

    graph = {"file": "graph.onnx", "engine": "onnx", "input": entry, "scores": "scores", "max_batch": 8}
    given = {
        "format": 1, "name": "b0", "version": "0", "title": "random weights", "kind": kind, "graphs": [graph],
        "licence": "CC0-1.0", "credit": "-", "uses": "benchmarks", "files": {},
        "thresholds": {"report": 0.0005, "accept": 0.5},
    }  # fmt: skip
    return msgspec.structs.replace(msgspec.convert(given, BundleManifest), **inputs)


def contents(graph: bytes) -> dict[str, bytes]:
    from katydid.models.labels import write_labels
    from katydid.models.manifest import Label

    labels = [Label(index=i, taxon_id=f"name:{i}", name=f"class {i}", rank="species") for i in range(graphs.CLASSES)]
    return {
        "graph.onnx": graph,
        "labels.csv": write_labels(labels),
        "card.md": b"random weights\n",
        "LICENSE.txt": b"CC0-1.0\n",
    }


def ours(media: Path, bundle: Path, out: Path) -> None:
    """The child: one run of the embedded host. CPU time is the whole process's, from the first capture on."""
    import shutil

    from katydid.models.library import Library
    from katydid.models.settings import IdentifySettings
    from katydid.streams.local import RunOptions, RunProgress, run_folder

    started: list[float] = []

    def watch(now: RunProgress) -> None:
        spent = time.process_time()
        if not started:  # The first call comes a fifth of a second after the first capture.
            started.append(spent - now.pipeline.cpu_s - now.reader_cpu_s)
        started[1:] = [spent]

    shutil.rmtree(out, ignore_errors=True)
    options = RunOptions(folder=media, out=out, identify=IdentifySettings(region="whole"), media="none")
    library = Library((bundle.parent,))
    progress = run_folder(
        msgspec.structs.replace(options, models=(bundle.name,)), library=library, watch=watch, notify=print
    ).progress
    print(progress.pipeline.seen_items, progress.elapsed_s, started[1] - started[0])


def timed(command: list[str]) -> Timed:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS")}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command], stdout=subprocess.PIPE, text=True, check=True, env=environment, cwd=HERE
    )
    items, wall, cpu = done.stdout.split()[-3:]
    return Timed(int(items), float(wall), float(cpu))


def compete(case: str, rounds: int, folder: Path) -> None:
    make, script, title = CASES[case]
    media, bundle, arguments = make(folder)
    print(f"\n{title}; {CORES} cores, load {psutil.getloadavg()[0]:.1f} before")
    by_cpu = f"{'limit CPU ms':>14}{'ours CPU ms':>13}{'ratio':>8}"
    print(f"{'':8}{'limit /s':>10}{'ours /s':>10}{'ratio':>8}{by_cpu}{'cores busy':>14}")
    ratios, of_cpu = [], []
    for number in range(rounds):
        limit = timed([script, *arguments])
        mine = timed(["pipeline.py", "--child", str(media), str(bundle), str(folder / "out")])
        ratios.append(mine.rate / limit.rate)
        spent = [1000 * each.cpu_s / each.items for each in (limit, mine)]
        of_cpu.append(spent[0] / spent[1])
        rates = f"{limit.rate:>10.1f}{mine.rate:>10.1f}{ratios[-1]:>8.3f}"
        busy = f"{limit.busy:>9.2f}/{mine.busy:.2f}"
        print(f"round {number + 1:<2}{rates}{spent[0]:>14.2f}{spent[1]:>13.2f}{of_cpu[-1]:>8.3f}{busy}", flush=True)
    print(
        f"median ratio by the clock {statistics.median(ratios):.3f} (aim 0.85), by CPU {statistics.median(of_cpu):.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), metavar="case", help=", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=3, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        ours(*options.child)
        return
    for case in options.cases:
        if case == "birdnet" and not SOUNDSCAPE.exists():
            print(f"\n{CASES[case][2]}: skipped, {SOUNDSCAPE.name} is not there")
            continue
        with tempfile.TemporaryDirectory() as folder:
            compete(case, options.rounds, Path(folder))


if __name__ == "__main__":
    main()
