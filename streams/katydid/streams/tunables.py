"""How the pipeline uses this machine: every bound and every count of threads, derived from the cores."""

from __future__ import annotations

import os

import msgspec

MIB = 2**20


def cores() -> int:
    """Cores that this process may use: the affinity mask where the system has one, else all of them."""
    mask = getattr(os, "sched_getaffinity", None)
    return len(mask(0)) if mask is not None else (os.cpu_count() or 1)


class PipelineSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of one pipeline. Memory follows from them, whatever arrives."""

    workers: int
    """Threads that decode and run models; engines run single-threaded inside them."""
    open_at_once: int
    """Captures that are decoded and not yet identified: each holds one frame, or `windows_at_once` windows."""
    max_items: int = 4096
    """Captures taken whose outcomes are not durable yet."""
    max_bytes: int = 256 * MIB
    """Encoded bytes of captures that are not identified yet. One capture above it is let in when it is alone."""
    max_earlier_bytes: int = 128 * MIB
    """Reduced frames of cameras that later ones are compared with: 1 MiB a camera, so 128 cameras at a time."""
    batch: int = 8
    """Most windows or crops in one call of a model: larger ones win nothing on a CPU, and leave cores idle."""
    commit_items: int = 1000
    """Outcomes after which the sink writes at once."""
    commit_s: float = 2.0
    """Longest that a finished outcome waits for others before it is written, seconds."""
    gather_s: float = 2.0
    """The same while there is a backlog: at least as many captures wait to be identified as outcomes to be written. A
    batch costs as much as it is often; what waits behind a backlog, waits anyway. `commit_s` where that is longer."""
    failures_in_row: int = 32
    """Items that a model may fail on with no success between, before it counts as broken and the pipeline stops."""

    @classmethod
    def for_this_machine(cls, workers: int | None = None) -> PipelineSettings:
        """Settings for so many workers; None: one a core. One more wins 1 to 2 % with short clips, loses 4 %
        with BirdNET, and takes a quarter more memory over a long recording."""
        workers = cores() if workers is None else workers
        return cls(workers=workers, open_at_once=2 * workers + 2)
