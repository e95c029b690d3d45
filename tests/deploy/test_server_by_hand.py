"""`python deploy/server.py`: what a person at a shell sees of the servers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from server_fixtures import cannot_be_had
from servers import build
from servers.errors import ServerMissing
from servers.ports import answers, free_ports

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "server.py"


def run(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *words, "--folder", str(folder)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=180, env={**os.environ, **environment}, check=False
    )


@pytest.mark.servers
def test_influxdb_is_started_told_of_and_stopped(tmp_path: Path) -> None:
    try:
        build.find_influxd()
    except ServerMissing as reason:
        cannot_be_had(reason)
    (port,) = free_ports(1)

    started = run("influx", "--port", str(port), folder=tmp_path)
    assert started.returncode == 0, started.stderr
    try:
        (pid,) = re.findall(r"process (\d+)", started.stdout)
        assert f'url = "influx+http://127.0.0.1:{port}/katydid/katydid"' in started.stdout
        (token,) = re.findall(r'KATYDID_INFLUX_TOKEN_FILE="(.*)"', started.stdout)
        assert Path(token).read_text() not in started.stdout
        assert f"influx runs as process {pid}" in run("status", folder=tmp_path).stdout
        assert "runs already" in run("influx", "--port", str(port), folder=tmp_path).stderr
    finally:
        stopped = run("stop", folder=tmp_path)

    assert f"process {pid}, has ended" in stopped.stdout
    assert not psutil.pid_exists(int(pid))
    assert not answers(port)


def test_where_nothing_is_built_the_message_says_what_to_do(tmp_path: Path) -> None:
    told = run("influx", folder=tmp_path / "run", KATYDID_SERVERS=str(tmp_path / "empty"))

    assert told.returncode == 1
    assert "is not in" in told.stderr
    assert "make servers" in told.stderr


def test_building_names_all_that_is_missing(tmp_path: Path) -> None:
    nothing = tmp_path / "bin"
    nothing.mkdir()

    told = run("build", folder=tmp_path, KATYDID_SERVERS=str(tmp_path / "empty"), PATH=str(nothing), JAVA_HOME="")

    assert told.returncode == 1
    assert re.search(r"Kafka \S+ cannot be fetched without Maven .* and Java 17 or later", told.stderr)
    assert re.search(
        r"InfluxDB \S+ cannot be built without Go 1.25.10 or later and Rust .* and a C compiler", told.stderr
    )


def test_a_process_that_took_over_the_number_is_left_alone(tmp_path: Path) -> None:
    me = os.getpid()
    (tmp_path / "kafka.process.json").write_text(f'{{"pid": {me}, "created": 1000.0}}')

    assert run("stop", folder=tmp_path).stdout == ""

    assert psutil.pid_exists(me)
