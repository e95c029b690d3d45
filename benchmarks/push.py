"""What `katydid push` costs beside a bare producer: `python benchmarks/push.py [--messages N] [--servers HOST:PORT,…]`.

Three ways to send the same frames of 300 KiB, in turn, five times each: confluent-kafka alone with the same settings;
`KafkaUplink` (envelope, bookkeeping, acknowledgements); and a whole push of a folder (reading, digest, metadata,
journal). CPU is that of this process with the threads of librdkafka. Without --servers, its mock cluster runs in
a process of its own, which keeps 5 MiB a partition and costs next to nothing: this is the producer's side alone.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from confluent_kafka import Producer

from katydid.sensors.capture import Capture, Clock, ClockSource, Kind
from katydid.sensors.limits import MIB
from katydid.sensors.sources.folder import FolderSource
from katydid.sensors.sources.simulated.files import jpeg
from katydid.sensors.sources.simulated.night import Night
from katydid.sensors.uplink.journal import PushJournal
from katydid.sensors.uplink.kafka import KafkaUplink, KafkaUplinkSettings, _configuration
from katydid.sensors.uplink.pushing import Push

SIZE = 300 * 1024
ROUNDS = 5
MOCK = """
import sys
from confluent_kafka import Producer
mock = Producer({"test.mock.num.brokers": 3, "log_level": 0})
print(",".join(f"{b.host}:{b.port}" for b in mock.list_topics(timeout=5).brokers.values()), flush=True)
sys.stdin.read()
"""


def captures(count: int) -> list[Capture]:
    made = []
    for number in range(count):
        media = number.to_bytes(8, "big") + bytes(SIZE - 8)
        made.append(
            Capture(
                capture_id=f"{number:032x}", sensor_id=f"s{number % 20}", kind=Kind.FRAME, captured_at=number,
                clock=Clock(source=ClockSource.NONE), media_type="image/jpeg", payload=media,
                sha256=hashlib.sha256(media).hexdigest(), length=SIZE,
            )
        )  # fmt: skip
    return made


def bare(settings: KafkaUplinkSettings, sent: list[Capture]) -> None:
    producer = Producer(_configuration(settings))
    left = [0]

    def report(error: object, message: object) -> None:
        assert error is None
        left[0] -= 1

    for each in sent:
        while left[0] * SIZE >= settings.in_flight_bytes:
            producer.poll(0.1)
        producer.produce(settings.frames, each.payload, each.sensor_id.encode(), on_delivery=report)
        left[0] += 1
        producer.poll(0)
    producer.flush()


def uplink(settings: KafkaUplinkSettings, sent: list[Capture]) -> None:
    up = KafkaUplink(settings)
    up.connect(lambda seconds, trouble: seconds > 30)
    for each in sent:
        up.send(each, lambda: None)
    while up.in_flight:
        up.poll(0.1)
    up.close(0)


def folder(settings: KafkaUplinkSettings, card: Path) -> None:
    with tempfile.TemporaryDirectory() as state, PushJournal(Path(state) / "journal") as journal:
        source = FolderSource(card, zone="UTC")
        up = KafkaUplink(settings)
        Push(source, up, watch=lambda progress: None, notify=sys.stderr.write, journal=journal).run()


def write_card(card: Path, count: int) -> None:
    """Frames as a camera writes them, padded to 300 KiB."""
    night = Night()
    pixels = np.random.default_rng(1).integers(0, 255, (120, 160, 3), np.uint8)
    frame = jpeg(pixels, night.moment(22.0))
    for number in range(count):
        (card / f"IMG_{number:05}.jpg").write_bytes((frame + number.to_bytes(8, "big")).ljust(SIZE, b"\0"))


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """(wall, CPU) seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def measure(servers: tuple[str, ...], count: int) -> None:
    settings = KafkaUplinkSettings(servers=servers)
    sent = captures(count)
    with tempfile.TemporaryDirectory() as card:
        write_card(Path(card), count)
        ways: dict[str, Callable[[], None]] = {
            "bare producer": lambda: bare(settings, sent),
            "uplink": lambda: uplink(settings, sent),
            "push of a folder": lambda: folder(settings, Path(card)),
        }
        results: dict[str, list[tuple[float, float]]] = {}
        for _ in range(ROUNDS):  # In turn, so that what else the machine does hits all alike.
            for name, work in ways.items():
                results.setdefault(name, []).append(timed(work))
    floor = statistics.median(cpu for _, cpu in results["bare producer"])
    for name, runs in results.items():
        wall, cpu = (statistics.median(each) for each in zip(*runs, strict=True))
        print(
            f"{name:17} {count * SIZE / wall / 1e6:7.0f} MB/s  {cpu / count * 1e6:7.0f} us CPU a message  "
            f"{cpu / floor:5.2f} times the bare producer"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--servers", default="")
    words = parser.parse_args()
    print(f"{words.messages:,} messages of {SIZE / 1024:.0f} KiB, {16 * MIB / MIB:.0f} MiB in flight")
    if words.servers:
        measure(tuple(words.servers.split(",")), words.messages)
        return
    mock = subprocess.Popen([sys.executable, "-c", MOCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert mock.stdout is not None and mock.stdin is not None
    try:
        measure(tuple(mock.stdout.readline().strip().split(",")), words.messages)
    finally:
        mock.stdin.close()
        mock.wait()


if __name__ == "__main__":
    main()
