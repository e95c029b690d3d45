"""One play from beginning to end: send, strike, wait until nothing is left to do, read back, judge."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from chaos.oracle.captures import minted
from chaos.oracle.expectation import expected_store
from chaos.oracle.faults import PLAYS, Fault, plan
from chaos.oracle.lag import Lag
from chaos.oracle.ledger import Ledger
from chaos.oracle.sending import TOPICS, Sender
from chaos.oracle.stage import GROUP, KEEPER_GROUP, Stage
from chaos.oracle.verdict import Held, Verdict, judge
from katydid.streams.store import open_store
from katydid.streams.store.influx import open_influx

MODELS = ("singing-insects",)
DRAIN_S = 600.0
"""Longest that the rest may take when the last fault is over."""
START_S = 180.0
BUSY_S = 60.0
"""Longest wait for captures that wait, before a fault."""

LOSSY = ("store_full", "store_refuses")
"""After these InfluxDB may lack what it had acknowledged (a full disk), or what it refused for ever though nothing was
wrong with it (a batch of one line): `katydid store refill` puts it back, as docs/store.md says."""

Say = Callable[[str], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is played."""

    captures: int
    faults: int
    minutes: float
    seed: int
    only: tuple[str, ...] = ()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a play ended."""

    faults: tuple[Fault, ...]
    influx: Verdict
    duckdb: Verdict
    refused_by_broker: tuple[str, ...]
    acknowledged: int
    minted: int
    kinds_wanted: int

    @property
    def passed(self) -> bool:
        """Both stores are clean, everything that was minted is in them, and every kind of fault happened and hit."""
        hit = {fault.kind for fault in self.faults if fault.hit}
        complete = self.acknowledged == self.minted and not self.refused_by_broker
        return self.influx.clean and self.duckdb.clean and complete and len(hit) == self.kinds_wanted


def play(chosen: Plan, folder: Path, say: Say) -> Result:
    """Play it in `folder`. Raises ServerMissing where Kafka or InfluxDB is not here."""
    folder.mkdir(parents=True, exist_ok=True)
    captures = list(minted(chosen.captures, chosen.seed))
    ids = [capture.capture_id for capture in captures]
    ledger = Ledger(folder / "acknowledged.txt")
    with Stage(folder, MODELS) as stage:
        sender = Sender(stage.proxied, captures, ledger, chosen.captures / (60.0 * chosen.minutes))
        sender.start()
        at_work(stage, sender, say)
        faults, wanted = strike(stage, chosen, sender, say)
        drained(stage, sender, say)
        stage.stop_processes()
        say(f"acknowledged {len(ledger)} of {len(captures)}; worker exits: {exits(stage)}")
        with expected_store(captures, MODELS, folder / "expected.duckdb") as undisturbed:
            expected = Held.by(undisturbed)
        if any(fault.kind in LOSSY for fault in faults):
            with open_influx(stage.store_url, token=stage.influx.token) as store:
                say(f"InfluxDB before it is refilled: {judge(Held.by(store), expected, ledger.ids(), ids).words()}")
            stage.refill()
        with open_influx(stage.store_url, token=stage.influx.token) as store:
            influx = judge(Held.by(store), expected, ledger.ids(), ids)
        with open_store(stage.duckdb, read_only=True) as kept:
            duckdb = judge(Held.by(kept), expected, ledger.ids(), ids)
    ledger.close()
    result = Result(
        faults=tuple(faults),
        influx=influx,
        duckdb=duckdb,
        refused_by_broker=tuple(sender.failed),
        acknowledged=len(ledger),
        minted=len(captures),
        kinds_wanted=wanted,
    )
    (folder / "result.json").write_bytes(msgspec.json.format(msgspec.json.encode(result)))
    say(f"InfluxDB: {influx.words()}")
    say(f"DuckDB:   {duckdb.words()}")
    return result


def strike(stage: Stage, chosen: Plan, sender: Sender, say: Say) -> tuple[list[Fault], int]:
    """The faults, one after another, each when captures wait; and how many kinds there were to play."""
    rng = random.Random(chosen.seed)
    kinds = plan(chosen.faults, rng, can_fill=stage.store_disk.can_fill, only=chosen.only)
    began = time.monotonic()
    pause = 60.0 * chosen.minutes / max(len(kinds), 1)
    faults = []
    with Lag(stage.kafka.bootstrap, GROUP, tuple(TOPICS.values())) as lag:
        for number, kind in enumerate(kinds):
            until = began + (number + rng.uniform(0.2, 0.6)) * pause
            time.sleep(max(0.0, until - time.monotonic()))
            waiting = busy(lag, BUSY_S)
            at = time.monotonic()
            hit, evidence = PLAYS[kind](stage, rng)
            fault = Fault(
                kind=kind,
                at_s=at - began,
                lasted_s=time.monotonic() - at,
                hit=hit and waiting > 0,
                evidence=f"{evidence}; {waiting} captures waited",
            )
            faults.append(fault)
            mark = "hit " if fault.hit else "MISS"
            say(f"{fault.at_s:6.1f} s  {mark} {kind:18} {fault.lasted_s:5.1f} s  {fault.evidence}")
    counts = Counter(fault.kind for fault in faults if fault.hit)
    say(f"{sum(counts.values())} of {len(faults)} faults hit, {len(counts)} kinds; {sender.sent} captures sent")
    return faults, len(set(kinds))


def at_work(stage: Stage, sender: Sender, say: Say) -> None:
    """Wait until the workers have acknowledged something. Raises TimeoutError."""
    began = time.monotonic()
    with Lag(stage.kafka.bootstrap, GROUP, tuple(TOPICS.values())) as lag:
        while True:
            acknowledged = sender.acknowledged
            waiting = lag.messages()
            if waiting is not None and waiting < acknowledged:
                break
            if time.monotonic() - began > START_S:
                raise TimeoutError(f"the workers acknowledged nothing within {START_S:g} s")
            time.sleep(0.2)
    say(f"at work {time.monotonic() - began:.1f} s after they were started")


def busy(lag: Lag, within_s: float) -> int:
    """How many captures wait, as soon as some do; 0 when none does within that time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if waiting := lag.messages():
            return waiting
        time.sleep(0.05)
    return 0


def drained(stage: Stage, sender: Sender, say: Say) -> None:
    """Wait until all is sent, identified and kept. Raises TimeoutError that says what is left."""
    began = time.monotonic()
    left: tuple[int | None, int | None] = (None, None)
    bootstrap = stage.kafka.bootstrap
    with (
        Lag(bootstrap, GROUP, tuple(TOPICS.values())) as captures,
        Lag(bootstrap, KEEPER_GROUP, ("katydid.outcomes",)) as outcomes,
    ):
        while not (sender.done and left == (0, 0)):
            if time.monotonic() - began > DRAIN_S:
                raise TimeoutError(f"after {DRAIN_S:g} s captures and outcomes that wait: {left}; sent {sender.sent}")
            time.sleep(0.5)
            left = (captures.messages(), outcomes.messages())
    say(f"drained {time.monotonic() - began:.1f} s after the last fault")


def exits(stage: Stage) -> dict[str, dict[int, int]]:
    """Exit codes of each process, counted."""
    return {process.name: dict(Counter(process.exits)) for process in stage.processes}
