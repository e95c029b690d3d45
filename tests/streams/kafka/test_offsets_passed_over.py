"""Which offset is committed where some were passed over: Faust's answer, without a list of all of them."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("faust", reason="needs the kafka extra")

from faust.transport.drivers.aiokafka import Consumer as AioConsumer
from intervaltree import IntervalTree  # type: ignore[import-untyped]

from katydid.streams.kafka.app import RestlessConsumer

PLACE = ("clips", 0)


def consumer(committed: int | None, acknowledged: list[int], gaps: list[tuple[int, int]]) -> Any:
    """What the two ways of finding the offset look at; a gap is its first and last offset."""
    made = object.__new__(RestlessConsumer)
    made.__dict__.update(
        _committed_offset=defaultdict(lambda: None, {PLACE: committed}),
        _acked=defaultdict(list, {PLACE: list(acknowledged)}),
        _acked_index=defaultdict(set, {PLACE: set(acknowledged)}),
        _gap=defaultdict(IntervalTree),
    )
    for first, last in gaps:
        asyncio.run(AioConsumer._add_gap(made, PLACE, first, last))  # type: ignore[arg-type] # as tuples of its kind
    return made


@given(st.one_of(st.none(), st.integers(0, 12)), st.lists(st.sampled_from("agu"), max_size=30))
def test_it_is_the_offset_that_faust_finds(committed: int | None, offsets: list[str]) -> None:
    """Each offset is acknowledged, passed over or under way."""
    acknowledged = [offset for offset, what in enumerate(offsets) if what == "a"]
    gaps = [(offset, offset) for offset, what in enumerate(offsets) if what == "g"]
    ours, fausts = consumer(committed, acknowledged, gaps), consumer(committed, acknowledged, gaps)
    assert ours._new_offset(PLACE) == AioConsumer._new_offset(fausts, PLACE)  # type: ignore[arg-type]


def test_millions_of_offsets_that_were_passed_over_cost_nothing() -> None:
    made = consumer(4, [5, 2_000_000_000], [(6, 1_999_999_999)])
    began = time.thread_time()
    assert made._new_offset(PLACE) == 2_000_000_001
    assert time.thread_time() - began < 1.0
    assert made._acked[PLACE] == [] and not made._gap[PLACE]


def test_partitions_are_not_visited_one_by_one_to_see_whether_they_stand_still() -> None:
    """Finding: Faust does, through a timer for each of them, for as long as a worker lives."""
    visited: list[object] = []

    async def sleep(seconds: float) -> None:
        visited.append(seconds)

    made = consumer(None, [], [])
    made.__dict__.update(assignment=lambda: {("clips", number) for number in range(24)}, sleep=sleep)
    faust = SimpleNamespace(**made.__dict__, should_stop=False, verify_event_path=lambda now, place: None)
    asyncio.run(AioConsumer.verify_all_partitions_active(faust))  # type: ignore[arg-type]
    assert len(visited) == 24
    asyncio.run(made.verify_all_partitions_active())
    assert len(visited) == 24
