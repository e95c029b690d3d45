"""What the five topics must be like, and in what a topic that exists differs: pure, no broker in sight.

Why each setting is what it is:

- `max.message.bytes` 12 MiB: limits are aligned end to end; a topic that takes less refuses what a producer may send.
- `retention.ms` as configured: shorter loses a backlog in silence; longer keeps raw media of people's surroundings for
  longer than was promised. `retention.bytes` none: what fills up would be deleted before its time.
- `cleanup.policy` delete: compaction keeps the latest message of a key, and the key is the sensor.
- `message.timestamp.type` LogAppendTime: retention counts from the broker's clock. A device whose clock says 1970 would
  otherwise have what it sends deleted on arrival.
- `min.insync.replicas`: an acknowledgement that one replica alone could take back is none.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from katydid.streams.kafka.configuration import MESSAGE_BYTES, TopicSettings

DAY_MS = 86_400_000
CREATE = "run `katydid topics create`"
ALIGN = "run `katydid topics create --align`"


class TopicShape(msgspec.Struct, frozen=True, kw_only=True):
    """How one topic is to be made."""

    name: str
    partitions: int
    replication: int
    settings: tuple[tuple[str, str], ...]
    """Names and values of the topic's own configuration."""


class TopicFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker says about one topic."""

    partitions: int
    replication: int
    settings: Mapping[str, str]


class Misalignment(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a topic is not as it must be, and what to do about it."""

    topic: str
    problem: str
    remedy: str


def wanted(topics: TopicSettings) -> tuple[TopicShape, ...]:
    """The five topics as `katydid topics create` makes them."""
    return tuple(
        TopicShape(
            name=name,
            partitions=topics.partitions,
            replication=topics.replication,
            settings=_settings(
                topics.deadletter_retention_days if name == topics.deadletters else topics.retention_days,
                topics.replication,
            ),
        )
        for name in topics.all()
    )


def misalignments(shape: TopicShape, facts: TopicFacts | None) -> tuple[Misalignment, ...]:
    """In what a topic differs from its shape; `facts` None: it is not there. Empty: all is well."""
    if facts is None:
        return (Misalignment(topic=shape.name, problem="is not there", remedy=CREATE),)
    found = [
        Misalignment(topic=shape.name, problem=_differs(name, facts.settings.get(name, ""), value), remedy=ALIGN)
        for name, value in differing(shape, facts)
    ]
    if facts.partitions < shape.partitions:
        found.append(
            Misalignment(
                topic=shape.name,
                problem=f"has {facts.partitions} partitions, not {shape.partitions}: no more workers can share it",
                remedy=f"set topics.partitions to {facts.partitions} if that is enough; else make a new topic, since "
                "with more partitions a sensor's captures would go to another one from then on",
            )
        )
    if facts.replication < shape.replication:
        found.append(
            Misalignment(
                topic=shape.name,
                problem=f"is on {facts.replication} brokers, not {shape.replication}",
                remedy="reassign its partitions with Kafka's kafka-reassign-partitions",
            )
        )
    return tuple(found)


def differing(shape: TopicShape, facts: TopicFacts) -> tuple[tuple[str, str], ...]:
    """The settings of a topic that must be changed, each with the value that it must have."""
    return tuple(
        (name, value) for name, value in shape.settings if not _fits(name, facts.settings.get(name, ""), value)
    )


def _settings(retention_days: float, replication: int) -> tuple[tuple[str, str], ...]:
    return (
        ("max.message.bytes", str(MESSAGE_BYTES)),
        ("retention.ms", str(round(retention_days * DAY_MS))),
        ("retention.bytes", "-1"),
        ("cleanup.policy", "delete"),
        ("message.timestamp.type", "LogAppendTime"),
        ("min.insync.replicas", str(2 if replication > 2 else 1)),
    )


def _fits(name: str, found: str, value: str) -> bool:
    """More is as good for what is a lower bound; the rest must be exactly so."""
    if name in ("max.message.bytes", "min.insync.replicas"):
        return found.isdigit() and int(found) >= int(value)
    return found == value


def _differs(name: str, found: str, value: str) -> str:
    return f"has {name} = {found or 'nothing'}, not {value}"
