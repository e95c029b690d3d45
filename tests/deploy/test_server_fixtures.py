"""Where a server is missing its tests are skipped with the reason, and fail where servers are required."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

TESTS = """
def test_on_kafka(kafka_server): pass
def test_on_influxdb(influx_server): pass
def test_on_one_of_its_own(new_influx_server): new_influx_server()
def test_on_nothing(): pass
"""


def pytest_said(folder: Path, *options: str, **environment: str) -> str:
    (folder / "test_sample.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    servers: needs real servers\n")
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "server_fixtures", *options, "test_sample.py"]
    paths = os.pathsep.join(str(REPOSITORY / name) for name in ("tests", "deploy"))
    inherited = {name: value for name, value in os.environ.items() if name != "KATYDID_REQUIRE_SERVERS"}
    nothing = {"KATYDID_SERVERS": str(folder / "empty"), "PYTHONPATH": paths, "COLUMNS": "200"}
    done = subprocess.run(
        command, cwd=folder, env=inherited | nothing | environment, capture_output=True, text=True, check=False
    )
    return done.stdout


def test_without_servers_their_tests_are_skipped_and_the_reason_says_what_to_do(tmp_path: Path) -> None:
    said = pytest_said(tmp_path)

    assert "1 passed, 3 skipped" in said
    assert "InfluxDB 2.9.1 is not in" in said
    assert "Run `make servers`" in said


def test_where_servers_are_required_their_absence_is_a_failure(tmp_path: Path) -> None:
    said = pytest_said(tmp_path, KATYDID_REQUIRE_SERVERS="1")

    assert "skipped" not in said.splitlines()[-1]
    assert "1 passed" in said.splitlines()[-1]
    assert "KATYDID_REQUIRE_SERVERS=1, but: InfluxDB 2.9.1 is not in" in said


def test_the_mark_follows_from_the_fixture(tmp_path: Path) -> None:
    assert "3 skipped, 1 deselected" in pytest_said(tmp_path, "-m", "servers")
    assert "1 passed, 3 deselected" in pytest_said(tmp_path, "-m", "not servers")
