"""Alive means: it has partitions, and a fetch or a commit went through within the last N seconds, or captures advance.

A worker that lives and consumes nothing is the worst class of fault: no right to read the group, a topic that is gone,
a deleted credential. Nothing of that raises anything, so it is looked for from outside.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Pulse:
    """When what was last seen to work; seconds of a monotonic clock, None: never."""

    started: float
    partitions: int = 0
    assigned: float | None = None
    """When they were handed out."""
    fetched: float | None = None
    committed: float | None = None
    advanced: float | None = None
    """A model was called, or a capture finished."""
    writing: float | None = None
    """Since when a batch is being written: a store that is away is waited for, and no restart would mend it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a worker is alive, and in what sense not."""

    alive: bool
    ready: bool
    words: str


def judge(pulse: Pulse, now: float, within_s: float, group: str) -> Verdict:
    """What /healthz and /readyz say."""
    if pulse.writing is not None and now - pulse.writing > within_s:
        return Verdict(True, False, f"waiting for the store or the broker for {now - pulse.writing:.0f} s")
    if pulse.partitions == 0:
        waited = now - pulse.started
        if waited <= within_s:
            return Verdict(True, False, f"no partition yet, {waited:.0f} s after the start")
        return Verdict(False, False, _no_partition(waited, group))
    signs = [sign for sign in (pulse.fetched, pulse.committed, pulse.advanced) if sign is not None]
    last = max([*signs, pulse.started, pulse.assigned or pulse.started])
    if now - last <= within_s:
        return Verdict(True, bool(signs), f"{pulse.partitions} partitions, last sign {now - last:.1f} s ago")
    return Verdict(False, False, _silent(now - last))


def _no_partition(waited: float, group: str) -> str:
    return (
        f"no partition for {waited:.0f} s: is the broker there, do the topics exist (`katydid topics check`), may this "
        f"user READ the group {group} and the topics, are there more workers than partitions, and is kafka.instance_id "
        "unique?"
    )


def _silent(seconds: float) -> str:
    return (
        f"neither fetched nor committed for {seconds:.0f} s: is the broker there, and do this user's credential and "
        "rights still exist?"
    )
