"""Acknowledgements leave in the order of their messages, partition by partition, whatever order they are settled in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from katydid.streams.kafka.deliveries import Deliveries, Delivery


class Log:
    """What was acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: list[tuple[int, int]] = []
        self.deliveries = Deliveries()

    def take(self, partition: int, offset: int) -> Delivery:
        def acknowledge() -> None:
            self.acknowledged.append((partition, offset))

        return self.deliveries.take(Delivery(("clips", partition), offset, 0, acknowledge))


@given(st.permutations([(partition, offset) for partition in range(3) for offset in range(6)]), st.integers(0, 17))
def test_a_prefix_of_each_partition_is_acknowledged_in_order(order: list[tuple[int, int]], settled: int) -> None:
    log = Log()
    taken = {(partition, offset): log.take(partition, offset) for partition in range(3) for offset in range(6)}
    done = order[:settled]
    for place in done:
        log.deliveries.settle(taken[place])
    for partition in range(3):
        finished = {offset for each, offset in done if each == partition}
        prefix = next((offset for offset in range(6) if offset not in finished), 6)
        assert [offset for each, offset in log.acknowledged if each == partition] == list(range(prefix))
    assert len(log.deliveries) == 18 - len(log.acknowledged)


def test_an_offset_that_came_twice_is_settled_twice() -> None:
    log = Log()
    log.take(0, 1)
    again = log.take(0, 1)
    first = log.deliveries.first(("clips", 0), 1)
    assert first is not None and first is not again
    log.deliveries.settle(first)
    assert log.deliveries.first(("clips", 0), 1) is again
    assert log.deliveries.first(("clips", 0), 2) is None
    assert log.deliveries.first(("clips", 9), 1) is None


def test_the_oldest_of_each_partition_is_known() -> None:
    log = Log()
    log.take(0, 1), log.take(0, 2), log.take(1, 7)
    assert sorted((delivery.lane[1], delivery.offset) for delivery in log.deliveries.waiting()) == [(0, 1), (1, 7)]
