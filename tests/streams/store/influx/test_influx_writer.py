"""Lines until they are durable or refused for ever: against a server made of a few lines."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from katydid.streams.errors import StoreUnreachable, StoreUnusable
from katydid.streams.store.influx.answers import NoAnswer, Refusal
from katydid.streams.store.influx.patience import Insistence, Patience
from katydid.streams.store.influx.writer import BYTES, IN_FLIGHT, LINES, Writer, requests

HURRY = Patience(first_s=0.0001, longest_s=0.0002, same_bytes=4)


class Server:
    """Keeps lines, and answers what it is told to first."""

    def __init__(self, *answers: Exception, poison_status: int = 400) -> None:
        self.answers = list(answers)
        self.poison_status = poison_status
        self.stored: set[bytes] = set()
        self.bodies: list[bytes] = []
        self.running = self.most_running = 0

    async def send(self, body: bytes) -> None:
        self.bodies.append(body)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        if self.answers:
            raise self.answers.pop(0)
        lines = body.split(b"\n")
        good = [line for line in lines if not line.startswith(b"poison")]
        if len(good) == len(lines) or self.poison_status == 422:
            self.stored.update(good)
        if len(good) < len(lines):
            raise Refusal(self.poison_status, "no such line, dropped=0")


def writer(server: Server, patience: Patience = HURRY) -> tuple[Writer, Insistence]:
    insistence = Insistence(patience)
    return Writer(server.send, insistence), insistence


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_every_good_line_is_stored_and_every_poison_line_named(status: int) -> None:
    rng = random.Random(7)
    poison = set(rng.sample(range(60_000), 31))
    lines = [b"poison %d" % n if n in poison else b"line %d" % n for n in range(60_000)]
    server = Server(poison_status=status)
    refused = await writer(server)[0].write(lines)
    assert {each.index for each in refused} == poison
    assert all(each.reason == f"InfluxDB answers {status}: no such line, dropped=0" for each in refused)
    assert server.stored == {line for n, line in enumerate(lines) if n not in poison}


@pytest.mark.parametrize(
    "trouble", [Refusal(503, "busy"), Refusal(429, "slow"), Refusal(502, "proxy"), NoAnswer("reset"), Refusal(500, "x")]
)
async def test_trouble_that_passes_is_waited_for(trouble: Exception) -> None:
    server = Server(*[trouble] * 3)
    writes, insistence = writer(server)
    assert await writes.write([b"line"]) == []
    assert server.stored == {b"line"}
    assert insistence.retries == 3
    assert server.bodies == [b"line"] * 4


async def test_500_to_the_same_bytes_ends_after_a_few_tries_and_poisons_nothing() -> None:
    server = Server(*[Refusal(500, "gzip: invalid header")] * 99)
    with pytest.raises(StoreUnusable, match=r"500: gzip.*4 times to the same request.*disk is full"):
        await writer(server)[0].write([b"a", b"b"])
    assert server.bodies == [b"a\nb"] * 4


async def test_a_server_that_is_busy_for_ever_is_waited_for_as_long_as_patience_lasts() -> None:
    server = Server(*[Refusal(503, "busy")] * 99_999)
    patient = Patience(first_s=0.001, longest_s=0.002, same_bytes=4, total_s=0.1)
    with pytest.raises(StoreUnreachable, match=r"0\.1 s \(503: busy\)"):
        await writer(server, patient)[0].write([b"line"])
    assert len(server.bodies) > 4


async def test_whoever_stops_it_is_not_kept_waiting() -> None:
    server = Server(*[NoAnswer("refused")] * 99)
    writes, insistence = writer(server, Patience(first_s=3_600, longest_s=3_600))
    task = asyncio.create_task(writes.write([b"line"]))
    while not server.bodies:
        await asyncio.sleep(0.001)
    insistence.stop()
    with pytest.raises(StoreUnreachable, match="stopped while"):
        await asyncio.wait_for(task, 10)


async def test_the_server_may_say_how_long_to_wait() -> None:
    server = Server(Refusal(429, "slow", 0.2))
    began = time.monotonic()
    await writer(server, Patience(first_s=0.0001, longest_s=1.0))[0].write([b"line"])
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(401, "KATYDID_INFLUX_TOKEN"), (403, "read and write"), (404, "make the bucket"), (418, "proxy")],
)
async def test_what_will_not_get_better_stops_at_once(status: int, remedy: str) -> None:
    server = Server(Refusal(status, "no"))
    with pytest.raises(StoreUnusable, match=remedy):
        await writer(server)[0].write([b"line"])
    assert len(server.bodies) == 1


async def test_one_request_that_fails_ends_the_others() -> None:
    server = Server(Refusal(401, "no"))
    with pytest.raises(StoreUnusable):
        await writer(server)[0].write([b"line %d" % n for n in range(LINES * 20)])
    sent = len(server.bodies)
    await asyncio.sleep(0.01)
    assert len(server.bodies) == sent < 20


async def test_a_few_requests_are_in_flight_and_no_more() -> None:
    server = Server()
    await writer(server)[0].write([b"line %d" % n for n in range(LINES * 10)])
    assert server.most_running == IN_FLIGHT
    assert len(server.bodies) == 10


@pytest.mark.parametrize("size", [10, 2_000, BYTES + 1])
def test_requests_are_bounded_in_lines_and_bytes_and_leave_nothing_out(size: int) -> None:
    lines = [b"x" * size] * (LINES * 2 + 3 if size == 10 else 5_000 if size == 2_000 else 3)
    pieces = list(requests(lines))
    assert [place for start, end in pieces for place in range(start, end)] == list(range(len(lines)))
    assert all(end - start <= LINES for start, end in pieces)
    assert all(end - start == 1 or sum(map(len, lines[start:end])) <= BYTES for start, end in pieces)


def test_no_lines_make_no_request() -> None:
    assert list(requests([])) == []
