"""`katydid worker` before anything runs: what its options make of the configuration."""

from __future__ import annotations

import socket

import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from katydid.streams.cli import run_command
from katydid.streams.kafka import host, logs
from katydid.streams.kafka.configuration import Configuration


def test_an_instance_on_the_command_line_is_named_after_its_machine_as_in_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[Configuration] = []
    monkeypatch.setattr(host, "run_worker", given.append)
    monkeypatch.setattr(logs, "set_up", lambda: None)
    assert run_command(["worker", "--instance", "worker-{hostname}-2"]) == 0
    assert [each.kafka.instance_id for each in given] == [f"worker-{socket.gethostname()}-2"]
