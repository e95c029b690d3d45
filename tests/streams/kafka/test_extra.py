"""The base install knows the commands of the Kafka host, and says what to install for them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from katydid.streams.cli import run_command
from katydid.streams.kafka import extra


@pytest.mark.parametrize(
    "command",
    [
        ["worker"],
        ["worker", "--sink", "duckdb:///nowhere.duckdb"],
        ["deadletters", "list"],
        ["replay", "--from", "2026-06-01", "--models", "birdnet"],
    ],
)
def test_without_the_extra_a_command_names_it(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extra, "PACKAGES", ("no_such_client",))
    assert run_command(command) == 4
    assert "pip install 'katydid[kafka]'" in capsys.readouterr().err


def test_commands_and_configuration_import_without_the_extra() -> None:
    code = """
import sys
for name in ("faust", "aiokafka", "confluent_kafka", "prometheus_client", "fsspec"):
    sys.modules[name] = None
import katydid.streams.cli.worker, katydid.streams.cli.deadletters, katydid.streams.cli.replay
import katydid.streams.kafka.configuration, katydid.streams.kafka.deliveries, katydid.streams.kafka.liveness
import katydid.streams.kafka.records, katydid.streams.kafka.watchdog, katydid.streams.local
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
