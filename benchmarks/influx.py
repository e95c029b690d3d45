"""How fast the InfluxDB store takes outcomes, beside a bare loop of its client, and how fast it answers.

    python benchmarks/influx.py --outcomes 100000

Starts an InfluxDB of its own (`make servers` builds it) and writes the same lines by turns, each durable when the call
returns: by the store's writer, by influxdb-client's async API in a loop without anything around it, and by the whole
store, which also looks up what is known and sums up the hours. Then it times the reads. Making the outcomes is not in
the times; making lines of them is in those of the whole store.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from store import START_MS, outcome

from katydid.models.outcome import Outcome
from katydid.sensors.sources.protocol import Position
from katydid.streams.sink import Arrival
from katydid.streams.store import By, OutcomeFilter, Window
from katydid.streams.store.influx import InfluxStore, Patience, open_influx
from katydid.streams.store.influx.patience import Insistence
from katydid.streams.store.influx.points import capture_lines, detection_lines
from katydid.streams.store.influx.store import connect
from katydid.streams.store.influx.writer import Writer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "deploy"))
from servers.influx import InfluxServer

SENSORS, STEP_MS = 50, 600
"""Each of the fifty sensors records every 30 s."""
ROUNDS = 3
LINES_AT_ONCE = 1_000
DAY_NS = 86_400 * 10**9


def arrivals(count: int) -> list[Arrival]:
    """Outcomes of one clip with one detection each, in order of time."""
    made = [outcome(START_MS + n * STEP_MS, n % SENSORS, n) for n in range(count)]
    return [Arrival(outcome=one, position=Position(source="bench", partition=one.file)) for one in made]


def lines_of(outcomes: Sequence[Outcome]) -> list[bytes]:
    """What is written for them, without the sums of hours."""
    return [line for one in outcomes for line in (*capture_lines(one, str), *detection_lines(one, str))]


@contextmanager
def timed(name: str, count: int, rates: dict[str, list[float]]) -> Iterator[None]:
    """Notes lines a second, and CPU of this process in µs a line."""
    begin, used = time.perf_counter(), time.process_time()
    yield
    rates.setdefault(name, []).append(count / (time.perf_counter() - begin))
    rates.setdefault(f"{name}: CPU µs", []).append((time.process_time() - used) / count * 1e6)


def by_our_writer(server: InfluxServer, lines: Sequence[bytes], rates: dict[str, list[float]]) -> None:
    """Bisecting, retrying, four requests in flight."""
    connection = connect(f"influx+{server.url}/{server.org}/{server.new_bucket()}", server.token)

    async def write() -> None:
        refused = await Writer(connection.write, Insistence(Patience())).write(lines)
        assert not refused

    with timed("our writer", len(lines), rates):
        connection.run(write())
    connection.close()


def by_bare_client(server: InfluxServer, lines: Sequence[bytes], rates: dict[str, list[float]]) -> None:
    """The client's own call in a loop, a thousand lines each."""
    bucket = server.new_bucket()

    async def write() -> None:
        async with InfluxDBClientAsync(server.url, server.token, server.org) as client:
            api = client.write_api()
            with timed("bare client", len(lines), rates):
                for start in range(0, len(lines), LINES_AT_ONCE):
                    await api.write(bucket, server.org, b"\n".join(lines[start : start + LINES_AT_ONCE]))

    asyncio.run(write())


def by_the_store(
    server: InfluxServer, written: Sequence[Arrival], lines: int, rates: dict[str, list[float]]
) -> InfluxStore:
    """Everything, in batches of a thousand outcomes."""
    store = open_influx(f"influx+{server.url}/{server.org}/{server.new_bucket()}", token=server.token)
    with timed("whole store", lines, rates):
        for start in range(0, len(written), LINES_AT_ONCE):
            store.write(written[start : start + LINES_AT_ONCE])
    return store


def measure_reads(store: InfluxStore, written: Sequence[Arrival]) -> None:
    """Each read: the best of three after one to warm up, and the slowest."""
    last = written[-1].outcome
    day = Window(start=last.captured_at - DAY_NS, end=last.captured_at + 1)
    taxon = last.detections[0].taxon
    assert taxon is not None
    one_sensor = OutcomeFilter(window=day, sensors=(last.sensor_id,))
    reads: dict[str, Callable[[], object]] = {
        "activity by hour, everything, 1 day": lambda: store.activity(day, By.HOUR),
        "activity by day, one taxon, all time": lambda: store.activity(Window(), By.DAY, [taxon.name]),
        "outcomes of one sensor, 1 day": lambda: store.outcomes(one_sensor),
        "detections of one taxon, all sensors, 1 day": lambda: store.detections(
            OutcomeFilter(window=day, taxa=(taxon.name,))
        ),
        "detection by id, whole": lambda: store.detection(last.detections[0].detection_id),
        "latest 50": lambda: store.latest(50),
        "sensors": store.sensors,
        "1,000 known ids": lambda: store.known([arrival.outcome.capture_id for arrival in written[-1_000:]]),
    }
    for name, read in reads.items():
        read()
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            answer = read()
            times.append((time.perf_counter() - begin) * 1e3)
        rows = getattr(answer, "num_rows", 1)
        print(f"{name}: {min(times):.0f} ms, slowest of three {max(times):.0f} ms, {rows:,} rows")


def main() -> None:
    """Write by turns, print, read."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--outcomes", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=None, help="where the server's data go; a temporary folder else")
    options = parser.parse_args()
    print(f"load of this machine before: {psutil.getloadavg()[0]:.1f}")
    written = arrivals(options.outcomes)
    some = written[: min(len(written), 20_000)]
    lines = lines_of([arrival.outcome for arrival in some])
    print(f"{len(lines):,} lines of {sum(map(len, lines)) / len(lines):.0f} bytes, three an outcome, {ROUNDS} rounds")
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        server = InfluxServer(Path(folder))
        server.start()
        try:
            for _ in range(ROUNDS):
                by_our_writer(server, lines, rates)
                by_bare_client(server, lines, rates)
                by_the_store(server, some, len(lines), rates).close()
            for name, found in rates.items():
                unit = "" if name.endswith("µs") else " lines/s, durable"
                print(
                    f"{name}: median {statistics.median(found):,.1f}{unit}, from {min(found):,.1f} to {max(found):,.1f}"
                )
            for name in ("our writer", "whole store"):
                ratios = [ours / bare for ours, bare in zip(rates[name], rates["bare client"], strict=True)]
                print(f"{name} / bare client: {statistics.median(ratios):.2f}")
            begin = time.perf_counter()
            with by_the_store(server, written, len(lines), {}) as store:
                rate = len(written) / (time.perf_counter() - begin)
                print(f"{len(written):,} outcomes by the whole store: {rate:,.0f}/s")
                measure_reads(store, written)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
