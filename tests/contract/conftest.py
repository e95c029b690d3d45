"""The stores that must all behave alike, and the outcomes to try them with."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract_stores import KeptStore
from fake_influx import FakeInflux, running_fake
from influx_servers import Server, url_of
from katydid.streams.sink import Arrival
from katydid.streams.store import DuckDBStore, open_store
from katydid.streams.store.influx import open_influx

_OUTCOMES = Path(__file__).resolve().parent.parent / "streams" / "conftest.py"


@pytest.fixture(scope="session")
def make() -> Callable[..., Arrival]:
    """The maker of arrivals in tests/streams/conftest.py."""
    spec = importlib.util.spec_from_file_location("outcomes_for_contracts", _OUTCOMES)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    maker: Callable[..., Arrival] = module.arrival
    return maker


@pytest.fixture(scope="session")
def fake_server() -> Iterator[FakeInflux]:
    """An InfluxDB that is none, for every machine."""
    with running_fake() as fake:
        yield fake


@pytest.fixture(params=["duckdb in memory", "duckdb in a file"])
def duckdb_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DuckDBStore]:
    """An empty store of each kind that one process owns."""
    path = None if request.param == "duckdb in memory" else tmp_path / "detections.duckdb"
    with open_store(path) as opened:
        yield opened


@pytest.fixture(
    params=[
        "duckdb in memory",
        "duckdb in a file",
        "influxdb, a fake",
        pytest.param("influxdb", marks=pytest.mark.servers),
    ]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeptStore]:
    """An empty store of each kind."""
    if request.param.startswith("influxdb"):
        server: Server = request.getfixturevalue("influx_server" if request.param == "influxdb" else "fake_server")
        with open_influx(url_of(server, server.new_bucket()), token=server.token) as kept:
            yield kept
        return
    path = None if request.param == "duckdb in memory" else tmp_path / "detections.duckdb"
    with open_store(path) as opened:
        yield opened
