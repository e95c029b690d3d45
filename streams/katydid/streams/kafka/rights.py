"""Who may do what: a device writes its own topics and nothing else; a worker reads captures and writes outcomes.

Pure; `administration` grants them. WRITE and READ imply that the topic may be described. An idempotent producer needs
nothing more than WRITE.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from katydid.streams.kafka.configuration import Configuration, TopicSettings


class Resource(StrEnum):
    """What a right is about."""

    TOPIC = "topic"
    GROUP = "group"
    CLUSTER = "cluster"


class Operation(StrEnum):
    """What is done to it."""

    READ = "read"
    WRITE = "write"
    DESCRIBE_CONFIGS = "describe_configs"


CLUSTER_NAME = "kafka-cluster"
"""The one name that Kafka gives the cluster as a resource."""


class Stream(StrEnum):
    """What a device may send."""

    FRAMES = "frames"
    CLIPS = "clips"
    HEALTH = "health"


class Right(msgspec.Struct, frozen=True, kw_only=True):
    """One operation on one resource."""

    resource: Resource
    name: str
    operation: Operation
    prefix: bool = False
    """On every resource whose name begins so."""

    def __str__(self) -> str:
        where = "" if self.resource is Resource.CLUSTER else f" {self.name}{'*' if self.prefix else ''}"
        return f"{self.operation.value} {self.resource.value}{where}"


def of_device(topics: TopicSettings, streams: tuple[Stream, ...]) -> tuple[Right, ...]:
    """A camera or recorder: WRITE to what it sends, nothing else."""
    names = {Stream.FRAMES: topics.frames, Stream.CLIPS: topics.clips, Stream.HEALTH: topics.health}
    return tuple(_topic(names[stream], Operation.WRITE) for stream in streams)


def of_worker(configuration: Configuration) -> tuple[Right, ...]:
    """`katydid worker`: reads captures in its group, writes outcomes and dead letters.

    It may also read how topics and brokers are configured: it looks before it starts.
    """
    topics, group = configuration.topics, configuration.kafka.group
    return (
        *(_topic(name, Operation.READ) for name in (topics.frames, topics.clips, topics.health)),
        *(_topic(name, Operation.WRITE) for name in (topics.outcomes, topics.deadletters)),
        *(_topic(name, Operation.DESCRIBE_CONFIGS) for name in topics.all()),
        Right(resource=Resource.GROUP, name=group, operation=Operation.READ),
        Right(resource=Resource.CLUSTER, name=CLUSTER_NAME, operation=Operation.DESCRIBE_CONFIGS),
    )


def of_operator(configuration: Configuration) -> tuple[Right, ...]:
    """Who sends dead letters again and replays: reads and writes every topic, but makes no topics and no users."""
    topics, group = configuration.topics, configuration.kafka.group
    operations = (Operation.READ, Operation.WRITE, Operation.DESCRIBE_CONFIGS)
    return (
        *(_topic(name, operation) for name in topics.all() for operation in operations),
        Right(resource=Resource.GROUP, name=group, operation=Operation.READ, prefix=True),
        Right(resource=Resource.CLUSTER, name=CLUSTER_NAME, operation=Operation.DESCRIBE_CONFIGS),
    )


def _topic(name: str, operation: Operation) -> Right:
    return Right(resource=Resource.TOPIC, name=name, operation=operation)
