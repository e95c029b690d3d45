"""kill -9 of the writer and of the server in the middle of writing: what was acknowledged is there, and writing
everything again leaves what was never disturbed."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from influx_servers import url_of
from katydid.streams.sink import Arrival
from katydid.streams.store import By, Window, open_store
from katydid.streams.store.influx import InfluxStore, open_influx
from servers.influx import InfluxServer

BATCHES, SIZE = 25, 40
WRITE = """
import sys
sys.path.insert(0, sys.argv[1])
from conftest import arrival
from katydid.streams.store.influx import open_influx
with open_influx(sys.argv[2], token=sys.stdin.readline().strip()) as store:
    for batch in range(int(sys.argv[3])):
        size = int(sys.argv[4])
        numbers = range(batch * size, (batch + 1) * size)
        store.write([arrival(n, taxa=("Parus major", "Turdus merula"), at_s=n * 20.0) for n in numbers])
        sys.stdout.write(f"{batch}\\n")
        sys.stdout.flush()
"""
TESTS = str(Path(__file__).resolve().parents[2])


def killed_run(url: str, token: str, stop: int, kill_s: float) -> int:
    """Write until shortly after so many batches, then kill -9; returns how many were acknowledged."""
    command = [sys.executable, "-c", WRITE, TESTS, url, str(BATCHES), str(SIZE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write(token + "\n")
        writer.stdin.flush()
        acknowledged = sum(1 for _ in zip(range(stop), writer.stdout, strict=False))
        timer = threading.Timer(kill_s, writer.kill)
        timer.start()
        acknowledged += sum(1 for _ in writer.stdout)
        timer.join()
    return acknowledged


def night(make: Callable[..., Arrival], batches: int = BATCHES) -> list[Arrival]:
    return [make(n, taxa=("Parus major", "Turdus merula"), at_s=n * 20.0) for n in range(batches * SIZE)]


def same_as_undisturbed(store: InfluxStore, written: list[Arrival]) -> None:
    with open_store(None) as undisturbed:
        undisturbed.write(written)
        assert store.content_hash() == undisturbed.content_hash()
        assert store.sensors() == undisturbed.sensors()
        assert store.activity(Window(), By.HOUR) == undisturbed.activity(Window(), By.HOUR)


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of POSIX")
def test_killed_writers_lose_nothing_that_was_acknowledged_and_replays_converge(
    influx_server: InfluxServer, make: Callable[..., Arrival]
) -> None:
    chance = random.Random(11)
    url = url_of(influx_server, influx_server.new_bucket())
    mid_work = 0
    for _ in range(4):
        acknowledged = killed_run(url, influx_server.token, chance.randrange(1, 5), chance.random() * 0.04)
        mid_work += acknowledged < BATCHES
        with open_influx(url, token=influx_server.token) as store:
            ids = [arrival.outcome.capture_id for arrival in night(make, acknowledged)]
            assert store.known(ids) == set(ids)
    assert mid_work >= 3, "the kills came after the work"
    with open_influx(url, token=influx_server.token) as store:
        written = night(make)
        for start in range(0, len(written), 130):  # other batches than those that were cut off
            store.write(written[start : start + 130])
        same_as_undisturbed(store, written)


@pytest.mark.slow
@pytest.mark.servers
def test_a_server_that_is_killed_again_and_again_is_waited_for_and_loses_nothing(
    new_influx_server: Callable[[], InfluxServer], make: Callable[..., Arrival]
) -> None:
    server = new_influx_server()
    server.start()
    done = threading.Event()
    kills: list[int] = []

    def disturb() -> None:
        while len(kills) < 6 and not done.wait(0.3):
            server.kill()
            server.start()
            kills.append(1)

    written = night(make)
    with open_influx(url_of(server, server.new_bucket()), token=server.token) as store:
        disturbing = threading.Thread(target=disturb)
        disturbing.start()
        try:
            for _ in range(2):
                for start in range(0, len(written), SIZE):
                    store.write(written[start : start + SIZE])
        finally:
            done.set()
            disturbing.join()
        assert len(kills) >= 3
        assert store.retries > 0
        same_as_undisturbed(store, written)
