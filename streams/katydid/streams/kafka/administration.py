"""Topics and users on the broker: made, checked and taken back, by confluent-kafka's admin client.

aiokafka's knows neither ACLs nor SCRAM users, and its `create_topics` raises nothing.

**Taking back.** Deleting a user's credential alone cuts nobody off: a connected client has logged in already and goes
on writing (431 of 431 messages, measured). So `revoke` first denies everything, which the broker looks up at every
request, then deletes the rights that were granted, then the credential. The denial stays, as the mark of a revoked
user: it also holds against what was or will be granted to everybody. `add_user` takes it away again.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from typing import Any, TypeVar, cast

import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from confluent_kafka.cimpl import NewTopic

from katydid.streams.kafka.clients import confluent_settings
from katydid.streams.kafka.configuration import Configuration
from katydid.streams.kafka.errors import BrokerAway, BrokerError
from katydid.streams.kafka.rights import CLUSTER_NAME, Operation, Resource, Right
from katydid.streams.kafka.topics import (
    ALIGN,
    CREATE,
    Misalignment,
    TopicFacts,
    TopicShape,
    differing,
    misalignments,
    wanted,
)

ANSWER_S = 30.0
SETTLE_S = 0.02
ITERATIONS = 16_384
"""Of SCRAM's hash: the most that Kafka takes, for passwords that people chose."""
MIN_PASSWORD = 12

Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)
_log.addHandler(
    logging.NullHandler()
)  # librdkafka tells much about a broker that is away; who wants it adds a handler.
_AWAY = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE)
_FORBIDDEN = (
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
)
_EVERYTHING = ((ResourceType.TOPIC, "*"), (ResourceType.GROUP, "*"), (ResourceType.BROKER, CLUSTER_NAME))
"""Kafka calls the cluster, as librdkafka does not, "broker"; a denial on these three leaves nothing."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What `create_topics` did."""

    created: tuple[str, ...]
    aligned: tuple[str, ...]
    left: tuple[Misalignment, ...]
    """What differs still."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may log in, or who has rights without."""

    name: str
    can_log_in: bool
    revoked: bool
    rights: tuple[str, ...]


class Administration:
    """One administrator's connection. Every method raises BrokerAway and BrokerError, which say what to check.

    Args:
        configuration: `kafka.user` must be an administrator where the broker asks who one is.
        answer_s: how long the broker may take for each question.
    """

    def __init__(self, configuration: Configuration, answer_s: float = ANSWER_S) -> None:
        self._configuration = configuration
        self._answer_s = answer_s
        self._complaint: KafkaError | None = None
        settings = confluent_settings(configuration, {"client.id": "katydid-topics"})
        hooks = {"error_cb": self._heard, "logger": _log}
        self._admin = AdminClient(cast("dict[str, Any]", settings | hooks))

    def create_topics(self, *, align: bool = False) -> Made:
        """Make the topics that are missing; with `align`, also set the settings of those that differ."""
        facts = self._facts()
        missing = [shape for shape in self._wanted() if shape.name not in facts]
        if missing:
            made = self._admin.create_topics([_new(shape) for shape in missing], request_timeout=self._answer_s)
            for name, future in made.items():
                self._answer(future, f"topic {name} cannot be made")
        aligned = [
            self._align(shape.name, changes)
            for shape in self._wanted()
            if align and shape.name in facts and (changes := differing(shape, facts[shape.name]))
        ]
        created = tuple(shape.name for shape in missing)
        return Made(created=created, aligned=tuple(aligned), left=self._left({*created, *aligned}))

    def check_topics(self) -> tuple[Misalignment, ...]:
        """In what the topics differ from the configuration; empty: all is well."""
        facts = self._facts()
        return tuple(problem for shape in self._wanted() for problem in misalignments(shape, facts.get(shape.name)))

    def users(self) -> tuple[User, ...]:
        """Who may log in and who has rights, by name."""
        self._must_administer()
        bindings = self._bindings()
        asked = self._admin.describe_user_scram_credentials(request_timeout=self._answer_s)
        known: dict[str, object] = self._answer(cast("Future[dict[str, object]]", asked), "users cannot be listed")
        names = set(known)
        granted: dict[str, list[str]] = defaultdict(list)
        denied: set[str] = set()
        for binding in bindings:
            name = binding.principal.removeprefix("User:")
            if binding.permission_type == AclPermissionType.DENY:
                denied.add(name)
            else:
                granted[name].append(_in_words(binding))
        return tuple(
            User(name=name, can_log_in=name in names, revoked=name in denied, rights=tuple(sorted(granted[name])))
            for name in sorted(names | denied | set(granted))
        )

    def add_user(self, name: str, password: str, rights: Iterable[Right], *, replace: bool = False) -> None:
        """Let somebody log in, with these rights and no others.

        Raises BrokerError where the user is there already and `replace` is not asked for.
        """
        _check_user(name, password)
        if not replace and any(user.name == name and user.can_log_in for user in self.users()):
            raise BrokerError(f"user {name} is there already: --replace gives a new password and these rights alone")
        granted = tuple(rights)
        self._drop(name)
        self._grant([_binding(name, right) for right in granted])
        self._credential(
            UserScramCredentialUpsertion(
                name, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS), password.encode()
            )
        )
        wanted_rights = tuple(sorted(map(str, granted)))
        self._settle(name, lambda user: user.can_log_in and not user.revoked and user.rights == wanted_rights)

    def revoke(self, name: str) -> bool:
        """Cut somebody off, connected or not: whether there was such a user.

        Raises BrokerError for the user that this very connection logged in as.
        """
        if name == self._configuration.kafka.user:
            raise BrokerError(f"user {name} is who asks: another administrator must revoke it")
        there = any(user.name == name and (user.can_log_in or user.rights) for user in self.users())
        self._grant([_denial(name, kind, resource) for kind, resource in _EVERYTHING])
        self._drop(name, AclPermissionType.ALLOW)
        with contextlib.suppress(_NotThere):
            self._credential(UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_512))
        self._settle(name, lambda user: user.revoked and not user.can_log_in and not user.rights)
        return there

    def _left(self, changed: set[str]) -> tuple[Misalignment, ...]:
        """What differs still, once the broker shows what was just changed: that takes it a moment after its answer."""
        deadline = time.monotonic() + self._answer_s
        while True:
            left = self.check_topics()
            lagging = [problem for problem in left if problem.topic in changed and problem.remedy in (CREATE, ALIGN)]
            if not lagging or time.monotonic() > deadline:
                return left
            time.sleep(SETTLE_S)

    def _settle(self, name: str, reached: Callable[[User], bool]) -> None:
        """Wait until the broker acts on what was accepted: a decision reaches each broker a moment after its answer."""
        deadline = time.monotonic() + self._answer_s
        while not any(user.name == name and reached(user) for user in self.users()):
            if time.monotonic() > deadline:
                raise BrokerAway(
                    f"{self._configuration.kafka.bootstrap} accepted what {name} may do, but does not act on it after "
                    f"{self._answer_s:g} s: see `katydid topics user list`, and do it again"
                )
            time.sleep(SETTLE_S)

    def _must_administer(self) -> None:
        """Raises BrokerError for who is no administrator.

        Asked first, since confluent-kafka 2.16 answers others wrongly: `describe_acls` with no rights at all, and
        `describe_user_scram_credentials` with the end of the process ("munmap_chunk(): invalid pointer").
        """
        future = self._admin.describe_cluster(include_authorized_operations=True, request_timeout=self._answer_s)
        cluster = self._answer(future, "users cannot be listed")
        if AclOperation.ALTER not in (cluster.authorized_operations or ()):
            kafka = self._configuration.kafka
            raise BrokerError(f"{kafka.user or 'nobody'} is no administrator of {kafka.bootstrap}")

    def _wanted(self) -> tuple[TopicShape, ...]:
        return wanted(self._configuration.topics)

    def _facts(self) -> dict[str, TopicFacts]:
        """Of those of our topics that exist."""
        found = self._listed()
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in found]
        if not resources:
            return {}
        answers = self._admin.describe_configs(resources, request_timeout=self._answer_s)
        settings: dict[str, dict[str, ConfigEntry]] = {
            resource.name: self._answer(future, f"the settings of topic {resource.name} cannot be read")
            for resource, future in answers.items()
        }
        return {
            name: TopicFacts(
                partitions=partitions,
                replication=replication,
                settings={key: entry.value or "" for key, entry in settings[name].items()},
            )
            for name, (partitions, replication) in found.items()
        }

    def _listed(self) -> dict[str, tuple[int, int]]:
        """Partitions and replicas of those of our topics that exist."""
        try:
            topics = self._admin.list_topics(timeout=self._answer_s).topics
        except KafkaException as error:
            raise self._error(error, "topics cannot be listed") from error
        return {
            name: (len(topics[name].partitions), min(len(part.replicas) for part in topics[name].partitions.values()))
            for name in self._configuration.topics.all()
            if name in topics and topics[name].partitions
        }

    def _align(self, topic: str, settings: Iterable[tuple[str, str]]) -> str:
        changes = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in settings]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=changes)
        answers = self._admin.incremental_alter_configs([resource], request_timeout=self._answer_s)
        for future in answers.values():
            self._answer(future, f"topic {topic} cannot be aligned")
        return topic

    def _bindings(
        self, name: str | None = None, permission: AclPermissionType = AclPermissionType.ANY
    ) -> list[AclBinding]:
        future = self._admin.describe_acls(_any(name, permission), request_timeout=self._answer_s)
        return cast("list[AclBinding]", self._answer(future, "rights cannot be listed"))

    def _grant(self, bindings: Sequence[AclBinding]) -> None:
        for future in self._admin.create_acls(list(bindings), request_timeout=self._answer_s).values():
            self._answer(future, "rights cannot be changed")

    def _drop(self, name: str, permission: AclPermissionType = AclPermissionType.ANY) -> None:
        for future in self._admin.delete_acls([_any(name, permission)], request_timeout=self._answer_s).values():
            self._answer(future, "rights cannot be changed")

    def _credential(self, change: UserScramCredentialAlteration) -> None:
        answers = self._admin.alter_user_scram_credentials([change], request_timeout=self._answer_s)
        for future in answers.values():
            self._answer(future, f"the credential of {change.user} cannot be changed")

    def _heard(self, error: KafkaError) -> None:
        """librdkafka says why a log-in failed here alone; whoever waits for an answer hears of a time-out."""
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL):
            self._complaint = error

    def _answer(self, future: Future[Answer], doing: str) -> Answer:
        try:
            return future.result(self._answer_s + 5.0)
        except KafkaException as error:
            raise self._error(error, doing) from error
        except Late as error:
            raise BrokerError(
                f"{doing}: {self._configuration.kafka.bootstrap} did not answer such a request. A broker without "
                "users (plaintext) has no rights to change"
            ) from error

    def _error(self, caught: KafkaException, doing: str) -> BrokerError:
        """librdkafka's error in words for a person."""
        error, kafka = caught.args[0], self._configuration.kafka
        self._admin.poll(0)  # Lets `_heard` hear.
        if self._complaint is not None:
            return BrokerError(
                f"{doing}: {kafka.bootstrap} refuses the log-in of {kafka.user or 'nobody'}: check security, user and "
                f"ca_file in [kafka], and KATYDID_KAFKA_PASSWORD. It says: {self._complaint.str()}"
            )
        if error.code() in _AWAY:
            return BrokerAway(f"{doing}: {kafka.bootstrap} does not answer. Is it the address in kafka.servers?")
        if error.code() in _FORBIDDEN:
            return BrokerError(f"{doing}: {kafka.user or 'nobody'} is no administrator of {kafka.bootstrap}")
        if error.code() == KafkaError.SECURITY_DISABLED:
            return BrokerError(f"{doing}: {kafka.bootstrap} asks nobody who they are, so that there are no rights")
        if error.code() == KafkaError.RESOURCE_NOT_FOUND:
            return _NotThere(f"{doing}: {error.str()}")
        return BrokerError(f"{doing}: {error.str()}")


class _NotThere(BrokerError):
    """The credential that was to go is not there."""


def _new(shape: TopicShape) -> NewTopic:
    return NewTopic(shape.name, shape.partitions, shape.replication, config=dict(shape.settings))


def _check_user(name: str, password: str) -> None:
    if not name or not name.isprintable() or any(sign in name for sign in " ,=*:\"'"):
        raise BrokerError(f"{name!r} is no name for a user: letters, digits, - . _ and @ only")
    if len(password) < MIN_PASSWORD:
        raise BrokerError(f"the password of {name} has fewer than {MIN_PASSWORD} characters")


_KINDS = {Resource.TOPIC: ResourceType.TOPIC, Resource.GROUP: ResourceType.GROUP, Resource.CLUSTER: ResourceType.BROKER}
_OPERATIONS = {
    Operation.READ: AclOperation.READ,
    Operation.WRITE: AclOperation.WRITE,
    Operation.DESCRIBE_CONFIGS: AclOperation.DESCRIBE_CONFIGS,
}


def _binding(user: str, right: Right) -> AclBinding:
    pattern = ResourcePatternType.PREFIXED if right.prefix else ResourcePatternType.LITERAL
    kind, operation = _KINDS[right.resource], _OPERATIONS[right.operation]
    return AclBinding(kind, right.name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)


def _denial(user: str, kind: ResourceType, name: str) -> AclBinding:
    literal, everything = ResourcePatternType.LITERAL, AclOperation.ALL
    return AclBinding(kind, name, literal, f"User:{user}", "*", everything, AclPermissionType.DENY)


def _any(user: str | None, permission: AclPermissionType) -> AclBindingFilter:
    # None matches everything, which the library's annotations leave out.
    every = cast("str", None)
    principal = every if user is None else f"User:{user}"
    return AclBindingFilter(
        ResourceType.ANY, every, ResourcePatternType.ANY, principal, every, AclOperation.ANY, permission
    )


def _in_words(binding: AclBinding) -> str:
    """As `rights.Right` writes itself; what Katydid never grants in the broker's own words."""
    kinds = {theirs: ours.value for ours, theirs in _KINDS.items()}
    kind, operation = ResourceType(binding.restype), AclOperation(binding.operation)
    star = "*" if binding.resource_pattern_type == ResourcePatternType.PREFIXED else ""
    where = "" if kind is ResourceType.BROKER else f" {binding.name}{star}"
    return f"{operation.name.lower()} {kinds.get(kind, kind.name.lower())}{where}"
