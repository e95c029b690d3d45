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


def test_a_message_that_comes_again_while_it_is_under_way_is_settled_with_the_first_and_in_its_own_place() -> None:
    log = Log()
    first, other = log.take(0, 1), log.take(0, 2)
    again, behind = log.take(0, 1), log.take(0, 3)
    assert [each.again for each in (first, other, again, behind)] == [False, False, True, False]
    log.deliveries.settle(first)
    assert log.acknowledged == [(0, 1)]
    assert log.deliveries.first(("clips", 0), 1) is None
    log.deliveries.settle(other)
    assert log.acknowledged == [(0, 1), (0, 2), (0, 1)]
    assert not log.take(0, 1).again
    assert log.deliveries.first(("clips", 9), 1) is None


def test_what_nobody_works_on_any_more_is_new_when_it_comes_again_and_holds_nothing_up_but_its_own_place() -> None:
    log = Log()
    first, _ = log.take(0, 1), log.take(0, 1)
    log.deliveries.forget(first)
    assert len(log.deliveries) == 0
    assert log.acknowledged == []
    anew = log.take(0, 1)
    assert not anew.again
    log.deliveries.settle(anew)
    assert log.acknowledged == [(0, 1)]


def test_the_oldest_of_each_partition_is_known() -> None:
    log = Log()
    log.take(0, 1), log.take(0, 2), log.take(1, 7)
    assert sorted((delivery.lane[1], delivery.offset) for delivery in log.deliveries.waiting()) == [(0, 1), (1, 7)]
