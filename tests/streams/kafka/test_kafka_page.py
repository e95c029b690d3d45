"""docs/kafka.md names every key of the configuration with its default, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from katydid.streams.kafka.configuration import Configuration

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "kafka.md").read_text(encoding="utf-8")


def test_every_key_is_on_the_page_and_no_other() -> None:
    there = {
        f"{section.name}.{key.name}"
        for section in msgspec.structs.fields(Configuration)
        if section.name != "secrets"
        for key in msgspec.structs.fields(section.type)
    }
    table = PAGE.split("## Every key")[1]
    written = set(re.findall(r"`((?:kafka|topics|sink|media|pipeline|models|metrics)\.[a-z_]+)`", table))
    assert written == there


def test_numbers_on_the_page_are_the_defaults() -> None:
    whole = Configuration()
    rows = re.findall(r"^\| `([a-z]+)\.([a-z_]+)` \| ([\d.]+) \|", PAGE, re.MULTILINE)
    assert len(rows) > 15
    for section, key, number in rows:
        assert getattr(getattr(whole, section), key) == float(number), key
