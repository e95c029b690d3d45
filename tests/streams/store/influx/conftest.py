"""Servers to try the InfluxDB store on: the fake everywhere, the real one where it is built."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fake_influx import FakeInflux, running_fake
from influx_servers import HURRY, Server, url_of
from katydid.streams.store.influx import InfluxStore, open_influx


@pytest.fixture(scope="session")
def shared_fake() -> Iterator[FakeInflux]:
    """One fake server for all tests that leave it as it is."""
    with running_fake() as fake:
        yield fake


@pytest.fixture
def fake() -> Iterator[FakeInflux]:
    """A fake server to be given faults."""
    with running_fake() as fake:
        yield fake


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.servers)])
def server(request: pytest.FixtureRequest) -> Server:
    """Each kind of server."""
    found: Server = request.getfixturevalue("shared_fake" if request.param == "fake" else "influx_server")
    return found


@pytest.fixture
def bucket(server: Server) -> str:
    """An empty bucket."""
    return server.new_bucket()


@pytest.fixture
def store(server: Server, bucket: str) -> Iterator[InfluxStore]:
    """An empty store."""
    with open_influx(url_of(server, bucket), token=server.token, patience=HURRY) as opened:
        yield opened
