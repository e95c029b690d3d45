"""Giving a message up: it goes to the dead-letter topic as it was, with why and whence, before it is acknowledged."""

from __future__ import annotations

import threading
from collections import Counter

import msgspec

from katydid.streams.kafka.errors import MessageTooLarge
from katydid.streams.kafka.producing import DurableProducer
from katydid.streams.kafka.records import UNREADABLE_HEADER, Message, Whence, deadletter_record


class DeadLetters:
    """Writes dead letters and counts them by reason. Any thread."""

    def __init__(self, producer: DurableProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        """Dead letters so far, by reason."""

    def bury(self, message: Message, whence: Whence) -> None:
        """Durable when it returns. Raises BrokerError.

        What the topic does not take beside its reason is left out, first the value, then key and headers too: the
        original is still where it came from.
        """
        left_out = msgspec.structs.replace(whence, value_left_out=True)
        stood_in_for = any(name == UNREADABLE_HEADER for name, _ in message.headers)
        try:
            self._producer.send([deadletter_record(self._topic, message, left_out if stood_in_for else whence)])
        except MessageTooLarge:
            try:
                self._producer.send([deadletter_record(self._topic, message, left_out)])
            except MessageTooLarge:
                nothing = msgspec.structs.replace(message, key=None, headers=())
                self._producer.send([deadletter_record(self._topic, nothing, left_out)])
        with self._lock:
            self.counts[whence.reason] += 1
