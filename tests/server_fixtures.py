"""Fixtures that give a test a real server: a plugin of ``tests/conftest.py``.

Where a server cannot be had (Java missing, not built), its tests skip and say why; under
``KATYDID_REQUIRE_SERVERS=1``, which CI sets where all that they need is there, they fail instead. One server of
each kind serves a whole run: a test makes topics and buckets of its own, and one that kills a server takes its
own from ``new_kafka_server`` or ``new_influx_server``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

from servers.errors import ServerMissing
from servers.influx import InfluxServer
from servers.kafka import KafkaServer

Server = TypeVar("Server", KafkaServer, InfluxServer)

REQUIRED = "KATYDID_REQUIRE_SERVERS"


FIXTURES = {"kafka_server", "secured_kafka_server", "influx_server", "new_kafka_server", "new_influx_server"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever takes a server is marked so: `-m servers` runs them all, and `-m "not servers"` none."""
    for item in items:
        if FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)


def cannot_be_had(reason: ServerMissing) -> NoReturn:
    """Skip the test with the reason, or fail it where servers are required."""
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{REQUIRED}=1, but: {reason}", pytrace=False)
    pytest.skip(str(reason))


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A plain broker, started, for the whole run: topics are each test's own."""
    yield from _started(lambda: KafkaServer(tmp_path_factory.mktemp("kafka")))


@pytest.fixture(scope="session")
def secured_kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A broker with SCRAM, TLS and ACLs, started, for the whole run."""
    yield from _started(lambda: KafkaServer(tmp_path_factory.mktemp("secured-kafka"), security="scram"))


@pytest.fixture(scope="session")
def influx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    """An InfluxDB, started, for the whole run: ``new_bucket()`` gives each test its own."""
    yield from _started(lambda: InfluxServer(tmp_path_factory.mktemp("influxdb")))


@pytest.fixture
def new_kafka_server(tmp_path: Path) -> Iterator[Callable[..., KafkaServer]]:
    """Makes brokers, not started, that one test may kill; takes :class:`KafkaServer`'s options. They end with it."""
    yield from _makers(lambda number, **options: KafkaServer(tmp_path / f"kafka-{number}", **options))


@pytest.fixture
def new_influx_server(tmp_path: Path) -> Iterator[Callable[..., InfluxServer]]:
    """Makes InfluxDBs, not started, that one test may kill; takes :class:`InfluxServer`'s options. They end with it."""
    yield from _makers(lambda number, **options: InfluxServer(tmp_path / f"influxdb-{number}", **options))


def _started(make: Callable[[], Server]) -> Iterator[Server]:
    try:
        server = make()
    except ServerMissing as reason:
        cannot_be_had(reason)
    server.start()
    try:
        yield server
    finally:
        server.kill()  # Nothing of it is wanted any more.


def _makers(make: Callable[..., Server]) -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def one(**options: object) -> Server:
        try:
            made.append(make(len(made), **options))
        except ServerMissing as reason:
            cannot_be_had(reason)
        return made[-1]

    yield one
    for server in made:
        server.kill()
