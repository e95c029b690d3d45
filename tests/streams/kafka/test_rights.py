"""What each role may do, and that it is nothing more."""

from __future__ import annotations

from katydid.streams.kafka.configuration import Configuration, KafkaSettings, TopicSettings
from katydid.streams.kafka.rights import Stream, of_device, of_operator, of_worker

CONFIGURATION = Configuration(kafka=KafkaSettings(group="field"), topics=TopicSettings(frames="site.frames"))


def words(rights: object) -> set[str]:
    assert isinstance(rights, tuple)
    return {str(right) for right in rights}


def test_a_device_may_write_what_it_sends_and_nothing_else() -> None:
    assert words(of_device(CONFIGURATION.topics, (Stream.FRAMES,))) == {"write topic site.frames"}
    assert words(of_device(CONFIGURATION.topics, (Stream.CLIPS, Stream.HEALTH))) == {
        "write topic katydid.clips",
        "write topic katydid.health",
    }


def test_a_worker_reads_captures_in_its_group_and_writes_what_comes_of_them() -> None:
    granted = words(of_worker(CONFIGURATION))

    assert {right for right in granted if right.startswith("write")} == {
        "write topic katydid.outcomes",
        "write topic katydid.deadletters",
    }
    assert {right for right in granted if right.startswith("read")} == {
        "read topic site.frames",
        "read topic katydid.clips",
        "read topic katydid.health",
        "read group field",
    }


def test_nobody_may_make_topics_or_change_settings_or_rights() -> None:
    for granted in (of_worker(CONFIGURATION), of_operator(CONFIGURATION)):
        assert {word.split()[0] for word in words(granted)} <= {"read", "write", "describe_configs"}


def test_an_operator_reads_under_groups_of_its_own_beside_the_workers() -> None:
    assert "read group field*" in words(of_operator(CONFIGURATION))
