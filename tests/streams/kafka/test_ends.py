"""How a worker ends: the watchdog bites unless the process is gone, and the unexpected stops it with a code."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from katydid.streams.errors import StoreFull
from katydid.streams.kafka.fencing import Fencing
from katydid.streams.kafka.watchdog import fail_stop


def run(code: str) -> tuple[int, str, float]:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr, time.monotonic() - began


def test_a_stop_that_hangs_is_ended_with_75() -> None:
    code = "import time\nfrom katydid.streams.kafka import watchdog\nwatchdog.arm(0.2)\ntime.sleep(50)"
    returned, said, took = run(code)
    assert returned == 75
    assert "not stopped after 0.2 s" in said
    assert took < 40


def test_a_stop_that_works_is_not_held_up_by_the_watchdog() -> None:
    returned, _, took = run("from katydid.streams.kafka import watchdog\nwatchdog.arm(50)")
    assert returned == 0
    assert took < 40


@pytest.mark.parametrize(("error", "code"), [(StoreFull("no room"), 6), (ValueError("a bug"), 1)])
def test_the_unexpected_ends_the_process_with_its_code(error: Exception, code: int) -> None:
    ended: list[int] = []
    fail_stop(error, end=ended.append)
    assert ended == [code]


def test_five_rebalances_in_half_a_minute_are_two_workers_with_one_name() -> None:
    quick, slow = Fencing(), Fencing()
    assert [quick.noted(1.5 * number) for number in range(6)] == [False] * 4 + [True] * 2
    assert not any(slow.noted(10.0 * number) for number in range(20))
