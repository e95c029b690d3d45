"""A simulated month of twenty stations through the pipeline: is memory flat, is the backlog bounded, is nothing lost?

    python benchmarks/season_soak.py                        20 stations, 30 days (`make soak`): about 100,000 captures
    python benchmarks/season_soak.py --stations 3 --days 2  a minute

Each station has a camera (a frame every ten minutes, day and night, over a sheet, flowers or a feeder) and a recorder
(20 s every hour), drawn at low fidelity while the pipeline runs, with everything that goes wrong in the field: a
quarter of the stations send nothing and have their card read once a week, clocks drift, step and are reset, half a
percent of the files arrives twice, and each kind of fault spoils two in a thousand. They are drawn by a process of
their own, so that memory and CPU time are the pipeline's. Frames go through the localisers
and a tiny ONNX graph, clips through the placeholder, outcomes into a DuckDB store on disk, and a thread follows the
nights that batches touch, as in a worker.

Limits (issue 5): outcomes = captures; memory rises by at most 1 MB per 10,000 captures over the last 80 % (by least
squares); following takes less than a tenth of the pipeline's time (CPU of both; DuckDB's own threads are not counted).
Printed and not judged: the most in flight, and the nights that wait to be followed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from memory_soak import LIMIT_MB, Table, models, resident, slope

from katydid.models.model import Model
from katydid.sensors.sources.protocol import Taken
from katydid.sensors.sources.simulated.cameras import Fidelity, TimeLapse, feeder, flower_patch, trap_sheet
from katydid.sensors.sources.simulated.deployment import DeploymentSource
from katydid.sensors.sources.simulated.plan import DeploymentPlan, troubled
from katydid.sensors.sources.simulated.recorders import RecorderScene
from katydid.streams.duplicates import Copy, Duplicates
from katydid.streams.pipeline import Pipeline
from katydid.streams.process import settle_process
from katydid.streams.sink import Arrival
from katydid.streams.store import DuckDBStore, open_store
from katydid.streams.tunables import PipelineSettings

FRAME_EVERY_S, CLIP_EVERY_S, CLIP_S = 600.0, 3600.0, 20.0
ENOUGH = 20_000
"""Captures from which on a slope is judged."""


def plan(stations: int, days: float, seed: int) -> DeploymentPlan:
    """The month."""
    rhythm = TimeLapse(FRAME_EVERY_S)
    return troubled(
        DeploymentPlan(
            seed=seed,
            stations=stations,
            days=days,
            fidelity=Fidelity.LOW,
            recorder=RecorderScene(every_s=CLIP_EVERY_S, clip_s=CLIP_S),
            cameras=(trap_sheet(rhythm=rhythm), flower_patch(rhythm=rhythm), feeder(rhythm=rhythm)),
        )
    )


def expected(month: DeploymentPlan) -> int:
    """About how many captures; exactly how many is counted as they come."""
    return round(month.stations * month.days * 86_400 * (1 / FRAME_EVERY_S + 1 / CLIP_EVERY_S))


def draw(month: DeploymentPlan) -> None:
    """The child: every capture to standard output, each behind its length."""
    source = DeploymentSource(month)
    for taken in source.captures(lambda position: False):
        packed = msgspec.msgpack.encode(taken)
        sys.stdout.buffer.write(len(packed).to_bytes(8, "big") + packed)
    sys.stdout.buffer.flush()


def drawn(stations: int, days: float, seed: int) -> Iterator[Taken]:
    """What the child draws. Raises SystemExit where it fails."""
    words = [sys.executable, __file__, "--draw", "--stations", str(stations), "--days", str(days), "--seed", str(seed)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        while head := child.stdout.read(8):
            yield msgspec.msgpack.decode(child.stdout.read(int.from_bytes(head, "big")), type=Taken)
        if child.wait():
            raise SystemExit("the simulator failed")


class FollowTime:
    """CPU time of the thread that follows."""

    def __init__(self, store: DuckDBStore) -> None:
        self.seconds = 0.0
        self.times = 0
        self._follow = store._follow
        store._follow = self._timed  # type: ignore[method-assign]

    def _timed(self, session: tuple[str, str]) -> None:
        began = time.thread_time()
        try:
            self._follow(session)
        finally:
            self.seconds += time.thread_time() - began
            self.times += 1


class Season:
    """One run, watched once a second."""

    def __init__(self, store: DuckDBStore, settings: PipelineSettings, bundles: Sequence[Model], captures: int) -> None:
        self.samples: list[tuple[int, float, float]] = []
        self.in_flight = self.waiting = 0
        """The most of each: bytes in the pipeline, nights to be followed."""
        self.ceiling = 0.0
        self.looked: Counter[Copy] = Counter()
        self._store = store
        self._table = Table(captures)
        self._duplicates = Duplicates(store)
        self._ended = threading.Event()
        self.pipeline = Pipeline(bundles, store, settings, durable=self._durable, earlier=store.earlier_frames)

    def over(self, captures: Iterator[Taken]) -> None:
        """Take everything, as fast as it can be drawn and identified."""
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        try:
            with self.pipeline as pipeline:
                for taken in captures:
                    copy = self._duplicates.look(taken)
                    self.looked[copy] += 1
                    if copy is Copy.NEW:
                        pipeline.put_wait(taken)
                    elif copy is Copy.STORED:
                        pipeline.put_known_wait(taken)
                pipeline.hurry()
                pipeline.drain()
        finally:
            self._ended.set()
            watcher.join()

    def _durable(self, arrivals: Sequence[Arrival]) -> None:
        for arrival in arrivals:
            for copy in self._duplicates.settled_by(arrival):
                self.pipeline.put_known(copy)

    def _watch(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(1.0):
            progress, mb = self.pipeline.progress(), resident()
            self.ceiling = max(self.ceiling, mb)
            self.in_flight = max(self.in_flight, progress.bytes_in_flight)
            self.waiting = max(self.waiting, self._store.unfollowed())
            self.samples.append((progress.durable, time.monotonic() - began, mb))
            self._table.add(*self.samples[-1])


def soak(month: DeploymentPlan, captures: Iterator[Taken], folder: Path) -> bool:
    """Run, print, and say whether all of it held."""
    settle_process()
    settings = PipelineSettings.for_this_machine()
    began, cpu = time.monotonic(), time.process_time()
    with open_store(folder / "season.duckdb") as store:
        follow = FollowTime(store)
        run = Season(store, settings, models(folder / "models", settings.workers), expected(month))
        store.keep_following()
        run.over(captures)
        took, cpu, late = time.monotonic() - began, time.process_time() - cpu, store.unfollowed()
        in_time = follow.times, follow.seconds
        store.follow()
        counts = _counts(store)
    progress = run.pipeline.progress()
    new, outcomes = run.looked[Copy.NEW], sum(counts["outcome"].values())
    print(f"{new:,} captures and {run.looked.total() - new:,} copies of them in {took:.0f} s; CPU {cpu:.0f} s in all")
    print(f"outcomes {outcomes:,} {dict(counts['outcome'])}; without an outcome: {counts['lost']['captures']}")
    print(
        f"in flight at most {run.in_flight / 1e6:.0f} MB; nights that waited: at most {run.waiting}, {late} at the end"
    )
    share = in_time[1] / progress.cpu_s
    print(f"followed {in_time[0]:,} times, {in_time[1]:.1f} s of CPU; the pipeline {progress.cpu_s:.0f} s: {share:.3f}")
    print(f"occurrences {dict(counts['occurrence'])}")
    rising = slope(run.samples, new)
    judged = new >= ENOUGH
    words = f"aim {LIMIT_MB}" if judged else f"too short to judge: from {ENOUGH:,} on it should be under {LIMIT_MB}"
    print(f"ceiling {run.ceiling:.0f} MB; slope over the last 80 %: {rising:+.2f} MB per 10,000 captures ({words})")
    kept = outcomes == new and counts["lost"]["captures"] == 0
    return kept and share < 0.1 and (not judged or rising <= LIMIT_MB)


def _counts(store: DuckDBStore) -> dict[str, Counter[str]]:
    found = {"lost": Counter({"captures": store.captures_without_outcome()})}
    for table, column in (("outcome", "status"), ("occurrence", "kind")):
        rows = store.tuples(f"SELECT {column}, count(*) FROM {table} GROUP BY ALL ORDER BY ALL")
        found[table] = Counter({str(name): int(str(count)) for some in rows for name, count in some})
    return found


def main() -> int:
    """0 when everything held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=20)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None, help="for the store; a temporary one else")
    parser.add_argument("--draw", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    asked = options.stations, options.days, options.seed
    month = plan(*asked)
    if options.draw:
        draw(month)
        return 0
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        return 0 if soak(month, drawn(*asked), Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
