"""What a store has lost, written again from the topic of outcomes.

A store on a server can lose what it had acknowledged: InfluxDB 2.9.1 does after a full disk (docs/store.md). The topic
still holds every outcome within its retention, and a store that is written twice is the same store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Protocol

import msgspec

from katydid.sensors.errors import EnvelopeError
from katydid.sensors.sources.protocol import Position
from katydid.streams.kafka.configuration import Configuration
from katydid.streams.kafka.consuming import all_messages
from katydid.streams.kafka.intake import SOURCE
from katydid.streams.kafka.records import Message, read_outcome
from katydid.streams.sink import Arrival, Sink


class Knows(Sink, Protocol):
    """A store that says which captures it has."""

    def known(self, capture_ids: Iterable[str]) -> set[str]: ...


class Refilled(msgspec.Struct, frozen=True, kw_only=True):
    """What was read from the topic, and what of it was not in the store."""

    outcomes: int = 0
    lacking: int = 0
    unreadable: int = 0
    """Messages that are no outcomes; they stay where they are."""


def refill(configuration: Configuration, store: Knows, watch: Callable[[Refilled], None]) -> Refilled:
    """Write every outcome that the topic holds now into `store`; returns the counts. `watch` is told after each batch.

    Raises BrokerError, StoreError; then it can be done again.
    """
    done = Refilled()
    messages = all_messages(configuration, configuration.topics.outcomes)
    while batch := list(islice(messages, configuration.pipeline.commit_items)):
        arrivals = list(_arrivals(batch))
        ids = {arrival.outcome.capture_id for arrival in arrivals}
        lacking = len(ids - store.known(ids)) if ids else 0
        store.write(arrivals)
        done = Refilled(
            outcomes=done.outcomes + len(arrivals),
            lacking=done.lacking + lacking,
            unreadable=done.unreadable + len(batch) - len(arrivals),
        )
        watch(done)
    return done


def _arrivals(messages: Iterable[Message]) -> Iterator[Arrival]:
    for message in messages:
        try:
            outcome = read_outcome(message)
        except EnvelopeError:
            continue
        position = Position(source=SOURCE + message.topic, partition=str(message.partition), offset=message.offset)
        yield Arrival(outcome=outcome, position=position)
