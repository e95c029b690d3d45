"""The uplink against a real broker with SCRAM, TLS and rights: each no is told in words that say what to check."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("confluent_kafka", reason="needs the kafka extra")

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
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

from katydid.sensors.capture import Capture, Clock, ClockSource, Kind
from katydid.sensors.errors import UplinkError
from katydid.sensors.uplink.kafka import KafkaUplink, KafkaUplinkSettings
from servers.certificates import Authority
from servers.kafka import KafkaServer

pytestmark = pytest.mark.slow

PASSWORD = "a password of this test"
_CALL_S = 120.0


class Device:
    """A user who may write one topic of its own, and how it connects."""

    def __init__(self, server: KafkaServer) -> None:
        self.server = server
        word = secrets.token_hex(4)
        self.name, self.frames, self.clips = f"device-{word}", f"frames-{word}", f"clips-{word}"
        self.admin = AdminClient({**server.client_settings()})
        self._all(self.admin.create_topics([self.topic(self.frames), self.topic(self.clips)]))
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        user = UserScramCredentialUpsertion(self.name, credential, PASSWORD.encode())
        self._all(self.admin.alter_user_scram_credentials([user]))
        self._all(self.admin.create_acls([AclBinding(*self.right)]))

    @property
    def settings(self) -> KafkaUplinkSettings:
        return KafkaUplinkSettings(
            servers=(self.server.bootstrap,),
            security="scram",
            user=self.name,
            password=PASSWORD,
            ca_file=self.server.ca_file,
            frames=self.frames,
            clips=self.clips,
        )

    def topic(self, name: str, most: int = 12 << 20) -> NewTopic:
        return NewTopic(name, 2, 1, config={"max.message.bytes": str(most)})

    @property
    def right(self) -> tuple[Any, ...]:
        """WRITE on its own topic, as bindings and filters of rights take it."""
        return (
            ResourceType.TOPIC, self.frames, ResourcePatternType.LITERAL, f"User:{self.name}", "*",
            AclOperation.WRITE, AclPermissionType.ALLOW,
        )  # fmt: skip

    def revoke(self) -> None:
        self._all(self.admin.delete_acls([AclBindingFilter(*self.right)]))

    def _all(self, futures: Mapping[Any, Future[Any]]) -> None:
        for future in futures.values():
            future.result(timeout=_CALL_S)


@pytest.fixture
def device(secured_kafka_server: KafkaServer) -> Device:
    return Device(secured_kafka_server)


@pytest.fixture
def uplink(device: Device) -> Iterator[KafkaUplink]:
    made = KafkaUplink(device.settings)
    made.connect(stop_late)
    yield made
    made.close(0.0)


def stop_late(seconds: float, trouble: str) -> bool:
    return seconds > _CALL_S


def capture(number: int, kind: Kind = Kind.FRAME, size: int = 1000) -> Capture:
    media = number.to_bytes(4, "big") + bytes(size - 4)
    return Capture(
        capture_id=f"{number:032x}",
        sensor_id="s",
        kind=kind,
        captured_at=number,
        clock=Clock(source=ClockSource.NONE),
        media_type="image/jpeg",
        payload=media,
        sha256=hashlib.sha256(media).hexdigest(),
        length=len(media),
    )


def until_acknowledged(uplink: KafkaUplink, each: Capture) -> None:
    uplink.send(each, lambda: None)
    while uplink.in_flight:
        uplink.poll(0.1)


def test_a_device_writes_its_own_topic_and_no_other(uplink: KafkaUplink) -> None:
    until_acknowledged(uplink, capture(1))
    until_acknowledged(uplink, capture(2, size=8 << 20))
    assert uplink.acknowledged == 2
    with pytest.raises(UplinkError, match=r"may not write to clips-.*WRITE"):
        until_acknowledged(uplink, capture(3, Kind.CLIP))


def test_a_device_that_is_revoked_while_connected_is_refused_at_its_next_send(
    uplink: KafkaUplink, device: Device
) -> None:
    until_acknowledged(uplink, capture(1))
    device.revoke()
    with pytest.raises(UplinkError, match=r"may not write to frames-.*revoked"):
        for number in range(2, 100):  # Rights are read anew within a moment.
            until_acknowledged(uplink, capture(number))


def refused(settings: KafkaUplinkSettings) -> str:
    uplink = KafkaUplink(settings)
    try:
        with pytest.raises(UplinkError) as told:
            uplink.connect(stop_late)
    finally:
        uplink.close(0.0)
    return str(told.value)


def test_a_wrong_password_is_told_as_one(device: Device) -> None:
    told = refused(msgspec.structs.replace(device.settings, password="another"))
    assert "refuses the log-in" in told and device.name in told and "KATYDID_KAFKA_PASSWORD" in told
    assert "another" not in told


def test_a_certificate_of_somebody_else_is_told_as_one(device: Device, tmp_path: Path) -> None:
    Authority("somebody else").write(tmp_path / "ca.pem")
    told = refused(msgspec.structs.replace(device.settings, ca_file=tmp_path / "ca.pem"))
    assert "is not trusted" in told and "ca_file" in told


@pytest.mark.parametrize("security", ["plaintext"])
def test_the_wrong_kind_of_security_for_the_port_is_named_as_what_to_check(security: str, device: Device) -> None:
    uplink = KafkaUplink(KafkaUplinkSettings(servers=(device.server.bootstrap,)))
    with pytest.raises(UplinkError, match=f'cannot be reached: .*"{security}", "tls", "scram"'):
        uplink.connect(lambda seconds, trouble: bool(trouble))
    uplink.close(0.0)


def test_a_topic_that_is_not_there_is_told_before_anything_is_sent(device: Device) -> None:
    admin = msgspec.structs.replace(
        device.settings, user="admin", password=device.server.admin_password, frames="no-such-topic"
    )
    uplink = KafkaUplink(admin)
    uplink.connect(stop_late)
    with pytest.raises(UplinkError, match=r"there is no topic no-such-topic.*katydid topics create"):
        uplink.send(capture(1), lambda: None)
    uplink.close(0.0)


def test_a_topic_that_takes_less_than_12_mib_is_told_when_it_refuses(device: Device) -> None:
    small = f"small-{device.name}"
    device._all(device.admin.create_topics([device.topic(small, 1 << 20)]))
    admin = msgspec.structs.replace(device.settings, user="admin", password=device.server.admin_password, frames=small)
    uplink = KafkaUplink(admin)
    uplink.connect(stop_late)
    until_acknowledged(uplink, capture(1))
    with pytest.raises(UplinkError, match=r"2,0\d\d,\d\d\d bytes are more than the topic small-.*max\.message\.bytes"):
        until_acknowledged(uplink, capture(2, size=2_000_000))
    uplink.close(0.0)
