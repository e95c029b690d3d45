"""What goes wrong: sixteen kinds of fault, each of which begins, lasts, ends, and says by what it is known to have hit.

A fault *hit* when what it struck was at work: the process that it ended or stopped was alive with captures waiting,
connections were open through the proxy that it cut, writes met the answer that it gave.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence

import msgspec

from chaos.oracle.stage import SESSION_S, Stage, Supervised


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault that was played."""

    kind: str
    at_s: float
    """Seconds since the play began."""
    lasted_s: float
    hit: bool
    evidence: str


Play = Callable[[Stage, random.Random], tuple[bool, str]]


def worker_killed(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """kill -9 of one worker."""
    return _ended(_living(stage, rng), signal.SIGKILL)


def worker_terminated(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """SIGTERM to one worker."""
    return _ended(_living(stage, rng), signal.SIGTERM)


def worker_stopped(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """A worker stands still for longer than its session, and then goes on as if nothing were."""
    worker = _living(stage, rng)
    pid = worker.pid
    hit = worker.signal(signal.SIGSTOP)
    time.sleep(SESSION_S + rng.uniform(1.0, 3.0))
    worker.signal(signal.SIGCONT)
    return hit, f"{worker.name} (process {pid}) stood still"


def keeper_killed(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """kill -9 of the process that owns the DuckDB file."""
    return _ended(stage.keeper, signal.SIGKILL)


def broker_killed(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """kill -9 of the only broker; it comes back after some seconds."""
    pid = stage.kafka.pid
    stage.kafka.kill()
    time.sleep(rng.uniform(0.5, 4.0))
    took = stage.kafka.start()
    return True, f"broker (process {pid}) was back {took:.1f} s after it was started again"


def network_cut(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """Every connection to the broker ends, and new ones are refused."""
    return _network(stage, stage.proxy.cut, rng.uniform(2.0, 8.0))


def network_reset(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """Every connection to the broker is reset."""
    return _network(stage, stage.proxy.reset, 1.0)


def network_half_open(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """Connections stay open and nothing flows: longer than a session."""
    return _network(stage, stage.proxy.half_open, SESSION_S + rng.uniform(1.0, 5.0))


def network_slow(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """Half a second of latency and a few hundred kilobytes a second, in small pieces."""

    def slow() -> None:
        stage.proxy.latency_s, stage.proxy.bytes_per_s, stage.proxy.piece_bytes = 0.25, 400_000.0, 1400

    return _network(stage, slow, rng.uniform(4.0, 8.0))


def store_killed(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """kill -9 of InfluxDB, away for some seconds."""
    pid, before = stage.influx.pid, stage.front.unreached
    stage.influx.kill()
    time.sleep(rng.uniform(2.0, 5.0))
    stage.influx.start()
    missed = stage.front.unreached - before
    return missed > 0, f"{missed} writes found no store (process {pid})"


def store_refuses(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """Two requests are answered with 400, 413 or 422, though nothing is wrong with them."""
    return _answers(stage, rng.choice((400, 413, 422)), times=2, within_s=20.0)


def store_denies(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """401, 403, 404 or 429 for some seconds: a token that was withdrawn and given back, or too many requests."""
    return _answers(stage, rng.choice((401, 403, 404, 429)), seconds=rng.uniform(2.0, 5.0), within_s=20.0)


def store_fails(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """500, 502 or 503 for some seconds."""
    return _answers(stage, rng.choice((500, 502, 503)), seconds=rng.uniform(2.0, 6.0), within_s=20.0)


def store_slow(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """Every write waits for two seconds."""
    stage.front.delay(2.0)
    _until(lambda: stage.front.hits > 0, 20.0)
    time.sleep(rng.uniform(3.0, 6.0))
    hits = stage.front.hits
    stage.front.pass_on()
    return hits > 0, f"{hits} writes waited 2 s"


def store_full(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """The store's disk has no byte free. InfluxDB 2.9.1 may refuse a shard after that, whatever room there is, until
    it is started again: so it is, as docs/store.md says."""
    before = stage.front.failed
    stage.store_disk.fill()
    _until(lambda: stage.front.failed > before, 20.0)
    time.sleep(rng.uniform(1.0, 3.0))
    failed = stage.front.failed - before
    stage.store_disk.free()
    stage.influx.restart()
    return failed > 0, f"{failed} writes failed for want of room"


def keeper_full(stage: Stage, rng: random.Random) -> tuple[bool, str]:
    """The disk of the DuckDB file has no byte free; its process ends and is started again until there is room."""
    before = len(stage.keeper.exits)
    stage.keeper_disk.fill()
    _until(lambda: len(stage.keeper.exits) > before, 30.0)
    stage.keeper_disk.free()
    ended = stage.keeper.exits[before:]
    return bool(ended), f"the keeper ended with {ended}"


PLAYS: dict[str, Play] = {
    play.__name__: play
    for play in (
        worker_killed,
        worker_terminated,
        worker_stopped,
        keeper_killed,
        broker_killed,
        network_cut,
        network_reset,
        network_half_open,
        network_slow,
        store_killed,
        store_refuses,
        store_denies,
        store_fails,
        store_slow,
        store_full,
        keeper_full,
    )
}


def plan(count: int, rng: random.Random, *, can_fill: bool, only: Sequence[str] = ()) -> list[str]:
    """`count` kinds in random order, each as often as the others (one more or less)."""
    kinds = [kind for kind in only or PLAYS if can_fill or not kind.endswith("_full")]
    drawn: list[str] = []
    while len(drawn) < count:
        drawn += rng.sample(kinds, len(kinds))
    return drawn[:count]


def _living(stage: Stage, rng: random.Random) -> Supervised:
    """One of the workers that run now; waits for one where all are just being started again."""
    _until(lambda: any(worker.pid for worker in stage.workers), 30.0)
    return rng.choice([worker for worker in stage.workers if worker.pid] or stage.workers)


def _ended(process: Supervised, number: signal.Signals) -> tuple[bool, str]:
    """Send a deadly signal; it hit when the process was alive and ended."""
    pid, before = process.pid, len(process.exits)
    hit = process.signal(number)
    _until(lambda: len(process.exits) > before, 30.0)
    ended = process.exits[before:]
    return hit and bool(ended), f"{process.name} (process {pid}) ended with {ended}"


def _network(stage: Stage, begin: Callable[[], None], seconds: float) -> tuple[bool, str]:
    connections, before = stage.proxy.connections, stage.proxy.forwarded
    begin()
    time.sleep(seconds)
    flowed = stage.proxy.forwarded - before
    stage.proxy.heal()
    return connections > 0, f"{connections} connections, {flowed / 1e6:.2f} MB flowed meanwhile"


def _answers(
    stage: Stage, status: int, *, within_s: float, seconds: float = 0.0, times: int | None = None
) -> tuple[bool, str]:
    stage.front.answer(status, times)
    _until(lambda: stage.front.hits > 0, within_s)
    time.sleep(seconds)
    if times is not None:
        _until(lambda: stage.front.hits >= times, within_s)
    hits = stage.front.hits
    stage.front.pass_on()
    return hits > 0, f"{hits} writes were answered {status}"


def _until(is_met: Callable[[], bool], within_s: float) -> None:
    """Wait for what may not come; the evidence tells whether it did."""
    deadline = time.monotonic() + within_s
    while not is_met() and time.monotonic() < deadline:
        time.sleep(0.05)
