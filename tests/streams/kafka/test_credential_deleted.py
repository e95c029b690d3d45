"""A worker whose credential is deleted while it runs, on a real broker: soon not alive, and it says what to look at."""

from __future__ import annotations

import secrets
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from confluent_kafka.admin import AdminClient, ScramMechanism, UserScramCredentialDeletion

from kafka_workers import Worker
from katydid.streams.kafka.administration import Administration
from katydid.streams.kafka.configuration import Configuration, KafkaSettings, Secrets, TopicSettings
from katydid.streams.kafka.errors import BrokerError
from katydid.streams.kafka.preflight import preflight
from katydid.streams.kafka.rights import of_worker
from mock_broker import until
from servers.kafka import KafkaServer

pytestmark = pytest.mark.slow

ALIVE_S = 8
SILENT_S = 30.0
"""How long it may live and consume nothing unnoticed."""


def health(worker: Worker) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port()}/healthz", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except (urllib.error.URLError, IndexError):  # It has ended.
        return 0, ""


def may_start(configuration: Configuration) -> bool:
    try:
        preflight(configuration, lambda words: None)
    except BrokerError:
        return False
    return True


def test_a_worker_whose_credential_was_deleted_is_soon_not_alive_and_says_what_to_look_at(
    new_kafka_server: Callable[..., KafkaServer], bundle_path: Path, tmp_path: Path
) -> None:
    server = new_kafka_server(security="scram", reauthenticate_ms=3_000)
    server.start()
    administrator = Configuration(
        kafka=KafkaSettings(servers=(server.bootstrap,), security="scram", user="admin", ca_file=server.ca_file),
        topics=TopicSettings(partitions=1),
        secrets=Secrets(kafka_password=server.admin_password),
    )
    administration = Administration(administrator)
    administration.create_topics()
    password = secrets.token_urlsafe(16)
    administration.add_user("worker", password, of_worker(administrator))
    path = tmp_path / "katydid.toml"
    path.write_text(
        f'[kafka]\nservers = ["{server.bootstrap}"]\nsecurity = "scram"\nuser = "worker"\n'
        f"ca_file = '{server.ca_file}'\nsession_s = 6\nheartbeat_s = 1\nalive_s = {ALIVE_S}\n"
        f"[models]\nnames = ['{bundle_path}']\n[metrics]\nport = 0\n",
        encoding="utf-8",
    )
    logged_in = msgspec.structs.replace(
        administrator,
        kafka=msgspec.structs.replace(administrator.kafka, user="worker"),
        secrets=Secrets(kafka_password=password),
    )
    until(lambda: may_start(logged_in), "the broker knows of the user")
    worker = Worker(path, tmp_path / "worker.log", KATYDID_KAFKA_PASSWORD=password)
    try:
        until(lambda: health(worker)[0] == 200 and "partitions" in health(worker)[1], "it is at work")
        deletion = UserScramCredentialDeletion("worker", ScramMechanism.SCRAM_SHA_512)
        admin = AdminClient(dict[str, Any](server.client_settings()))
        admin.alter_user_scram_credentials([deletion])["worker"].result(30)
        until(lambda: worker.process.poll() is not None or health(worker)[0] == 503, "it is not alive", SILENT_S)
        if worker.process.poll() is None:
            assert "credential" in health(worker)[1], health(worker)[1]
            until(lambda: "not alive: " in worker.words, "one line in the log")
        else:
            assert worker.process.returncode != 0
    finally:
        worker.stop(signal.SIGKILL)
