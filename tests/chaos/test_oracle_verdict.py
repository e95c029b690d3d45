"""The judge of the chaos runs is judged: it must see each way in which a store can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.oracle.captures import minted
from chaos.oracle.ledger import Ledger, read_ledger
from chaos.oracle.verdict import Held, judge

EXPECTED = Held(
    outcomes={"a": [("a", "identified")], "b": [("b", "empty")], "c": [("c", "identified")]},
    detections={"a1": [("a", "a1", 0.9)], "a2": [("a", "a2", 0.4)], "c1": [("c", "c1", 0.7)]},
)
SENT = ("a", "b", "c")


def held(**changes: object) -> Held:
    """The expected store with some of its rows replaced; None takes them out."""
    outcomes, detections = dict(EXPECTED.outcomes), dict(EXPECTED.detections)
    for name, rows in changes.items():
        part = detections if name[1:] else outcomes
        if rows is None:
            del part[name]
        else:
            part[name] = rows  # type: ignore[assignment]
    return Held(outcomes=outcomes, detections=detections)


def test_a_store_like_the_expected_one_is_clean() -> None:
    verdict = judge(EXPECTED, EXPECTED, SENT, SENT)
    assert verdict.clean
    assert (verdict.outcomes, verdict.detections) == (3, 3)


def test_an_acknowledged_capture_without_outcome_is_missing() -> None:
    assert judge(held(b=None), EXPECTED, SENT, SENT).missing == ("b",)


def test_a_capture_that_was_never_acknowledged_may_be_absent_or_there() -> None:
    acknowledged = ("a", "c")
    assert judge(held(b=None), EXPECTED, acknowledged, SENT).clean
    assert judge(EXPECTED, EXPECTED, acknowledged, SENT).clean


def test_an_outcome_without_one_of_its_detections_is_missing_it() -> None:
    assert judge(held(a2=None), EXPECTED, SENT, SENT).missing == ("a2",)


def test_what_nobody_sent_is_spurious() -> None:
    assert judge(held(x=[("x", "empty")]), EXPECTED, SENT, SENT).spurious == ("x",)
    assert judge(held(x1=[("a", "x1", 0.9)]), EXPECTED, SENT, SENT).spurious == ("x1",)


def test_a_detection_whose_outcome_is_gone_is_spurious() -> None:
    verdict = judge(held(c=None), EXPECTED, SENT, SENT)
    assert verdict.missing == ("c",)
    assert verdict.spurious == ("c1",)


def test_another_content_under_the_same_id_is_corrupted() -> None:
    assert judge(held(c=[("c", "empty")]), EXPECTED, SENT, SENT).corrupted == ("c",)
    assert judge(held(a1=[("a", "a1", 0.91)]), EXPECTED, SENT, SENT).corrupted == ("a1",)


def test_two_rows_of_one_id_are_doubled() -> None:
    assert judge(held(b=[("b", "empty")] * 2), EXPECTED, SENT, SENT).doubled == ("b",)


def test_minted_captures_have_ids_and_bytes_of_their_own_and_come_again_with_their_seed() -> None:
    first, again, other = (list(minted(130, seed)) for seed in (1, 1, 2))
    assert first == again
    assert len({capture.capture_id for capture in first}) == len(first)
    assert {one.capture_id for one in first} != {one.capture_id for one in other}
    by_sensor = [one.captured_at for one in first if one.sensor_id == first[0].sensor_id]
    assert by_sensor == sorted(by_sensor)


def test_a_ledger_remembers_what_was_acknowledged_before_it_was_opened_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "acknowledged.txt")
    ledger.acknowledged("a")
    ledger.acknowledged("b")
    assert read_ledger(ledger.path) == ["a", "b"]
    ledger.close()
    again = Ledger(tmp_path / "acknowledged.txt")
    again.acknowledged("c")
    assert again.ids() == {"a", "b", "c"}
    again.close()
    with pytest.raises(ValueError, match="closed file"):
        again.acknowledged("d")
