"""What a topic must be like, told from what a broker says; no broker needed."""

from __future__ import annotations

import msgspec
import pytest

from katydid.streams.kafka.configuration import TopicSettings
from katydid.streams.kafka.topics import TopicFacts, TopicShape, misalignments, wanted

SETTINGS = TopicSettings(partitions=6, replication=3, retention_days=7, deadletter_retention_days=30)
FRAMES = wanted(SETTINGS)[0]


def as_made(shape: TopicShape) -> TopicFacts:
    return TopicFacts(partitions=shape.partitions, replication=shape.replication, settings=dict(shape.settings))


def with_setting(name: str, value: str) -> TopicFacts:
    facts = as_made(FRAMES)
    return msgspec.structs.replace(facts, settings={**facts.settings, name: value})


def test_five_topics_are_wanted_and_are_aligned_as_they_are_made() -> None:
    shapes = wanted(SETTINGS)

    assert [shape.name for shape in shapes] == [
        "katydid.frames",
        "katydid.clips",
        "katydid.health",
        "katydid.outcomes",
        "katydid.deadletters",
    ]
    assert [misalignments(shape, as_made(shape)) for shape in shapes] == [()] * 5


def test_dead_letters_are_kept_for_longer() -> None:
    kept = {shape.name: int(dict(shape.settings)["retention.ms"]) for shape in wanted(SETTINGS)}

    assert kept["katydid.frames"] == 7 * 24 * 3600 * 1000
    assert kept["katydid.deadletters"] == 30 * 24 * 3600 * 1000


@pytest.mark.parametrize(("replication", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_an_acknowledgement_needs_two_replicas_where_one_may_be_lost(replication: int, in_sync: str) -> None:
    shape = wanted(TopicSettings(replication=replication))[0]

    assert dict(shape.settings)["min.insync.replicas"] == in_sync


def test_a_missing_topic_is_to_be_created() -> None:
    (found,) = misalignments(FRAMES, None)

    assert found.topic == "katydid.frames"
    assert "katydid topics create" in found.remedy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max.message.bytes", "1048588"),
        ("retention.ms", "3600000"),
        ("retention.ms", "-1"),
        ("retention.bytes", "1073741824"),
        ("cleanup.policy", "compact"),
        ("message.timestamp.type", "CreateTime"),
        ("min.insync.replicas", "1"),
        ("max.message.bytes", ""),
    ],
)
def test_a_setting_that_loses_or_refuses_captures_is_named_with_its_remedy(name: str, value: str) -> None:
    (found,) = misalignments(FRAMES, with_setting(name, value))

    assert name in found.problem
    assert dict(FRAMES.settings)[name] in found.problem
    assert "--align" in found.remedy


@pytest.mark.parametrize(("name", "value"), [("max.message.bytes", "20000000"), ("min.insync.replicas", "3")])
def test_more_than_is_needed_is_no_misalignment(name: str, value: str) -> None:
    assert misalignments(FRAMES, with_setting(name, value)) == ()


def test_too_few_partitions_and_replicas_are_told_and_not_set_by_a_command() -> None:
    facts = msgspec.structs.replace(as_made(FRAMES), partitions=3, replication=1)

    problems = misalignments(FRAMES, facts)

    assert [problem.problem.split(":")[0] for problem in problems] == [
        "has 3 partitions, not 6",
        "is on 1 brokers, not 3",
    ]
    assert not any("--align" in problem.remedy for problem in problems)


def test_more_partitions_and_replicas_are_no_misalignment() -> None:
    facts = msgspec.structs.replace(as_made(FRAMES), partitions=12, replication=4)

    assert misalignments(FRAMES, facts) == ()
