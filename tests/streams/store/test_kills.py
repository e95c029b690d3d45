"""kill -9 in the middle of writing: what was acknowledged is there, whole batches only, and a resume converges."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from katydid.streams.store import By, OutcomeFilter, Window, open_store

BATCHES, SIZE, KILLS = 40, 50, 4

WRITE = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from conftest import arrival
from katydid.streams.store import open_store
batches, size = int(sys.argv[3]), int(sys.argv[4])
with open_store(Path(sys.argv[1])) as store:
    settled = store.settled("folder")
    sys.stdout.write("open\\n")
    sys.stdout.flush()
    for batch in range(batches):
        numbers = range(batch * size, (batch + 1) * size)
        arrivals = [arrival(n, taxa=("Parus major",), at_s=n * 60.0) for n in numbers]
        fresh = [a for a in arrivals if a.position.partition not in settled]
        store.write(fresh)
        sys.stdout.write(f"{batch}\\n")
        sys.stdout.flush()
"""


def _command(path: Path) -> list[str]:
    tests = str(Path(__file__).resolve().parent.parent)
    return [sys.executable, "-c", WRITE, str(path), tests, str(BATCHES), str(SIZE)]


def _killed_run(path: Path, chance: random.Random) -> int:
    """Kill the writer shortly after a batch of chance was acknowledged; returns how many it had acknowledged."""
    with subprocess.Popen(_command(path), stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        stop = chance.randrange(1, 6)
        acknowledged = sum(1 for _ in zip(range(stop), writer.stdout, strict=False))
        timer = threading.Timer(chance.random() * 0.02, writer.kill)
        timer.start()
        acknowledged += sum(1 for _ in writer.stdout)
        timer.join()
    return acknowledged


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of POSIX")
def test_kills_in_mid_work_lose_nothing_and_a_resume_converges(tmp_path: Path) -> None:
    chance = random.Random(6)
    path, whole = tmp_path / "killed.duckdb", tmp_path / "whole.duckdb"
    mid_work = 0
    for _ in range(KILLS):
        acknowledged = _killed_run(path, chance)
        with open_store(path) as store:
            kept = store.outcomes(OutcomeFilter()).num_rows
            assert kept % SIZE == 0, "half a batch"
            assert store.captures_without_outcome() == 0
            assert len(store.settled("folder")) == kept
            assert sum(store.activity(Window(), By.HOUR)["detections"].to_pylist()) == kept
        assert kept >= min(acknowledged, BATCHES) * SIZE
        mid_work += kept < BATCHES * SIZE
    assert mid_work >= 3, "the kills came after the work"
    for place in (path, whole):
        subprocess.run(_command(place), check=True, capture_output=True, timeout=120)
    with open_store(path) as resumed, open_store(whole) as uninterrupted:
        assert resumed.outcomes(OutcomeFilter()).num_rows == BATCHES * SIZE
        assert resumed.content_hash() == uninterrupted.content_hash()
        assert resumed.sensors().equals(uninterrupted.sensors())
