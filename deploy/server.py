"""A real Kafka or InfluxDB by hand, on loopback: started, and stopped by its process id.

    python deploy/server.py build                          both, into the user's cache folder (also: make servers)
    python deploy/server.py kafka [--secured] [--port N]   starts a broker; prints what a client needs
    python deploy/server.py influx [--port N]              starts an InfluxDB; the same
    python deploy/server.py status
    python deploy/server.py stop

Run it with the environment that `make test` makes. Data stay in the folder between starts: remove it to begin anew.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec
import platformdirs
import psutil

from servers.build import build_influxd, fetch_kafka
from servers.errors import ServerError, ServerFailed
from servers.influx import InfluxServer
from servers.kafka import KafkaServer, Security, archive_classes

STOP_WITHIN_S = 30.0


class Started(msgspec.Struct, frozen=True):
    """Which process a server is; an id alone may have gone to another process since."""

    pid: int
    created: float
    """Seconds since 1970, as the system tells it."""


def main(arguments: list[str] | None = None) -> int:
    """Do what the words say: 0 fine, 1 not, with the reason on stderr."""
    asked = _parser().parse_args(arguments)
    commands = {"build": build, "kafka": start_kafka, "influx": start_influx, "status": status, "stop": stop}
    try:
        return commands[asked.command](asked)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1


def build(_asked: argparse.Namespace) -> int:
    """Fetch and build both servers; what is missing for one does not keep the other away."""
    failed = 0
    steps = (("Kafka", _kafka, "half a minute"), ("InfluxDB", build_influxd, "5 to 12 minutes the first time"))
    for name, make, takes in steps:
        print(f"{name} ({takes}) ...", flush=True)
        try:
            print(f"{name} is in {make()}", flush=True)
        except ServerError as error:
            failed = 1
            print(error, file=sys.stderr)
    return failed


def start_kafka(asked: argparse.Namespace) -> int:
    """Start a broker and say how clients reach it."""
    _must_not_run(asked.folder, "kafka")
    folder = asked.folder / ("kafka-secured" if asked.secured else "kafka-plain")
    security: Security = "scram" if asked.secured else "plaintext"
    server = KafkaServer(folder, security=security, port=asked.port or 9092, guarded=False)
    server.start()
    _remember(asked.folder, "kafka", server.pid)
    print(f'Kafka runs as process {server.pid}. In the configuration:\n\n[kafka]\nservers = ["{server.bootstrap}"]')
    if asked.secured:
        print(f'security = "scram"\nuser = "admin"\nca_file = "{server.ca_file}"\n\nand in the shell:\n')
        print(f'export KATYDID_KAFKA_PASSWORD_FILE="{server.password_file}"')
    return 0


def start_influx(asked: argparse.Namespace) -> int:
    """Start an InfluxDB and say how clients reach it."""
    _must_not_run(asked.folder, "influx")
    server = InfluxServer(asked.folder / "influxdb", port=asked.port or 8086, guarded=False)
    server.start()
    _remember(asked.folder, "influx", server.pid)
    print(f"InfluxDB runs as process {server.pid}. In the configuration:\n\n[sink]")
    print(f'url = "influx+{server.url}/{server.org}/{server.first_bucket}"\n\nand in the shell:\n')
    print(f'export KATYDID_INFLUX_TOKEN_FILE="{server.token_file}"')
    return 0


def status(asked: argparse.Namespace) -> int:
    """Which of the servers that were started for this folder run."""
    for name, process in _running(asked.folder).items():
        print(f"{name} runs as process {process.pid}, {process.memory_info().rss >> 20} MiB")
    return 0


def stop(asked: argparse.Namespace) -> int:
    """End the servers that were started for this folder, by their process ids and nothing else."""
    for name, process in _running(asked.folder).items():
        process.terminate()
        try:
            process.wait(STOP_WITHIN_S)
        except psutil.TimeoutExpired:
            process.kill()
        _note(asked.folder, name).unlink()
        print(f"{name}, process {process.pid}, has ended")
    return 0


def _kafka() -> Path:
    folder = fetch_kafka()
    archive_classes()
    return folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("build", "kafka", "influx", "status", "stop"))
    parser.add_argument(
        "--secured", action="store_true", help="Kafka: SCRAM over TLS, and no right that is not granted"
    )
    parser.add_argument("--port", type=int, help="default: 9092 for Kafka, 8086 for InfluxDB")
    default = Path(platformdirs.user_state_dir("katydid")) / "servers"
    parser.add_argument("--folder", type=Path, default=default, help=f"data, settings and logs; default: {default}")
    return parser


def _note(folder: Path, name: str) -> Path:
    return folder / f"{name}.process.json"


def _remember(folder: Path, name: str, pid: int) -> None:
    _note(folder, name).write_bytes(msgspec.json.encode(Started(pid, psutil.Process(pid).create_time())))


def _must_not_run(folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if name in _running(folder):
        raise ServerFailed(f"{name} runs already, as process {_running(folder)[name].pid}: stop it first")


def _running(folder: Path) -> dict[str, psutil.Process]:
    found = {}
    for name in ("kafka", "influx"):
        if not _note(folder, name).exists():
            continue
        started = msgspec.json.decode(_note(folder, name).read_bytes(), type=Started)
        try:
            process = psutil.Process(started.pid)
            if abs(process.create_time() - started.created) < 1.0:
                found[name] = process
        except psutil.NoSuchProcess:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
