"""The stage: one broker, one InfluxDB, faults in front of both, three workers and a keeper of DuckDB, each started
again whenever it ends, as an init system would.

    sender ──▶ proxy ──▶ Kafka ◀── proxy ◀── worker × 3 ──▶ front ──▶ InfluxDB (on a small disk of its own)
                           └────── proxy ◀── keeper ──▶ DuckDB (on a small disk of its own)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from chaos.oracle.disks import SmallDisk
from chaos.oracle.store_front import StoreFront
from servers.influx import InfluxServer
from servers.kafka import KafkaServer
from servers.proxy import Proxy

WORKERS = 3
GROUP = "oracle"
KEEPER_GROUP = f"{GROUP}.store"
SESSION_S = 6.0
RESTART_S = 0.5
"""How long an ended process is left alone before it is started again."""
DISK_MIB = 512

KATYDID = (sys.executable, "-c", "from katydid.streams.cli import main; main()")

CONFIGURATION = """
[kafka]
servers = ["127.0.0.1:{port}"]
group = "{group}"
session_s = {session}
heartbeat_s = 1.5
request_s = 15.0
rebalance_s = 30.0
stop_s = 10.0
alive_s = 30.0

[topics]
partitions = 6

[sink]
url = "{sink}"

[pipeline]
workers = 1
max_mib = 64
commit_items = 200
commit_s = 0.5

[models]
names = [{models}]

[metrics]
port = 0
"""


class Supervised:
    """A command that is started again whenever it ends, however it ends."""

    def __init__(self, name: str, arguments: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self.name = name
        self.exits: list[int] = []
        """Exit codes so far; minus the signal where a signal ended it."""
        self._arguments = list(arguments)
        self._environment = environment
        self._log = log
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._supervise, name=f"supervisor-{name}", daemon=True)

    def start(self) -> None:
        """Start it and watch over it."""
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now; None while there is none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def signal(self, number: int) -> bool:
        """Send it a signal; False where nothing runs."""
        process = self._process
        if process is None or process.poll() is not None:
            return False
        process.send_signal(number)
        return True

    def stop(self, within_s: float = 30.0) -> None:
        """End it for good."""
        self._stopping.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(within_s)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join(within_s)

    def _supervise(self) -> None:
        while not self._stopping.is_set():
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._arguments, env=self._environment, stdout=log, stderr=subprocess.STDOUT
                )
            self.exits.append(self._process.wait())
            self._stopping.wait(RESTART_S)


class Stage:
    """Everything that a play needs, in `folder`; a context manager. Raises ServerMissing where a server is not here."""

    def __init__(self, folder: Path, models: Sequence[str]) -> None:
        self.folder = folder
        self._models = models
        self._stack = contextlib.ExitStack()
        self.store_disk = SmallDisk(folder / "influx", DISK_MIB)
        self.keeper_disk = SmallDisk(folder / "keeper", DISK_MIB)
        self.workers: list[Supervised] = []
        self.duckdb = folder / "keeper" / "detections.duckdb"

    def __enter__(self) -> Self:
        with self._stack:
            self._enter()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _enter(self) -> None:
        enter = self._stack.enter_context
        enter(self.store_disk)
        enter(self.keeper_disk)
        self.proxy = enter(Proxy())
        self.kafka = KafkaServer(self.folder / "kafka", proxy_port=self.proxy.port)
        self.proxy.target = self.kafka.behind_proxy
        self._stack.callback(self.kafka.kill)
        self.kafka.start()
        self.influx = InfluxServer(self.folder / "influx" / "server")
        self._stack.callback(self._keep_log)
        self._stack.callback(self.influx.kill)
        self.influx.start()
        self.bucket = self.influx.new_bucket("oracle")
        self.front = enter(StoreFront(self.influx.url))
        self.configuration = self._configure(f"influx+{self.front.url}/{self.influx.org}/{self.bucket}")
        self._katydid("topics", "create", "--config", str(self.configuration))
        for number in range(WORKERS):
            self.workers.append(self._supervised(f"worker-{number}"))
        self.keeper = self._supervised("keeper", "--sink", f"duckdb://{self.duckdb}")

    @property
    def store_url(self) -> str:
        """The store as it is read in the end: not through the front."""
        return f"influx+{self.influx.url}/{self.influx.org}/{self.bucket}"

    @property
    def proxied(self) -> str:
        """Where clients meet the broker's network faults."""
        return f"127.0.0.1:{self.proxy.port}"

    @property
    def processes(self) -> list[Supervised]:
        """Workers and keeper."""
        return [*self.workers, self.keeper]

    def refill(self) -> None:
        """Write what InfluxDB lost by a full disk again from the topic of outcomes, as docs/store.md says."""
        self._katydid("store", "refill", self.store_url, "--config", str(self.configuration))

    def _keep_log(self) -> None:
        """InfluxDB's log outlives its disk."""
        log = self.influx.process.log_path
        if log.exists():
            shutil.copy(log, self.folder / "influxd.log")

    def stop_processes(self) -> None:
        """End workers and keeper for good, in order."""
        for process in self.processes:
            process.stop()

    def environment(self) -> dict[str, str]:
        """What the processes see: one thread for numpy's BLAS, and the secret."""
        return {**os.environ, "KATYDID_INFLUX_TOKEN": self.influx.token, "OMP_NUM_THREADS": "1"}

    def _configure(self, sink: str) -> Path:
        path = self.folder / "katydid.toml"
        models = ", ".join(f'"{name}"' for name in self._models)
        text = CONFIGURATION.format(port=self.proxy.port, group=GROUP, session=SESSION_S, sink=sink, models=models)
        path.write_text(text, encoding="utf-8")
        return path

    def _supervised(self, name: str, *more: str) -> Supervised:
        arguments = [*KATYDID, "worker", "--config", str(self.configuration), *more]
        process = Supervised(name, arguments, self.environment(), self.folder / f"{name}.log")
        self._stack.callback(process.stop)
        process.start()
        return process

    def _katydid(self, *arguments: str) -> None:
        subprocess.run([*KATYDID, *arguments], check=True, env=self.environment())
