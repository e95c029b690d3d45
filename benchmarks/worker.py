"""What `katydid worker` costs and how long a capture takes, on a real Kafka and a real InfluxDB.

    python benchmarks/worker.py --short                about two minutes
    python benchmarks/worker.py                        about a quarter of an hour
    python benchmarks/worker.py cpu --rounds 5         one part, with more work

cpu      CPU time a capture of one worker over a backlog, against (p + m)/0.80: p prepares (decode, gates, input), m is
         the model with its front end, both by a bare loop of one thread (`bare_identify.py`) over the same files in the
         same round: alone on the machine, and once more with such a loop on every core, because a worker keeps every
         core busy and its caches are shared. Then 2 and 4 workers, who share the cores (`pipeline.workers`), over a
         backlog of the same captures: within 5 % of each other. Each is taken apart into identifying (p + m and
         deciding, as the worker's own metrics count it) and all the rest.
latency  From the moment a capture was to be sent (Poisson arrivals at 30 % and 70 % of the rate that the worker has
         just reached) to the moment the broker took its outcome, which a worker sends when the store has it. So it
         holds the producer, the broker, the wait for a thread, the models, the wait for a batch, and both writes; not
         the commit of offsets after that. One clock for both ends: everything runs on this machine. Aim: 95 % within
         three batches' times, a batch's being how long outcomes are gathered at most (`pipeline.commit_s`) and how long
         the writing of what was gathered takes, by the worker's own metrics.
memory   A backlog of 10,000 frames, and the resident set of the worker that drains it. Of one kind, because a worker
         may take one topic's backlog sooner than the other's, and then what it holds changes from clips to frames.

A worker's CPU time is that of its process, all threads, user and system, from the moment that the backlog lies there
until every outcome is durable and every offset committed. Its start is apart: it was warmed up, and stood still while
the backlog was laid. Broker, store and this script share the cores with it and are not counted; the load is printed.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path

import numpy as np
import psutil
from memory_soak import slope
from worker_media import Media, make
from worker_stage import Act, Stage

from katydid.sensors.capture import Kind
from katydid.streams.tunables import cores

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "deploy"))
from servers.errors import ServerMissing

HERE = Path(__file__).parent
SHARE, SPREAD, BATCHES = 0.80, 0.05, 3.0
"""The limits of issue 4."""
LOADS = (0.3, 0.7)
NAMES: Mapping[Kind, str] = {Kind.FRAME: "300 KB frames", Kind.CLIP: "3 s FLAC clips"}
IDLE_S = 4.0


@dataclass(frozen=True)
class Work:
    """How much is measured."""

    rounds: int
    captures: int
    """In one backlog."""
    fleets: Mapping[Kind, Sequence[int]]
    """Numbers of workers that share a backlog."""
    arrivals_s: float
    backlog: int
    """For memory."""


FULL = Work(3, 480, {Kind.FRAME: (1, 2, 4), Kind.CLIP: (1, 2, 4)}, 40.0, 10_000)
SHORT = Work(1, 240, {Kind.FRAME: (1, 2, 4), Kind.CLIP: (1,)}, 8.0, 1_000)


@dataclass(frozen=True)
class Bare:
    """CPU ms a capture in one thread."""

    prepare: float
    model: float
    decide: float
    beside: float
    """p + m again, with a loop on every core."""

    @property
    def limit(self) -> float:
        """p + m."""
        return self.prepare + self.model


@dataclass(frozen=True)
class Drained:
    """One backlog, drained."""

    cpu_ms: float
    """A capture, all workers together."""
    identify_ms: float
    """Of it in decoding, models and deciding, by the workers' own count."""
    rate: float
    """Captures a second."""
    idle: float
    """CPU s a second of one worker that has nothing to do."""


def bare(media: Media, captures: int) -> Bare:
    (alone,) = _loops(media, captures, 1)
    beside = _loops(media, captures, cores())
    return Bare(*alone, statistics.fmean(prepare + model for prepare, model, _ in beside))


def _loops(media: Media, captures: int, count: int) -> list[tuple[float, float, float]]:
    """What each of so many loops at a time takes: preparing, model, deciding."""
    command = [sys.executable, "bare_identify.py", str(media.folder), str(media.bundle), str(captures)]
    begun = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE) for _ in range(count)]
    said = [loop.communicate()[0].split() for loop in begun]
    return [(float(prepare), float(model), float(decide)) for _, prepare, model, decide in said]


def drain(stage: Stage, media: Media, workers: int, captures: int) -> Drained:
    threads = None if workers == 1 else max(1, cores() // workers)
    with stage.act([media], workers, threads=threads) as act:
        act.warm_up([media])
        rested = act.cpu_s()
        time.sleep(IDLE_S)
        idle = (act.cpu_s() - rested) / IDLE_S / workers
        identified, before = act.identify_s(), act.cpu_s()
        with act.suspended():
            act.lay([media] * captures)
        began = time.time()
        act.finish()
        spent = act.cpu_s() - before
        took = max(act.outcomes().values()) - began
        identifying = act.identify_s() - identified
    return Drained(1000 * spent / captures, 1000 * identifying / captures, captures / took, idle)


def measure_cpu(stage: Stage, medias: Sequence[Media], work: Work) -> dict[Kind, float]:
    """Print; the rate of one worker for each kind, captures a second."""
    rates = {}
    for media in medias:
        fleets = work.fleets[media.kind]
        kilobytes = media.mean_bytes / 1000
        print(f"\n{NAMES[media.kind]} ({kilobytes:.0f} KB), B0-sized graph; load {psutil.getloadavg()[0]:.1f} before")
        print(
            f"{'':9}{'p + m (on all cores), decide':>36}"
            + "".join(f"{_workers(n) + ': identify + rest':>35}" for n in fleets)
        )
        rounds = [_round(stage, media, work, number) for number in range(work.rounds)]
        _judge_cpu(rounds, fleets)
        rates[media.kind] = statistics.median(drained[fleets[0]].rate for _, drained in rounds)
    return rates


def _round(stage: Stage, media: Media, work: Work, number: int) -> tuple[Bare, dict[int, Drained]]:
    """The bare loop, then each number of workers; in another order each time."""
    fleets = work.fleets[media.kind]
    limit = bare(media, work.captures // 2)
    shift = number % len(fleets)
    drained = {n: drain(stage, media, n, work.captures) for n in (*fleets[shift:], *fleets[:shift])}
    parts = f"{limit.prepare:.2f} + {limit.model:.2f} = {limit.limit:.2f} ({limit.beside:.2f}), {limit.decide:.2f}"
    print(f"round {number + 1:<3}{parts:>36}" + "".join(f"{_in_parts(drained[n]):>35}" for n in fleets), flush=True)
    return limit, drained


def _workers(count: int) -> str:
    return f"{count} worker{'s' if count > 1 else ''}"


def _in_parts(drained: Drained) -> str:
    rest = drained.cpu_ms - drained.identify_ms
    return f"{drained.identify_ms:.2f} + {rest:.2f} = {drained.cpu_ms:.2f} ({drained.rate:.0f}/s)"


def _judge_cpu(rounds: Sequence[tuple[Bare, Mapping[int, Drained]]], fleets: Sequence[int]) -> None:
    one = fleets[0]
    for words, limits in (
        ("", [limit.limit for limit, _ in rounds]),
        (" with a loop on every core", [limit.beside for limit, _ in rounds]),
    ):
        shares = [limit / drained[one].cpu_ms for limit, (_, drained) in zip(limits, rounds, strict=True)]
        share, each = statistics.median(shares), ", ".join(f"{share:.3f}" for share in shares)
        print(f"(p + m{words}) / one worker's CPU: {each}; median {share:.3f}, limit {SHARE}: {_word(share >= SHARE)}")
    idle = statistics.median(drained[one].idle for _, drained in rounds)
    print(f"one worker with nothing to do: {1000 * idle:.1f} ms CPU a second")
    if len(fleets) == 1:
        return
    means = {n: statistics.median(drained[n].cpu_ms for _, drained in rounds) for n in fleets}
    spread = max(means.values()) / min(means.values()) - 1
    of_fleets = ", ".join(f"{n}: {mean:.2f}" for n, mean in means.items())
    print(f"CPU ms a capture by workers, medians: {of_fleets}; spread {spread:.1%}, limit {SPREAD:.0%}: ", end="")
    print(_word(spread <= SPREAD))


def measure_latency(stage: Stage, medias: Sequence[Media], work: Work, rates: Mapping[Kind, float]) -> None:
    for media in medias:
        print(f"\n{NAMES[media.kind]}: from due to durable; load {psutil.getloadavg()[0]:.1f} before")
        with stage.act([media], 1) as act:
            act.warm_up([media])
            for load in LOADS:
                _arrivals(act, media, load, load * rates[media.kind], work.arrivals_s)


def _arrivals(act: Act, media: Media, load: float, rate: float, seconds: float) -> None:
    """Send captures at random times for so long; print how long they took."""
    rng = np.random.default_rng(1)
    before, known = act.workers[0].metrics(), set(act.due)
    due, late, began = time.time() + 0.2, 0.0, time.time()
    while due < began + seconds:
        time.sleep(max(0.0, due - time.time()))
        late = max(late, time.time() - due)
        act.send(media, due)
        due += float(rng.exponential(1 / rate))
    behind = act.sent - act.durable()
    act.finish()
    durable = act.outcomes()
    took = np.asarray([durable[each] - at for each, at in act.due.items() if each not in known])
    middle, most = np.percentile(took, [50, 95])
    batch, items = _batch(act, before)
    print(
        f"{load:.0%} load, {rate:.0f}/s, {len(took)} captures: p50 {middle:.2f} s, p95 {most:.2f} s, longest "
        f"{took.max():.2f} s; one batch {batch:.2f} s ({items:.0f} outcomes): p95 is {most / batch:.1f} batches, aim "
        f"{BATCHES:.0f}: {_word(most <= BATCHES * batch)} (sent up to {1000 * late:.0f} ms late)",
        flush=True,
    )
    if behind > rate * BATCHES * batch:
        print(
            f"  {behind} captures were waiting at the end: the rate of before was not reached, other work had the cores"
        )


def _batch(act: Act, before: Mapping[str, float]) -> tuple[float, float]:
    """How long one batch of outcomes takes, seconds, and how many are in one, since `before`."""
    now = act.workers[0].metrics()

    def since(name: str) -> float:
        return now[name] - before[name]

    batches = since("katydid_stage_seconds_count.store")
    writing = sum(since(f"katydid_stage_seconds_sum.{stage}") for stage in ("store", "topic")) / batches
    gathering: float = act.configuration.pipeline.commit_s
    return gathering + writing, since("katydid_captures_total") / batches


def measure_memory(stage: Stage, media: Media, work: Work) -> None:
    count = work.backlog
    print(f"\na backlog of {count:,} {NAMES[media.kind]}; load {psutil.getloadavg()[0]:.1f} before", flush=True)
    samples: list[tuple[int, float, float]] = []
    with stage.act([media], 1, backlog=repeat(media, count)) as act:
        began = time.monotonic()

        def watch(done: int) -> None:
            now = time.monotonic() - began
            if not samples or now - samples[-1][1] >= 0.25:
                samples.append((done, now, act.workers[0].resident_mb))

        act.finish(watch)
        took = time.monotonic() - began
    late = [mb for done, _, mb in samples if done >= count / 5]
    rising = slope(samples, count)
    print(f"drained in {took:.0f} s, its start in it: {count / took:.0f}/s; {len(samples)} samples of the resident set")
    for part in range(5):
        some = [mb for done, _, mb in samples if part * count / 5 <= done < (part + 1) * count / 5]
        if some:
            print(f"  fifth {part + 1}: mean {statistics.fmean(some):.0f} MB, most {max(some):.0f} MB")
    if not math.isnan(rising):
        over = rising * count / 10_000
        words = f"{over:+.1f} MB over the backlog, {over / statistics.fmean(late):+.1%}"
        print(f"slope over the last 80 %: {rising:+.1f} MB per 10,000 captures ({words})")


def _word(holds: bool) -> str:
    return "holds" if holds else "MISSED"


def measure(parts: Sequence[str], work: Work, folder: Path) -> None:
    (folder / "media").mkdir()
    medias = [make(kind, folder / "media") for kind in (Kind.FRAME, Kind.CLIP)]
    with Stage(folder) as stage:
        rates = measure_cpu(stage, medias, work) if "cpu" in parts else {}
        if "latency" in parts:
            for media in medias:
                if media.kind not in rates:
                    rates[media.kind] = drain(stage, media, 1, work.captures).rate
            measure_latency(stage, medias, work, rates)
        if "memory" in parts:
            measure_memory(stage, medias[0], work)


PARTS: Mapping[str, Callable[..., object]] = {
    "cpu": measure_cpu,
    "latency": measure_latency,
    "memory": measure_memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="part", help=", ".join(PARTS))
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--backlog", type=int, default=None, help="captures for memory")
    options = parser.parse_args()
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"no part {unknown[0]!r}; there are: {', '.join(PARTS)}")
    work = SHORT if options.short else FULL
    work = replace(work, rounds=options.rounds or work.rounds, backlog=options.backlog or work.backlog)
    with tempfile.TemporaryDirectory() as folder:
        try:
            measure(options.parts, work, Path(folder))
        except ServerMissing as reason:
            print(f"left out: {reason}")


if __name__ == "__main__":
    main()
