"""A short play on real servers: the long one is `make chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from chaos.oracle.play import Plan, play
from servers.influx import InfluxServer
from servers.kafka import KafkaServer

pytestmark = pytest.mark.slow


def test_a_killed_worker_a_killed_keeper_and_a_failing_store_lose_double_and_change_nothing(
    kafka_server: KafkaServer, influx_server: InfluxServer, tmp_path: Path
) -> None:
    said: list[str] = []
    kinds = ("worker_killed", "keeper_killed", "store_fails")
    result = play(Plan(captures=600, faults=3, minutes=1.0, seed=3, only=kinds), tmp_path, said.append)
    assert result.acknowledged == 600, said
    assert {fault.kind for fault in result.faults if fault.hit} == set(kinds), said
    assert result.influx.clean and result.duckdb.clean, said
    assert result.influx.outcomes == result.duckdb.outcomes == 600
