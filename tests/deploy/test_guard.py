"""A server does not outlive the process that started it, however that ends."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil

from servers.guard import kill_exactly
from servers.process import ServerProcess

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
WITHIN_S = 30.0

STARTER = """
import sys, time
sys.path.insert(0, {deploy!r})
from pathlib import Path
from servers.process import ServerProcess
server = ServerProcess("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], Path({log!r}))
server.start(lambda log: True, 10)
print(server.pid, flush=True)
time.sleep(600)
"""


def gone(pid: int) -> bool:
    deadline = time.monotonic() + WITHIN_S
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_server_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    code = STARTER.format(deploy=str(DEPLOY), log=str(tmp_path / "log"))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert psutil.pid_exists(pid)

        starter.kill()

    assert gone(pid)


def test_a_server_that_is_not_guarded_has_no_guard(tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children()}
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    server = ServerProcess("sleeper", sleeper, tmp_path / "log", guarded=False)
    server.start(lambda log: True, 10)

    assert {child.pid for child in psutil.Process().children()} - before == {server.pid}

    server.kill()


def test_a_stopped_server_leaves_no_guard_behind(tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children()}
    server = ServerProcess("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], tmp_path / "log")
    server.start(lambda log: True, 10)
    assert len({child.pid for child in psutil.Process().children()} - before) == 2

    server.kill()

    assert {child.pid for child in psutil.Process().children()} <= before


def test_only_the_process_that_was_meant_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        created = psutil.Process(other.pid).create_time()

        assert not kill_exactly(other.pid, created - 60.0)
        assert other.poll() is None
        assert kill_exactly(other.pid, created)


def test_nothing_is_killed_where_nothing_is() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass

    assert not kill_exactly(ended.pid, time.time())
