"""Batches of records that the client itself could not read: whoever may write to a topic must not end its readers.

Kafka takes from a producer what aiokafka then fails at, and Faust ends with it; started again, a worker meets the same
batch, for ever:

    compressed with lz4, snappy or zstd     UnsupportedCodecError, unless a further package is installed
    a header whose name is no UTF-8         UnicodeDecodeError
    gzip of a gigabyte of zeros             a gigabyte in memory, and a copy

Here gzip is unpacked within a bound, names are escaped, and all records of a batch that cannot be unpacked are stood in
for by one with the header "katydid.unreadable", which ends as one dead letter: a batch may claim to hold millions. A
second one at its end, which ends as nothing, brings the committed offset past them. Nothing is lost: `katydid
deadletters retry` reads the originals with librdkafka, which knows the other three, and sends them again uncompressed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher  # type: ignore[import-untyped]
from aiokafka.errors import CorruptRecordException  # type: ignore[import-untyped]
from aiokafka.record.default_records import (  # type: ignore[import-untyped]
    DefaultRecordBatch,
    _DefaultRecordBatchPy,
    _DefaultRecordPy,
)
from aiokafka.record.memory_records import _MemoryRecordsPy  # type: ignore[import-untyped]

from katydid.streams.kafka.records import REST, UNREADABLE_HEADER, StandIn

UNPACKED_BYTES = 64 << 20
"""Largest batch that is unpacked: 12 MiB of what gzip makes small, such as health readings, come to some 60."""
_CODECS = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_EXPANDS = {0: 1, 1: 1032, 2: 22, 3: 255}
"""How many bytes one can become at most: deflate makes 258 of two bits, snappy 64 of three bytes, lz4 255 of one. zstd
knows no bound; librdkafka's is its `receive.message.max.bytes`."""
ZSTD_BYTES = 100_000_000
_GZIP = 1
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_GZIP_STEP = 16 << 10
_CODEC_BITS = 0x07
_MAGIC_AT, _ATTRIBUTES_AT, _RECORDS_AT = 16, 21, 61
"""Offsets in a batch of the record format 2, the one that brokers keep since 2017 (Kafka protocol, "Record Batch")."""


def read_whatever_comes() -> None:
    """Let aiokafka read by `Batches`, in this whole process."""
    fetcher.MemoryRecords = Batches
    fetcher.PartitionRecords = FromOffset


class FromOffset(fetcher.PartitionRecords):  # type: ignore[misc]
    """aiokafka's own, which also tells the batches from which offset on they are wanted."""

    def __init__(self, partition: Any, records: Any, aborted: Any, offset: int, *more: Any) -> None:
        records.wanted = offset
        super().__init__(partition, records, aborted, offset, *more)


class Unreadable(Exception):
    """Why a batch cannot be unpacked."""


class Batches(_MemoryRecordsPy):  # type: ignore[misc]
    """What one fetch brought of a partition; aiokafka's own, but for the batches."""

    wanted = 0

    def next_batch(self) -> Any:
        """aiokafka's own batch in a `Batch`."""
        data = self._next_slice
        batch = super().next_batch()
        return batch if data is None or data[_MAGIC_AT] < 2 else Batch(batch, data, self.wanted)


class Batch:
    """Has everything of aiokafka's batch but the records."""

    def __init__(self, batch: Any, data: memoryview, wanted: int) -> None:
        self._batch = batch
        self._data = data
        self._wanted = wanted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        """Its records. Some may come twice: aiokafka passes over offsets that it had."""
        had = self._wanted
        try:
            for record in self._records():
                had = max(had, record.offset + 1)
                yield record
        except (Unreadable, CorruptRecordException) as error:
            yield from self._stand_ins(str(error), had)

    def _records(self) -> Iterator[Any]:
        plain = unpacked(self._data)
        try:
            yield from self._batch if plain is self._data else DefaultRecordBatch(plain)
        except UnicodeDecodeError:
            yield from _Escaping(plain)

    def _stand_ins(self, words: str, had: int) -> Iterator[Any]:
        """One for all of this batch that were not had, at the first of them; and its end, where that is another one."""
        first, last = max(self._batch.base_offset, had), self._batch.next_offset - 1
        if first > last:
            return
        why = StandIn(words.encode())
        why.last, why.unpacks_to = last, unpacks_to(self._data)
        yield self._stand_in(first, why)
        if first < last:
            yield self._stand_in(last, REST)

    def _stand_in(self, offset: int, why: StandIn) -> Any:
        batch, headers = self._batch, [(UNREADABLE_HEADER, why)]
        return _DefaultRecordPy(offset, batch.max_timestamp, batch.timestamp_type, None, b"", headers)


def unpacks_to(data: memoryview) -> int:
    """Bytes that a batch may take in librdkafka, which unpacks it whole."""
    (attributes,) = struct.unpack_from(">h", data, _ATTRIBUTES_AT)
    expands = _EXPANDS.get(attributes & _CODEC_BITS)
    return ZSTD_BYTES if expands is None else expands * (len(data) - _RECORDS_AT)


def unpacked(data: memoryview) -> memoryview | bytes:
    """The batch without compression; its checksum is the old one's. Raises Unreadable."""
    (attributes,) = struct.unpack_from(">h", data, _ATTRIBUTES_AT)
    codec = attributes & _CODEC_BITS
    if not codec:
        return data
    if codec != _GZIP:
        name = _CODECS.get(codec, f"codec {codec}")
        raise Unreadable(f"the batch is compressed with {name}: send without compression, or with gzip")
    head = bytearray(data[:_RECORDS_AT])
    struct.pack_into(">h", head, _ATTRIBUTES_AT, attributes & ~_CODEC_BITS)
    return bytes(head) + _gunzipped(bytes(data[_RECORDS_AT:]))


def _gunzipped(packed: bytes) -> bytes:
    """Given to zlib a little at a time: what is left behind a member's end is copied, and 12 MiB may be 600,000 empty
    members."""
    pieces, size, place, left = [], 0, 0, b""
    unpacking = zlib.decompressobj(_GZIP_WINDOW)
    while left or place < len(packed):
        if not left:
            left, place = packed[place : place + _GZIP_STEP], place + _GZIP_STEP
        if unpacking.eof:
            unpacking = zlib.decompressobj(_GZIP_WINDOW)
        try:
            pieces.append(unpacking.decompress(left, UNPACKED_BYTES - size + 1))
        except zlib.error as error:
            raise Unreadable(f"the batch is no gzip: {error}") from error
        size += len(pieces[-1])
        if size > UNPACKED_BYTES:
            raise Unreadable(f"the batch unpacks to more than {UNPACKED_BYTES >> 20} MiB")
        left = unpacking.unused_data
    if packed and not unpacking.eof:
        raise Unreadable("the batch's gzip ends early")
    return b"".join(pieces)


class _Escaping(_DefaultRecordBatchPy):  # type: ignore[misc]
    """aiokafka's reader in Python, to which names of headers are never wrong."""

    def __init__(self, data: memoryview | bytes) -> None:
        super().__init__(data)
        self._buffer: bytearray = _Letters(data)


class _Letters(bytearray):
    """Bytes whose pieces decode to something, whatever they are."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return type(self)(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return super().decode(encoding, "backslashreplace")
