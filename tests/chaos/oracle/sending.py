"""The sender: captures into the broker at a steady pace, each acknowledgement into the ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from confluent_kafka import KafkaError, Message, Producer

from chaos.oracle.ledger import Ledger
from katydid.sensors.capture import Capture, Kind
from katydid.sensors.envelope import pack

TOPICS = {Kind.FRAME: "katydid.frames", Kind.CLIP: "katydid.clips"}
IN_FLIGHT_KIB = 16 * 1024


class Sender:
    """Sends in a thread of its own, idempotently, for as long as it takes. `failed` holds what the broker refused."""

    def __init__(self, bootstrap: str, captures: Sequence[Capture], ledger: Ledger, per_s: float) -> None:
        self.failed: list[str] = []
        self.sent = 0
        self._captures = captures
        self._ledger = ledger
        self._per_s = per_s
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "delivery.timeout.ms": 0,
                "queue.buffering.max.kbytes": IN_FLIGHT_KIB,
                "message.max.bytes": 12 * 2**20,
                "linger.ms": 20,
                "log_level": 0,
            }
        )
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def acknowledged(self) -> int:
        """How many captures the broker has."""
        return len(self._ledger)

    @property
    def done(self) -> bool:
        """Everything is sent and acknowledged."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        began = time.monotonic()
        for number, capture in enumerate(self._captures):
            due = began + number / self._per_s
            self._producer.poll(0.0)
            while (wait := due - time.monotonic()) > 0.0:
                self._producer.poll(wait)  # Comes back early, with every acknowledgement.
            while not self._produce(capture):
                self._producer.poll(0.1)
            self.sent = number + 1
        while self._producer.flush(1.0):
            pass

    def _produce(self, capture: Capture) -> bool:
        envelope = pack(capture)

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self._ledger.acknowledged(capture.capture_id)
            else:
                self.failed.append(f"{capture.capture_id}: {error.str()}")

        try:
            self._producer.produce(
                TOPICS[capture.kind],
                value=envelope.value,
                key=envelope.key,
                headers=list(envelope.headers),
                on_delivery=delivered,
            )
        except BufferError:
            return False
        return True
