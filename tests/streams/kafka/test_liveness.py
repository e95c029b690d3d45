"""Alive: partitions, and something that went through lately; what is not alive says what to look at."""

from __future__ import annotations

import http.client
import logging
from collections.abc import Iterator

import pytest

from katydid.streams.kafka.liveness import Pulse, Verdict, judge

N = 30.0


def pulse(**changes: float | int | None) -> Pulse:
    found = Pulse(started=0.0, partitions=4)
    for name, value in changes.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize(
    ("found", "now", "alive", "ready"),
    [
        (pulse(partitions=0), 29.0, True, False),
        (pulse(partitions=0), 31.0, False, False),
        (pulse(), 29.0, True, False),
        (pulse(), 31.0, False, False),
        (pulse(assigned=100.0), 129.0, True, False),
        (pulse(assigned=100.0), 131.0, False, False),
        (pulse(fetched=100.0), 129.0, True, True),
        (pulse(fetched=100.0), 131.0, False, False),
        (pulse(fetched=100.0, committed=120.0), 131.0, True, True),
        (pulse(fetched=100.0, advanced=125.0), 131.0, True, True),
        (pulse(fetched=100.0, writing=95.0), 131.0, True, False),
        (pulse(fetched=100.0, writing=125.0), 131.0, False, False),
    ],
)
def test_alive_and_ready(found: Pulse, now: float, alive: bool, ready: bool) -> None:
    verdict = judge(found, now, N, "moor")
    assert (verdict.alive, verdict.ready) == (alive, ready)


def test_without_partitions_it_says_what_to_look_at() -> None:
    words = judge(pulse(partitions=0), 31.0, N, "moor").words
    for clue in ("READ the group moor", "katydid topics check", "instance_id", "broker"):
        assert clue in words


def test_after_silence_it_says_what_to_look_at() -> None:
    words = judge(pulse(fetched=0.0), 31.0, N, "moor").words
    assert "credential" in words and "31 s" in words


class Told:
    verdict = Verdict(True, False, "waiting")


@pytest.fixture
def port() -> Iterator[int]:
    prometheus = pytest.importorskip("prometheus_client", reason="needs the kafka extra")
    from katydid.streams.kafka.status import StatusServer

    server = StatusServer("127.0.0.1", 0, prometheus.CollectorRegistry(), lambda: Told.verdict)
    server.start()
    yield server.port
    server.close()


def status(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def test_health_and_readiness_are_told_apart(port: int) -> None:
    assert status(port, "/healthz") == (200, "waiting\n")
    assert status(port, "/readyz") == (503, "waiting\n")
    assert status(port, "/metrics")[0] == 200
    assert status(port, "/table")[0] == status(port, "/router")[0] == status(port, "/")[0] == 404


def test_gauges_are_set_when_they_are_asked_for_and_counters_told_also_where_they_cannot_be() -> None:
    prometheus = pytest.importorskip("prometheus_client", reason="needs the kafka extra")
    from katydid.streams.kafka.status import StatusServer

    registry = prometheus.CollectorRegistry()
    gauge = prometheus.Gauge("looks", "Looks.", registry=registry)
    looks = iter([gauge.inc])

    def look() -> None:
        next(looks)()  # The second time there is no more: StopIteration, as from a bug.

    server = StatusServer("127.0.0.1", 0, registry, lambda: Told.verdict, look)
    server.start()
    try:
        for _ in range(2):
            code, told = status(server.port, "/metrics")
            assert code == 200 and "looks 1.0" in told
    finally:
        server.close()


def test_a_port_that_is_taken_is_said(port: int) -> None:
    prometheus = pytest.importorskip("prometheus_client", reason="needs the kafka extra")
    from katydid.streams.kafka.errors import ConfigurationError
    from katydid.streams.kafka.status import StatusServer

    with pytest.raises(ConfigurationError, match=r"metrics\.port"):
        StatusServer("127.0.0.1", port, prometheus.CollectorRegistry(), lambda: Told.verdict)


def test_the_same_line_passes_once_in_ten_seconds_with_how_many_were_held_back() -> None:
    from katydid.streams.kafka.logs import AtMostEvery

    now = [0.0]
    quiet = AtMostEvery(10.0, clock=lambda: now[0])
    passed = []
    for tick in range(200):
        now[0] = tick * 0.1
        record = logging.LogRecord("aiokafka", logging.ERROR, "client.py", 7, "broker away", None, None)
        if quiet.filter(record):
            passed.append(record.getMessage())
    assert passed == ["broker away", "broker away (and 99 more in 10 s)"]
    other = logging.LogRecord("aiokafka", logging.ERROR, "client.py", 8, "something else", None, None)
    assert quiet.filter(other)
