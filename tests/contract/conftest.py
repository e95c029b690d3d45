"""The stores that must all behave alike, and the outcomes to try them with."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from katydid.streams.sink import Arrival
from katydid.streams.store import DuckDBStore, open_store

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


@pytest.fixture(params=["duckdb in memory", "duckdb in a file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DuckDBStore]:
    """An empty store of each kind."""
    path = None if request.param == "duckdb in memory" else tmp_path / "detections.duckdb"
    with open_store(path) as opened:
        yield opened
