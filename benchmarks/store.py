"""How fast the DuckDB store takes outcomes, and answers, with millions of rows in it.

    python benchmarks/store.py --rows 10000000 --folder /path/with/ten/free/gigabytes [--filled ten_million.duckdb]

Fills a store with SQL (a year of fifty sensors, one detection each), then writes batches of live outcomes and of an
old memory card, each durable when its `write` returns, and times the reads. Making the outcomes is not in the times.
Limits (issue 3): at least 25,000 outcomes/s in batches of 1,000 and 60,000 in batches of 10,000, no commit over 250 ms.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import psutil

from katydid.models.outcome import (
    Alternative,
    Context,
    Decision,
    Detection,
    Effort,
    Measure,
    Outcome,
    Ran,
    RankProbability,
    Span,
    Status,
    Taxon,
    Verdict,
)
from katydid.sensors.capture import Clock, ClockSource, Fact, Kind, Place
from katydid.sensors.sources.protocol import Position
from katydid.streams.sink import Arrival
from katydid.streams.store import By, DuckDBStore, OutcomeFilter, Window, open_store
from katydid.streams.store.rollup import ACTIVITY_OF_HOURS, EFFORT_OF_HOURS

SENSORS, TAXA = 50, 200
START_MS, YEAR_MS = 1_735_689_600_000, 365 * 86_400_000
"""2025-01-01."""
LIVE_STEP_MS = 600
"""Between two captures of the station: each of the fifty sensors records every 30 s."""


def measures(number: int) -> tuple[Measure, ...]:
    """Two measures, other ones for each outcome."""
    return (
        Measure(name="rms_dbfs", value=-40.5 - number % 997 / 100, bound=-90.0, passed=True),
        Measure(name="clipped_share", value=number % 89 / 1000, bound=0.25, passed=True),
    )


def facts(number: int) -> tuple[Fact, ...]:
    """Four facts of a recorder, of which one changes from clip to clip."""
    said = (
        ("temperature_c", str(number % 300 / 10)),
        ("battery_v", "4.2"),
        ("gain", "medium"),
        ("serial", "24F3190361"),
    )
    return tuple(Fact(name=name, value=value, read_from="audiomoth") for name, value in said)


def outcome(at_ms: int, sensor: int, number: int) -> Outcome:
    """A full outcome of one clip with one detection."""
    tail = hashlib.blake2b(str(number).encode(), digest_size=20).hexdigest()
    taxon = f"Genus{number % TAXA:03d} species"
    return Outcome(
        capture_id=f"{at_ms:012x}{tail[:20]}",
        sensor_id=f"SM4-{sensor:03d}",
        kind=Kind.CLIP,
        captured_at=at_ms * 1_000_000,
        clock=Clock(source=ClockSource.AUDIOMOTH, recorded=f"05:00:00 {number} (UTC)"),
        media_type="audio/flac",
        sha256=tail + tail[:24],
        length=1_234_567,
        place=Place(latitude=52.0, longitude=5.0, source="option"),
        facts=facts(number),
        file=f"site-{sensor:03d}/{number:09d}.flac",
        status=Status.IDENTIFIED,
        effort=Effort(seconds=30.0, channels=1, sample_rate=48_000),
        quality=measures(number),
        detections=(_detection(at_ms, tail, taxon, number),),
        ran=(Ran(bundle="birds-1", bundle_digest="d" * 64, engine="onnx", provider="CPUExecutionProvider"),),
        settings_digest="5" * 32,
        katydid_version="0.1.0",
    )


def _detection(at_ms: int, tail: str, taxon: str, number: int) -> Detection:
    ranks = (("species", taxon, 0.7), ("genus", taxon.split()[0], 0.75), ("family", "Fringillidae", 0.8))
    return Detection(
        detection_id=f"{at_ms:012x}{tail[20:]}",
        ordinal=0,
        model="birds-1",
        model_digest="d" * 64,
        taxon=Taxon(taxon_id=f"name:{taxon}", name=taxon, rank="species", common_name=f"Common {taxon}"),
        span=Span(start_s=3.0, end_s=6.0, low_hz=1000.0, high_hz=8000.0),
        score=0.8,
        probability=0.7,
        posterior=0.75,
        lineage=tuple(RankProbability(rank=rank, name=name, probability=p) for rank, name, p in ranks),
        alternatives=tuple(
            Alternative(taxon=Taxon(taxon_id=f"name:Other {k}", name=f"Other {k}", rank="species"), score=0.1 / (k + 1))
            for k in range(3)
        ),
        quality=measures(number + 1),
        context=Context(local_solar_hour=5.5, sun_elevation_deg=3.0, prior=0.9, prior_bundle="geo-1", expected=True),
        decision=Decision(verdict=Verdict.ACCEPTED, reason="probability 0.70 at or above 0.50"),
    )


def fill(path: Path, rows: int) -> None:
    """Bulk rows by SQL, spread evenly over a year: one real outcome with ids, times and names of their own."""
    with open_store(path) as store:
        store.write([_arrival(outcome(START_MS - 1_000, 0, 0))])
    with duckdb.connect(str(path)) as connection:
        connection.execute(_MADE, {"start": START_MS, "year": YEAR_MS, "rows": rows, "taxa": TAXA})
        for table, own in (("outcome", "sha256"), ("detection", "detection_id, taxon_id, taxon, common_name")):
            own = f"capture_id, sensor_id, captured_at, file, {own}"
            connection.execute(
                f"INSERT INTO {table} BY NAME SELECT first.*, made.* "
                f"FROM (SELECT * EXCLUDE ({own}) FROM {table} LIMIT 1) first, (SELECT {own} FROM made) made"
            )
        connection.execute(
            'INSERT INTO position_log (source, "partition", "offset", mark, capture_id) '
            "SELECT 'folder', file, 0, '1-2', capture_id FROM made"
        )
        for roll_up, table in (("activity_1h", "detection"), ("effort_1h", "outcome")):
            connection.execute(f"DELETE FROM {roll_up}")
            connection.execute((ACTIVITY_OF_HOURS if table == "detection" else EFFORT_OF_HOURS).format(rows=table))
        connection.execute("CHECKPOINT")


_MADE = """
CREATE TEMP TABLE made AS
SELECT printf('%012x', ms) || tail[1:20] AS capture_id, printf('%012x', ms) || tail[13:32] AS detection_id,
       printf('SM4-%03d', i % 50) AS sensor_id, make_timestamp_ns(ms * 1000000) AS captured_at,
       printf('site-%03d/%09d.flac', i % 50, i) AS file, tail || tail AS sha256,
       printf('Genus%03d species', i % $taxa) AS taxon, 'name:' || taxon AS taxon_id, 'Common ' || taxon AS common_name
FROM (SELECT i, $start + (i * $year // $rows) AS ms, md5(i::VARCHAR) AS tail FROM range($rows) r(i)) ORDER BY i
"""


def copy(filled: Path, path: Path) -> None:
    """Copy the store, and wait until it is on the disk: the first commits would wait for it else."""
    shutil.copyfile(filled, path)
    with path.open("rb+") as copied:
        os.fsync(copied)


def _arrival(made: Outcome) -> Arrival:
    return Arrival(outcome=made, position=Position(source="folder", partition=made.file, mark="1234567-1"))


def batches(size: int, count: int, first: int, start_ms: int, *, old_card: bool = False) -> Iterator[list[Arrival]]:
    """Live batches of all sensors; with `old_card` one in five outcomes is half a year older, of one sensor."""
    for number in range(first, first + size * count, size):
        yield [
            _arrival(outcome(start_ms - YEAR_MS // 2 + k * 30_000, 7, k))
            if old_card and k % 5 == 0
            else _arrival(outcome(start_ms + k * LIVE_STEP_MS, k % SENSORS, k))
            for k in range(number, number + size)
        ]


def measure_writes(store: DuckDBStore, name: str, made: Iterator[list[Arrival]], wanted: float | None) -> None:
    """Time each durable write and print rate and commits."""
    seconds, cpu, written = [], [], 0
    for batch in made:
        begin, used = time.perf_counter(), time.process_time()
        store.write(batch)
        seconds.append(time.perf_counter() - begin)
        cpu.append((time.process_time() - used) / len(batch))
        written += len(batch)
    rate = written / sum(seconds)
    against = f", {rate / wanted:.2f} of the {wanted:,.0f} wanted" if wanted else ""
    median = statistics.median(seconds)
    print(
        f"{name}: {rate:,.0f} outcomes/s{against} (median batch {written / len(seconds) / median:,.0f}/s); "
        f"commits ms: median {median * 1e3:.0f}, p95 {sorted(seconds)[int(len(seconds) * 0.95)] * 1e3:.0f}, "
        f"longest {max(seconds) * 1e3:.0f}; CPU {statistics.median(cpu) * 1e6:.1f} µs an outcome"
    )


def measure_reads(store: DuckDBStore, start_ms: int) -> None:
    """Each read warm: the best of five after one to warm up, and the slowest."""
    end = start_ms * 1_000_000
    month, day = (Window(start=end - days * 86_400_000_000_000, end=end) for days in (30, 1))
    one = store.latest(1).to_pylist()[0]
    reads: dict[str, Callable[[], object]] = {
        "activity by hour, all sensors, one taxon, 30 days": lambda: store.activity(month, By.HOUR, [one["taxon"]]),
        "activity by day, everything, 30 days": lambda: store.activity(month, By.DAY),
        "outcomes of one sensor, 1 day": lambda: store.outcomes(OutcomeFilter(window=day, sensors=("SM4-007",))),
        "detections of one taxon and sensor, 30 days": lambda: store.detections(
            OutcomeFilter(window=month, sensors=("SM4-007",), taxa=(one["taxon"],))
        ),
        "detection by id, whole": lambda: store.detection(one["detection_id"]),
        "latest 50": lambda: store.latest(50),
        "sensors": store.sensors,
    }
    for name, read in reads.items():
        read()
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            answer = read()
            times.append((time.perf_counter() - begin) * 1e3)
        rows = getattr(answer, "num_rows", 1)
        print(f"{name}: {min(times):.1f} ms, slowest of five {max(times):.1f} ms, {rows:,} rows")


def main() -> None:
    """Fill, write, read; remove the store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, default=None, help="where the store is made; a temporary folder else")
    parser.add_argument("--filled", type=Path, default=None, help="a filled store that is kept: made there, or used")
    parser.add_argument("--thousands", type=int, default=100, help="batches of 1,000")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "bench.duckdb"
        print(f"load of this machine before: {psutil.getloadavg()[0]:.1f}")
        begin = time.perf_counter()
        if options.filled is not None and options.filled.exists():
            copy(options.filled, path)
        else:
            fill(path, options.rows)
            if options.filled is not None:
                shutil.copyfile(path, options.filled)
        print(
            f"filled {options.rows:,} rows in {time.perf_counter() - begin:.0f} s, {path.stat().st_size / 1e9:.2f} GB"
        )
        live, many = START_MS + YEAR_MS, options.rows
        with open_store(path) as store:
            small = options.thousands
            measure_writes(store, "batches of 1,000", batches(1_000, small, many, live), 25_000)
            measure_writes(store, "batches of 10,000", batches(10_000, 12, many + small * 1_000, live), 60_000)
            mixed = batches(1_000, 20, many + small * 1_000 + 120_000, live, old_card=True)
            measure_writes(store, "batches of 1,000, a fifth half a year old", mixed, None)
            begin = time.perf_counter()
            store.checkpoint()
            print(f"checkpoint when idle: {time.perf_counter() - begin:.1f} s")
            measure_reads(store, live)
            print(f"captures without an outcome: {store.captures_without_outcome()}")


if __name__ == "__main__":
    main()
