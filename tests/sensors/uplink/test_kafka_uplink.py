"""The producer: what is acknowledged was taken by the broker, memory is bounded, and a no says what to check."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec
import pytest

pytest.importorskip("confluent_kafka", reason="needs the kafka extra")

from confluent_kafka import KafkaError

from katydid.sensors import envelope
from katydid.sensors.capture import Capture, Clock, ClockSource, Kind
from katydid.sensors.errors import EnvelopeError, UplinkError
from katydid.sensors.uplink import refusals
from katydid.sensors.uplink.kafka import KafkaUplink, KafkaUplinkSettings
from mock_cluster import PRODUCE, MockCluster, cluster, received_envelope

__all__ = ["cluster"]


def capture(number: int, size: int = 1000, sensor: str = "s", kind: Kind = Kind.FRAME) -> Capture:
    media = number.to_bytes(4, "big") + bytes(size - 4)
    return Capture(
        capture_id=f"{number:032x}",
        sensor_id=sensor,
        kind=kind,
        captured_at=number,
        clock=Clock(source=ClockSource.NONE),
        media_type="image/jpeg",
        payload=media,
        sha256=hashlib.sha256(media).hexdigest(),
        length=len(media),
    )


def settings(cluster: MockCluster, in_flight_bytes: int = 1 << 20) -> KafkaUplinkSettings:
    return KafkaUplinkSettings(servers=cluster.servers, in_flight_bytes=in_flight_bytes)


@pytest.fixture
def uplink(cluster: MockCluster) -> Iterator[KafkaUplink]:
    made = KafkaUplink(settings(cluster))
    made.connect(lambda seconds, trouble: seconds > 10)
    yield made
    made.close(0.0)


def sent(uplink: KafkaUplink, captures: list[Capture]) -> list[str]:
    """Send and wait; ids in the order of their acknowledgement."""
    done: list[str] = []
    for each in captures:
        uplink.send(each, lambda each=each: done.append(each.capture_id))  # type: ignore[misc]
    while uplink.in_flight:
        uplink.poll(0.1)
    return done


def received(cluster: MockCluster, topic: str) -> list[Capture]:
    return [envelope.unpack(received_envelope(message)) for message in cluster.messages(topic)]


def test_captures_arrive_as_they_were_sent_each_kind_on_its_topic(cluster: MockCluster, uplink: KafkaUplink) -> None:
    frames = [capture(number, sensor=f"s{number % 3}") for number in range(40)]
    clips = [capture(number, sensor="höhle", kind=Kind.CLIP) for number in range(100, 105)]
    assert sorted(sent(uplink, frames + clips)) == [each.capture_id for each in frames + clips]
    assert sorted(received(cluster, "katydid.frames"), key=lambda each: each.captured_at) == frames
    assert received(cluster, "katydid.clips") == clips


def test_one_sensors_captures_stay_in_order_in_one_partition(cluster: MockCluster, uplink: KafkaUplink) -> None:
    sent(uplink, [capture(number, sensor=f"s{number % 5}") for number in range(100)])
    places: dict[bytes, list[tuple[int, int]]] = {}
    for message in cluster.messages("katydid.frames"):
        number = int.from_bytes((message.value() or b"")[:4], "big")
        places.setdefault(message.key() or b"", []).append((message.partition() or 0, number))
    assert len(places) == 5
    for found in places.values():
        assert len({partition for partition, _ in found}) == 1
        assert [number for _, number in found] == sorted(number for _, number in found)


def murmur2(key: bytes) -> int:
    """Kafka's own (org.apache.kafka.common.utils.Utils.murmur2), which its other clients partition by."""
    mask, m, length = 0xFFFFFFFF, 0x5BD1E995, len(key)
    h = (0x9747B28C ^ length) & mask
    for at in range(0, length - length % 4, 4):
        k = int.from_bytes(key[at : at + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    rest = key[length - length % 4 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)


def test_a_sensors_partition_is_the_one_that_kafkas_own_clients_take(cluster: MockCluster, uplink: KafkaUplink) -> None:
    sent(uplink, [capture(number, sensor=f"sensor-{number}") for number in range(20)])
    for message in cluster.messages("katydid.frames"):
        assert message.partition() == (murmur2(message.key() or b"") & 0x7FFFFFFF) % 4


def test_bytes_in_flight_stay_within_their_bound(cluster: MockCluster) -> None:
    uplink = KafkaUplink(settings(cluster, in_flight_bytes=200_000))
    uplink.connect(lambda seconds, trouble: seconds > 10)
    most = 0
    for number in range(60):
        uplink.send(capture(number, size=30_000), lambda: None)
        most = max(most, uplink.in_flight_bytes)
    while uplink.in_flight:
        uplink.poll(0.1)
    uplink.close(0.0)
    assert 30_000 < most <= 200_000
    assert uplink.in_flight_bytes == 0 and uplink.acknowledged == 60


def test_a_capture_larger_than_the_bound_goes_alone(cluster: MockCluster) -> None:
    uplink = KafkaUplink(settings(cluster, in_flight_bytes=10_000))
    uplink.connect(lambda seconds, trouble: seconds > 10)
    assert len(sent(uplink, [capture(number, size=20_000) for number in range(3)])) == 3
    uplink.close(0.0)


def test_8_mib_travel(cluster: MockCluster, uplink: KafkaUplink) -> None:
    assert sent(uplink, [capture(1, size=8 << 20)]) == [f"{1:032x}"]


def test_transient_errors_are_retried_and_leave_no_duplicate(cluster: MockCluster, uplink: KafkaUplink) -> None:
    cluster.next_errors(PRODUCE, [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.REQUEST_TIMED_OUT] * 3)
    assert len(sent(uplink, [capture(number) for number in range(30)])) == 30
    assert sorted(each.captured_at for each in received(cluster, "katydid.frames")) == list(range(30))


def test_a_broker_that_went_away_is_waited_for(cluster: MockCluster, uplink: KafkaUplink) -> None:
    sent(uplink, [capture(0)])
    cluster.down()
    done: list[int] = []
    uplink.send(capture(1), lambda: done.append(1))
    while not uplink.trouble:  # Until librdkafka has noticed.
        uplink.poll(0.1)
    assert not done
    cluster.up()
    while uplink.in_flight:
        uplink.poll(0.1)
    assert done == [1] and uplink.trouble == ""


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, "max.message.bytes"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "may not write to katydid.frames"),
        (KafkaError.INVALID_RECORD, "did not take it"),
    ],
)
def test_what_the_broker_refuses_ends_the_push_and_says_what_to_check(
    error: int, says: str, cluster: MockCluster, uplink: KafkaUplink
) -> None:
    sent(uplink, [capture(0)])
    cluster.next_errors(PRODUCE, [error])
    acknowledged: list[int] = []
    uplink.send(capture(1), lambda: acknowledged.append(1))
    with pytest.raises(UplinkError, match=says):
        while True:
            uplink.poll(0.1)
    with pytest.raises(UplinkError, match=says):
        uplink.send(capture(2), lambda: acknowledged.append(2))
    assert not acknowledged


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "there is no topic katydid.frames: make the topics with `katydid topics"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "may not write to katydid.frames"),
    ],
)
def test_a_topic_that_is_missing_or_forbidden_is_told_before_anything_is_sent(
    error: int, says: str, cluster: MockCluster, uplink: KafkaUplink
) -> None:
    cluster.topic_error("katydid.frames", error)
    with pytest.raises(UplinkError, match=says):
        uplink.send(capture(1), lambda: None)
    assert uplink.in_flight == 0


def test_nobody_there_is_told_with_the_trouble_until_somebody_says_stop() -> None:
    uplink = KafkaUplink(KafkaUplinkSettings(servers=("127.0.0.1:1",)))
    heard: list[str] = []

    def waiting(seconds: float, trouble: str) -> bool:
        heard.append(trouble)
        return True

    with pytest.raises(UplinkError, match=r"127\.0\.0\.1:1 cannot be reached: .*refused.*is the broker up"):
        uplink.connect(waiting)
    assert len(heard) == 1


def test_a_capture_that_cannot_be_a_message_is_no_fault_of_the_broker(
    cluster: MockCluster, uplink: KafkaUplink
) -> None:
    with pytest.raises(EnvelopeError):
        uplink.send(msgspec.structs.replace(capture(1), sha256="short"), lambda: None)
    assert sent(uplink, [capture(2)]) == [f"{2:032x}"]


def test_the_password_shows_in_no_repr() -> None:
    made = KafkaUplinkSettings(servers=("h:1",), security="scram", user="device", password="hunter2")
    assert "hunter2" not in repr(made) and "device" in repr(made)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (KafkaError(KafkaError._AUTHENTICATION, "SASL authentication error"), "KATYDID_KAFKA_PASSWORD"),
        (KafkaError(KafkaError._SSL, "SSL handshake failed: certificate verify failed"), "ca_file"),
    ],
)
def test_a_refused_log_in_or_certificate_says_what_to_check(error: KafkaError, says: str) -> None:
    refusal = refusals.of_connection(error, user="device-1", servers="h:9093")
    assert refusal is not None and says in str(refusal) and "h:9093" in str(refusal)


@pytest.mark.parametrize(
    "error",
    [
        KafkaError(KafkaError._ALL_BROKERS_DOWN, "3/3 brokers are down"),
        KafkaError(KafkaError._TRANSPORT, "Disconnected"),
        KafkaError(KafkaError._SSL, "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?"),
    ],
)
def test_what_another_try_may_mend_is_no_refusal_and_comes_with_advice(error: KafkaError) -> None:
    assert refusals.of_connection(error, user="", servers="h:1") is None
    assert "security" in refusals.advice(error)
