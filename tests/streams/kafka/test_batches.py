"""Batches that aiokafka fails at, as they would come from anybody: read, or stood in for, never the end of a reader.

The first tests state the findings that `batches.py` rests on.
"""

from __future__ import annotations

import gzip
import struct
import time
from collections.abc import Sequence
from typing import Any

import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from aiokafka import TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import UnsupportedCodecError  # type: ignore[import-untyped]
from aiokafka.record.default_records import (  # type: ignore[import-untyped]
    DefaultRecordBatch,
    _DefaultRecordBatchBuilderPy,
)

from katydid.streams.kafka.batches import UNPACKED_BYTES, Batches
from katydid.streams.kafka.batches import FromOffset as PartitionRecords
from katydid.streams.kafka.intake import Dead, capture_of, health_of, whence
from katydid.streams.kafka.records import REST, UNREADABLE_HEADER, Message, StandIn

PLAIN, GZIP, SNAPPY, LZ4, ZSTD = range(5)
ATTRIBUTES_AT, LAST_DELTA_AT, RECORDS_AT = 21, 23, 61
"""Kafka protocol, "Record Batch"."""


class BadName(str):
    """A header's name that is no UTF-8."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"bad\xff"


def batch(values: Sequence[bytes], codec: int = PLAIN, name: str = "name", first: int = 0) -> bytes:
    """A batch as a broker hands it out, offsets from `first`; "compressed" by any codec but gzip is a claim."""
    builder = _DefaultRecordBatchBuilderPy(2, GZIP if codec == GZIP else PLAIN, 0, -1, -1, 0, 1 << 30)
    for offset, value in enumerate(values):
        assert builder.append(offset, 1_000, b"key", value, [(name, b"1")]) is not None
    built = bytearray(builder.build())
    struct.pack_into(">q", built, 0, first)
    if codec > GZIP:
        struct.pack_into(">h", built, ATTRIBUTES_AT, codec)
    return bytes(built)


def read(*batches: bytes) -> list[Any]:
    records, found = Batches(b"".join(batches)), list[Any]()
    while records.has_next():
        found += records.next_batch()
    return found


@pytest.mark.parametrize("codec", [SNAPPY, LZ4, ZSTD])
def test_aiokafka_fails_at_what_it_has_no_package_for(codec: int) -> None:
    with pytest.raises(UnsupportedCodecError):
        list(DefaultRecordBatch(batch([b"1"], codec)))


def test_aiokafka_fails_at_a_name_that_is_no_utf_8() -> None:
    with pytest.raises(UnicodeDecodeError):
        list(DefaultRecordBatch(batch([b"1"], name=BadName("bad"))))


def test_aiokafka_unpacks_whatever_it_may_become() -> None:
    packed = batch([bytes(100 << 20)], GZIP)
    assert len(packed) < 1 << 20
    assert [len(record.value) for record in DefaultRecordBatch(packed)] == [100 << 20]


@pytest.mark.parametrize("codec", [PLAIN, GZIP])
def test_what_can_be_read_is_read_as_it_is(codec: int) -> None:
    values = [b"%d" % number * 1_000 for number in range(50)]
    records = read(batch(values[:20], codec), batch(values[20:], PLAIN, first=20))
    assert [record.value for record in records] == values
    assert [record.offset for record in records] == list(range(50))
    assert {(record.key, record.timestamp, tuple(record.headers)) for record in records} == {
        (b"key", 1_000, (("name", b"1"),))
    }


def test_names_are_escaped_and_the_others_of_the_batch_are_whole() -> None:
    records = read(batch([b"1", b"2"], name=BadName("bad")), batch([b"3"], first=2))
    assert [(record.value, record.headers) for record in records] == [
        (b"1", [(r"bad\xff", b"1")]),
        (b"2", [(r"bad\xff", b"1")]),
        (b"3", [("name", b"1")]),
    ]


@pytest.mark.parametrize("codec", [SNAPPY, LZ4, ZSTD])
def test_all_records_that_cannot_be_unpacked_are_stood_in_for_by_one_and_their_end(codec: int) -> None:
    first, end, good = read(batch([b"1", b"2", b"3"], codec, first=7), batch([b"good"], first=10))
    why = stand_in(first)
    assert (first.offset, why.last) == (7, 9) and why.startswith(b"the batch is compressed with")
    assert end.offset == 9 and dict(end.headers)[UNREADABLE_HEADER] is REST
    assert good.value == b"good" and good.offset == 10


def test_a_batch_that_claims_to_hold_very_many_records_costs_two() -> None:
    """What a broker lets pass are the records that there are; others may not look."""
    packed = bytearray(batch([b"1"], ZSTD, first=5))
    struct.pack_into(">i", packed, LAST_DELTA_AT, 2**31 - 1)
    first, end = read(bytes(packed))
    assert (first.offset, stand_in(first).last, end.offset) == (5, 5 + 2**31 - 1, 5 + 2**31 - 1)


def test_what_was_read_of_such_a_batch_before_is_not_stood_in_for_again() -> None:
    records = Batches(batch([b"1", b"2", b"3"], LZ4, first=7))
    partition = PartitionRecords(TopicPartition("clips", 0), records, [], 8, None, None, False, 0)
    assert [record.offset for record in partition] == [8, 9]
    assert partition.next_fetch_offset == 10


def test_what_stands_before_a_broken_record_is_read_and_the_rest_is_stood_in_for() -> None:
    broken = bytearray(batch([b"AAAA", b"BBBB", b"CCCC"], first=7))
    broken[broken.index(b"BBBB") - 1] += 2  # Its length, one more: zigzag.
    good, first, end = read(bytes(broken))
    assert (good.offset, good.value) == (7, b"AAAA")
    assert (first.offset, stand_in(first).last, end.offset) == (8, 9, 9)
    assert stand_in(first).unpacks_to == len(broken) - RECORDS_AT


@pytest.mark.parametrize(("codec", "most"), [(SNAPPY, 22), (LZ4, 255), (GZIP, 1032)])
def test_a_stand_in_says_what_its_batch_may_unpack_to(codec: int, most: int) -> None:
    packed = batch([bytes(UNPACKED_BYTES)], GZIP) if codec == GZIP else batch([bytes(1_000)], codec)
    says = stand_in(read(packed)[0]).unpacks_to
    assert says == most * (len(packed) - RECORDS_AT)
    assert codec != GZIP or says > UNPACKED_BYTES


def stand_in(record: Any) -> StandIn:
    why = dict(record.headers)[UNREADABLE_HEADER]
    assert isinstance(why, StandIn)
    return why


def broken_gzip() -> bytes:
    packed = bytearray(batch([b"1" * 1_000], GZIP))
    packed[RECORDS_AT : RECORDS_AT + 4] = b"none"
    return bytes(packed)


def cut_gzip() -> bytes:
    packed = batch([bytes(range(256)) * 50], GZIP)[:-30]
    return packed[:8] + struct.pack(">i", len(packed) - 12) + packed[12:]


def gzip_in_two() -> bytes:
    """Two members, one behind the other: allowed, and read."""
    plain = batch([b"1", b"2"])
    packed = plain[:RECORDS_AT] + gzip.compress(plain[RECORDS_AT:70]) + gzip.compress(plain[70:])
    head = bytearray(packed)
    struct.pack_into(">h", head, ATTRIBUTES_AT, GZIP)
    struct.pack_into(">i", head, 8, len(packed) - 12)
    return bytes(head)


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (batch([bytes(UNPACKED_BYTES)], GZIP), b"more than 64 MiB"),
        (broken_gzip(), b"is no gzip"),
        (cut_gzip(), b"ends early"),
    ],
)
def test_gzip_without_end_or_sense_is_stood_in_for(packed: bytes, words: bytes) -> None:
    first, last = read(packed, batch([b"good"], first=1))
    assert words in dict(first.headers)[UNREADABLE_HEADER]
    assert last.value == b"good"


def test_gzip_may_come_in_several_pieces() -> None:
    assert [record.value for record in read(gzip_in_two())] == [b"1", b"2"]


def test_gzip_in_very_many_pieces_is_read_in_time_that_grows_as_its_length_does() -> None:
    """Copying what is left behind each took 2 MiB of them 2.6 s of CPU, and would take 12 MiB 36 times that: longer
    than a group waits for a heartbeat."""
    empty = gzip.compress(b"")

    def cost_s(count: int) -> float:
        plain = batch([b"1"])
        packed = plain[:RECORDS_AT] + empty * count + gzip.compress(plain[RECORDS_AT:])
        head = bytearray(packed)
        struct.pack_into(">h", head, ATTRIBUTES_AT, GZIP)
        struct.pack_into(">i", head, 8, len(packed) - 12)
        began = time.thread_time()
        assert [record.value for record in read(bytes(head))] == [b"1"]
        return time.thread_time() - began

    few = min(cost_s(5_000) for _ in range(3))
    assert cost_s(80_000) < 80 * few  # 16 times as many; 256 times as long where all that is left is copied.


@pytest.mark.parametrize("use", [capture_of, health_of])
def test_a_stand_in_is_dead_with_its_reason(use: Any) -> None:
    (record,) = read(batch([b"1"], LZ4))
    message = Message(
        topic="clips", partition=0, offset=0, at_ms=0, key=record.key, value=record.value, headers=tuple(record.headers)
    )
    with pytest.raises(Dead, match="compressed with lz4") as dead:
        use(message)
    assert dead.value.reason == "unreadable"


def test_a_dead_letter_says_of_which_messages_it_is_and_a_header_that_somebody_wrote_says_nothing() -> None:
    first, _ = read(batch([b"1", b"2"], LZ4, first=3))
    forged = [(UNREADABLE_HEADER, bytes(stand_in(first)))]
    for headers, last in ((first.headers, 4), (forged, None)):
        message = Message(topic="clips", partition=0, offset=3, at_ms=0, key=None, value=b"", headers=tuple(headers))
        letter = whence(message, "unreadable", "why")
        assert (letter.offset, letter.last, letter.unpacks_to > 0) == (3, last, last is not None)
