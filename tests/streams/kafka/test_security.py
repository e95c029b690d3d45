"""SCRAM, TLS and ACLs on a real broker: who may do what, who is cut off, and what the refused are told."""

from __future__ import annotations

import secrets
import stat
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from katydid.streams.cli import run_command
from katydid.streams.kafka.administration import Administration
from katydid.streams.kafka.clients import Settings, confluent_settings, producer_settings
from katydid.streams.kafka.configuration import Configuration, KafkaSettings, Secrets, TopicSettings
from katydid.streams.kafka.errors import BrokerError
from katydid.streams.kafka.rights import Stream, of_device, of_worker
from servers.kafka import KafkaServer

pytestmark = pytest.mark.servers
WITHIN_S = 60.0
QUIET: Settings = {"log_level": 0}


@pytest.fixture(scope="module")
def site(secured_kafka_server: KafkaServer) -> Configuration:
    """The administrator's configuration of a deployment of its own, whose topics are there."""
    name = f"site-{uuid.uuid4().hex[:8]}"
    configuration = Configuration(
        kafka=KafkaSettings(
            servers=(secured_kafka_server.bootstrap,),
            security="scram",
            user="admin",
            ca_file=secured_kafka_server.ca_file,
            group=f"{name}-workers",
        ),
        topics=TopicSettings(
            frames=f"{name}.frames",
            clips=f"{name}.clips",
            health=f"{name}.health",
            outcomes=f"{name}.outcomes",
            deadletters=f"{name}.deadletters",
            partitions=1,
        ),
        secrets=Secrets(kafka_password=secured_kafka_server.admin_password),
    )
    Administration(configuration).create_topics()
    return configuration


@pytest.fixture(scope="module")
def administration(site: Configuration) -> Administration:
    return Administration(site)


@pytest.fixture
def camera(site: Configuration, administration: Administration) -> Configuration:
    """The configuration of a device that may write frames."""
    return added(site, administration, f"camera-{uuid.uuid4().hex[:8]}")


def added(site: Configuration, administration: Administration, name: str) -> Configuration:
    password = secrets.token_urlsafe(16)
    administration.add_user(name, password, of_device(site.topics, (Stream.FRAMES,)))
    return logged_in(site, name, password)


def logged_in(site: Configuration, name: str, password: str) -> Configuration:
    return msgspec.structs.replace(
        site,
        kafka=msgspec.structs.replace(site.kafka, user=name),
        secrets=Secrets(kafka_password=password),
    )


class Device:
    """An idempotent producer that says of each message what became of it."""

    def __init__(self, configuration: Configuration) -> None:
        self.complaints: list[str] = []
        settings = producer_settings(configuration) | QUIET | {"message.timeout.ms": int(WITHIN_S * 1000)}
        self._producer = Producer({**settings, "error_cb": lambda error: self.complaints.append(error.name())})
        self._ended: list[KafkaError | None] = []

    def send(self, topic: str) -> str:
        """ "stored", or the name of the error that the broker gave."""

        def ended(error: KafkaError | None, _message: Message) -> None:
            self._ended.append(error)

        self._ended.clear()
        self._producer.produce(topic, b"frame", b"sensor", on_delivery=ended)
        assert self._producer.flush(WITHIN_S) == 0
        (error,) = self._ended
        return "stored" if error is None else error.name()


def read(configuration: Configuration, topic: str, *, in_group: bool = False) -> str:
    """ "read", or the name of the error for who reads one topic, alone or as a member of the group."""
    settings = {**confluent_settings(configuration, QUIET), "group.id": configuration.kafka.group}
    consumer = Consumer({**settings, "auto.offset.reset": "earliest"})
    refusal = KafkaError.GROUP_AUTHORIZATION_FAILED if in_group else KafkaError.TOPIC_AUTHORIZATION_FAILED
    if in_group:
        consumer.subscribe([topic])
    else:
        consumer.assign([TopicPartition(topic, 0, 0)])
    deadline = time.monotonic() + WITHIN_S
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is None:
                return "read"
            if error.code() == refusal:
                return error.name()
    except KafkaException as error:
        return str(error.args[0].name())
    finally:
        consumer.close()
    return "nothing"


def test_a_device_writes_its_own_topic_and_no_other(site: Configuration, camera: Configuration) -> None:
    device = Device(camera)

    assert device.send(site.topics.frames) == "stored"
    for other in (site.topics.clips, site.topics.health, site.topics.outcomes, site.topics.deadletters):
        assert device.send(other) == "TOPIC_AUTHORIZATION_FAILED"
    assert device.send(site.topics.frames) == "stored"


def test_a_device_cannot_read_not_even_what_it_wrote(site: Configuration, camera: Configuration) -> None:
    assert Device(camera).send(site.topics.frames) == "stored"

    assert read(camera, site.topics.frames) == "TOPIC_AUTHORIZATION_FAILED"
    assert read(camera, site.topics.frames, in_group=True) == "GROUP_AUTHORIZATION_FAILED"
    assert read(site, site.topics.frames) == "read"


def test_a_worker_reads_frames_and_writes_outcomes_but_no_frames(
    site: Configuration, administration: Administration
) -> None:
    password = secrets.token_urlsafe(16)
    administration.add_user("worker", password, of_worker(site))
    worker = logged_in(site, "worker", password)
    assert Device(site).send(site.topics.frames) == "stored"

    assert read(worker, site.topics.frames, in_group=True) == "read"
    assert Device(worker).send(site.topics.outcomes) == "stored"
    assert Device(worker).send(site.topics.deadletters) == "stored"
    assert Device(worker).send(site.topics.frames) == "TOPIC_AUTHORIZATION_FAILED"


def test_the_next_send_of_a_revoked_and_connected_device_is_refused(
    site: Configuration, administration: Administration, camera: Configuration
) -> None:
    device = Device(camera)
    assert device.send(site.topics.frames) == "stored"

    assert administration.revoke(camera.kafka.user)

    assert device.send(site.topics.frames) == "TOPIC_AUTHORIZATION_FAILED"


def test_revoking_one_device_leaves_the_others_at_work(
    site: Configuration, administration: Administration, camera: Configuration
) -> None:
    other = Device(added(site, administration, f"camera-{uuid.uuid4().hex[:8]}"))
    assert other.send(site.topics.frames) == "stored"

    administration.revoke(camera.kafka.user)

    assert other.send(site.topics.frames) == "stored"


def test_a_revoked_device_cannot_log_in_again_until_it_is_added_again(
    site: Configuration, administration: Administration, camera: Configuration
) -> None:
    name = camera.kafka.user
    administration.revoke(name)

    with pytest.raises(BrokerError, match=f"refuses the log-in of {name}"):
        Administration(camera, answer_s=4.0).check_topics()

    back = added(site, administration, name)
    assert Device(back).send(site.topics.frames) == "stored"


def test_deleting_the_credential_alone_would_cut_nobody_off(
    site: Configuration, administration: Administration, camera: Configuration
) -> None:
    """Why `revoke` denies first. The day this fails, the broker has begun to do it."""
    from confluent_kafka.admin import AdminClient, ScramMechanism, UserScramCredentialDeletion

    device, name = Device(camera), camera.kafka.user
    assert device.send(site.topics.frames) == "stored"
    admin = AdminClient({**confluent_settings(site, QUIET)})
    deletion = UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_512)
    admin.alter_user_scram_credentials([deletion])[name].result(WITHIN_S)

    assert [device.send(site.topics.frames) for _ in range(20)] == ["stored"] * 20


def test_a_wrong_password_is_told_with_what_to_check(site: Configuration) -> None:
    wrong = logged_in(site, "admin", "wrong")

    with pytest.raises(BrokerError, match=r"refuses the log-in of admin.*KATYDID_KAFKA_PASSWORD"):
        Administration(wrong, answer_s=4.0).check_topics()


def test_a_broker_whose_certificate_nobody_trusts_is_refused(site: Configuration) -> None:
    trusting_others = msgspec.structs.replace(site, kafka=msgspec.structs.replace(site.kafka, ca_file=None))

    with pytest.raises(BrokerError, match="check security, user and ca_file"):
        Administration(trusting_others, answer_s=4.0).check_topics()


def test_who_is_no_administrator_is_told_so(administration: Administration, camera: Configuration) -> None:
    other = Administration(camera, answer_s=10.0)

    with pytest.raises(BrokerError, match="is no administrator"):
        other.users()
    with pytest.raises(BrokerError, match="is no administrator"):
        other.revoke("admin")


def test_an_administrator_does_not_revoke_itself(administration: Administration) -> None:
    with pytest.raises(BrokerError, match="another administrator"):
        administration.revoke("admin")


def test_topics_that_differ_are_told_and_aligned(site: Configuration, administration: Administration) -> None:
    stricter = msgspec.structs.replace(site, topics=msgspec.structs.replace(site.topics, retention_days=14.0))
    aligning = Administration(stricter)

    told = aligning.check_topics()
    assert {problem.topic for problem in told} == set(site.topics.all()) - {site.topics.deadletters}
    assert all("retention.ms = 604800000, not 1209600000" in problem.problem for problem in told)

    assert set(aligning.create_topics(align=True).aligned) == set(site.topics.all()) - {site.topics.deadletters}
    assert aligning.check_topics() == ()
    administration.create_topics(align=True)


def test_what_a_device_with_a_clock_of_1970_sends_is_dated_by_the_broker(site: Configuration) -> None:
    """Retention counts from a message's time: dated 1970 it would be deleted on arrival."""
    producer = Producer(producer_settings(site) | QUIET)
    before_ms = time.time() * 1000
    producer.produce(site.topics.health, b"up", timestamp=1000)
    assert producer.flush(WITHIN_S) == 0

    consumer = Consumer({**confluent_settings(site, QUIET), "group.id": "any"})
    consumer.assign([TopicPartition(site.topics.health, 0, 0)])
    message = consumer.poll(WITHIN_S)
    consumer.close()

    assert message is not None
    kind, at_ms = message.timestamp()
    assert kind == TIMESTAMP_LOG_APPEND_TIME
    assert abs(at_ms - before_ms) < WITHIN_S * 1000


class TestCommandLine:
    @pytest.fixture
    def settings(self, site: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """The administrator's configuration as a file, with the password in the environment."""
        kafka, topics = site.kafka, site.topics
        names = "\n".join(f'{key} = "{getattr(topics, key)}"' for key in ("frames", "clips", "health"))
        names += f'\noutcomes = "{topics.outcomes}"\ndeadletters = "{topics.deadletters}"\npartitions = 1\n'
        path = tmp_path / "katydid.toml"
        path.write_text(
            f'[kafka]\nservers = ["{kafka.bootstrap}"]\nsecurity = "scram"\nuser = "admin"\n'
            f'ca_file = "{kafka.ca_file}"\ngroup = "{kafka.group}"\n[topics]\n{names}'
        )
        monkeypatch.setenv("KATYDID_KAFKA_PASSWORD", site.secrets.kafka_password)
        yield path

    def test_a_device_is_added_listed_and_revoked(
        self, site: Configuration, settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        name, kept = f"trap-{uuid.uuid4().hex[:8]}", tmp_path / "trap.password"
        config = ["--config", str(settings)]

        assert run_command(["topics", "user", "add", name, "--writes", "frames", "--save", str(kept), *config]) == 0
        printed = capsys.readouterr().out
        password = kept.read_text().strip()
        assert f"{name} may: write topic {site.topics.frames}" in printed
        assert password not in printed
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        device = Device(logged_in(site, name, password))
        assert device.send(site.topics.frames) == "stored"

        assert run_command(["topics", "user", "list", *config]) == 0
        assert f"{name}: may log in\n  write topic {site.topics.frames}" in capsys.readouterr().out

        assert run_command(["topics", "revoke", name, *config]) == 0
        assert device.send(site.topics.frames) == "TOPIC_AUTHORIZATION_FAILED"
        capsys.readouterr()
        assert run_command(["topics", "user", "list", *config]) == 0
        assert f"{name}: revoked" in capsys.readouterr().out

    def test_a_made_password_is_printed_once_and_works(
        self, site: Configuration, settings: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        name = f"trap-{uuid.uuid4().hex[:8]}"

        assert run_command(["topics", "user", "add", name, "--writes", "clips", "--config", str(settings)]) == 0

        password = capsys.readouterr().out.splitlines()[-1]
        assert Device(logged_in(site, name, password)).send(site.topics.clips) == "stored"

    def test_a_user_that_is_there_keeps_its_password(
        self, settings: Path, camera: Configuration, capsys: pytest.CaptureFixture[str]
    ) -> None:
        added_again = ["topics", "user", "add", camera.kafka.user, "--writes", "clips", "--config", str(settings)]

        assert run_command(added_again) == 7

        assert "is there already" in capsys.readouterr().err
        assert Device(camera).send(camera.topics.frames) == "stored"

    def test_check_says_that_all_is_well(self, settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_command(["topics", "create", "--config", str(settings)]) == 0
        assert run_command(["topics", "check", "--config", str(settings)]) == 0

        assert capsys.readouterr().out.count("All topics are there") == 2

    def test_check_names_what_is_missing_and_ends_with_7(
        self, settings: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        settings.write_text(settings.read_text().replace("health = ", 'health = "never-made" #'))

        assert run_command(["topics", "check", "--config", str(settings)]) == 7

        assert "never-made: is not there\n  run `katydid topics create`" in capsys.readouterr().out
