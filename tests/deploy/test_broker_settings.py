"""The broker settings that compose mounts: those of the project's scripts, and a real broker starts on them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka", reason="needs the kafka extra")

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

import make_secrets
from server_fixtures import cannot_be_had
from servers.build import find_kafka
from servers.errors import ServerMissing
from servers.kafka import KafkaServer
from servers.ports import free_ports

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kafka"
PLACES = {"controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs"}
_STARTED_WITHIN_S = 120.0


def settings(name: str) -> dict[str, str]:
    lines = (FOLDER / f"{name}.properties").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize(("name", "security"), [("secured", "scram"), ("plain", "plaintext")])
def test_compose_and_the_scripts_give_the_broker_the_same_settings(name: str, security: str, tmp_path: Path) -> None:
    """All but places, what is only for short tests, and the listener that a proxy of tests stands before."""
    try:
        server = KafkaServer(tmp_path, security=security)  # type: ignore[arg-type]
    except ServerMissing as reason:
        cannot_be_had(reason)
    by_hand, mounted = server._properties(), settings(name)
    for key, value in mounted.items():
        if key in PLACES or "location" in key or key in ("connections.max.reauth.ms", "listener.security.protocol.map"):
            assert key in by_hand, key
        elif key.endswith("jaas.config"):
            assert value.replace("@ADMIN_PASSWORD@", server.admin_password) == by_hand[key]
        else:
            assert by_hand[key] == value, key
    only_by_hand = {key for key in set(by_hand) - set(mounted) if not key.startswith("listener.name.proxied.")}
    assert only_by_hand <= {
        "offsets.topic.num.partitions", "transaction.state.log.num.partitions", "broker.session.timeout.ms",
        "share.coordinator.state.topic.num.partitions", "broker.heartbeat.interval.ms",
        "log.cleaner.dedupe.buffer.size",
    }  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What stands for Kafka's folder in its image: its two programs, over the jars that are here."""
    try:
        java, jars = find_kafka()
    except ServerMissing as reason:
        cannot_be_had(reason)
    programs = {"kafka-storage.sh": "kafka.tools.StorageTool", "kafka-server-start.sh": "kafka.Kafka"}
    (tmp_path / "kafka" / "bin").mkdir(parents=True)
    for name, main in programs.items():
        file = tmp_path / "kafka" / "bin" / name
        start = f'echo "$@" >>"{tmp_path}/kafka/arguments"\nexec "{java}" -Xmx256m -cp "{jars}/*" {main} "$@"'
        file.write_text(f"#!/bin/sh\n{start}\n", encoding="utf-8")
        file.chmod(0o755)
    return tmp_path / "kafka"


@contextmanager
def started(home: Path, name: str, places: dict[str, str], environment: dict[str, str]) -> Iterator[None]:
    """A broker on the mounted settings, with the paths and ports of the container replaced by this test's."""
    text = (FOLDER / f"{name}.properties").read_text(encoding="utf-8")
    for old, new in places.items():
        assert old in text, old
        text = text.replace(old, new)
    (home / "mounted.properties").write_text(text, encoding="utf-8")
    own = {
        "KAFKA_HOME": str(home),
        "SETTINGS": str(home / "mounted.properties"),
        "FILLED": str(home / "filled.properties"),
        "ADVERTISED": "127.0.0.1",
        "CLUSTER_ID": "a2F0eWRpZC1zZWN1cmU",
    }
    with (home / "log").open("wb") as log:
        broker = subprocess.Popen(
            ["sh", str(FOLDER / "start.sh")], env={**os.environ, **own, **environment}, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        broker.kill()
        broker.wait()


def topics(home: Path, client: dict[str, str | int | float | bool]) -> set[str]:
    """What the broker lists, once it answers."""
    admin = AdminClient(client)
    until = time.monotonic() + _STARTED_WITHIN_S
    while True:
        try:
            return set(admin.list_topics(timeout=2.0).topics)
        except KafkaException as exc:
            last = (home / "log").read_text(encoding="utf-8")[-3000:]
            assert time.monotonic() < until, f"{exc}\n{last}"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the image's start is a shell script")
def test_a_real_broker_starts_on_the_secured_settings_and_logs_the_administrator_in(home: Path, tmp_path: Path) -> None:
    clients, controller = free_ports(2)
    secrets = tmp_path / "secrets"
    make_secrets.make(secrets)
    places = {
        "9092": str(clients), "9093": str(controller), "/var/lib/kafka/data": str(tmp_path / "data"),
        "/run/secrets/broker": str(secrets / "broker.pem"), "/run/secrets/ca": str(secrets / "ca.pem"),
    }  # fmt: skip
    password = secrets / "kafka_admin_password"
    with started(home, "secured", places, {"ADMIN_PASSWORD_FILE": str(password)}):
        client: dict[str, str | int | float | bool] = {
            "bootstrap.servers": f"127.0.0.1:{clients}",
            "security.protocol": "sasl_ssl",
            "sasl.mechanisms": "SCRAM-SHA-512",
            "sasl.username": "admin",
            "sasl.password": password.read_text(encoding="utf-8"),
            "ssl.ca.location": str(secrets / "ca.pem"),
            "log_level": 0,
        }
        assert topics(home, client) == set()
        wrong = AdminClient({**client, "sasl.password": "wrong"})
        with pytest.raises(KafkaException):
            wrong.list_topics(timeout=3.0)
    arguments = (home / "arguments").read_text(encoding="utf-8")
    assert "format" in arguments and str(client["sasl.password"]) not in arguments
    assert not list(home.glob("filled.properties.*"))


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the image's start is a shell script")
def test_a_real_broker_starts_on_the_plain_settings(home: Path, tmp_path: Path) -> None:
    clients, host, controller = free_ports(3)
    places = {
        "29092": str(host), ":9092": f":{clients}", "9093": str(controller),
        "/var/lib/kafka/data": str(tmp_path / "data"),
    }  # fmt: skip
    with started(home, "plain", places, {}):
        assert topics(home, {"bootstrap.servers": f"127.0.0.1:{host}", "log_level": 0}) == set()
