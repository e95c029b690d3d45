"""How a worker ends: the watchdog bites unless the process is gone, and the unexpected stops it with a code."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from katydid.streams.errors import StoreFull
from katydid.streams.kafka.fencing import COORDINATOR, Fencing
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


def test_five_rebalances_in_half_a_minute_that_push_it_out_are_two_workers_with_one_name() -> None:
    quick, slow = Fencing(), Fencing()
    told = []
    for number in range(6):
        quick.pushed_out(1.5 * number)
        told.append(quick.noted(1.5 * number))
        slow.pushed_out(10.0 * number)
        assert not slow.noted(10.0 * number)
    assert told == [False] * 4 + [True] * 2


def test_many_rebalances_are_newcomers_as_long_as_nobody_is_pushed_out() -> None:
    newcomers = Fencing()
    newcomers.pushed_out(0.0)  # Slept through its session, once.
    assert not any(newcomers.noted(0.5 * number) for number in range(20))


UNKNOWN_MEMBER_ID, REBALANCE_IN_PROGRESS = 25, 27


@pytest.mark.parametrize(("code", "pushed"), [(UNKNOWN_MEMBER_ID, True), (REBALANCE_IN_PROGRESS, False)])
async def test_what_the_client_says_of_a_heartbeat_and_a_commit_is_understood(code: int, pushed: bool) -> None:
    """Finding: this is all that the client lets anyone know. Its own code runs here, with the broker's answers."""
    coordinator_of = pytest.importorskip("aiokafka.consumer.group_coordinator", reason="needs the kafka extra")
    structs = pytest.importorskip("aiokafka.structs", reason="needs the kafka extra")
    place = structs.TopicPartition("katydid.clips", 0)
    answers = iter([SimpleNamespace(error_code=code), SimpleNamespace(topics=[(place.topic, [(0, code)])])])

    async def answer(request: object) -> object:
        return next(answers)

    client = SimpleNamespace(
        group_id="katydid",
        generation=3,
        member_id="me",
        coordinator_id=1,
        _send_req=answer,
        reset_generation=lambda: None,
        request_rejoin=lambda: None,
    )
    logger = logging.getLogger(COORDINATOR)
    before = list(logger.handlers)
    fencing = Fencing().listen()
    try:
        assert not any(fencing.noted(time.monotonic()) for _ in range(5))
        await coordinator_of.GroupCoordinator._do_heartbeat(client)
        with pytest.raises(Exception, match=r"Error 2\d"):
            await coordinator_of.GroupCoordinator._do_commit_offsets(
                client, None, {place: structs.OffsetAndMetadata(1, "")}
            )
        assert fencing.noted(time.monotonic()) is pushed
    finally:
        for handler in set(logger.handlers) - set(before):
            logger.removeHandler(handler)
