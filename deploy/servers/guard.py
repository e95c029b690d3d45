"""Ends a server when the process that started it is gone, however it went: no server is left behind by a killed
test run.

Run as a script, with a pipe from the starter as its standard input: ``guard.py PID CREATED``. The pipe closes
when the starter ends, even by ``kill -9``; then the one process with that id *and* that time of creation is
killed, and nothing else. A starter that has stopped its server itself writes a byte first.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil


def start_guard(pid: int) -> subprocess.Popen[bytes]:
    """Watch over a process: the answer's standard input is the pipe. Write a byte to dismiss the guard."""
    created = psutil.Process(pid).create_time()
    command = [sys.executable, str(Path(__file__).resolve()), str(pid), repr(created)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def dismiss(guard: subprocess.Popen[bytes]) -> None:
    """Tell a guard that its server has been stopped, and wait for its end."""
    guard.communicate(b"x")


def kill_exactly(pid: int, created: float) -> bool:
    """Kill the process with this id if it was created at this time (seconds since 1970); whether it was there."""
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - created) > 1.0:
            return False  # The number has gone to another process since.
        process.kill()
    except psutil.NoSuchProcess:
        return False
    return True


if __name__ == "__main__":
    if not sys.stdin.buffer.read(1):
        kill_exactly(int(sys.argv[1]), float(sys.argv[2]))
