"""How captures leave the field on Kafka: an idempotent producer that never gives up and never fills memory.

    taken ─ pack ─▶ produce ─▶ librdkafka: batches, retries, one connection a broker ─▶ broker, all replicas
                      ▲                                                                    │
      waits while too many bytes are in flight        acknowledged(position) ◀─────────────┘ in `poll`

Everything here runs in the caller's thread: callbacks come inside `send`, `poll`, `connect` and `close`, so nothing
needs a lock. Idempotent means that librdkafka's own retries leave no duplicates and keep the order of a partition; a
process that is killed and started again may send again what was not yet noted, under the same ids.

**Why these settings.** Retries have no end (`message.timeout.ms` 0): a link may be away for days. A request may take
five minutes (`socket.timeout.ms`, the most that librdkafka takes; with its default of one, 8 MiB over a link of
1 Mbit/s would be sent again and again for ever), and 16 MiB in flight fit into them from 0.45 Mbit/s on; they fill
a link of 100 ms at 160 MB/s. 100 MiB is where brokers close the connection. `murmur2` is what Kafka's own clients take,
so a sensor's captures go to one partition whoever sends them. No compression: JPEG and FLAC do not shrink. The record's
time is that of sending: retention counts from it, and a card from last summer must not be deleted on arrival.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message, Producer

from katydid.sensors import envelope
from katydid.sensors.capture import Capture, Health, Kind
from katydid.sensors.errors import UplinkError
from katydid.sensors.limits import MIB
from katydid.sensors.uplink import refusals

MESSAGE_BYTES = 12 * MIB
"""Largest message, end to end; media travel inline up to 8 MiB."""
_POLL_S = 0.1
_LOOK_S = 2.0
_DOUBT_S = 5.0
"""A log-in that is refused for so long will not come right: a user who was just made is refused for a moment too."""
_PURGED = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)
_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # librdkafka says much while a broker is away; who wants it adds a handler.


class KafkaUplinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where captures go, and as whom."""

    servers: tuple[str, ...]
    """HOST:PORT of one or more brokers."""
    security: Literal["plaintext", "tls", "scram"] = "plaintext"
    """"tls" checks the broker's certificate; "scram" (SCRAM-SHA-512) also logs in, always over TLS."""
    user: str = ""
    password: str = ""
    ca_file: Path | None = None
    """PEM of who signed the broker's certificate; None: the authorities that this machine trusts."""
    frames: str = "katydid.frames"
    clips: str = "katydid.clips"
    health: str = "katydid.health"
    in_flight_bytes: int = 16 * MIB
    """Media that were handed to the producer and not yet acknowledged."""

    def __repr__(self) -> str:
        return f"KafkaUplinkSettings(servers={self.servers!r}, security={self.security!r}, user={self.user!r})"

    @property
    def bootstrap(self) -> str:
        """The servers as clients take them."""
        return ",".join(self.servers)

    def topic(self, kind: Kind) -> str:
        """The topic that captures of a kind travel on."""
        return self.frames if kind is Kind.FRAME else self.clips


class KafkaUplink:
    """One producer. `connect` first; then `send`, and `poll` when there is nothing to send; `close` at the end."""

    def __init__(self, settings: KafkaUplinkSettings) -> None:
        self.settings = settings
        self.in_flight_bytes = 0
        self.in_flight = 0
        self.acknowledged = 0
        self.acknowledged_bytes = 0
        self.waiting: Callable[[], None] = _nothing
        """Called about ten times a second while `send` waits: for progress; what it raises ends the waiting."""
        self.append_ms: int | None = None
        """The broker's time in the acknowledgement that is being told, where it stamps with its own; ms since 1970."""
        self.trouble = ""
        """What librdkafka met last and goes on trying about; "" when something was acknowledged since."""
        self._refused: UplinkError | None = None
        self._doubt: tuple[float, UplinkError] | None = None
        """Since when the connection is refused, and why; None when it works."""
        self._topics: set[str] = set()
        self._producer = Producer(_configuration(settings) | {"error_cb": self._on_error}, logger=_log)

    def connect(self, waiting: Callable[[float, str], bool]) -> str:
        """Reach the cluster; returns its id. While nobody answers, `waiting` is told seconds and trouble; True stops.

        Raises UplinkError where the log-in or the certificate is refused, or `waiting` said stop.
        """
        began = time.monotonic()
        while True:
            try:
                cluster = self._producer.list_topics(timeout=_LOOK_S).cluster_id or ""
            except KafkaException as exc:
                self.poll(_POLL_S)
                self.trouble = self.trouble or refusals.advice(_error_of(exc))
                if waiting(time.monotonic() - began, self.trouble):
                    raise UplinkError(f"{self.settings.bootstrap} cannot be reached: {self.trouble}") from exc
            else:
                self._producer.poll(0.0)  # What went wrong before is told here, and is past.
                self._works()
                return cluster

    def send(self, capture: Capture, acknowledged: Callable[[], None]) -> None:
        """Hand a capture to the producer; `acknowledged` is called when all replicas have it.

        Waits while too many bytes are in flight. Raises EnvelopeError for a capture that cannot be a message, and
        UplinkError when the broker has refused this or an earlier one: nothing further is sent then.
        """
        packed = envelope.pack(capture)
        topic = self.settings.topic(capture.kind)
        self._know(topic)
        size = len(packed.value) + sum(len(value) for _, value in packed.headers)
        while self.in_flight and self.in_flight_bytes + size > self.settings.in_flight_bytes:
            self._wait()
        self._produce(topic, packed, self._report(acknowledged, capture, size))
        self.in_flight += 1
        self.in_flight_bytes += size
        self.poll(0.0)

    def report(self, reading: Health, failed: Callable[[str], None]) -> None:
        """Hand a health reading to the producer, if that is possible at once. Nothing waits for it, and it ends
        nothing: `failed` is told why it cannot be written."""
        topic = self.settings.health

        def told(error: KafkaError | None, message: Message) -> None:
            if error is not None and error.code() not in _PURGED:
                failed(_words(error, topic))

        try:
            if topic not in self._topics:
                found = self._producer.list_topics(topic, timeout=_LOOK_S).topics[topic].error
                if found is not None:
                    failed(_words(found, topic))
                    return
                self._topics.add(topic)
            self._producer.produce(topic, msgspec.json.encode(reading), reading.sensor_id.encode(), on_delivery=told)
        except (KafkaException, BufferError):
            return  # The broker is away, or far behind: the next reading may go through.

    def poll(self, seconds: float) -> None:
        """Take in what was acknowledged, waiting at most so long. Raises UplinkError where the broker refused."""
        self._producer.poll(seconds)
        if self._refused is not None:
            raise self._refused
        if self._doubt is not None and time.monotonic() - self._doubt[0] >= _DOUBT_S:
            raise self._doubt[1]

    def close(self, seconds: float) -> None:
        """Wait at most so long for what is in flight, give up the rest, and take in what was acknowledged."""
        self._producer.flush(seconds)
        self._producer.purge()
        self._producer.flush(1.0)

    def _wait(self) -> None:
        self.waiting()
        self.poll(_POLL_S)

    def _know(self, topic: str) -> None:
        """Once a topic: that it is there and may be seen, told at once rather than after half a minute of retries."""
        while topic not in self._topics:
            try:
                found = self._producer.list_topics(topic, timeout=_LOOK_S).topics[topic].error
            except KafkaException as exc:
                found = _error_of(exc)
            refusal = refusals.of_topic(found, topic) if found is not None else None
            if refusal is not None:
                raise refusal
            if found is None:
                self._topics.add(topic)
                return
            self.trouble = refusals.advice(found)
            self._wait()

    def _produce(
        self, topic: str, packed: envelope.Envelope, report: Callable[[KafkaError | None, Message], None]
    ) -> None:
        while True:
            try:
                self._producer.produce(
                    topic, packed.value, packed.key, on_delivery=report, headers=list(packed.headers)
                )
                return
            except BufferError:
                self._wait()
            except KafkaException as exc:
                raise refusals.of_delivery(_error_of(exc), topic, len(packed.value), packed.key.decode()) from exc

    def _report(
        self, acknowledged: Callable[[], None], capture: Capture, size: int
    ) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, message: Message) -> None:
            self.in_flight -= 1
            self.in_flight_bytes -= size
            if error is None:
                self.acknowledged += 1
                self.acknowledged_bytes += size
                self._works()
                kind, at_ms = message.timestamp()
                self.append_ms = at_ms if kind == TIMESTAMP_LOG_APPEND_TIME else None
                acknowledged()
            elif error.code() not in _PURGED:
                topic = self.settings.topic(capture.kind)
                what = capture.file or capture.capture_id
                self._refused = self._refused or refusals.of_delivery(error, topic, size, what)

        return report

    def _on_error(self, error: KafkaError) -> None:
        refusal = refusals.of_connection(error, user=self.settings.user, servers=self.settings.bootstrap)
        if error.fatal():
            self._refused = self._refused or refusal
        elif refusal is not None and self._doubt is None:
            self._doubt = (time.monotonic(), refusal)
        self.trouble = refusals.advice(error)

    def _works(self) -> None:
        self.trouble = ""
        self._doubt = None


def _words(error: KafkaError, topic: str) -> str:
    return str(refusals.of_topic(error, topic) or refusals.advice(error))


def _nothing() -> None:
    """Nobody watches."""


def _error_of(exc: KafkaException) -> KafkaError:
    error = exc.args[0]
    assert isinstance(error, KafkaError)
    return error


def _configuration(settings: KafkaUplinkSettings) -> dict[str, str | int | bool]:
    """What librdkafka is told. The module's head says why."""
    words: dict[str, str | int | bool] = {
        "bootstrap.servers": settings.bootstrap,
        "client.id": "katydid-push",
        "enable.idempotence": True,
        "acks": "all",
        "message.timeout.ms": 0,
        "message.max.bytes": MESSAGE_BYTES,
        "socket.timeout.ms": 300_000,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 10_000,
        "linger.ms": 5,
        "queue.buffering.max.messages": 100_000,
        "queue.buffering.max.kbytes": (settings.in_flight_bytes + MESSAGE_BYTES) // 1024 + 1024,
        "partitioner": "murmur2_random",
        "compression.type": "none",
    }
    return words | _security(settings)


def _security(settings: KafkaUplinkSettings) -> dict[str, str | int | bool]:
    if settings.security == "plaintext":
        return {}
    trusted = {"ssl.ca.location": str(settings.ca_file)} if settings.ca_file is not None else {}
    if settings.security == "tls":
        return {"security.protocol": "ssl", **trusted}
    return {
        "security.protocol": "sasl_ssl",
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": settings.user,
        "sasl.password": settings.password,
        **trusted,
    }
