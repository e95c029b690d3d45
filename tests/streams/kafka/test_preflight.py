"""What would let a worker live and consume nothing is refused at start, with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from katydid.streams.kafka import preflight as checks
from katydid.streams.kafka.configuration import (
    MESSAGE_BYTES,
    Configuration,
    KafkaSettings,
    Secrets,
    TopicSettings,
)
from katydid.streams.kafka.errors import BrokerAway, BrokerError
from katydid.streams.kafka.preflight import preflight
from mock_broker import MockBroker
from servers.kafka import KafkaServer


def at(servers: tuple[str, ...], **changes: object) -> Configuration:
    kafka = KafkaSettings(servers=servers, session_s=6, heartbeat_s=1)
    return Configuration(kafka=msgspec.structs.replace(kafka, **changes))


def silent(words: str) -> None:
    """What is noted does not matter here."""


def test_a_mock_broker_passes_and_what_it_does_not_answer_is_noted(broker: MockBroker) -> None:
    notes: list[str] = []
    preflight(at(broker.servers), notes.append)
    assert all("cannot be checked" in note for note in notes) and notes


def test_a_missing_topic_is_named() -> None:
    with MockBroker(("katydid.frames",)) as broker, pytest.raises(BrokerError, match=r"katydid\.clips") as refused:
        preflight(at(broker.servers), silent)
    assert "katydid topics create" in str(refused.value)
    assert refused.value.exit_code == 7


def test_nobody_there_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "ANSWER_S", 0.5)
    with pytest.raises(BrokerAway, match=r"kafka\.servers") as away:
        preflight(at(("127.0.0.1:1",)), silent)
    assert away.value.exit_code == 75


def make_topics(server: KafkaServer, *, prefix: str, largest: int = MESSAGE_BYTES, keeps_ms: int = -1) -> TopicSettings:
    names = [f"{prefix}.{name}" for name in ("frames", "clips", "health", "outcomes", "deadletters")]
    settings = {"max.message.bytes": str(largest), "retention.ms": str(keeps_ms)}
    admin = AdminClient(dict[str, Any](server.client_settings()))
    for made in admin.create_topics([NewTopic(name, 1, 1, config=settings) for name in names]).values():
        made.result(30)
    frames, clips, health, outcomes, deadletters = names
    return TopicSettings(frames=frames, clips=clips, health=health, outcomes=outcomes, deadletters=deadletters)


@pytest.mark.servers
def test_limits_retention_and_session_are_asked_of_a_real_broker(kafka_server: KafkaServer) -> None:
    servers = (kafka_server.bootstrap,)
    good = msgspec.structs.replace(at(servers), topics=make_topics(kafka_server, prefix="good"))
    preflight(good, silent)
    for changed, words in (
        (make_topics(kafka_server, prefix="small", largest=1_000_000), "max.message.bytes"),
        (make_topics(kafka_server, prefix="short", keeps_ms=60_000), "retention.ms"),
    ):
        with pytest.raises(BrokerError, match=words):
            preflight(msgspec.structs.replace(good, topics=changed), silent)
    with pytest.raises(BrokerError, match="session_s"):
        preflight(msgspec.structs.replace(at(servers, session_s=3), topics=good.topics), silent)


@pytest.mark.servers
def test_a_refused_log_in_and_an_unreadable_group_are_told(
    secured_kafka_server: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "ANSWER_S", 5.0)
    server = secured_kafka_server
    base = at((server.bootstrap,), security="scram", ca_file=Path(server.ca_file), user="admin")
    with pytest.raises(BrokerError, match="refuses the log-in of 'admin'"):
        preflight(msgspec.structs.replace(base, secrets=Secrets(kafka_password="wrong")), silent)
    with pytest.raises(BrokerError, match=r"kafka\.ca_file"):
        nobody = msgspec.structs.replace(base.kafka, ca_file=None)
        preflight(
            msgspec.structs.replace(base, kafka=nobody, secrets=Secrets(kafka_password=server.admin_password)), silent
        )


@pytest.mark.servers
def test_a_group_that_may_not_be_read_is_named(secured_kafka_server: KafkaServer) -> None:
    server = secured_kafka_server
    topics = make_topics(server, prefix="locked")
    admin = AdminClient(dict[str, Any](server.client_settings()))
    scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    for done in admin.alter_user_scram_credentials([UserScramCredentialUpsertion("looker", scram, b"glass")]).values():
        done.result(30)
    looks = [_allowed(ResourceType.TOPIC, name, AclOperation.READ) for name in topics.all()]
    _grant(admin, looks)
    configuration = msgspec.structs.replace(
        at((server.bootstrap,), security="scram", ca_file=Path(server.ca_file), user="looker", group="locked"),
        topics=topics,
        secrets=Secrets(kafka_password="glass"),
    )
    for granted in ([], [_allowed(ResourceType.GROUP, "locked", AclOperation.DESCRIBE)]):
        _grant(admin, granted)
        with pytest.raises(BrokerError, match="looker may not READ the group locked"):
            preflight(configuration, silent)
    _grant(admin, [_allowed(ResourceType.GROUP, "locked", AclOperation.READ)])
    preflight(configuration, silent)


def _allowed(kind: ResourceType, name: str, operation: AclOperation) -> AclBinding:
    return AclBinding(kind, name, ResourcePatternType.LITERAL, "User:looker", "*", operation, AclPermissionType.ALLOW)


def _grant(admin: AdminClient, bindings: list[AclBinding]) -> None:
    for done in admin.create_acls(bindings).values() if bindings else ():
        done.result(30)
