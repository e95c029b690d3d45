"""Faust as a thin host: the consumer group, the topics and the process. Every setting here rests on a measured finding
(docs/decisions/0010-kafka-host.md); tests pin them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import faust
from aiokafka import conn  # type: ignore[import-untyped]
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.transport.drivers.aiokafka import Consumer as AioConsumer
from faust.transport.drivers.aiokafka import Transport as AioTransport

from katydid.streams.kafka.batches import read_whatever_comes
from katydid.streams.kafka.clients import faust_credentials
from katydid.streams.kafka.configuration import MESSAGE_BYTES, Configuration
from katydid.streams.kafka.records import REST, Headers, StandIn
from katydid.streams.tunables import MIB

if TYPE_CHECKING:
    from faust.types import TP, Message
    from faust.types.transports import ConsumerT, TransportT

BUFFER = 16
"""Messages of a topic between the fetcher and its agent: 8 MiB each at most. The pipeline bounds the rest."""
REST_S = 0.005
"""How long the fetcher rests while every buffer is full."""
LOOK_S = 1.0
"""How often aiokafka's fetcher looks over all partitions while nothing happens; it hears of what does happen. A look at
24 of them costs 0.1 ms, and its own 0.2 s made a tenth of what an idle worker spends."""
ANSWER_BYTES = 3 * MIB
"""Most in one answer of the broker, but for a larger message, which comes alone. aiokafka's 50 MiB go through every
cache of the machine and are fresh pages each time: 0.9 ms of CPU a frame of 300 KB, and 0.67 with this, and 80 MB less
memory."""


SETTLED = b"settled"
"""Stands for the value of a message whose outcome is durable."""


class FrugalThread(AIOKafkaConsumerThread):
    """Asks for small answers, and looks over its partitions less often: Faust has no settings for it."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_bytes = ANSWER_BYTES
        consumer._consumer_timeout = LOOK_S
        return consumer


class RestlessConsumer(AioConsumer):
    """Rests 5 ms where Faust sleeps a flat second while every partition's buffer is full: with that, small buffers cost
    nothing, and small buffers are what bounds memory (640 messages a second fell to 252)."""

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return FrugalThread(self, loop=self.loop, beacon=self.beacon)

    async def _wait_next_records(self, timeout: float) -> tuple[Any, set[TP] | None]:
        if self.flow_active and not self.app.client_only and not self._get_active_partitions():
            await self.sleep(REST_S)
            return {}, set()
        return cast("tuple[Any, set[TP] | None]", await super()._wait_next_records(timeout))

    def ack(self, message: Message) -> bool:
        """Counts what we have settled, and nothing else: Faust's streams also acknowledge messages that they skip at a
        rebalance, unseen."""
        if message.value is SETTLED:
            self._pass_over(message)
            return bool(super().ack(message))
        message.acked = True
        self.unacked.discard(message)
        return False

    def _pass_over(self, message: Message) -> None:
        """The offsets between a stand-in and its end hold nothing more. Faust would see that, but not behind 0."""
        for _, why in cast("Headers", message.headers or ()):
            if isinstance(why, StandIn) and why is not REST and why.last > message.offset + 1:
                self._gap[message.tp].addi(message.offset + 1, why.last)

    def _new_offset(self, tp: TP) -> int | None:
        """Faust's own answer, without a list of every offset that was passed over: there may be millions."""
        gaps, acked = self._gap[tp], self._acked[tp]
        if not gaps or not acked:
            return super()._new_offset(tp)
        spans = [(gap.begin, gap.end) for gap in gaps if gap.begin < max(acked)]
        end = end_of_first_run([(offset, offset + 1) for offset in acked] + spans, self._committed_offset[tp])
        if end is not None:
            acked[:] = [offset for offset in acked if offset >= end]
            self._acked_index[tp] = set(acked)
            gaps.chop(0, end)
        return end

    async def verify_all_partitions_active(self) -> None:
        """Faust's search for partitions that stand still visits each of them through a timer, all the time. Liveness is
        ours (`liveness.py`)."""

    async def _commit(self, offsets: Any) -> bool:
        done = bool(await super()._commit(offsets))
        if done:
            cast(WorkerApp, self.app).committed_at = time.monotonic()
        return done


def end_of_first_run(spans: Iterable[tuple[int, int]], committed: int | None) -> int | None:
    """The offset behind the first run of spans (first, behind the last) that follow each other without a gap; None
    where it does not follow what is committed."""
    (first, end), *others = sorted(spans)
    if committed and first - committed > 1:
        return None
    for begin, behind in others:
        if begin > end:
            break
        end = max(end, behind)
    return end


class RestlessTransport(AioTransport):
    """The aiokafka driver with our consumer."""

    Consumer: ClassVar[type[ConsumerT]] = RestlessConsumer


class WorkerApp(faust.App):
    """A Faust app that says when it stops and when partitions are taken away.

    `stopping` is awaited when the worker is told to stop, while messages can still be acknowledged; `revoking` is
    called from the consumer's thread at the start of every rebalance.
    """

    stopping: Callable[[], Any]
    revoking: Callable[[], None]
    committed_at: float | None = None
    """When offsets were last committed, on the monotonic clock."""

    async def on_stop(self) -> None:
        await self.stopping()
        await super().on_stop()

    def on_rebalance_start(self) -> None:
        self.revoking()
        super().on_rebalance_start()

    def _new_transport(self) -> TransportT:
        return cast("TransportT", RestlessTransport(self.conf.broker_consumer, self))


class PlainWorker(faust.Worker):
    """Runs the app and leaves logging and the terminal alone."""

    def _setup_logging(self) -> None:
        self.spinner = None


def make_app(configuration: Configuration, scratch: Path) -> WorkerApp:
    """The app, not started and without agents. `scratch` is an empty folder, gone with the process."""
    read_whatever_comes()
    conn.READER_LIMIT = ANSWER_BYTES  # An answer is read whole: its 64 KiB stop and start the socket each 128 KiB.
    kafka = configuration.kafka
    credentials = faust_credentials(configuration)
    more: dict[str, Any] = {} if credentials is None else {"broker_credentials": credentials}
    app = WorkerApp(
        kafka.group,
        broker=[f"kafka://{server}" for server in kafka.servers],
        **more,
        **_FIXED,
        datadir=scratch / "faust",
        broker_client_id="katydid-worker",
        consumer_group_instance_id=kafka.instance_id or None,
        broker_session_timeout=kafka.session_s,
        broker_heartbeat_interval=kafka.heartbeat_s,
        broker_rebalance_timeout=kafka.rebalance_s,
        broker_request_timeout=kafka.request_s,
        broker_commit_interval=kafka.commit_s,
    )
    return app


_FIXED: dict[str, Any] = {
    "autodiscover": False,
    "store": "memory://",
    "key_serializer": "raw",
    "value_serializer": "raw",
    "processing_guarantee": "at_least_once",
    "consumer_auto_offset_reset": "earliest",
    "consumer_max_fetch_size": MESSAGE_BYTES,
    "producer_max_request_size": MESSAGE_BYTES,
    "broker_commit_every": 1000,
    "stream_buffer_maxsize": BUFFER,
    "stream_wait_empty": True,
    "stream_processing_timeout": 3600.0,
    "broker_commit_livelock_soft_timeout": 3600.0,
    "topic_disable_leader": True,
    "topic_allow_declare": False,
    "web_enabled": False,
    "web_tables_enabled": False,
    "web_router_enabled": False,
    "worker_redirect_stdouts": False,
}
