"""Before a worker starts: what would let it live and consume nothing is found here, and said with what to do.

Faust and aiokafka say nothing, or one line, where a group may not be read, a topic is missing or a session time is out
of the broker's bounds, and then wait for ever. So each is asked for by name before the app starts:

    the broker answers and takes the log-in      BrokerAway (75), BrokerError (7)
    all five topics exist and may be described   BrokerError (7)
    their limits let 12 MiB through, and keep a backlog longer than an hour
    the group may be read
    the session time lies within the broker's bounds

What a broker does not answer (an old one, a user without DESCRIBE_CONFIGS) is noted, and left to liveness.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from typing import Any, TypeVar, cast

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AclOperation, AdminClient, ClusterMetadata, ConfigEntry, ConfigResource, ResourceType

from katydid.streams.kafka.clients import confluent_settings
from katydid.streams.kafka.configuration import MESSAGE_BYTES, Configuration
from katydid.streams.kafka.errors import BrokerAway, BrokerError

ANSWER_S = 10.0
RETRY_S = 0.3
HOUR_MS = 3_600_000
SESSION_MS = (6_000, 1_800_000)
"""Bounds that Kafka has where nobody says otherwise: group.min.session.timeout.ms and group.max.session.timeout.ms."""
_TOO_OLD = (KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION)
_UNANSWERED = (
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
)
_STARTING = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)
_LOG_IN = (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED)
_CERTIFICATE = (KafkaError._SSL,)
T = TypeVar("T")
Note = Callable[[str], None]


def preflight(configuration: Configuration, note: Note) -> None:
    """Raises BrokerAway and BrokerError; tells `note` what could not be asked."""
    _Preflight(configuration, note).check()


class _Preflight:
    def __init__(self, configuration: Configuration, note: Note) -> None:
        self._configuration = configuration
        self._note = note
        self._complaint: KafkaError | None = None
        self._too_old = False
        """The broker knows no requests of administrators."""
        settings = confluent_settings(configuration, {"log_level": 0})
        self._admin = AdminClient(cast("dict[str, Any]", {**settings, "error_cb": self._heard}))

    def check(self) -> None:
        metadata = self._metadata()
        self._topics(metadata)
        self._session(sorted(metadata.brokers)[0])
        if not self._too_old:
            self._limits()
        self._group()

    # ------------------------------------------------------------------ broker

    def _heard(self, error: KafkaError) -> None:
        """The client's own thread of complaints: a refused log-in is told here and nowhere else."""
        if self._complaint is None or error.code() in (*_LOG_IN, *_CERTIFICATE):
            self._complaint = error

    def _metadata(self) -> ClusterMetadata:
        try:
            return self._admin.list_topics(timeout=ANSWER_S)
        except KafkaException as error:
            raise self._away(error.args[0]) from error

    def _away(self, error: KafkaError) -> BrokerError:
        kafka = self._configuration.kafka
        self._admin.poll(0.0)  # The complaints wait to be asked for.
        told = self._complaint or error
        if told.code() in _LOG_IN:
            return BrokerError(
                f"{kafka.bootstrap} refuses the log-in of {kafka.user!r}: check kafka.user and KATYDID_KAFKA_PASSWORD, "
                "and that the credential still exists (`katydid topics user`)"
            )
        if told.code() in _CERTIFICATE:
            return BrokerError(
                f"{kafka.bootstrap}: no secure connection ({told.str()}): check kafka.ca_file, the names in the "
                'broker\'s certificate, and whether kafka.security should be "plaintext"'
            )
        return BrokerAway(
            f"nobody answers as a broker at {kafka.bootstrap} within {ANSWER_S:g} s ({told.str()}): is it started, is "
            f"the address right, and does it speak {kafka.security!r} there? Check kafka.servers and kafka.security"
        )

    # ------------------------------------------------------------------ topics

    def _topics(self, metadata: ClusterMetadata) -> None:
        for topic in self._configuration.topics.all():
            found = metadata.topics.get(topic)
            if found is None or found.error is not None:
                code = None if found is None or found.error is None else found.error.code()
                if code == KafkaError.LEADER_NOT_AVAILABLE:
                    raise BrokerAway(f"{topic} has no leader now: is a broker of the cluster down?")
                raise BrokerError(
                    f"there is no topic {topic} that this user may see: make it with `katydid topics create`, or grant "
                    f"{self._configuration.kafka.user or 'this user'} DESCRIBE on it (`katydid topics user`)"
                )

    def _limits(self) -> None:
        for topic in self._configuration.topics.all():
            facts = self._facts(ResourceType.TOPIC, topic, f"the limits of {topic}")
            if facts is None:
                return
            largest = int(facts.get("max.message.bytes", MESSAGE_BYTES))
            if largest < MESSAGE_BYTES:
                raise BrokerError(
                    f"{topic} takes messages of {largest:,} bytes, and captures may have {MESSAGE_BYTES:,}: set its "
                    "max.message.bytes (`katydid topics create` makes them aligned, `katydid topics check` looks)"
                )
            self._retention(topic, int(facts.get("retention.ms", -1)))

    def _retention(self, topic: str, retention_ms: int) -> None:
        topics = self._configuration.topics
        days = topics.deadletter_retention_days if topic == topics.deadletters else topics.retention_days
        if 0 <= retention_ms < HOUR_MS:
            raise BrokerError(
                f"{topic} keeps messages for {retention_ms / 1000:g} s: a worker that is away for longer loses them. "
                "Set its retention.ms"
            )
        if 0 <= retention_ms < days * 24 * HOUR_MS:
            self._note(
                f"{topic} keeps messages for {retention_ms / HOUR_MS:g} hours, the configuration says {days * 24:g}: a "
                "backlog longer than that is lost"
            )

    # ------------------------------------------------------------------ group

    def _group(self) -> None:
        group, topic = self._configuration.kafka.group, self._configuration.topics.clips
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
        self._asked(
            lambda: self._admin.list_consumer_group_offsets([asked])[group], "the group's offsets", self._no_group
        )
        described = self._asked(
            lambda: self._admin.describe_consumer_groups([group], include_authorized_operations=True)[group],
            "the group's rights",
            self._no_group,
        )
        rights = None if described is None else described.authorized_operations
        if rights and AclOperation.READ not in rights and AclOperation.ALL not in rights:
            raise self._no_group()

    def _no_group(self) -> BrokerError:
        kafka = self._configuration.kafka
        return BrokerError(
            f"{kafka.user or 'this user'} may not READ the group {kafka.group}: it would never get a partition. Grant "
            "it with `katydid topics user`, or change kafka.group"
        )

    def _session(self, broker: int) -> None:
        found = self._facts(ResourceType.BROKER, str(broker), "the broker's bounds of session times")
        facts = found or {}
        least = int(facts.get("group.min.session.timeout.ms", SESSION_MS[0]))
        most = int(facts.get("group.max.session.timeout.ms", SESSION_MS[1]))
        asked = self._configuration.kafka.session_s * 1000
        if not least <= asked <= most:
            raise BrokerError(
                f"kafka.session_s = {asked / 1000:g} is refused by the broker, which takes {least / 1000:g} to "
                f"{most / 1000:g} s: the worker would never get a partition"
            )

    # ------------------------------------------------------------------ asking

    def _facts(self, kind: ResourceType, name: str, what: str) -> Mapping[str, str] | None:
        resource = ConfigResource(kind, name)
        entries: dict[str, ConfigEntry] | None = self._asked(
            lambda: self._admin.describe_configs([resource], request_timeout=ANSWER_S)[resource], what, None
        )
        return None if entries is None else {key: each.value for key, each in entries.items() if each.value is not None}

    def _asked(self, ask: Callable[[], Future[T]], what: str, forbidden: Callable[[], BrokerError] | None) -> T | None:
        """The answer; None where the broker gives none. A group that nobody has used yet is no fault, and one whose
        coordinator is only starting is asked for again."""
        until = time.monotonic() + ANSWER_S
        while True:
            try:
                return ask().result(ANSWER_S)
            except Late:
                self._note(f"{what} cannot be checked: no answer within {ANSWER_S:g} s")
                return None
            except KafkaException as error:
                code = error.args[0].code()
                if code in _STARTING and time.monotonic() < until:
                    time.sleep(RETRY_S)
                    continue
                if code == KafkaError.GROUP_AUTHORIZATION_FAILED and forbidden is not None:
                    raise forbidden() from error
                self._unanswered(error, what)
                return None

    def _unanswered(self, error: KafkaException, what: str) -> None:
        told: KafkaError = error.args[0]
        self._too_old |= told.code() in _TOO_OLD
        if told.code() in (*_UNANSWERED, *_TOO_OLD, *_STARTING):
            self._note(f"{what} cannot be checked: {told.str()}")
        elif told.code() != KafkaError.GROUP_ID_NOT_FOUND:
            raise self._away(told) from error
