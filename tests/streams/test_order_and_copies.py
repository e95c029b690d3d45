"""Order within a partition, and copies, whatever the order in which captures finish."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from katydid.models.outcome import Outcome, Status
from katydid.sensors.capture import Capture, Clock, ClockSource, Kind
from katydid.sensors.sources.protocol import Position, Taken
from katydid.streams.duplicates import Copy, Duplicates, Seen
from katydid.streams.order import InOrder
from katydid.streams.sink import Arrival

CLOCK = Clock(source=ClockSource.NONE)
IDS = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")


def arrival(partition: str, offset: int, capture_id: str = "0" * 32) -> Arrival:
    outcome = Outcome(
        capture_id=capture_id, sensor_id="s", kind=Kind.CLIP, captured_at=0, clock=CLOCK, media_type="", sha256="",
        length=0, status=Status.EMPTY,
    )  # fmt: skip
    return Arrival(outcome=outcome, position=Position(source="t", partition=partition, offset=offset))


@given(st.data(), st.lists(st.sampled_from("abc"), max_size=30))
def test_each_partition_leaves_in_its_own_order_and_nothing_stays(data: st.DataObject, partitions: list[str]) -> None:
    order = InOrder()
    arrivals = [arrival(partition, offset) for offset, partition in enumerate(partitions)]
    turns = [order.take(each.position) for each in arrivals]
    released: list[Arrival] = []
    for place in data.draw(st.permutations(range(len(arrivals)))):
        released += order.finish(turns[place], arrivals[place])
    for partition in set(partitions):
        offsets = [each.position.offset for each in released if each.position.partition == partition]
        assert offsets == [offset for offset, name in enumerate(partitions) if name == partition]
    assert len(released) == len(arrivals)


class Stored:
    def __init__(self, ids: Iterable[str] = ()) -> None:
        self.ids = set(ids)
        self.asked = 0

    def known(self, capture_ids: Iterable[str]) -> set[str]:
        self.asked += 1
        return self.ids & set(capture_ids)


def taken(capture_id: str, file: str) -> Taken:
    capture = Capture(
        capture_id=capture_id, sensor_id="s", kind=Kind.CLIP, captured_at=0, clock=CLOCK, media_type="", payload=b"",
        sha256="", length=0, file=file,
    )  # fmt: skip
    return Taken(capture=capture, position=Position(source="folder", partition=file))


@given(st.lists(IDS, unique=True, max_size=50), IDS)
def test_the_filter_never_forgets_an_id(ids: list[str], other: str) -> None:
    seen = Seen()
    for capture_id in ids:
        seen.add(capture_id)
    assert all(capture_id in seen for capture_id in ids)


@given(IDS)
def test_a_copy_waits_for_the_first_and_comes_back_when_that_is_durable(capture_id: str) -> None:
    store = Stored()
    copies = Duplicates(store)
    assert copies.look(taken(capture_id, "first")) is Copy.NEW
    assert copies.look(taken(capture_id, "second")) is Copy.WAITS
    waiting = copies.settled_by(arrival("first", 0, capture_id))
    assert [each.capture.payload for each in waiting] == [None]  # Its bytes are not kept while it waits.
    assert [each.position.partition for each in waiting] == ["second"]
    store.ids.add(capture_id)
    assert copies.look(taken(capture_id, "third")) is Copy.STORED
    assert copies.count == 2


def test_new_captures_hardly_ever_ask_the_store() -> None:
    store = Stored()
    copies = Duplicates(store)
    for number in range(20_000):
        capture_id = hashlib.blake2b(number.to_bytes(4, "little"), digest_size=16).hexdigest()
        assert copies.look(taken(capture_id, capture_id)) is Copy.NEW
    assert store.asked < 20


def test_what_an_earlier_run_stored_is_known() -> None:
    copies = Duplicates(Stored(["a" * 32]), ["a" * 32])
    assert copies.look(taken("a" * 32, "again")) is Copy.STORED
    assert copies.look(taken("b" * 32, "new")) is Copy.NEW
