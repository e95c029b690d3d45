"""One server's process: started with its output in a log file, waited for, and stopped by its process id alone."""

from __future__ import annotations

import os
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from servers.errors import ServerFailed
from servers.guard import dismiss, start_guard

POLL_S = 0.02
LOG_TAIL_LINES = 15


class ServerProcess:
    """A process that can be started again and again with the same command, as after a crash.

    Args:
        name: what messages call it.
        command: its arguments, the program first.
        log_path: its standard output and error go here, appended.
        environment: added to this process's own.
        guarded: it is killed when this process ends, however it ends. Servers that are started by hand are to stay.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log_path: Path,
        *,
        environment: Mapping[str, str] | None = None,
        guarded: bool = True,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log_path = log_path
        self._environment = {**os.environ, **(environment or {})}
        self._guarded = guarded
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(self, is_ready: Callable[[str], bool], within_s: float) -> float:
        """Start it and wait until ``is_ready``, which is given what it logged since this start; seconds that it took.

        Raises:
            ServerFailed: it ended, or was not ready in time; it does not run then.
        """
        if self.running:
            raise ServerFailed(f"{self.name} runs already, as process {self.pid}")
        began = time.monotonic()
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        process = self._spawn()
        while not is_ready(self.log()):
            if process.poll() is not None:
                self._forget()
                raise ServerFailed(f"{self.name} ended instead of starting. {self._log_tail()}")
            if time.monotonic() - began > within_s:
                self.kill()
                raise ServerFailed(f"{self.name} was not ready within {within_s:g} s. {self._log_tail()}")
            time.sleep(POLL_S)
        return time.monotonic() - began

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log_path.open("ab") as log:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,  # Ctrl-C in a terminal is the test run's, not the server's.
            )
        self._process = process
        if self._guarded:
            self._guard = start_guard(process.pid)
        return process

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended; a suspended process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            ServerFailed: it does not run.
        """
        if self._process is None or self._process.poll() is not None:
            raise ServerFailed(f"{self.name} does not run")
        return self._process.pid

    def log(self) -> str:
        """What it wrote since its latest start."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace")

    def _log_tail(self) -> str:
        lines = self.log().splitlines()[-LOG_TAIL_LINES:]
        return f"Its log, {self.log_path}, ends:\n" + "\n".join(lines)

    def kill(self) -> None:
        """End it at once, as a crash would (SIGKILL), and wait until it is gone. Nothing where it does not run."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._forget()

    def terminate(self, within_s: float = 30.0) -> None:
        """Ask it to end (SIGTERM) and wait; kill it after ``within_s``. Nothing where it does not run."""
        if self._process is not None and self._process.poll() is None:
            self.resume()  # A suspended process hears nothing.
            self._process.terminate()
            try:
                self._process.wait(within_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._forget()

    def suspend(self) -> None:
        """Let it stand still (SIGSTOP) with its connections open, as a machine that hangs does."""
        psutil.Process(self.pid).suspend()

    def resume(self) -> None:
        """Let it go on after :meth:`suspend` (SIGCONT)."""
        psutil.Process(self.pid).resume()

    def memory(self) -> int:
        """Its resident memory, bytes."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def _forget(self) -> None:
        if self._guard is not None:
            dismiss(self._guard)
            self._guard = None
        self._process = None


class Server(ABC):
    """What Kafka and InfluxDB share: a process that is killed, stopped, suspended and started again at will."""

    process: ServerProcess

    @abstractmethod
    def start(self) -> float:
        """Start it and wait until it serves; seconds that the start took.

        Raises:
            ServerFailed: its port is taken, or it ended, or was not ready in time.
        """

    def restart(self) -> float:
        """Start it again after an end of any kind; ends it first, properly, if it still runs."""
        self.terminate()
        return self.start()

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        self.process.kill()

    def terminate(self) -> None:
        """Ask it to end (SIGTERM) and wait."""
        self.process.terminate()

    def suspend(self) -> None:
        """Let it hang with its connections open (SIGSTOP)."""
        self.process.suspend()

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self.process.resume()

    @property
    def running(self) -> bool:
        """Whether its process lives, be it suspended."""
        return self.process.running

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid
