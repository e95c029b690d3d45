"""docs/kafka.md "From nothing to a curve", typed into a shell as it stands on the page, on a real Kafka and InfluxDB.

What differs from the page, so that it can run beside other things, is in `as_on_this_machine` and `surroundings`: free
ports, a home folder of its own, this environment's programs; and servers that stand are not made once more.
"""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from servers.build import cache_folder
from servers.influx import InfluxServer
from servers.kafka import KafkaServer
from servers.ports import free_ports

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PORTS = ("9092", "8086", "9477")
WITHIN_S = 240
MARK = "=====walked====="

Walk = list[tuple[str, int, str]]
"""Each statement with its exit code and what it printed, in order."""


def statements() -> list[str]:
    """The statements of the block: lines, but for a document that ends with END."""
    section = (ROOT / "docs" / "kafka.md").read_text(encoding="utf-8").split("## From nothing to a curve")[1]
    block = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[0]
    return re.findall(r"^[^\n]*<<'END'\n.*?^END$|^[^\n]+$", block, re.DOTALL | re.MULTILINE)


def as_on_this_machine(lines: list[str]) -> list[str]:
    """The same on free ports, with the programs of this environment."""
    assert lines[0].startswith("make servers"), "the fixtures have made them"
    free = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    moved = [re.sub(rf"\b({'|'.join(PORTS)})\b", lambda found: free[found[0]], line) for line in lines[1:]]
    return [line.replace("$PWD/.venv/bin", str(Path(sys.executable).parent)) for line in moved]


def surroundings(home: Path) -> dict[str, str]:
    """A fresh user's, who has the servers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KATYDID_", "XDG_"))}
    return {**kept, "HOME": str(home), "KATYDID_SERVERS": str(cache_folder())}


def walk(lines: list[str], home: Path) -> Walk:
    """Type them into a shell, one after the other. What runs in the background there ends with it."""
    script = "\n".join(f"{line}\nprintf '\\n{MARK}%s\\n' $?" for line in lines)
    with (home / "stderr").open("w") as stderr:
        shell = subprocess.Popen(
            ["bash", "-c", script], cwd=ROOT, env=surroundings(home), text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=stderr,
        )  # fmt: skip
    try:
        printed = shell.communicate(timeout=WITHIN_S)[0]
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"").decode() + (home / "stderr").read_text(encoding="utf-8")
        pytest.fail(f"not at its end within {WITHIN_S} s:\n{said}")
    finally:
        with suppress(ProcessLookupError):  # All of it may have ended.
            os.killpg(shell.pid, signal.SIGKILL)
        shell.communicate()
    pieces = re.findall(rf"(.*?)\n{MARK}(\d+)\n", printed, re.DOTALL)
    return [(line, int(code), said) for line, (said, code) in zip(lines, pieces, strict=True)]


def curve(printed: str) -> tuple[set[str], int]:
    """The taxa of the recorder, and all captures behind the table, each bin of a sensor counted once."""
    rows = [re.split(r"\s{2,}", row.strip()) for row in printed.strip().splitlines()[1:]]
    effort = {(row[0], row[1]): int(row[-1]) for row in rows}
    taxa = {row[2] for row in rows if row[0] == "SIM-REC-01" and not row[2].isdigit()}
    return taxa, sum(effort.values())


def heard(truth: Path) -> set[str]:
    """Who sang in the simulated night."""
    with truth.open(newline="", encoding="utf-8") as file:
        return {row["taxon"] for row in csv.DictReader(file) if row["kind"] == "clip"} - {""}


@pytest.fixture
def home(
    tmp_path: Path, new_kafka_server: Callable[[], KafkaServer], new_influx_server: Callable[[], InfluxServer]
) -> Iterator[Path]:
    """A fresh user's home. Both servers can be had; those that the page starts end with the test in every case."""
    new_kafka_server(), new_influx_server()
    yield tmp_path
    stopped = subprocess.run(
        [sys.executable, ROOT / "deploy" / "server.py", "--folder", tmp_path / "moor" / "servers", "stop"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (stopped.returncode, stopped.stdout) == (0, ""), "the page has left servers running"


def test_followed_line_by_line_it_ends_with_a_curve_out_of_influxdb(home: Path) -> None:
    walked = walk(as_on_this_machine(statements()), home)
    said = {line: words for line, _, words in walked}

    def one(start: str) -> str:
        (words,) = (words for line, words in said.items() if line.startswith(start))
        return words

    assert [(line, code) for line, code, _ in walked if code != 0] == []
    assert all(line.startswith("good ") for line in one("katydid store check").strip().splitlines())
    assert "38 captures acknowledged" in one("katydid push")
    taxa, captures = curve(one("katydid query activity"))
    assert captures == 38
    assert taxa & heard(home / "moor" / "night" / "truth.csv")
    metrics = one("curl")
    counted = re.findall(r"^katydid_captures_total{.*?} ([\d.]+)$", metrics, re.MULTILINE)
    assert sum(map(float, counted)) == 38
    assert "katydid_alive 1.0" in metrics
    assert one('python "$REPOSITORY/deploy/server.py" --folder servers stop').count("has ended") == 2
    assert (home / "stderr").read_text(encoding="utf-8").rstrip().endswith("stopped"), "the worker's last word"
