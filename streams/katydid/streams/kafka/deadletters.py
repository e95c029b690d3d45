"""Giving a message up: it goes to the dead-letter topic as it was, with why and whence, before it is acknowledged."""

from __future__ import annotations

import threading
from collections import Counter

import msgspec

from katydid.streams.kafka.errors import MessageTooLarge
from katydid.streams.kafka.producing import DurableProducer
from katydid.streams.kafka.records import Message, Whence, deadletter_record


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

        A value that the topic does not take beside its reason is left out: it is still where it came from.
        """
        try:
            self._producer.send([deadletter_record(self._topic, message, whence)])
        except MessageTooLarge:
            bare = msgspec.structs.replace(whence, value_left_out=True)
            self._producer.send([deadletter_record(self._topic, message, bare)])
        with self._lock:
            self.counts[whence.reason] += 1
